"""What must survive a restart: the job that runs, what is done of it, and its outcome.

One small file that is rewritten before each deed. It knows of a job before anything runs,
of each step before it starts, and of the outcome before it is sent. When AWS has accepted
the outcome, it keeps the job only as the last one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
import json
import logging
from pathlib import Path
from typing import Any

import aiofiles.os

from ..aws_iot.model import ExecutionKey, JobStatus
from .files import read, write_atomically
from .model import JobOutcome, JobProgress, JobState, StepState, StepStatus

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
    """What is known of a job that AWS does not know yet.

    `ends_at` is when AWS ends the job, as far as a timer of the job's own does it: what
    AWS says later may be the timer of a step.
    """

    key: ExecutionKey
    started_at: datetime
    ends_at: datetime | None = None
    progress: JobProgress
    outcome: JobOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """What a journal holds: the job that is under way, and the one that ended last.

    `set_aside` is where a journal that could not be read is now.
    """

    record: JobRecord | None = None
    last_job: JobState | None = None
    set_aside: Path | None = None


class Journal:
    """The journal of one thing."""

    def __init__(self, directory: Path) -> None:
        """Keep it in the thing's directory."""
        self._path = directory / _FILE_NAME
        self._last_job: JobState | None = None

    async def load(self) -> JournalContent:
        """Return what is known from before.

        An unreadable journal is set aside: its job then starts over, as on a new device.
        Raises OSError.
        """
        await aiofiles.os.makedirs(self._path.parent, mode=0o711, exist_ok=True)
        try:
            content = _content(json.loads(await read(self._path)))
        except FileNotFoundError:
            return JournalContent()
        except _UNREADABLE as err:
            aside = self._path.with_suffix(".json.corrupt")
            _LOGGER.error("%s cannot be read and is now %s: %r", self._path, aside, err)
            await aiofiles.os.replace(self._path, aside)
            return JournalContent(set_aside=aside)
        self._last_job = content.last_job
        return content

    async def save(self, record: JobRecord) -> None:
        """Remember a job, durably. Raises OSError."""
        await self._write(record)

    async def end(self, job: JobState) -> None:
        """Forget the job that was under way, but as the last one. Raises OSError."""
        self._last_job = job
        await self._write(None)

    async def _write(self, record: JobRecord | None) -> None:
        content = {
            "format": _FORMAT,
            "job": None if record is None else _record_as_json(record),
            "lastJob": None if self._last_job is None else _job_as_json(self._last_job),
        }
        await write_atomically(self._path, json.dumps(content).encode())


def _record_as_json(record: JobRecord) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "jobId": record.key.job_id,
        "executionNumber": record.key.execution_number,
        "startedAt": record.started_at.isoformat(),
        "endsAt": record.ends_at and record.ends_at.isoformat(),
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


def _job_as_json(job: JobState) -> dict[str, Any]:
    return {
        "jobId": job.key.job_id,
        "executionNumber": job.key.execution_number,
        "status": job.status,
        "reason": job.reason,
        "statusDetails": dict(job.status_details),
        "steps": [_step_as_json(step) for step in job.steps],
        "startedAt": job.started_at and job.started_at.isoformat(),
        "endedAt": job.ended_at and job.ended_at.isoformat(),
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


def _content(data: Mapping[str, Any]) -> JournalContent:
    """Read what was written. Raises one of _UNREADABLE."""
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']!r} is not known")
    return JournalContent(
        record=_optional(_record, data["job"]),
        last_job=_optional(_job, data["lastJob"]),
    )


def _key(data: Mapping[str, Any]) -> ExecutionKey:
    return ExecutionKey(str(data["jobId"]), int(data["executionNumber"]))


def _job(data: Mapping[str, Any]) -> JobState:
    return JobState(
        key=_key(data),
        status=JobStatus(data["status"]),
        reason=str(data["reason"]),
        status_details=_details(data["statusDetails"]),
        steps=tuple(_step(step) for step in data["steps"]),
        started_at=_optional(datetime.fromisoformat, data["startedAt"]),
        ended_at=_optional(datetime.fromisoformat, data["endedAt"]),
    )


def _record(data: Mapping[str, Any]) -> JobRecord:
    return JobRecord(
        key=_key(data),
        started_at=datetime.fromisoformat(data["startedAt"]),
        ends_at=_optional(datetime.fromisoformat, data["endsAt"]),
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
        status_details=_details(data["statusDetails"]),
    )


def _details(data: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in data.items()}


def _optional[T](read: Callable[[Any], T], data: Any) -> T | None:
    return None if data is None else read(data)
