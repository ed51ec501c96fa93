"""Read a job document, in both schemas of the AWS IoT Device Client.

The new schema has `version` "1.0", `steps` and perhaps a `finalStep`; the old one an
`operation`. Keys are case-sensitive, unknown keys are ignored, and null is the same as
absent: AWS drops such members itself. Managed job templates leave an empty string where a
parameter is not set, so an empty optional field is absent too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import difflib
import re
from typing import Any

import voluptuous as vol

from ..runner.model import CommandCall, HandlerCall
from .calls import HOME_STEP_TYPES, ActionType, HomeAssistantCall, call_of
from .errors import InvalidJobDocumentError
from .fields import (
    SPACES,
    any_object,
    argument,
    boolean,
    count,
    json_object,
    list_of,
    plain_text,
    required_text,
    seconds,
    without_absent,
)
from .reasons import Reason

type Call = HandlerCall | CommandCall | HomeAssistantCall
"""What a step runs."""

SCHEMA_VERSION = "1.0"
DEFAULT_CONDITION_TYPE = "stringEqual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A thing runs the job only where `key` has one of the `values`."""

    key: str
    values: tuple[str, ...]
    type: str = DEFAULT_CONDITION_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action of a job.

    `allow_stderr` is how many lines of stderr may be written, None for any number;
    `timeout` is in seconds.
    """

    name: str
    call: Call
    run_as_user: str = ""
    allow_stderr: int | None = None
    ignore_failure: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDocument:
    """What a job is to do. With `dry_run`, nothing but to say what that would be.

    The step that asks for this is not among the `steps`.
    """

    steps: tuple[Step, ...]
    final_step: Step | None = None
    conditions: tuple[Condition, ...] = ()
    dry_run: bool = False
    include_stdout: bool = False
    is_of_old_schema: bool = False

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps in their order, the final one last."""
        return self.steps if self.final_step is None else (*self.steps, self.final_step)


def parse_job_document(document: Any) -> JobDocument:
    """Return what a job document, as JSON gives it, says.

    Raises InvalidJobDocumentError, which names the field by its path.
    """
    if not isinstance(document, Mapping):
        raise InvalidJobDocumentError("", Reason.NO_OBJECT.text())
    present = without_absent(document)
    version = present.get("version", "")
    # As the Device Client has it: only a string is the version of a schema.
    if "operation" in present and (not isinstance(version, str) or not version):
        return _read(_OLD_SCHEMA, present, _old_document)
    if "version" in present:
        return _read(_NEW_SCHEMA, present, _new_document)
    if "steps" in present:
        missing = Reason.VERSION_MISSING
    else:
        missing = Reason.VERSION_OR_OPERATION_MISSING
    raise InvalidJobDocumentError("version", missing.text(version=SCHEMA_VERSION))


def split_command(command: str) -> tuple[str, ...]:
    r"""Split a runCommand's `command` into its argv.

    Commas separate, `\,` is a comma, words are trimmed, empty ones vanish, and one of
    spaces alone is an empty argument.
    """
    words = re.findall(r"(?:\\,|[^,])+", command)
    return tuple(word.replace(r"\,", ",").strip(SPACES) for word in words)


def _version(value: Any) -> str:
    if isinstance(value, list | dict):
        raise vol.Invalid(Reason.VERSION_IS_NO_TEXT.text(version=SCHEMA_VERSION))
    if value != SCHEMA_VERSION:
        raise vol.Invalid(
            Reason.OTHER_VERSION.text(version=SCHEMA_VERSION, found=f"{value!r:.40}")
        )
    return SCHEMA_VERSION


def _action_type(value: Any) -> ActionType:
    if required_text(value) == ActionType.SIGNED:
        raise vol.Invalid(Reason.SIGNED_NOT_ALONE.text())
    try:
        return ActionType(value)
    except ValueError:
        found = f"{value!r:.40}"
        unknown = Reason.UNKNOWN_ACTION.text(found=found)
        if close := difflib.get_close_matches(value, HOME_STEP_TYPES, n=1):
            unknown = Reason.MISSPELT_TYPE.text(meant=f'"{close[0]}"', found=found)
        raise vol.Invalid(unknown) from None


def _nobody(value: Any) -> str:
    if plain_text(value):
        raise vol.Invalid(Reason.USER_IN_HOME_ASSISTANT.text())
    return ""


def _command(value: Any) -> tuple[str, ...]:
    argv = split_command(required_text(value))
    if not argv or not argv[0]:
        raise vol.Invalid(Reason.NO_PROGRAM.text())
    if any(character in argv[0] for character in SPACES):
        raise vol.Invalid(Reason.PROGRAM_WITH_SPACES.text(found=f"{argv[0]!r:.60}"))
    return argv


_HANDLER_INPUT = json_object(
    {
        vol.Required("handler"): required_text,
        vol.Optional("args", default=list): list_of(argument),
        vol.Optional("path", default=""): plain_text,
    }
)
_COMMAND_INPUT = json_object({vol.Required("command"): _command})


def _action(value: Any) -> Any:
    """Read an action: what its input holds depends on its type."""
    action = any_object(value)
    if action.get("type") == ActionType.DRY_RUN:
        return {"type": ActionType.DRY_RUN}
    if action.get("type") in HOME_STEP_TYPES:
        return _input(_ACTION_HERE(action), lambda given, type_: call_of(type_, given))
    schemas = {
        ActionType.RUN_HANDLER: _HANDLER_INPUT,
        ActionType.RUN_COMMAND: _COMMAND_INPUT,
    }
    return _input(_ACTION(action), lambda given, type_: schemas[type_](given))


