"""What this agent knows of jobs and their steps, and tells the world."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..aws_iot.model import ExecutionKey, JobStatus


class StepStatus(StrEnum):
    """What has become of a step."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    FAILURE_IGNORED = "FAILURE_IGNORED"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the step."""
        return self not in (StepStatus.PENDING, StepStatus.IN_PROGRESS)

    @property
    def done(self) -> bool:
        """Whether the job can go on behind the step."""
        return self in (StepStatus.SUCCEEDED, StepStatus.FAILURE_IGNORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """One step of a job, at one moment.

    `attempt` counts from 1: a step that a restart interrupted is tried again. `percent` is
    how much of it is done, where that is known while it runs; `known` is what its next
    attempt has to know.
    """

    name: str
    status: StepStatus = StepStatus.PENDING
    reason: str = ""
    attempt: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    percent: int | None = None
    known: Any = field(default=None, repr=False)

    @property
    def duration(self) -> float | None:
        """How long it took, in seconds, once it has ended."""
        return _seconds_between(self.started_at, self.ended_at)

    @property
    def done_percent(self) -> int:
        """How much of it is done, as far as that is known."""
        return 100 if self.status.done else self.percent or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far the steps of a job are, and the end of what they have written."""

    steps: tuple[StepState, ...]
    stdout: str = ""
    stderr: str = ""

    @property
    def last_started_index(self) -> int | None:
        """The place of the step that runs or ran last, from 0."""
        return _last_started_index(self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """How a job ended, and what AWS is told of it."""

    status: JobStatus
    reason: str
    status_details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """What a job waits for: that somebody approves it, until it rejects itself."""

    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job execution on this thing, at one moment.

    `reason` says why it ended as it did; `status_details` is what AWS was told last.
    `approval` is there while it waits for one, `approved_at` once it has it.
    """

    key: ExecutionKey
    status: JobStatus = JobStatus.IN_PROGRESS
    steps: tuple[StepState, ...] = ()
    reason: str = ""
    status_details: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    approval: ApprovalRequest | None = None
    approved_at: datetime | None = None

    @property
    def duration(self) -> float | None:
        """How long it took, in seconds, once it has ended."""
        return _seconds_between(self.started_at, self.ended_at)

    @property
    def current_index(self) -> int | None:
        """The place of the step that runs, from 0; none where none does."""
        for index, step in enumerate(self.steps):
            if step.status is StepStatus.IN_PROGRESS:
                return index
        return None

    @property
    def last_started_index(self) -> int | None:
        """The place of the step that runs or ran last, from 0."""
        return _last_started_index(self.steps)

    @property
    def progress(self) -> int:
        """How much of it is done, in percent; each of its steps counts alike."""
        if not self.steps:
            return 100 if self.status is JobStatus.SUCCEEDED else 0
        return sum(step.done_percent for step in self.steps) // len(self.steps)


class Hold(StrEnum):
    """Why an agent asks for no job, though it could."""

    SWITCHED_OFF = "switched_off"
    WINDOW = "window"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """What the agent knows, at one moment.

    `connected` is true while AWS IoT is connected and all that is needed is subscribed;
    otherwise `error` says what is in the way, as far as it is known, `disconnected_since`
    how long that is so, and `next_try_at` when the next try comes. `job` is the job that
    runs, `last_job` the one that ended last. `journal_set_aside` is where a journal
    that could not be read is now, `storage_problem` why jobs wait, in words: which
    files cannot be written, and why. `jobs_succeeded` and `jobs_failed` count all that have
    ended, the latter also those that were rejected or timed out. `holds` is why no job is
    asked for; outside of the maintenance window, `next_window` is when it opens. `waiting`
    is the job that AWS has next meanwhile, where that may be looked at.
    """

    connected: bool = False
    error: Exception | None = None
    disconnected_since: datetime | None = None
    next_try_at: datetime | None = None
    job: JobState | None = None
    last_job: JobState | None = None
    journal_set_aside: Path | None = None
    storage_problem: str | None = None
    jobs_succeeded: int = 0
    jobs_failed: int = 0
    holds: frozenset[Hold] = frozenset()
    next_window: datetime | None = None
    waiting: JobState | None = None

    @property
    def takes_jobs(self) -> bool:
        """Whether jobs are taken at all, be it later."""
        return Hold.SWITCHED_OFF not in self.holds


def _last_started_index(steps: tuple[StepState, ...]) -> int | None:
    for index in reversed(range(len(steps))):
        if steps[index].started_at is not None:
            return index
    return None


def _seconds_between(begin: datetime | None, end: datetime | None) -> float | None:
    """Return how long something took; a clock that was set back makes no time of it."""
    if begin is None or end is None:
        return None
    return max(0.0, (end - begin).total_seconds())
