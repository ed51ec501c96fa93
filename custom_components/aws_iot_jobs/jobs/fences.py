"""What the owner of a home lets no job do, whoever has created it.

It is looked at where a document is read: before anything runs, or anybody is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ..runner.model import DEFAULT_PATH, CommandCall, HandlerCall
from .actions import AllowedAction, problem_of, with_allowed_data
from .calls import (
    ActionCall,
    ActionType,
    BackupCall,
    CheckCall,
    HomeAssistantCall,
    LogsCall,
)
from .document import Call, JobDocument, Step, parse_job_document
from .errors import InvalidJobDocumentError
from .hosts import hosts_in, is_among
from .reasons import Reason

NO_USER: Final = ""
"""Stands among the users for steps that name none: they run as the agent's own user."""


class Fence(StrEnum):
    """What can be fenced off."""

    COMMANDS = "commands"
    PATHS = "paths"
    HANDLERS = "handlers"
    USERS = "users"
    UPLOAD_HOSTS = "upload_hosts"
    HOME_ASSISTANT_STEPS = "home_assistant_steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fences:
    """What jobs may not do.

    With `commands`, no step runs a command; with `paths`, no handler but those of the
    handler directory. `handlers`, `users` and `upload_hosts` are all that may be named, None
    for any. A handler of the handler directory, or found on PATH, goes by its name, another
    one by its whole path; hosts are patterns as `host_pattern` returns them.
    `home_assistant_steps` are all the types of steps that may run in Home Assistant itself,
    None for any. `actions` are what such steps may call there: none where nothing is said.
    """

    commands: bool = False
    paths: bool = False
    handlers: frozenset[str] | None = None
    users: frozenset[str] | None = None
    upload_hosts: frozenset[str] | None = None
    home_assistant_steps: frozenset[ActionType] | None = None
    actions: tuple[AllowedAction, ...] = ()

    @property
    def up(self) -> tuple[Fence, ...]:
        """The fences that are up."""
        return tuple(
            fence for fence in Fence if getattr(self, fence) not in (False, None)
        )

    def allows(self, type_: ActionType) -> bool:
        """Tell whether any step of a type may run."""
        match type_:
            case ActionType.RUN_HANDLER:
                return self.handlers is None or bool(self.handlers)
            case ActionType.RUN_COMMAND:
                return not self.commands
            case ActionType.SIGNED | ActionType.DRY_RUN:
                return True
            case ActionType.CALL_ACTION if not self.actions:
                return False
        steps = self.home_assistant_steps
        return steps is None or type_ in steps


OPEN: Final = Fences()
"""Every job may do all that the agent can, but call no action: those are named one by one."""


class FencedOffError(InvalidJobDocumentError):
    """A job document asks for what its thing does not let any job do."""


def read_document(document: Any, fences: Fences) -> JobDocument:
    """Return what a job document, as JSON gives it, says, if it may be run.

    Raises InvalidJobDocumentError, and FencedOffError among it.
    """
    parsed = parse_job_document(document)
    if (refusal := fenced_off(parsed, fences)) is not None:
        raise refusal
    return _confined(parsed, fences)


def fenced_off(document: JobDocument, fences: Fences) -> FencedOffError | None:
    """Return what a document may not do, of all that the first; None if it may be run."""
    for step, fields in _steps(document):
        for path, problem in _problems(step, fields, fences):
            return FencedOffError(path, problem)
    return None


