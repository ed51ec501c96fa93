"""What a job document would do on this thing, told without running anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
import shlex
from typing import Any

from ..runner.model import (
    CommandCall,
    HandlerCall,
    Runner,
    StepCheck,
    StepNotCheckedError,
    StepRequest,
)
from .calls import HomeAssistantCall
from .conditions import Facts, unmet_condition
from .document import JobDocument, Step
from .errors import InvalidJobDocumentError
from .fences import OPEN, Fences, read_document
from .home_steps import NO_HOME, HomeSteps
from .redact import without_signatures
from .signed import ANYBODY, Trust, open_document

_NO_RUN = "plan"
"""What stands for a run and its job that there are not."""
_ROOT = "root"


class StepKind(StrEnum):
    """What a step runs."""

    HANDLER = "handler"
    COMMAND = "command"
    HOME_ASSISTANT = "home_assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step, and what it would run, be it in Home Assistant itself.

    `step` is its name, `step_index` its place, from 1. `command` is the argv, with the file
    of a handler where it is known, and `path` that file, or the command's. `timeout` is in
    seconds, None for any time. `problem` is why the step would fail before anything runs.
    """

    step: str
    step_index: int
    kind: StepKind
    command: tuple[str, ...] = field(repr=False)
    path: str | None = None
    run_as_user: str = ""
    acts_as_root: bool = False
    timeout: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a job document would do here.

    `problem` is why it is not `valid`, and then has no steps. `unmet_condition` is why it is
    not for this thing. `unchecked` is why nobody could say what its steps would run: then
    they are told as the document has them. URLs have no query that opens a door.
    """

    valid: bool = True
    problem: str | None = None
    unmet_condition: str | None = None
    unchecked: str | None = None
    steps: tuple[PlannedStep, ...] = ()

    @property
    def conditions_met(self) -> bool:
        """Whether it is for this thing, as far as it can be read."""
        return self.valid and self.unmet_condition is None

    @property
    def is_clean(self) -> bool:
        """Whether nothing is known to be in its way."""
        return self.conditions_met and not any(step.problem for step in self.steps)


async def plan_of(
    document: Any,
    *,
    facts: Facts,
    runner: Runner,
    home: HomeSteps = NO_HOME,
    default_timeout: float | None = None,
    fences: Fences = OPEN,
    trust: Trust = ANYBODY,
    thing_name: str = "",
) -> Plan:
    """Return what a job document, as JSON gives it, would do. It is not run.

    `facts` are for its conditions; `default_timeout` in seconds is for steps without a
    timeout of their own; `fences` are what it may not do, and `trust` is whose it has to be.
    One that is signed has to be for the thing of this name, whichever its job is.
    """
    try:
        opened = open_document(document, trust, thing_name=thing_name, job_id=None)
        parsed = read_document(opened.document, fences)
    except InvalidJobDocumentError as err:
        return Plan(valid=False, problem=without_signatures(str(err)))
    return await plan_of_parsed(
        parsed, facts=facts, runner=runner, home=home, default_timeout=default_timeout
    )


async def plan_of_parsed(
    document: JobDocument,
    *,
    facts: Facts,
    runner: Runner,
    home: HomeSteps = NO_HOME,
    default_timeout: float | None = None,
) -> Plan:
    """Return what a job document would do that has been read. It is not run."""
    steps: list[PlannedStep] = []
    unchecked: str | None = None
    for index, step in enumerate(document.all_steps, start=1):
        check: StepCheck | None = None
        if isinstance(call := step.call, HomeAssistantCall):
            check = StepCheck(problem=await home.check(call))
        elif unchecked is None:
            try:
                check = await runner.check(_request(step, call))
            except StepNotCheckedError as err:
                unchecked = str(err)
        timeout = step.timeout or default_timeout
        steps.append(_planned(index, step, check or _unchecked(step), timeout))
    return Plan(
        unmet_condition=unmet_condition(document.conditions, facts),
        unchecked=unchecked,
        steps=tuple(steps),
    )


def describe(plan: Plan) -> str:
    """Return a plan in plain words, as Markdown: a line for each step, and what is wrong.

    What comes from the document stands as code, with all that does not print escaped: it
    says what it is, and nothing else.
    """
    return "\n".join(_lines(plan))


def _request(step: Step, call: HandlerCall | CommandCall) -> StepRequest:
    return StepRequest(
        run_id=_NO_RUN, job_key=_NO_RUN, call=call, run_as_user=step.run_as_user
    )


def _unchecked(step: Step) -> StepCheck:
    return StepCheck(acts_as_root=step.run_as_user == _ROOT)


def _planned(
    index: int, step: Step, check: StepCheck, timeout: float | None
) -> PlannedStep:
    match step.call:
        case HandlerCall() as call:
            kind = StepKind.HANDLER
            argv = (check.path or call.handler, *call.args)
        case CommandCall() as call:
            kind, argv = StepKind.COMMAND, call.argv
        case call:
            kind, argv = StepKind.HOME_ASSISTANT, call.words
    return PlannedStep(
        step=without_signatures(step.name),
        step_index=index,
        kind=kind,
        command=tuple(map(without_signatures, argv)),
        path=check.path,
        run_as_user=step.run_as_user,
        acts_as_root=check.acts_as_root,
        timeout=timeout,
        problem=without_signatures(check.problem),
    )


def _lines(plan: Plan) -> Iterator[str]:
    if plan.problem is not None:
        yield f"The document cannot be run: {_code(plan.problem)}"
    if plan.unmet_condition is not None:
        yield f"Not run: condition not met: {_code(plan.unmet_condition)}"
    for step in plan.steps:
        yield f"{step.step_index}. {_step(step)}"
    if plan.unchecked is not None:
        yield f"\nWhether these steps can run is not known: {_code(plan.unchecked)}"


def _step(step: PlannedStep) -> str:
    is_handler = step.kind is StepKind.HANDLER
    what = _KINDS[step.kind]
    words = [f"{_code(step.step)}: {what} {_code(shlex.join(step.command))}"]
    if step.acts_as_root:
        words.append("told to act as root" if is_handler else "runs as root")
    elif step.run_as_user:
        does = "told to act as" if is_handler else "runs as"
        words.append(f"{does} {_code(step.run_as_user)}")
    if step.timeout is not None:
        words.append(f"{_length(step.timeout)} at most")
    fault = f" **The step would fail:** {_code(step.problem)}" if step.problem else ""
    return f"{', '.join(words)}.{fault}"


_KINDS = {
    StepKind.HANDLER: "handler",
    StepKind.COMMAND: "command from AWS",
    StepKind.HOME_ASSISTANT: "in Home Assistant itself",
}


def _code(text: str) -> str:
    """Return a text as Markdown shows it letter by letter, on one line."""
    shown = "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in text
    )
    fence = "`"
    while fence in shown:
        fence += "`"
    # The spaces go, where there are both; an inner backtick must not touch the fence.
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"


def _length(seconds: float) -> str:
    """Return a length of time with its units: 1 h 30 min."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number:g} {unit}" for number, unit in parts if number)
