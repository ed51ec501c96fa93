"""Read a job document, in both schemas of the AWS IoT Device Client.

The new schema has `version` "1.0", `steps` and perhaps a `finalStep`; the old one an
`operation`. Keys are case-sensitive, unknown keys are ignored, and null is the same as
absent: AWS drops such members itself. Managed job templates leave an empty string where a
parameter is not set, so an empty optional field is absent too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
import re
from typing import Any

import voluptuous as vol

from ..runner.model import CommandCall, HandlerCall
from .errors import InvalidJobDocumentError
from .reasons import Reason

SCHEMA_VERSION = "1.0"
DEFAULT_CONDITION_TYPE = "stringEqual"


class ActionType(StrEnum):
    """What an action can be."""

    RUN_HANDLER = "runHandler"
    RUN_COMMAND = "runCommand"


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
    call: HandlerCall | CommandCall
    run_as_user: str = ""
    allow_stderr: int | None = None
    ignore_failure: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDocument:
    """What a job is to do."""

    steps: tuple[Step, ...]
    final_step: Step | None = None
    conditions: tuple[Condition, ...] = ()
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
    present = _without_absent(document)
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
    return tuple(word.replace(r"\,", ",").strip(_SPACES) for word in words)


_SPACES = " \t\n\v\f\r"


def _without_absent(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def _object(fields: dict[Any, Any]) -> Any:
    """Return a validator of a JSON object with these fields and any others."""
    schema = vol.Schema(fields, extra=vol.ALLOW_EXTRA)

    def validate(value: Any) -> Any:
        return schema(_without_absent(_any_object(value)))

    return validate


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise vol.Invalid(Reason.MUST_BE_TEXT.text())
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise vol.Invalid(Reason.MUST_BE_PLAIN_TEXT.text())
    return value


def _any_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise vol.Invalid(Reason.MUST_BE_OBJECT.text())
    return value


def _required_text(value: Any) -> str:
    if not _text(value).strip():
        raise vol.Invalid(Reason.MISSING.text())
    return str(value)


def _list_of(element: Callable[[Any], Any], *, at_least_one: bool = False) -> Any:
    schema = vol.Schema([element])

    def validate(value: Any) -> Any:
        if not isinstance(value, list):
            raise vol.Invalid(Reason.MUST_BE_LIST.text())
        if at_least_one and not value:
            raise vol.Invalid(Reason.MUST_NOT_BE_EMPTY.text())
        return schema(value)

    return validate


def _argument(value: Any) -> str:
    """Read one argument of a handler: a string, or what JSON writes without quotes."""
    match value:
        case str():
            return _text(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case None:
            return ""
    raise vol.Invalid(Reason.MUST_BE_TEXT.text())


def _boolean(value: Any) -> bool:
    match value:
        case bool():
            return value
        case str() if value.lower() in ("true", "false", ""):
            return value.lower() == "true"
    raise vol.Invalid(Reason.MUST_BE_BOOLEAN.text())


def _count(value: Any) -> int | None:
    match value:
        case bool():
            pass
        case None | "":
            return None
        case int() if value >= 0:
            return value
        case float() if value >= 0 and value.is_integer():
            return int(value)
        case str() if re.fullmatch(r"[0-9]{1,9}", value):
            return int(value)
    raise vol.Invalid(Reason.MUST_BE_COUNT.text())


def _seconds(value: Any) -> float | None:
    match value:
        case bool():
            pass
        case None | "":
            return None
        case int() | float() if 0 < value <= _MAX_TIMEOUT_SECONDS:
            return float(value)
        case str() if re.fullmatch(r"[0-9]{1,6}", value):
            return _seconds(int(value))
    raise vol.Invalid(Reason.MUST_BE_SECONDS.text(max_seconds=_MAX_TIMEOUT_SECONDS))


# AWS's own limit for a step timer, 10080 minutes.
_MAX_TIMEOUT_SECONDS = 10080 * 60


def _version(value: Any) -> str:
    if isinstance(value, list | dict):
        raise vol.Invalid(Reason.VERSION_IS_NO_TEXT.text(version=SCHEMA_VERSION))
    if value != SCHEMA_VERSION:
        raise vol.Invalid(
            Reason.OTHER_VERSION.text(version=SCHEMA_VERSION, found=f"{value!r:.40}")
        )
    return SCHEMA_VERSION


def _action_type(value: Any) -> ActionType:
    try:
        return ActionType(_required_text(value))
    except ValueError:
        unknown = Reason.UNKNOWN_ACTION.text(found=f"{value!r:.40}")
        raise vol.Invalid(unknown) from None


def _command(value: Any) -> tuple[str, ...]:
    argv = split_command(_required_text(value))
    if not argv or not argv[0]:
        raise vol.Invalid(Reason.NO_PROGRAM.text())
    if any(character in argv[0] for character in _SPACES):
        raise vol.Invalid(Reason.PROGRAM_WITH_SPACES.text(found=f"{argv[0]!r:.60}"))
    return argv


_HANDLER_INPUT = _object(
    {
        vol.Required("handler"): _required_text,
        vol.Optional("args", default=list): _list_of(_argument),
        vol.Optional("path", default=""): _text,
    }
)
_COMMAND_INPUT = _object({vol.Required("command"): _command})


def _action(value: Any) -> Any:
    """Read an action: what its input holds depends on its type."""
    action = _ACTION(value)
    schema = _HANDLER_INPUT
    if action["type"] is ActionType.RUN_COMMAND:
        schema = _COMMAND_INPUT
    try:
        action["input"] = schema(action["input"])
    except vol.Invalid as err:
        err.prepend(["input"])
        raise
    return action


_ACTION = _object(
    {
        vol.Required("name"): _required_text,
        vol.Required("type"): _action_type,
        vol.Required("input"): _any_object,
        vol.Optional("runAsUser", default=""): _text,
        vol.Optional("allowStdErr", default=None): _count,
        vol.Optional("ignoreStepFailure", default=False): _boolean,
        vol.Optional("timeoutSeconds", default=None): _seconds,
    }
)
_STEP = _object({vol.Required("action"): _action})
_CONDITION = _object(
    {
        vol.Required("key"): _required_text,
        vol.Required("value"): _list_of(_text, at_least_one=True),
        vol.Optional("type", default=DEFAULT_CONDITION_TYPE): _text,
    }
)
_NEW_SCHEMA = _object(
    {
        vol.Required("version"): _version,
        vol.Optional("includeStdOut", default=False): _boolean,
        vol.Optional("conditions", default=list): _list_of(_CONDITION),
        vol.Required("steps"): _list_of(_STEP, at_least_one=True),
        vol.Optional("finalStep"): _STEP,
    }
)
_OLD_SCHEMA = _object(
    {
        vol.Required("operation"): _required_text,
        vol.Optional("args", default=list): _list_of(_argument),
        vol.Optional("path", default=""): _text,
        vol.Optional("includeStdOut", default=False): _boolean,
        vol.Optional("allowStdErr", default=None): _count,
        vol.Optional("timeoutSeconds", default=None): _seconds,
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
    return JobDocument(
        steps=tuple(_step(step["action"]) for step in fields["steps"]),
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


def _step(action: dict[str, Any]) -> Step:
    return Step(
        name=action["name"],
        call=_call(action),
        run_as_user=action["runAsUser"],
        allow_stderr=action["allowStdErr"],
        ignore_failure=action["ignoreStepFailure"],
        timeout=action["timeoutSeconds"],
    )


def _call(action: dict[str, Any]) -> HandlerCall | CommandCall:
    given = action["input"]
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
