"""What AWS IoT Jobs hands out, in its own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class JobStatus(StrEnum):
    """The status of a job execution, in AWS's words."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"
    REMOVED = "REMOVED"

    @property
    def terminal(self) -> bool:
        """Whether an execution with this status has ended."""
        return self not in (JobStatus.QUEUED, JobStatus.IN_PROGRESS)


class ExecutionKey(NamedTuple):
    """What makes a job execution the same one: on a thing, nothing else does.

    A job may be deleted and made anew under its old id, with an execution 1 again:
    `queued_at`, in seconds since the epoch, tells them apart. It is 0 where unknown.
    """

    job_id: str
    execution_number: int
    queued_at: int = 0

    def is_same(self, other: ExecutionKey) -> bool:
        """Tell whether another key is of the same execution, as far as both are known."""
        unknown = 0 in (self.queued_at, other.queued_at)
        return self[:2] == other[:2] and (unknown or self == other)

    def __str__(self) -> str:
        """Name a directory or a run."""
        name = f"{self.job_id}.{self.execution_number}"
        return f"{name}.{self.queued_at}" if self.queued_at else name


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionState:
    """What AWS says of an execution."""

    status: JobStatus
    version_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExecution:
    """A job execution as AWS hands it out. The document is not checked yet.

    `seconds_before_timed_out` is AWS's `approximateSecondsBeforeTimedOut`.
    """

    key: ExecutionKey
    status: JobStatus
    version_number: int
    document: Any = field(repr=False)
    status_details: Mapping[str, str] = field(default_factory=dict)
    seconds_before_timed_out: int | None = None
