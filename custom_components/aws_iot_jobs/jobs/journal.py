"""What must survive a restart: the job that runs, what is done of it, and its outcome.

One small file that is rewritten before each deed. It knows of a job before anything runs,
of each step before it starts, and of the outcome before it is sent; it forgets the job
when AWS has accepted the outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
import json
import logging
from pathlib import Path
from typing import Any

import aiofiles
import aiofiles.os

from .files import remove, write_atomically
from .model import (
    ExecutionKey,
    JobOutcome,
    JobProgress,
    JobStatus,
    StepState,
    StepStatus,
)

_LOGGER = logging.getLogger(__name__)

_FILE_NAME = "journal.json"
_FORMAT = 1
_UNREADABLE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What is known of a job that AWS does not know yet."""

    key: ExecutionKey
    started_at: datetime
    progress: JobProgress
    outcome: JobOutcome | None = None


class Journal:
    """The journal of one thing."""

    def __init__(self, directory: Path) -> None:
        """Keep it in the thing's directory."""
        self._path = directory / _FILE_NAME

    async def load(self) -> tuple[JobRecord | None, Path | None]:
        """Return the job that was under way, and where an unreadable journal is now.

        An unreadable one is set aside: its job then starts over, as on a new device.
        """
        await aiofiles.os.makedirs(self._path.parent, mode=0o711, exist_ok=True)
        try:
            async with aiofiles.open(self._path, "rb") as file:
                return _record(json.loads(await file.read())), None
        except FileNotFoundError:
            return None, None
        except _UNREADABLE as err:
            aside = self._path.with_suffix(".json.corrupt")
            _LOGGER.error("%s cannot be read and is now %s: %r", self._path, aside, err)
            await aiofiles.os.replace(self._path, aside)
            return None, aside

    async def save(self, record: JobRecord) -> None:
        """Remember a job, durably. Raises OSError."""
        await write_atomically(self._path, json.dumps(_as_json(record)).encode())

    async def clear(self) -> None:
        """Forget the job. Raises OSError."""
        await remove(self._path)


def _as_json(record: JobRecord) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "format": _FORMAT,
        "jobId": record.key.job_id,
        "executionNumber": record.key.execution_number,
        "startedAt": record.started_at.isoformat(),
        "steps": [_step_as_json(step) for step in record.progress.steps],
        "stdout": record.progress.stdout,
        "stderr": record.progress.stderr,
        "outcome": None
        if outcome is None
        else {
            "status": outcome.status,
            "reason": outcome.reason,
            "statusDetails": dict(outcome.status_details),
        },
    }


def _step_as_json(step: StepState) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status,
        "reason": step.reason,
        "attempt": step.attempt,
        "startedAt": step.started_at and step.started_at.isoformat(),
        "endedAt": step.ended_at and step.ended_at.isoformat(),
    }


def _record(data: Mapping[str, Any]) -> JobRecord:
    """Read what `_as_json` wrote. Raises ValueError, KeyError and TypeError."""
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']!r} is not known")
    return JobRecord(
        key=ExecutionKey(str(data["jobId"]), int(data["executionNumber"])),
        started_at=datetime.fromisoformat(data["startedAt"]),
        progress=JobProgress(
            steps=tuple(_step(step) for step in data["steps"]),
            stdout=str(data["stdout"]),
            stderr=str(data["stderr"]),
        ),
        outcome=_optional(_outcome, data["outcome"]),
    )


def _step(data: Mapping[str, Any]) -> StepState:
    return StepState(
        name=str(data["name"]),
        status=StepStatus(data["status"]),
        reason=str(data["reason"]),
        attempt=int(data["attempt"]),
        started_at=_optional(datetime.fromisoformat, data["startedAt"]),
        ended_at=_optional(datetime.fromisoformat, data["endedAt"]),
    )


def _outcome(data: Mapping[str, Any]) -> JobOutcome:
    return JobOutcome(
        status=JobStatus(data["status"]),
        reason=str(data["reason"]),
        status_details={
            str(key): str(value) for key, value in data["statusDetails"].items()
        },
    )


def _optional[T](read: Callable[[Any], T], data: Any) -> T | None:
    return None if data is None else read(data)
