"""What AWS is told: true reasons, in status details that it accepts."""

from datetime import UTC, datetime
import re
import unicodedata

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.jobs.document import JobDocument, Step
from custom_components.aws_iot_jobs.jobs.model import JobProgress, StepState, StepStatus
from custom_components.aws_iot_jobs.jobs.report import (
    final_details,
    judge_step,
    reason_details,
    reason_of_step,
    running_details,
    stricter_details,
    success_reason,
)
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    RunOutcome,
    RunResult,
)

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document

CALL = CommandCall(argv=("true",))


def step(**fields: object) -> Step:
    """Return a step with these fields."""
    return Step(**{"name": "s", "call": CALL, **fields})  # type: ignore[arg-type]


def progress(stdout: str = "", stderr: str = "") -> JobProgress:
    """Return what has been written."""
    return JobProgress(steps=(), stdout=stdout, stderr=stderr)


# Status details that AWS accepts


def assert_accepted(details: dict[str, str]) -> None:
    """Require what AWS documents of status details, control characters aside."""
    assert len(details) <= 10
    for key, value in details.items():
        assert re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", key)
        assert 1 <= len(value) <= 1024
        value.encode()
        assert not any(
            unicodedata.category(character) == "Cc" and character not in "\n\t"
            for character in value
        )


def assert_strictly_accepted(details: dict[str, str]) -> None:
    """Require the pattern of the API reference, too: no character of category C."""
    assert_accepted(details)
    for value in details.values():
        categories = {unicodedata.category(character)[0] for character in value}
        assert "C" not in categories


outputs = st.text(
    st.characters() | st.sampled_from("\n\t\r\0\x1b[]m\x9b\u200b\ue000😀")
)
long_outputs = st.builds(lambda text, times: text * times, outputs, st.integers(0, 400))


@given(long_outputs, long_outputs, long_outputs, st.booleans())
def test_any_output_gives_details_that_aws_accepts(
    reason: str, stdout: str, stderr: str, include_stdout: bool
) -> None:
    """The first time, and whatever is tried after a refusal."""
    details = final_details(
        reason, progress(stdout, stderr), include_stdout=include_stdout
    )
    assert_accepted(details)
    assert set(details) <= {"reason", "stdout", "stderr"}
    assert include_stdout or "stdout" not in details
    for attempt in stricter_details(details):
        assert_strictly_accepted(attempt)


@given(outputs, st.integers(0, 300), st.integers(1, 300))
def test_any_step_gives_details_that_aws_accepts(
    name: str, index: int, count: int
) -> None:
    """Of a running job, too."""
    details = running_details(name, index, count)
    assert_accepted(details)
    assert details["stepIndex"] == str(index + 1)
    assert details["stepCount"] == str(count)
    assert_accepted(reason_details(name))


def test_details_of_a_running_job_say_where_it_is() -> None:
    """Counted from 1."""
    assert running_details("Install", 0, 3) == {
        "step": "Install",
        "stepIndex": "1",
        "stepCount": "3",
    }


def test_the_end_of_an_output_is_kept_and_the_beginning_of_a_reason() -> None:
    """Where each says the most."""
    text = "".join(chr(0x4E00 + n) for n in range(2000))
    details = final_details(text, progress(text, text), include_stdout=True)
    assert details == {
        "reason": text[:1024],
        "stdout": text[-1024:],
        "stderr": text[-1024:],
    }


def test_text_stays_and_what_moves_a_terminal_goes() -> None:
    """Colours, titles, carriage returns, bells and NUL."""
    written = "\x1b[1;31m100 %\x1b[0m\tcafé\r\n\x1b]0;title\x07日本\x00語\x1b]8;;u\x1b\\😀\x07\n"
    details = final_details("r", progress(written), include_stdout=True)
    assert details["stdout"] == "100 %\tcafé\n日本語😀\n"


def test_without_output_there_is_no_pair_for_it() -> None:
    """AWS takes no empty value."""
    assert final_details("r", progress("\x00", ""), include_stdout=True) == {
        "reason": "r"
    }


def test_stricter_details_lose_little_by_little() -> None:
    """First newlines, then the output, then all."""
    details = {"reason": "a\nb", "stdout": "1\n2\t3\n", "stderr": "\n\t"}
    assert list(stricter_details(details)) == [
        {"reason": "a b", "stdout": "1 2 3"},
        {"reason": "a b"},
        {},
    ]
    assert list(stricter_details({"step": "s"})) == [{"step": "s"}, {}]


# What a run's end means


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (RunResult(outcome=RunOutcome.EXITED, exit_status=3), "exit status 3"),
        (RunResult(outcome=RunOutcome.EXITED, exit_status=255), "exit status 255"),
        (
            RunResult(outcome=RunOutcome.SIGNALED, signal="SIGKILL"),
            "ended by signal SIGKILL",
        ),
        (RunResult(outcome=RunOutcome.TIMED_OUT, exit_status=0), "timed out after 5 s"),
        (
            RunResult(outcome=RunOutcome.TIMED_OUT, detail="it could not be ended"),
            "timed out after 5 s; it could not be ended",
        ),
        (RunResult(outcome=RunOutcome.REFUSED, detail="no such user"), "no such user"),
    ],
)
def test_each_failure_has_its_own_reason(result: RunResult, reason: str) -> None:
    """And may be ignored."""
    assert judge_step(step(timeout=5), result) == (StepStatus.FAILED, reason)
    ignoring = step(timeout=5, ignore_failure=True)
    assert judge_step(ignoring, result) == (StepStatus.FAILURE_IGNORED, reason)


