"""What must survive a restart: the job that runs, what is done of it, and its outcome.

One small file that is rewritten before each deed. It knows of a job before anything runs,
of each step before it starts, and of the outcome before it is sent. When AWS has accepted
the outcome, it keeps the job only as the last one.

While a job is under way, a reserve lies beside it: where the disk is full, it makes room
for what is left of the job.
"""

import asyncio
from collections.abc import Callable, Mapping
import contextlib
from dataclasses import dataclass, field
from datetime import datetime
import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import aiofiles.os

from ..aws_iot.model import ExecutionKey, ExecutionState, JobExecution, JobStatus
from ..runner.system import require_room
from .files import read, write_atomically
from .model import JobOutcome, JobProgress, JobState, StepState, StepStatus
from .timers import JobTimer

_LOGGER = logging.getLogger(__name__)

_FILE_NAME = "journal.json"
_RESERVE_NAME = "journal.reserve"
RESERVE_BYTES = 64 * 1024
_FORMAT = 2
_FORMAT_WITHOUT_QUEUED_AT = 1
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
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

    `version_number` is the execution's latest that is known here. `boot_id` is the boot of
    this machine in which the record's last step was begun, `runner` where. `timer` is of
    the job: what AWS says later may be the timer of a step.
    """

    key: ExecutionKey
    version_number: int = 1
    boot_id: str = ""
    runner: str = ""
    started_at: datetime
    timer: JobTimer | None = None
    progress: JobProgress = field(default_factory=lambda: JobProgress(steps=()))
    outcome: JobOutcome | None = None

    def is_of(self, execution: JobExecution) -> bool:
        """Tell whether this is the record of an execution that AWS tells of."""
        return self.key.is_same(execution.key) and not self.is_another(execution)

    def is_another(self, state: ExecutionState | JobExecution) -> bool:
        """Tell whether what AWS has under the job's name was queued after this one.

        Ours was in progress, and versions only grow.
        """
        queued = state.status is JobStatus.QUEUED
        return queued or state.version_number < self.version_number

    @property
    def has_run(self) -> bool:
        """Whether any of its steps has been begun."""
        return self.progress.last_started_index is not None

    @property
    def state(self) -> JobState:
        """The job as others see it while it is under way."""
        return JobState(
            key=self.key,
            status=JobStatus.IN_PROGRESS,
            steps=self.progress.steps,
            started_at=self.started_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """What a journal holds: the job that is under way, and the one that ended last.

    `tidying` names the jobs that have ended and that the runner has not forgotten yet.
    `set_aside` is where a journal that could not be read is now.
    """

    record: JobRecord | None = None
    last_job: JobState | None = None
    tidying: tuple[str, ...] = ()
    set_aside: Path | None = None


class Journal:
    """The journal of one thing."""

    def __init__(self, directory: Path) -> None:
        """Keep it in the thing's directory."""
        self._path = directory / _FILE_NAME
        self._reserve = directory / _RESERVE_NAME
        self._last_job: JobState | None = None
        self._tidying: tuple[str, ...] = ()
        # What is written later must not be overtaken by what a slow card still writes.
        self._writing = asyncio.Lock()

    async def load(self) -> JournalContent:
        """Return what is known from before.

        An unreadable journal is set aside: its job then starts over, as on a new device.
        Raises OSError.
        """
        await self._make_directory()
        content = await self._load()
        if content.record is None:
            # Its job has ended, but not the life in which it did.
            await self._remove_reserve()
        return content

    async def _load(self) -> JournalContent:
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
        self._tidying = content.tidying
        return content

    async def check_room(self) -> None:
        """Raise OSError where another job would soon find that nothing can be written."""
        await self._make_directory()
        # One reserve for the next job, and as much again for the journal itself.
        await asyncio.to_thread(require_room, self._path.parent, 2 * RESERVE_BYTES)

    async def begin(self, record: JobRecord) -> None:
        """Remember a job before anything of it runs, durably. Raises OSError."""
        await self._write(record)
        await asyncio.to_thread(_make_reserve, self._reserve)

    async def save(self, record: JobRecord) -> None:
        """Remember how far a job is, durably. Raises OSError."""
        await self._write(record)

    async def end(self, job: JobState, tidying: tuple[str, ...] = ()) -> None:
        """Forget the job that was under way, but as the last one.

        `tidying` names what the runner has yet to forget. Raises OSError.
        """
        self._last_job = job
        self._tidying = tidying
        await self._write(None)
        await self._remove_reserve()

    def tidied(self, name: str) -> None:
        """Leave out of what is written next that the runner has yet to forget a job."""
        self._tidying = tuple(other for other in self._tidying if other != name)

    async def _write(self, record: JobRecord | None) -> None:
        content = {
            "format": _FORMAT,
            "job": None if record is None else _record_as_json(record),
            "lastJob": None if self._last_job is None else _job_as_json(self._last_job),
            "tidying": list(self._tidying),
        }
        data = json.dumps(content).encode()
        async with self._writing:
            await self._replace(data)

    async def _replace(self, data: bytes) -> None:
        try:
            await write_atomically(self._path, data)
        except FileNotFoundError:
            # Somebody has removed the whole directory.
            await self._make_directory()
            await write_atomically(self._path, data)
        except OSError as err:
            if err.errno not in _DISK_FULL:
                raise
            await self._remove_reserve()
            await write_atomically(self._path, data)

    async def _remove_reserve(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            await aiofiles.os.unlink(self._reserve)

    async def _make_directory(self) -> None:
        await aiofiles.os.makedirs(self._path.parent, mode=0o711, exist_ok=True)


def _make_reserve(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, mode=0o600)
    try:
        # Zeros are no reserve on a file system that compresses them.
        os.pwrite(descriptor, os.urandom(RESERVE_BYTES), 0)
    finally:
        os.close(descriptor)


def _record_as_json(record: JobRecord) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "jobId": record.key.job_id,
        "executionNumber": record.key.execution_number,
        "queuedAt": record.key.queued_at,
        "versionNumber": record.version_number,
        "bootId": record.boot_id,
        "runner": record.runner,
        "startedAt": record.started_at.isoformat(),
        "timer": None
        if record.timer is None
        else {
            "seconds": record.timer.seconds,
            "toldAt": record.timer.told_at.isoformat(),
            "toldMonotonic": record.timer.told_monotonic,
        },
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
        "queuedAt": job.key.queued_at,
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
    if data["format"] not in (_FORMAT_WITHOUT_QUEUED_AT, _FORMAT):
        raise ValueError(f"format {data['format']!r} is not known")
    return JournalContent(
        record=_optional(_record, data["job"]),
        last_job=_optional(_job, data["lastJob"]),
        tidying=tuple(map(str, data.get("tidying", ()))),
    )


def _key(data: Mapping[str, Any]) -> ExecutionKey:
    return ExecutionKey(
        str(data["jobId"]), int(data["executionNumber"]), int(data.get("queuedAt", 0))
    )


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
        version_number=int(data.get("versionNumber", 1)),
        boot_id=str(data.get("bootId", "")),
        runner=str(data.get("runner", "")),
        started_at=datetime.fromisoformat(data["startedAt"]),
        timer=_optional(_timer, data.get("timer")),
        progress=JobProgress(
            steps=tuple(_step(step) for step in data["steps"]),
            stdout=str(data["stdout"]),
            stderr=str(data["stderr"]),
        ),
        outcome=_optional(_outcome, data["outcome"]),
    )


def _timer(data: Mapping[str, Any]) -> JobTimer:
    return JobTimer(
        seconds=float(data["seconds"]),
        told_at=datetime.fromisoformat(data["toldAt"]),
        told_monotonic=float(data["toldMonotonic"]),
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
