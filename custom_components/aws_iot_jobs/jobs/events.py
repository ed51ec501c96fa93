"""What happens to a thing's jobs: what a state has that the one before had not."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..aws_iot.model import ExecutionKey
from .model import AgentState, JobState, StepState, StepStatus


class JobEventType(StrEnum):
    """What can happen to a job. The last six are its ends."""

    RECEIVED = "received"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVED = "approved"
    STARTED = "started"
    STEP_STARTED = "step_started"
    STEP_FINISHED = "step_finished"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that has happened to a job.

    `step_index` counts from 1, as AWS is told. `duration` is that of the step or job that
    has ended, in seconds.
    """

    type: JobEventType
    key: ExecutionKey
    step: str | None = None
    step_index: int | None = None
    step_count: int | None = None
    reason: str = ""
    duration: float | None = None


def events_between(before: AgentState, after: AgentState) -> Iterator[JobEvent]:
    """Yield what has happened from one state of an agent to the next one."""
    old, new = before.job, after.job
    if new is not None:
        known = old is not None and old.key == new.key
        yield from _of_job(old if known and old else JobState(key=new.key), new)
    if (ended := after.last_job) is not None and ended != before.last_job:
        yield _end(ended)


def _of_job(before: JobState, after: JobState) -> Iterator[JobEvent]:
    if before.started_at is None and after.started_at is not None:
        yield _event(JobEventType.RECEIVED, after)
    if before.approval is None and after.approval is not None:
        yield _event(JobEventType.APPROVAL_REQUESTED, after)
    if before.approved_at is None and after.approved_at is not None:
        yield _event(JobEventType.APPROVED, after)
    if before.last_started_index is None and after.last_started_index is not None:
        yield _event(JobEventType.STARTED, after)
    known = dict(enumerate(before.steps))
    for index, step in enumerate(after.steps):
        # Most are the same object, which is quick to tell.
        if (old := known.get(index)) is not step:
            yield from _of_step(old or StepState(name=step.name), after, index)


def _of_step(before: StepState, job: JobState, index: int) -> Iterator[JobEvent]:
    after = job.steps[index]
    ran, runs = (
        step.status is StepStatus.IN_PROGRESS and step.attempt
        for step in (before, after)
    )
    if runs and runs != ran:
        yield _step_event(JobEventType.STEP_STARTED, job, index)
    if after.status.ended and not before.status.ended and after.started_at is not None:
        yield _step_event(JobEventType.STEP_FINISHED, job, index)


def _event(type_: JobEventType, job: JobState) -> JobEvent:
    return JobEvent(type=type_, key=job.key, step_count=len(job.steps) or None)


def _step_event(type_: JobEventType, job: JobState, index: int) -> JobEvent:
    step = job.steps[index]
    return JobEvent(
        type=type_,
        key=job.key,
        step=step.name,
        step_index=index + 1,
        step_count=len(job.steps),
        reason=step.reason,
        duration=step.duration,
    )


def _end(job: JobState) -> JobEvent:
    """Return the end of a job; its step is the one that it ended in."""
    index = job.last_started_index
    return JobEvent(
        type=JobEventType(job.status.lower()),
        key=job.key,
        step=None if index is None else job.steps[index].name,
        step_index=None if index is None else index + 1,
        step_count=len(job.steps) or None,
        reason=job.reason,
        duration=job.duration,
    )
