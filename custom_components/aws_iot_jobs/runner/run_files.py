"""What a service keeps of its runs: a file for each says that it was begun, and how it ended.

After a crash of the service, those without an end were interrupted. Everything here blocks:
not for an event loop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import json
import logging
from pathlib import Path

from .durable import replace_file
from .model import RunResult
from .system import require_room
from .wire import WireError, result_as_json, result_from_json

_LOGGER = logging.getLogger(__name__)

_SUFFIX = ".run.json"
_ROOM_BYTES = 64 * 1024
"""What a run needs at least when it begins: for its record, its result, its directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What is kept of a run.

    `position` is its place in the order in which the runs ended; no clock tells it, for
    a clock may jump. It is 0, and there is no `result`, until the run has ended.
    """

    run_id: str
    job_key: str
    position: int = 0
    result: RunResult | None = None


def save_record(directory: Path, record: RunRecord) -> None:
    """Note that a run was begun, or how it ended.

    Raises OSError, for a begin also where there is no room for what the run needs soon.
    """
    result = None if record.result is None else result_as_json(record.result)
    data = {"job_key": record.job_key, "position": record.position, "result": result}
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if record.result is None:
        require_room(directory, _ROOM_BYTES)
    replace_file(_file(directory, record.run_id), json.dumps(data))


def remove_record(directory: Path, run_id: str) -> None:
    """Keep nothing of a run any longer."""
    try:
        _file(directory, run_id).unlink(missing_ok=True)
    except OSError as err:
        _LOGGER.warning("What was kept of run %s cannot be removed: %s", run_id, err)


def load_records(directory: Path) -> list[RunRecord]:
    """Return what an earlier life kept, in the order of `position`.

    Files that cannot be read are removed, and with them what a crash has left half written.
    """
    for unfinished in directory.glob("*.tmp"):
        unfinished.unlink(missing_ok=True)
    return sorted(_readable(directory), key=lambda record: record.position)


def _readable(directory: Path) -> Iterator[RunRecord]:
    for file in directory.glob(f"*{_SUFFIX}"):
        try:
            yield _read(file)
        except (OSError, ValueError, KeyError, TypeError) as err:
            _LOGGER.error("%s cannot be read and is removed: %r", file, err)
            file.unlink(missing_ok=True)


def _read(file: Path) -> RunRecord:
    data = json.loads(file.read_bytes())
    try:
        result = None if data["result"] is None else result_from_json(data["result"])
    except WireError as err:
        raise ValueError(str(err)) from err
    return RunRecord(
        run_id=file.name.removesuffix(_SUFFIX),
        job_key=str(data["job_key"]),
        position=int(data.get("position", 0)),
        result=result,
    )


def _file(directory: Path, run_id: str) -> Path:
    return directory / f"{run_id}{_SUFFIX}"