def host_allowed(url: str, fences: Fences) -> bool:
    """Tell whether something may be sent to, or fetched from, an http or https URL.

    A text that is none names no host, so that it is not allowed where that fence is up.
    """
    if fences.upload_hosts is None:
        return True
    hosts = tuple(hosts_in(url))
    return bool(hosts) and all(_is_allowed(host, fences.upload_hosts) for host in hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """Where in a document it stands what a step is. `arg` is the first argument's number.

    `type` is where a step of Home Assistant says its type, and `input` what it is given.
    """

    command: str
    path: str
    handler: str
    user: str
    args: str
    first_arg: int
    type: str = ""
    input: str = ""

    def of_arg(self, index: int) -> str:
        """Return where an argument of a call stands; before all others comes the user."""
        number = index - self.first_arg
        return self.user if number < 0 else f"{self.args}[{number}]"


_OLD: Final = _Fields(
    command="operation",
    path="path",
    handler="operation",
    user="operation",
    args="args",
    first_arg=0,
)


def _new(step: str) -> _Fields:
    action = f"{step}.action"
    return _Fields(
        command=f"{action}.input.command",
        path=f"{action}.input.path",
        handler=f"{action}.input.handler",
        user=f"{action}.runAsUser",
        args=f"{action}.input.args",
        first_arg=1,
        type=f"{action}.type",
        input=f"{action}.input",
    )


def _steps(document: JobDocument) -> Iterator[tuple[Step, _Fields]]:
    for index, step in enumerate(document.steps, start=document.dry_run):
        yield step, _OLD if document.is_of_old_schema else _new(f"steps[{index}]")
    if document.final_step is not None:
        yield document.final_step, _new("finalStep")


def _problems(step: Step, fields: _Fields, fences: Fences) -> Iterator[tuple[str, str]]:
    """Yield what a step may not do, with the field that says it."""
    call = step.call
    match call:
        case CommandCall():
            if fences.commands:
                yield fields.command, Reason.COMMANDS_FENCED_OFF.text()
        case HandlerCall():
            yield from _handler_problems(call, fields, fences)
        case _:
            yield from _home_problems(call, fields, fences)
    if fences.users is not None and not isinstance(call, HomeAssistantCall):
        yield from _user_problems(step, fields, fences.users)
    if fences.upload_hosts is not None:
        yield from _host_problems(call, fields, fences.upload_hosts)


def _handler_problems(
    call: HandlerCall, fields: _Fields, fences: Fences
) -> Iterator[tuple[str, str]]:
    by_name = call.path in ("", DEFAULT_PATH)
    if fences.paths and not by_name:
        yield fields.path, Reason.PATH_FENCED_OFF.text(found=_quoted(call.path))
    if fences.handlers is None:
        return
    name = call.handler if by_name else f"{call.path.rstrip('/')}/{call.handler}"
    if name not in fences.handlers:
        yield fields.handler, Reason.HANDLER_FENCED_OFF.text(found=_quoted(name))


def _home_problems(
    call: HomeAssistantCall, fields: _Fields, fences: Fences
) -> Iterator[tuple[str, str]]:
    steps = fences.home_assistant_steps
    if steps is not None and call.type not in steps:
        yield fields.type, Reason.STEP_TYPE_FENCED_OFF.text(found=_quoted(call.type))
    if isinstance(call, ActionCall):
        if (problem := problem_of(call, fences.actions)) is not None:
            yield f"{fields.input}.action", problem


def _user_problems(
    step: Step, fields: _Fields, users: frozenset[str]
) -> Iterator[tuple[str, str]]:
    user, field = step.run_as_user, fields.user
    if fields is _OLD and isinstance(step.call, HandlerCall) and step.call.args:
        # That schema knows no user, and handlers take the first argument for one.
        user, field = step.call.args[0], fields.of_arg(0)
    if user in users:
        return
    if user:
        yield field, Reason.USER_FENCED_OFF.text(found=_quoted(user))
    else:
        yield field, Reason.NO_USER_FENCED_OFF.text()


def _host_problems(
    call: Call, fields: _Fields, allowed: frozenset[str]
) -> Iterator[tuple[str, str]]:
    for field, text in _texts(call, fields):
        for host in hosts_in(text):
            if host is None:
                yield field, Reason.URL_FENCED_OFF.text()
            elif not is_among(host, allowed):
                yield field, Reason.HOST_FENCED_OFF.text(found=_quoted(host))


def _texts(call: Call, fields: _Fields) -> Iterator[tuple[str, str]]:
    """Yield all that a step is given that may be a URL, with the field that says it.

    What an action of Home Assistant may be given is for its own fence to say.
    """
    match call:
        case CommandCall():
            yield from ((fields.command, word) for word in call.argv)
        case HandlerCall():
            yield from ((fields.of_arg(i), arg) for i, arg in enumerate(call.args))
        case BackupCall() | LogsCall():
            yield f"{fields.input}.uploadUrl", call.upload_url
        case CheckCall():
            yield f"{fields.input}.url", call.url


def _is_allowed(host: str | None, allowed: frozenset[str]) -> bool:
    return host is not None and is_among(host, allowed)


def _confined(document: JobDocument, fences: Fences) -> JobDocument:
    """Return a document that can do no more than it may, where more than one thing is meant.

    Handlers without a path are not looked for on PATH where paths are fenced off; actions
    get the data that they are allowed with.
    """
    final = document.final_step
    return replace(
        document,
        steps=tuple(_confined_step(step, fences) for step in document.steps),
        final_step=None if final is None else _confined_step(final, fences),
    )


def _confined_step(step: Step, fences: Fences) -> Step:
    match step.call:
        case HandlerCall(path="") as call if fences.paths:
            return replace(step, call=replace(call, path=DEFAULT_PATH))
        case ActionCall() as call:
            return replace(step, call=with_allowed_data(call, fences.actions))
    return step


def _quoted(text: str) -> str:
    return f"{text!r:.80}"
