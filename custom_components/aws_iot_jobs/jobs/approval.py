"""Jobs that wait until somebody approves them.

AWS makes the document anew at each delivery, so presigned URLs that were waited over are
asked for again; that what then runs is what was approved, its digest tells.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from ..runner.model import CommandCall
from ..runner.system import boot_id
from .document import JobDocument, Step
from .job import Job
from .record import JobApproval
from .timers import Deadline, JobTimer

WAITING_REASON = "waiting for approval in Home Assistant"
EXPIRED_REASON = "not approved in Home Assistant in time"
REJECTED_REASON = "rejected in Home Assistant"

DEFAULT_LIMIT_SECONDS = 24 * 60 * 60.0


class ApprovalPolicy(StrEnum):
    """Which jobs wait for approval.

    COMMANDS are those that run what does not lie in the handler directory: a command, or a
    handler with an explicit path.
    """

    NEVER = "never"
    EVERY_JOB = "every_job"
    COMMANDS = "commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody has decided of a job, with the reason where it was rejected."""

    approved: bool
    reason: str = ""


def needs_approval(document: JobDocument, policy: ApprovalPolicy) -> bool:
    """Tell whether a job has to wait for approval."""
    match policy:
        case ApprovalPolicy.NEVER:
            return False
        case ApprovalPolicy.EVERY_JOB:
            return True
        case ApprovalPolicy.COMMANDS:
            return any(map(_is_from_aws, document.all_steps))


def _is_from_aws(step: Step) -> bool:
    """Tell whether a step runs what its document says, not what was put here."""
    return isinstance(step.call, CommandCall) or step.call.path not in ("", "default")


class Approval:
    """The wait of one job, until somebody decides."""

    def __init__(self, job: Job, *, limit: float) -> None:
        """Prepare to wait so many seconds at most."""
        self._job = job
        self._limit = limit
        self._decision: asyncio.Future[Decision] | None = None

    def decide(self, decision: Decision) -> bool:
        """Take what somebody has decided; tell whether it was waited for."""
        if self._decision is None or self._decision.done():
            return False
        self._decision.set_result(decision)
        return True

    def is_given(self, digest: str) -> bool:
        """Tell whether a document was approved."""
        known = self._job.record.approval
        return (
            known is not None
            and known.approved_at is not None
            and known.digest == digest
        )

    async def wait(self, digest: str, deadline: Deadline) -> Decision:
        """Wait until somebody decides whether a document is run, or too long.

        What is approved is on record by then. `deadline` is AWS's. Raises JobStoppedError.
        """
        self._decision = asyncio.get_running_loop().create_future()
        try:
            request = await self._request(digest, deadline)
            async with asyncio.timeout(request.seconds_left):
                decision = await self._job.unless_stopped(self._decision)
        except TimeoutError:
            return Decision(approved=False, reason=EXPIRED_REASON)
        finally:
            self._decision = None
        if decision.approved:
            given = replace(request, approved_at=datetime.now(UTC))
            await self._job.keep(approval=given)
            self._job.change(approval=given)
        return decision

    async def _request(self, digest: str, deadline: Deadline) -> JobApproval:
        """Return what is asked for: as before a restart, where that is the same."""
        known = self._job.record.approval
        if known is None or known.digest != digest or known.approved_at is not None:
            known = JobApproval(
                digest=digest,
                requested_at=datetime.now(UTC),
                timer=JobTimer.of(deadline.shorten(self._limit) or 0),
                boot_id=boot_id(),
            )
            await self._job.keep(approval=known)
            self._job.change(approval=known)
        return known
