"""Validators for the fields of a job document, whose messages say what they must be."""

from collections.abc import Callable, Mapping
import re
from typing import Any, Final

import voluptuous as vol

from .reasons import Reason

SPACES: Final = " \t\n\v\f\r"

# AWS's own limit for a step timer, 10080 minutes.
_MAX_TIMEOUT_SECONDS = 10080 * 60


def without_absent(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object without the members that are null, which is the same as absent."""
    return {key: value for key, value in mapping.items() if value is not None}


def json_object(fields: dict[Any, Any]) -> Any:
    """Return a validator of a JSON object with these fields and any others."""
    schema = vol.Schema(fields, extra=vol.ALLOW_EXTRA)

    def validate(value: Any) -> Any:
        return schema(without_absent(any_object(value)))

    return validate


def plain_text(value: Any) -> str:
    """Read a string. This, and those below, raise vol.Invalid."""
    if not isinstance(value, str):
        raise vol.Invalid(Reason.MUST_BE_TEXT.text())
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise vol.Invalid(Reason.MUST_BE_PLAIN_TEXT.text())
    return value


def any_object(value: Any) -> dict[str, Any]:
    """Read an object, whatever it holds."""
    if not isinstance(value, dict):
        raise vol.Invalid(Reason.MUST_BE_OBJECT.text())
    return value


def required_text(value: Any) -> str:
    """Read a string that is not blank."""
    if not plain_text(value).strip():
        raise vol.Invalid(Reason.MISSING.text())
    return str(value)


def list_of(element: Callable[[Any], Any], *, at_least_one: bool = False) -> Any:
    """Return a validator of a list of such elements."""
    schema = vol.Schema([element])

    def validate(value: Any) -> Any:
        if not isinstance(value, list):
            raise vol.Invalid(Reason.MUST_BE_LIST.text())
        if at_least_one and not value:
            raise vol.Invalid(Reason.MUST_NOT_BE_EMPTY.text())
        return schema(value)

    return validate


def argument(value: Any) -> str:
    """Read one argument of a handler: a string, or what JSON writes without quotes."""
    match value:
        case str():
            return plain_text(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case None:
            return ""
    raise vol.Invalid(Reason.MUST_BE_TEXT.text())


def boolean(value: Any) -> bool:
    """Read a boolean, or its text; an empty one is false."""
    match value:
        case bool():
            return value
        case str() if value.lower() in ("true", "false", ""):
            return value.lower() == "true"
    raise vol.Invalid(Reason.MUST_BE_BOOLEAN.text())


def count(value: Any) -> int | None:
    """Read a whole number of 0 or more, or its text; None where there is none."""
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


def seconds(value: Any) -> float | None:
    """Read a length of time in seconds, or its text; None where there is none."""
    match value:
        case bool():
            pass
        case None | "":
            return None
        case int() | float() if 0 < value <= _MAX_TIMEOUT_SECONDS:
            return float(value)
        case str() if re.fullmatch(r"[0-9]{1,6}", value):
            return seconds(int(value))
    raise vol.Invalid(Reason.MUST_BE_SECONDS.text(max_seconds=_MAX_TIMEOUT_SECONDS))
