"""What AWS is told of a job: status details that it accepts, and reasons in words.

AWS takes at most 10 pairs; keys match `[a-zA-Z0-9:_-]{1,128}`, values have 1 to 1024
characters (API reference, UpdateJobExecution). Whether newlines and tabs pass is not
documented; `stricter_details` has what to send when they did not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import unicodedata

from ..runner.model import RunOutcome, RunResult
from .document import JobDocument, Step
from .model import JobProgress, StepState, StepStatus
from .reasons import Reason, all_of
from .terminal import shown_text
from .timers import step_timer_minutes

MAX_VALUE = 1024
_MAX_NAME = 100
_CUT_BYTES = 16 * 1024 - 3
"""An output of so many bytes is the end of a longer one: a runner keeps the last 16 KiB,
without the rest of a character that was cut."""
_KEPT_CONTROLS = "\n\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What AWS is told of a running job.

    `step_timer_minutes` is the step timer to set, -1 for none from now on, None to leave
    it as it is.
    """

    details: Mapping[str, str] | None = None
    step_timer_minutes: int | None = None


def running_report(
    document: JobDocument,
    index: int,
    *,
    percent: int | None = None,
    default_timeout: float | None,
    outage_allowance: float,
) -> Report:
    """Return what AWS is told of a job whose step `index`, from 0, runs.

    `percent` is how much of that step is done, where that is known.
    `default_timeout` in seconds is for steps without a timeout of their own, and
    `outage_allowance` what AWS's timer has to leave for outages.
    """
    steps = document.all_steps
    timeouts = [step.timeout or default_timeout for step in steps]
    # Where no step has a limit, no timer was set that would have to be taken back.
    timed = any(timeout is not None for timeout in timeouts)
    return Report(
        details=running_details(steps[index].name, index, len(steps), percent),
        step_timer_minutes=step_timer_minutes(timeouts[index:], outage_allowance)
        if timed
        else None,
    )


def running_details(
    name: str, index: int, count: int, percent: int | None = None
) -> dict[str, str]:
    """Return the status details of a job whose step `index`, from 0, of `count` runs."""
    return _details(
        {
            "step": name,
            "stepIndex": str(index + 1),
            "stepCount": str(count),
            "stepPercent": "" if percent is None else str(percent),
        }
    )


def final_details(
    reason: str, progress: JobProgress, *, include_stdout: bool
) -> dict[str, str]:
    """Return the status details of a job that has ended: why, and the end of its output."""
    stdout = progress.stdout if include_stdout else ""
    return _details({"reason": reason}) | _details(
        {"stdout": stdout, "stderr": progress.stderr}, keep_end=True
    )


def reason_details(reason: str) -> dict[str, str]:
    """Return the status details of a job that has not run: why."""
    return _details({"reason": reason})


def stricter_details(details: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield what else to try when AWS refuses status details, from most to nothing."""
    yield {key: _plain(value) for key, value in details.items() if _plain(value)}
    if reason := _plain(details.get("reason", "")):
        yield {"reason": reason}
    yield {}


def judge_step(
    step: Step,
    result: RunResult,
    *,
    seconds_left: float | None = None,
    stop_reason: str = Reason.STOPPED.text(),
) -> tuple[StepStatus, str]:
    """Return what a run's end means for its step, and the reason when it failed.

    `seconds_left` is what AWS's timer leaves to the job: without any, no failure can be
    ignored. `stop_reason` is for a step that was to end.
    """
    # Where the runner itself is interrupted, only a step that is to end is not run again.
    if result.outcome in (RunOutcome.STOPPED, RunOutcome.INTERRUPTED):
        return StepStatus.STOPPED, _with(stop_reason, result.detail)
    if result.outcome is RunOutcome.TIMED_OUT and seconds_left == 0:
        return StepStatus.FAILED, _with(Reason.TIME_OVER.text(), result.detail)
    problem = _problem(step, result)
    if not problem:
        return StepStatus.SUCCEEDED, ""
    if step.ignore_failure:
        return StepStatus.FAILURE_IGNORED, problem
    return StepStatus.FAILED, problem


def _problem(step: Step, result: RunResult) -> str:
    match result.outcome:
        case RunOutcome.REFUSED:
            return result.detail
        case RunOutcome.TIMED_OUT:
            return _with(_timed_out(step.timeout), result.detail)
        case RunOutcome.SIGNALED:
            return Reason.SIGNAL.text(signal=result.signal)
    if result.exit_status != 0:
        return Reason.EXIT_STATUS.text(status=result.exit_status)
    if step.allow_stderr is not None and result.stderr_lines > step.allow_stderr:
        return Reason.TOO_MUCH_STDERR.text(
            lines=result.stderr_lines, allowed=step.allow_stderr
        )
    return ""


def _timed_out(timeout: float | None) -> str:
    if not timeout:
        return Reason.TIMED_OUT.text()
    return Reason.TIMED_OUT_AFTER.text(seconds=f"{timeout:g}")


def _with(reason: str, detail: str) -> str:
    return Reason.WITH_DETAIL.text(cause=reason, detail=detail) if detail else reason


def reason_of_step(document: JobDocument, index: int, reason: str) -> str:
    """Return the reason of a job of which a step is the reason: it names the step."""
    name = document.all_steps[index].name
    # A name of any length must leave room for what happened.
    shown = repr(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…")
    if index == len(document.steps):
        return Reason.FINAL_STEP.text(name=shown, reason=reason)
    return Reason.STEP.text(
        index=index + 1, count=len(document.steps), name=shown, reason=reason
    )


def success_reason(document: JobDocument, steps: Sequence[StepState]) -> str:
    """Return the reason of a job that succeeded, with the failures that were ignored."""
    ignored = [
        reason_of_step(document, index, step.reason)
        for index, step in enumerate(steps)
        if step.status is StepStatus.FAILURE_IGNORED
    ]
    count, succeeded = len(steps), len(steps) - len(ignored)
    if not ignored:
        return Reason.SUCCEEDED.text(succeeded=succeeded, count=count)
    return Reason.FAILURES_IGNORED.text(
        succeeded=succeeded, count=count, failures=all_of(ignored)
    )


def _details(pairs: Mapping[str, str], *, keep_end: bool = False) -> dict[str, str]:
    """Clean and shorten values; those with nothing left go."""
    cleaned = ((key, _printable(value)) for key, value in pairs.items())
    return {
        key: value[-MAX_VALUE:] if keep_end else value[:MAX_VALUE]
        for key, value in cleaned
        if value
    }


def _printable(text: str) -> str:
    """Return what a terminal would show of a text that may be the end of a longer one."""
    cut = len(text.encode(errors="replace")) >= _CUT_BYTES
    return shown_text(text, cut=cut)


def _plain(text: str) -> str:
    """Leave no character of Unicode's category C."""
    spaced = "".join(
        " " if character in _KEPT_CONTROLS else character for character in text
    )
    return "".join(
        character
        for character in spaced
        if not unicodedata.category(character).startswith("C")
    ).strip()
