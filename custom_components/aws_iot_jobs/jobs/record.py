"""What is known of a job while it is under way, and what a journal holds of it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ..aws_iot.model import ExecutionKey, ExecutionState, JobExecution, JobStatus
from .model import JobOutcome, JobProgress, JobState
from .timers import JobTimer


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