@pytest.mark.parametrize("timeout", [0.5, 90, 604_800])
def test_a_timeout_is_told_in_seconds(timeout: float) -> None:
    """As they were given."""
    result = RunResult(outcome=RunOutcome.TIMED_OUT)
    _, reason = judge_step(step(timeout=timeout), result)
    assert reason == f"timed out after {timeout} s"


@pytest.mark.parametrize("outcome", [RunOutcome.STOPPED, RunOutcome.INTERRUPTED])
@pytest.mark.parametrize("ignore", [False, True])
def test_a_step_that_was_stopped_is_no_failure_to_ignore(
    outcome: RunOutcome, ignore: bool
) -> None:
    """The job is to end, not to go on. A run that was interrupted meanwhile ends, too."""
    result = RunResult(outcome=outcome, exit_status=0)
    assert judge_step(step(ignore_failure=ignore), result) == (
        StepStatus.STOPPED,
        "stopped",
    )


@pytest.mark.parametrize(
    ("allowed", "lines", "status"),
    [
        (None, 0, StepStatus.SUCCEEDED),
        (None, 10_000, StepStatus.SUCCEEDED),
        (0, 0, StepStatus.SUCCEEDED),
        (0, 1, StepStatus.FAILED),
        (2, 2, StepStatus.SUCCEEDED),
        (2, 3, StepStatus.FAILED),
    ],
)
def test_allow_std_err_is_a_limit_of_lines(
    allowed: int | None, lines: int, status: StepStatus
) -> None:
    """For a process that exited with 0; the reason has both numbers."""
    result = RunResult(outcome=RunOutcome.EXITED, exit_status=0, stderr_lines=lines)
    found, reason = judge_step(step(allow_stderr=allowed), result)
    assert found is status
    assert reason in (
        "",
        f"{lines} lines on stderr, more than the {allowed} of allowStdErr",
    )


def test_allow_std_err_excuses_no_failure() -> None:
    """However many lines are allowed."""
    result = RunResult(outcome=RunOutcome.EXITED, exit_status=1)
    found = judge_step(step(allow_stderr=5), result)
    assert found == (StepStatus.FAILED, "exit status 1")


# Reasons


def test_a_reason_names_the_step() -> None:
    """The final one is not counted."""
    found = JobDocument(
        steps=(step(name="a"), step(name="b's")), final_step=step(name="c")
    )
    assert [reason_of_step(found, index, "?") for index in range(3)] == [
        "step 1 of 2 'a': ?",
        """step 2 of 2 "b's": ?""",
        "final step 'c': ?",
    ]


def test_a_long_name_leaves_room_for_what_happened() -> None:
    """A document may have a name of 30 KB."""
    found = JobDocument(steps=(step(name="x" * 30_000),))
    assert reason_of_step(found, 0, "?") == f"step 1 of 1 '{'x' * 100}…': ?"


def test_success_tells_of_what_was_ignored() -> None:
    """A job may have succeeded, and something failed all the same."""
    found = JobDocument(steps=(step(name="a"), step(name="b")))
    now = datetime.now(UTC)
    states = (
        StepState(
            name="a",
            status=StepStatus.FAILURE_IGNORED,
            reason="exit status 3",
            started_at=now,
        ),
        StepState(name="b", status=StepStatus.SUCCEEDED),
    )
    assert success_reason(found, states) == (
        "1 of 2 steps succeeded; failure ignored: step 1 of 2 'a': exit status 3"
    )
    assert success_reason(found, states[1:]) == "1 of 1 steps succeeded"


# To AWS


@pytest.mark.alone
async def test_a_running_job_says_where_it_is(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """Quick changes come together in one update; what comes last is always sent."""
    gate = stopped_device.handlers / "gate"
    wait = f"sh,-c,until [ -e {gate} ]; do sleep 0.01; done; rm {gate}"
    job = service.create_job(
        document(
            *(command_step("true", name=f"quick {n}") for n in range(30)),
            command_step(wait, name="slow"),
            finalStep=command_step(wait, name="last"),
        )
    )
    await stopped_device.start()
    for name, index in (("slow", "31"), ("last", "32")):
        await service.until(lambda name=name: job.status_details.get("step") == name)  # type: ignore[misc]
        assert job.status_details == {
            "step": name,
            "stepIndex": index,
            "stepCount": "32",
        }
        gate.touch()
    assert (await service.ended(job)).status == "SUCCEEDED"
    sent = [request["statusDetails"].get("stepIndex") for request in job.accepted]
    # Before the first step, within it, at the slow one, at the last one, and the end.
    assert len(sent) <= 5
    assert sent[0] == "1"
    assert sent[-3:] == ["31", "32", None]


async def test_a_job_whose_name_is_long_still_tells_its_reason(
    device: Device, service: FakeJobsService
) -> None:
    """And nothing of it is refused."""
    job = service.create_job(document(command_step("false", name="é" * 5000)))
    await service.ended(job)
    assert job.status_details["reason"].endswith("…': exit status 1")
