"""What AWS IoT Jobs hands out, in its own words."""

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
    """What makes a job execution the same one: on a thing, nothing else does."""

    job_id: str
    execution_number: int

    def __str__(self) -> str:
        """Name a directory or a run."""
        return f"{self.job_id}.{self.execution_number}"


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
    seconds_before_timed_out: int | None = None