def _input(
    action: dict[str, Any], read: Callable[[Any, ActionType], Any]
) -> dict[str, Any]:
    try:
        action["input"] = read(action["input"], action["type"])
    except vol.Invalid as err:
        err.prepend(["input"])
        raise
    return action


_ANY_ACTION = {
    vol.Required("name"): required_text,
    vol.Required("type"): _action_type,
    vol.Optional("allowStdErr", default=None): count,
    vol.Optional("ignoreStepFailure", default=False): boolean,
    vol.Optional("timeoutSeconds", default=None): seconds,
}
_ACTION = json_object(
    {
        **_ANY_ACTION,
        vol.Required("input"): any_object,
        vol.Optional("runAsUser", default=""): plain_text,
    }
)
# Home Assistant acts as itself, and some of what it can do needs no input.
_ACTION_HERE = json_object(
    {
        **_ANY_ACTION,
        vol.Optional("input", default=dict): any_object,
        vol.Optional("runAsUser", default=""): _nobody,
    }
)
_STEP = json_object({vol.Required("action"): _action})
_CONDITION = json_object(
    {
        vol.Required("key"): required_text,
        vol.Required("value"): list_of(plain_text, at_least_one=True),
        vol.Optional("type", default=DEFAULT_CONDITION_TYPE): plain_text,
    }
)
_NEW_SCHEMA = json_object(
    {
        vol.Required("version"): _version,
        vol.Optional("includeStdOut", default=False): boolean,
        vol.Optional("conditions", default=list): list_of(_CONDITION),
        vol.Required("steps"): list_of(_STEP, at_least_one=True),
        vol.Optional("finalStep"): _STEP,
    }
)
_OLD_SCHEMA = json_object(
    {
        vol.Required("operation"): required_text,
        vol.Optional("args", default=list): list_of(argument),
        vol.Optional("path", default=""): plain_text,
        vol.Optional("includeStdOut", default=False): boolean,
        vol.Optional("allowStdErr", default=None): count,
        vol.Optional("timeoutSeconds", default=None): seconds,
    }
)


def _read(
    schema: Callable[[Any], Any],
    document: Mapping[str, Any],
    build: Callable[[dict[str, Any]], JobDocument],
) -> JobDocument:
    try:
        return build(schema(dict(document)))
    except vol.MultipleInvalid as err:
        raise _invalid_document(err.errors[0]) from None
    except vol.Invalid as err:
        raise _invalid_document(err) from None


def _invalid_document(err: vol.Invalid) -> InvalidJobDocumentError:
    path = ""
    for part in err.path:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else str(part)
    missing = isinstance(err, vol.RequiredFieldInvalid)
    return InvalidJobDocumentError(path, Reason.MISSING.text() if missing else err.msg)


def _new_document(fields: dict[str, Any]) -> JobDocument:
    final_step = fields.get("finalStep")
    steps = fields["steps"]
    dry_run = _is_dry_run(steps[0])
    for index, step in enumerate(steps[dry_run:], start=dry_run):
        if _is_dry_run(step):
            path = ["steps", index, "action", "type"]
            raise vol.Invalid(Reason.DRY_RUN_NOT_FIRST.text(), path=path)
    if final_step is not None and _is_dry_run(final_step):
        path = ["finalStep", "action", "type"]
        raise vol.Invalid(Reason.DRY_RUN_NOT_FIRST.text(), path=path)
    if dry_run and not steps[1:]:
        raise vol.Invalid(Reason.DRY_RUN_OF_NOTHING.text(), path=["steps"])
    return JobDocument(
        steps=tuple(_step(step["action"]) for step in steps[dry_run:]),
        dry_run=dry_run,
        final_step=None if final_step is None else _step(final_step["action"]),
        conditions=tuple(
            Condition(
                key=condition["key"],
                values=tuple(condition["value"]),
                type=condition["type"] or DEFAULT_CONDITION_TYPE,
            )
            for condition in fields["conditions"]
        ),
        include_stdout=fields["includeStdOut"],
    )


def _is_dry_run(step: dict[str, Any]) -> bool:
    return bool(step["action"]["type"] is ActionType.DRY_RUN)


def _step(action: dict[str, Any]) -> Step:
    call = _call(action)
    timeout = action["timeoutSeconds"]
    if timeout is None and isinstance(call, HomeAssistantCall):
        timeout = call.seconds
    return Step(
        name=action["name"],
        call=call,
        run_as_user=action["runAsUser"],
        allow_stderr=action["allowStdErr"],
        ignore_failure=action["ignoreStepFailure"],
        timeout=timeout,
    )


def _call(action: dict[str, Any]) -> Call:
    given = action["input"]
    if isinstance(given, HomeAssistantCall):
        return given
    if action["type"] is ActionType.RUN_COMMAND:
        return CommandCall(argv=given["command"])
    # The Device Client always tells a handler its user first, be it empty.
    args = (action["runAsUser"], *given["args"])
    return HandlerCall(handler=given["handler"], args=args, path=given["path"])


def _old_document(fields: dict[str, Any]) -> JobDocument:
    """Read the old schema, which knows no user: its handlers get their arguments alone."""
    call = HandlerCall(
        handler=fields["operation"], args=tuple(fields["args"]), path=fields["path"]
    )
    step = Step(
        name=fields["operation"],
        call=call,
        allow_stderr=fields["allowStdErr"] or 0,
        timeout=fields["timeoutSeconds"],
    )
    return JobDocument(
        steps=(step,),
        include_stdout=fields["includeStdOut"],
        is_of_old_schema=True,
    )
