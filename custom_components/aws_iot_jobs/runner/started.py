"""What was started last for a job, on record, so that it is found after a kill of the agent.

A file for each job, beside the job's directory and not in it: the step's user may not write
there. Its first line is written before a process is started, the second when it has been.
Neither is synced to the disk: what they speak of does not outlive the system either. Blocks:
not for an event loop.
"""

from dataclasses import dataclass
import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

from .family import Leader
from .job_directory import job_directory
from .model import RunRefusedError
from .proc import CannotLookError, process_status
from .system import boot_id

_LOGGER = logging.getLogger(__name__)

_SUFFIX = ".started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What was started, or was about to be.

    `run_id` is None when it cannot be read. `leader` leads what was started in this life of
    the system; None when that is not known. `signal_command` begins the argv of a command
    that signals it where the agent may not.
    """

    run_id: str | None = None
    this_boot: bool = False
    leader: Leader | None = None
    signal_command: tuple[str, ...] = ()


def begin_start(work_directory: Path, job_key: str, run_id: str) -> None:
    """Note that a run is about to be started, instead of what was noted before.

    Where there is no space for it, the file is left without a whole line, which says that
    something may have been started. Raises RunRefusedError when there cannot be a file.
    """
    file = _file(work_directory, job_key)
    begun = {"run_id": run_id, "boot_id": boot_id()}
    try:
        _write(file, os.O_CREAT, begun)
    except OSError as err:
        if err.errno not in (errno.ENOSPC, errno.EDQUOT) or not file.exists():
            raise RunRefusedError(f"cannot write {file}: {err.strerror}") from err
        _LOGGER.warning("The start of a process cannot be noted: %s", err)


def note_start(
    work_directory: Path, job_key: str, pid: int, signal_command: tuple[str, ...]
) -> Leader:
    """Note the process that was started for the run; return it as a leader."""
    leader = Leader(pid=pid, started=_start_time(pid))
    noted = {
        "pid": leader.pid,
        "started": leader.started,
        "namespace_started": _start_time(1),
        "signal_command": signal_command,
    }
    try:
        _write(_file(work_directory, job_key), os.O_APPEND, noted)
    except OSError as err:
        _LOGGER.warning("The start of a process cannot be noted: %s", err)
    return leader


def read_start(work_directory: Path, job_key: str) -> Started | None:
    """Return what was noted last; None when nothing was."""
    try:
        text = _file(work_directory, job_key).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as err:
        _LOGGER.warning("What was started for a job cannot be read: %s", err)
        return Started()
    try:
        return _parse(*map(json.loads, text.splitlines()))
    except (ValueError, TypeError, KeyError):
        return Started()


def forget_start(work_directory: Path, job_key: str) -> None:
    """Remove what was noted."""
    try:
        _file(work_directory, job_key).unlink(missing_ok=True)
    except OSError as err:
        _LOGGER.warning("What was noted of a job cannot be removed: %s", err)


def _parse(begun: dict[str, Any], noted: dict[str, Any] | None = None) -> Started:
    this_boot = begun["boot_id"] == boot_id() != ""
    leader = None
    # A container that is started anew counts its processes anew, within one boot.
    if noted and this_boot and noted["namespace_started"] == _start_time(1):
        leader = Leader(pid=noted["pid"], started=noted["started"])
    return Started(
        run_id=begun["run_id"],
        this_boot=this_boot,
        leader=leader,
        signal_command=tuple(noted["signal_command"]) if noted else (),
    )


def _start_time(pid: int) -> int | None:
    try:
        status = process_status(pid)
    except CannotLookError:
        return None
    return None if status is None else status.started


def _write(file: Path, how: int, line: dict[str, Any]) -> None:
    """Append a line to a file (O_APPEND), or make it the only one (O_CREAT)."""
    flags = how | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(file, flags, mode=0o600)
    try:
        if how == os.O_CREAT:
            # Not to 0: what is written then, ext4 brings to the disk when it is closed.
            os.ftruncate(descriptor, 1)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def _file(work_directory: Path, job_key: str) -> Path:
    directory = job_directory(work_directory, job_key)
    return directory.with_name(f"{directory.name}{_SUFFIX}")
