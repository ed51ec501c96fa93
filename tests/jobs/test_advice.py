"""What to do about a job that has failed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.advice import (
    Advice,
    AdviceKind,
    advice_for,
    exit_status,
    failed_step,
)
from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.model import JobState, StepState, StepStatus
from custom_components.aws_iot_jobs.jobs.reasons import Reason
from custom_components.aws_iot_jobs.runner.handlers import find_handler
from custom_components.aws_iot_jobs.runner.model import HandlerCall, RunRefusedError
from custom_components.aws_iot_jobs.runner.users import find_user


def _job(
    reason: str,
    *,
    step: str | None = None,
    status: JobStatus = JobStatus.FAILED,
    step_status: StepStatus = StepStatus.FAILED,
) -> JobState:
    """Return a job that ended for a reason, in its second step where that has one."""
    steps = [StepState(name="Fetch", status=StepStatus.SUCCEEDED)]
    if step is not None:
        steps.append(StepState(name="Check", status=step_status, reason=step))
        steps.append(StepState(name="Restart", status=StepStatus.SKIPPED))
    return JobState(
        key=ExecutionKey("update-7", 1),
        status=status,
        steps=tuple(steps),
        reason=reason,
    )


def _failed(step: str) -> JobState:
    """Return a job whose second step failed."""
    reason = Reason.STEP.text(index=2, count=3, name="'Check'", reason=step)
    return _job(reason, step=step)


def _refusal(run: Callable[[], object]) -> str:
    """Return why a runner does not run something, in its own words."""
    with pytest.raises(RunRefusedError) as raised:
        run()
    return str(raised.value)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("exit status 3", AdviceKind.EXIT_STATUS),
        (
            "exit status 3; its process could not be ended",
            AdviceKind.EXIT_STATUS,
        ),
        ("ended by signal SIGSEGV", AdviceKind.EXIT_STATUS),
        (
            "3 lines on stderr, more than the 0 of allowStdErr",
            AdviceKind.EXIT_STATUS,
        ),
        ("timed out", AdviceKind.STEP_TIME_LIMIT),
        ("timed out after 30 s", AdviceKind.STEP_TIME_LIMIT),
        (
            "stopped, for the job's time in AWS IoT Jobs is over",
            AdviceKind.JOB_TIMER,
        ),
        (
            Reason.INTERRUPTED_TOO_OFTEN.text(attempts=5),
            AdviceKind.RESTARTED,
        ),
    ],
)
def test_advice_on_a_step(reason: str, kind: AdviceKind) -> None:
    """By the reason of the step that failed."""
    job = _failed(reason)
    assert failed_step(job) == 1
    assert advice_for(job) == Advice(kind=kind)


@pytest.mark.parametrize("name", ["backup.sh", 'it\'s "new".sh'])
@pytest.mark.parametrize("path", ["", "default"])
def test_a_handler_that_is_missing_is_named(
    tmp_path: Path, name: str, path: str
) -> None:
    """As the document has it, however the runner looked for it."""
    call = HandlerCall(handler=name, path=path)
    reason = _refusal(lambda: find_handler(call, tmp_path, "/nowhere"))
    assert advice_for(_failed(reason)) == Advice(
        kind=AdviceKind.HANDLER_MISSING, subject=name
    )


def test_a_user_that_is_unknown_is_named() -> None:
    """In the words of the runner."""
    reason = _refusal(lambda: find_user("nobody-of-that-name"))
    assert advice_for(_failed(reason)) == Advice(
        kind=AdviceKind.USER_UNKNOWN, subject="nobody-of-that-name"
    )


def test_the_place_in_a_document_is_named() -> None:
    """Where there is one."""
    with pytest.raises(InvalidJobDocumentError) as raised:
        parse_job_document({"version": "1.0", "steps": [{"action": {"name": "x"}}]})
    reason = Reason.INVALID_DOCUMENT.text(reason=str(raised.value))
    advice = advice_for(_job(reason, status=JobStatus.REJECTED))
    assert advice == Advice(
        kind=AdviceKind.DOCUMENT, subject=str(raised.value).partition(":")[0]
    )
    reason = Reason.INVALID_DOCUMENT.text(reason=Reason.NO_OBJECT.text())
    advice = advice_for(_job(reason, status=JobStatus.REJECTED))
    assert advice == Advice(kind=AdviceKind.DOCUMENT)


def test_a_timer_of_aws() -> None:
    """The job ended in the step that was stopped for it."""
    job = _job(
        Reason.TIMED_OUT_BY_AWS.text(),
        step=Reason.TIMED_OUT_BY_AWS.text(),
        status=JobStatus.TIMED_OUT,
        step_status=StepStatus.STOPPED,
    )
    assert failed_step(job) == 1
    assert advice_for(job) == Advice(kind=AdviceKind.JOB_TIMER)


@pytest.mark.parametrize(
    "job",
    [
        _job("1 of 1 steps succeeded", status=JobStatus.SUCCEEDED),
        _job("canceled in AWS IoT Jobs", status=JobStatus.CANCELED),
        # What people say is nothing of ours.
        _job(
            "rejected in Home Assistant: timed out after 3 s",
            status=JobStatus.REJECTED,
        ),
        _job("stopped in Home Assistant between two steps"),
        _failed("/config/x.sh has mode 755 and owner 0; expected mode 700"),
        _failed("stopped in Home Assistant"),
    ],
)
def test_no_advice(job: JobState) -> None:
    """Where there is nothing to be said beyond the reason."""
    assert advice_for(job) is None


def test_an_ignored_failure_is_no_failure() -> None:
    """The job went on, and the step has its exit status all the same."""
    job = _job(
        "1 of 2 steps succeeded; failure ignored: step 2 of 2 'Check': exit status 3",
        step="exit status 3",
        status=JobStatus.SUCCEEDED,
        step_status=StepStatus.FAILURE_IGNORED,
    )
    assert failed_step(job) is None
    assert advice_for(job) is None
    assert exit_status(job.steps[1].reason) == 3


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("exit status 3", 3),
        ("exit status 137; its process could not be ended", 137),
        ("", None),
        ("ended by signal SIGKILL", None),
        ("there is no exit status 3", None),
    ],
)
def test_exit_status(reason: str, status: int | None) -> None:
    """Read from a reason, where it tells of one."""
    assert exit_status(reason) == status
