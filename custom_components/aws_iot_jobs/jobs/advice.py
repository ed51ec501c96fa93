"""What a person can do about a job that has failed, told by the kind of its reason."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
import re
from typing import Final

from ..aws_iot.model import JobStatus
from .model import JobState, StepStatus
from .reasons import Part, Reason, Sentence, read


class AdviceKind(StrEnum):
    """What is to be done is the same for all reasons of a kind."""

    EXIT_STATUS = "exit_status"
    HANDLER_MISSING = "handler_missing"
    USER_UNKNOWN = "user_unknown"
    STEP_TIME_LIMIT = "step_time_limit"
    JOB_TIMER = "job_timer"
    DOCUMENT = "document"
    RESTARTED = "restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do. `subject` is the handler, the user or the place in the document."""

    kind: AdviceKind
    subject: str | None = None


def advice_for(job: JobState) -> Advice | None:
    """Return what to do about the end of a job, if that is known."""
    if job.status not in _FAILED:
        return None
    step = failed_step(job)
    reasons = [job.reason] if step is None else [job.steps[step].reason, job.reason]
    return next(filter(None, map(_advice_on, reasons)), None)


def failed_step(job: JobState) -> int | None:
    """Return the place, from 0, of the step that a job failed in, if in any."""
    for index, step in enumerate(job.steps):
        if step.status in (StepStatus.FAILED, StepStatus.STOPPED):
            return index
    return None


def exit_status(reason: str) -> int | None:
    """Return the exit status that the reason of a step tells of."""
    for sentence in _sentences(read(reason)):
        if sentence.reason is Reason.EXIT_STATUS:
            return int(str(sentence.parts["status"]))
    return None


def rejection(reason: str) -> str | None:
    """Return why somebody has rejected a job, in their own words, if they have said it."""
    for sentence in _sentences(read(reason)):
        if sentence.reason is Reason.REJECTED_BECAUSE:
            return str(sentence.parts["detail"])
    return None


def _advice_on(reason: str) -> Advice | None:
    part = read(reason)
    for sentence in _sentences(part):
        if sentence.reason is Reason.INVALID_DOCUMENT:
            return Advice(kind=AdviceKind.DOCUMENT, subject=_place(sentence))
        if (kind := _KINDS.get(sentence.reason)) is not None:
            return Advice(kind=kind)
    return _advice_on_refusal(part) if isinstance(part, str) else None


def _advice_on_refusal(reason: str) -> Advice | None:
    """Return what to do where a runner has not run a step: these are its own words."""
    for kind, expression in _REFUSALS.items():
        if (found := expression.match(reason)) is not None:
            return Advice(kind=kind, subject=str(ast.literal_eval(found["name"])))
    return None


def _place(sentence: Sentence) -> str | None:
    """Return where in a document the fault is."""
    for each in _sentences(sentence):
        if each.reason is Reason.FIELD:
            return str(each.parts["path"])
    return None


def _sentences(part: Part) -> Iterator[Sentence]:
    """Yield a sentence, and those within it."""
    match part:
        case Sentence(_, parts):
            yield part
            for each in parts.values():
                yield from _sentences(each)
        case tuple():
            for each in part:
                yield from _sentences(each)


_FAILED: Final = frozenset({JobStatus.FAILED, JobStatus.REJECTED, JobStatus.TIMED_OUT})

_KINDS: Final[Mapping[Reason, AdviceKind]] = {
    Reason.EXIT_STATUS: AdviceKind.EXIT_STATUS,
    Reason.SIGNAL: AdviceKind.EXIT_STATUS,
    Reason.TOO_MUCH_STDERR: AdviceKind.EXIT_STATUS,
    Reason.TIMED_OUT: AdviceKind.STEP_TIME_LIMIT,
    Reason.TIMED_OUT_AFTER: AdviceKind.STEP_TIME_LIMIT,
    Reason.TIME_OVER: AdviceKind.JOB_TIMER,
    Reason.TIMED_OUT_BY_AWS: AdviceKind.JOB_TIMER,
    Reason.AGENT_STOPPED: AdviceKind.RESTARTED,
    Reason.INTERRUPTED_TOO_OFTEN: AdviceKind.RESTARTED,
    Reason.NOT_HANDED_OUT: AdviceKind.RESTARTED,
}

_NAME: Final = r"""(?P<name>'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")"""
"""A text as `repr` has it."""
_REFUSALS: Final[Mapping[AdviceKind, re.Pattern[str]]] = {
    AdviceKind.HANDLER_MISSING: re.compile(
        rf"(?:there is no )?handler {_NAME} (?:in|is neither in the handler directory) "
    ),
    AdviceKind.USER_UNKNOWN: re.compile(rf"there is no user {_NAME} on this system"),
}
