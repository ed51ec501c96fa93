"""What is known of a job while it is under way, and what a journal holds of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..aws_iot.model import ExecutionKey, ExecutionState, JobExecution, JobStatus
from ..runner.system import boot_id
from .digest import digest_of
from .model import ApprovalRequest, JobOutcome, JobProgress, JobState
from .report import reason_details
from .signed import SignedJob
from .timers import JobTimer


@dataclass(frozen=True, slots=True, kw_only=True)
class JobApproval:
    """What is on record of a job's approval.

    `document` is what is to be approved, without what signs its URLs, until it is, `digest`
    tells it from others. `timer` is how long that may take.
    """

    digest: str
    document: Any = field(default=None, repr=False)
    requested_at: datetime
    timer: JobTimer
    boot_id: str
    approved_at: datetime | None = None

    @property
    def request(self) -> ApprovalRequest | None:
        """What is waited for, while it is."""
        if self.approved_at is not None:
            return None
        return ApprovalRequest(
            requested_at=self.requested_at,
            expires_at=self.timer.told_at + timedelta(seconds=self.timer.seconds),
        )

    @property
    def seconds_left(self) -> float:
        """How long it may still take."""
        return self.timer.left(same_boot=self.boot_id == boot_id())


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What is known of a job that AWS does not know yet.

    `version_number` is the execution's latest that is known here. `boot_id` is the boot of
    this machine in which the record's last step was begun, `runner` where. `timer` is of
    the job: what AWS says later may be the timer of a step. `document` is that of a job
    that AWS knows nothing of, `digest` what tells the document of any from others.
    `queued` is whether AWS has it in its queue yet, so that its timer does not run.
    `signed_until` is when the signature expires that it was found to have, in seconds since
    1970.
    """

    key: ExecutionKey
    version_number: int = 1
    boot_id: str = ""
    runner: str = ""
    started_at: datetime
    timer: JobTimer | None = None
    progress: JobProgress = field(default_factory=lambda: JobProgress(steps=()))
    outcome: JobOutcome | None = None
    approval: JobApproval | None = None
    document: Any = field(default=None, repr=False)
    digest: str = ""
    queued: bool = False
    signed_until: int | None = None

    def is_of(self, execution: JobExecution) -> bool:
        """Tell whether this is the record of an execution that AWS tells of.

        One that was deleted and made anew within a second may differ in its document alone.
        """
        same = self.digest in ("", digest_of(execution.document))
        return same and self.is_delivered_by(execution)

    def is_delivered_by(self, execution: JobExecution) -> bool:
        """Tell the same where the document may be another one by now."""
        return self.key.is_same(execution.key) and not self.is_another(execution)

    def is_another(self, state: ExecutionState | JobExecution) -> bool:
        """Tell whether what AWS has under the job's name was queued after this one.

        Ours was in progress, unless it waits in the queue, and versions only grow.
        """
        queued = state.status is JobStatus.QUEUED and not self.queued
        return queued or state.version_number < self.version_number

    @property
    def has_run(self) -> bool:
        """Whether any of its steps has been begun."""
        return self.progress.last_started_index is not None

    @property
    def waits_for_approval(self) -> bool:
        """Whether somebody has to decide before it goes on."""
        return self.approval is not None and self.approval.request is not None

    @property
    def state(self) -> JobState:
        """The job as others see it while it is under way."""
        return JobState(
            key=self.key,
            status=JobStatus.IN_PROGRESS,
            steps=self.progress.steps,
            started_at=self.started_at,
            approval=self.approval.request if self.approval else None,
            approved_at=self.approval.approved_at if self.approval else None,
        )


def not_run(status: JobStatus, reason: str) -> JobOutcome:
    """Return the outcome of a job that has not been run."""
    return JobOutcome(
        status=status, reason=reason, status_details=reason_details(reason)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """What a journal holds: the job that is under way, and the one that ended last.

    `tidying` names the jobs that have ended and that the runner has not forgotten yet.
    `signed` are signed jobs that have ended, so that none is run once more.
    `jobs_succeeded` and `jobs_failed` count all that have ended, `takes_jobs` is whether
    any is to be asked for. `set_aside` is where a journal that could not be read is now.
    """

    record: JobRecord | None = None
    last_job: JobState | None = None
    tidying: tuple[str, ...] = ()
    signed: tuple[SignedJob, ...] = ()
    jobs_succeeded: int = 0
    jobs_failed: int = 0
    takes_jobs: bool = True
    set_aside: Path | None = None
