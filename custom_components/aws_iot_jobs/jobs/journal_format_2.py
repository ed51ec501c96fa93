"""The journal of format 1 and 2: one JSON object in a file of its own, `journal.json`.

It is read once, by the first life of this agent that finds it, and replaced. Format 1 did
not know when a job was queued.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
import json
from typing import Any

from ..aws_iot.model import ExecutionKey, JobStatus
from .model import JobOutcome, JobProgress, JobState, StepState, StepStatus
from .record import JobRecord, JournalContent
from .timers import JobTimer


def decode(data: bytes) -> JournalContent:
    """Return what was written.

    Raises ValueError, KeyError, TypeError, AttributeError, OverflowError or RecursionError
    where it was something else.
    """
    content = json.loads(data)
    if content["format"] not in (1, 2):
        raise ValueError(f"format {content['format']!r} is not known")
    return JournalContent(
        record=_optional(_record, content["job"]),
        last_job=_optional(_job, content["lastJob"]),
        tidying=tuple(map(str, content.get("tidying", ()))),
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
