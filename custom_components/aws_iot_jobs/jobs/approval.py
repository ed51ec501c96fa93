"""Jobs that wait until somebody approves them.

AWS makes the document anew at each delivery, so presigned URLs that were waited over are
asked for again; that what then runs is what was approved, its digest tells.
"""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ..aws_iot.model import JobStatus
from ..runner.model import (
    DEFAULT_PATH,
    CommandCall,
    HandlerCall,
    Runner,
    StepNotCheckedError,
    StepRequest,
)
from ..runner.system import boot_id
from .digest import digest_of
from .document import JobDocument, Step
from .job import Job
from .reasons import Reason
from .record import JobApproval, JobRecord, not_run
from .redact import without_signatures
from .timers import Deadline, JobTimer

DEFAULT_LIMIT_SECONDS = 24 * 60 * 60.0


class ApprovalPolicy(StrEnum):
    """Which jobs wait for approval.

    COMMANDS are those that run what does not lie in the handler directory: a command, a
    handler with an explicit path, or one that is found on PATH alone.
    """

    NEVER = "never"
    EVERY_JOB = "every_job"
    COMMANDS = "commands"


def surely_needs_approval(document: JobDocument, policy: ApprovalPolicy) -> bool | None:
    """Tell whether a job has to wait for approval; None where only its runner knows."""
    match policy:
        case ApprovalPolicy.NEVER:
            return False
        case ApprovalPolicy.EVERY_JOB:
            return True
        case ApprovalPolicy.COMMANDS:
            paths = {_path(step) for step in document.all_steps}
            if paths - {DEFAULT_PATH, ""}:
                return True
            return None if "" in paths else False


async def needs_approval(
    document: JobDocument, policy: ApprovalPolicy, runner: Runner
) -> bool:
    """Tell whether a job has to wait for approval.

    A handler without a path is one of the handler directory, or any program that lies on
    PATH: that one has to be approved, and so does what nobody can tell.
    """
    sure = surely_needs_approval(document, policy)
    if sure is not None:
        return sure
    for step in document.all_steps:
        if not _path(step) and not await _is_put_here(step, runner):
            return True
    return False


def _path(step: Step) -> str | None:
    """Return the path of a step's handler; a command has none.

    Home Assistant's own steps count as what was put here: they do what they are known to.
    """
    match step.call:
        case HandlerCall(path=path):
            return path
        case CommandCall():
            return None
    return DEFAULT_PATH


async def _is_put_here(step: Step, runner: Runner) -> bool:
    """Tell whether the handler of a step lies in the handler directory."""
    assert isinstance(step.call, HandlerCall)
    request = StepRequest(
        run_id="approval",
        job_key="approval",
        call=replace(step.call, path=DEFAULT_PATH),
        run_as_user=step.run_as_user,
    )
    try:
        return (await runner.check(request)).path is not None
    except StepNotCheckedError:
        return False


def is_approved(record: JobRecord, document: Any) -> bool:
    """Tell whether somebody has approved a document."""
    approval = record.approval
    return (
        approval is not None
        and approval.approved_at is not None
        and approval.digest == digest_of(document)
    )


async def approve(job: Job) -> None:
    """Have a job run that waits, be it now or when AWS hands it out again.

    Raises JobStoppedError.
    """
    assert job.record.approval is not None
    given = replace(job.record.approval, approved_at=datetime.now(UTC), document=None)
    await job.keep(approval=given)
    job.change(approval=given)


async def reject(job: Job, reason: str) -> None:
    """End a job that waits, with somebody's reason. Raises JobStoppedError."""
    outcome = not_run(JobStatus.REJECTED, _rejected(reason))
    await job.keep(outcome=outcome)
    job.change(outcome=outcome)


def _rejected(reason: str) -> str:
    if not reason:
        return Reason.REJECTED.text()
    return Reason.REJECTED_BECAUSE.text(detail=reason)


async def until_decided(
    job: Job, document: Any, *, limit: float, deadline: Deadline
) -> None:
    """Wait until somebody decides whether a document is run, or so many seconds at most.

    What was decided is on record by then. `deadline` is AWS's. Raises JobStoppedError.
    """
    request = await _request(job, document, limit=limit, deadline=deadline)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(request.seconds_left):
            await job.unless_stopped(job.until(_is_decided))


def _is_decided(record: JobRecord) -> bool:
    return record.outcome is not None or not record.waits_for_approval


async def _request(
    job: Job, document: Any, *, limit: float, deadline: Deadline
) -> JobApproval:
    """Return what is asked for: as before a restart, where that is the same."""
    digest = digest_of(document)
    known = job.record.approval
    if known is None or known.digest != digest or known.approved_at is not None:
        known = JobApproval(
            digest=digest,
            document=without_signatures(document),
            requested_at=datetime.now(UTC),
            timer=JobTimer.of(deadline.shorten(limit) or 0),
            boot_id=boot_id(),
        )
        await job.keep(approval=known)
        job.change(approval=known)
    return known
