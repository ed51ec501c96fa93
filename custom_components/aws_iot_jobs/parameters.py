"""The parameters of a provisioning template, as users have them: lines of name=value."""

from collections.abc import Mapping
from typing import Any

from .const import CONF_PARAMETERS
from .errors import InvalidInputError


def read_parameters(text: str) -> dict[str, str]:
    """Return the parameters in lines. Raises InvalidInputError."""
    parameters: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator or not name or name in parameters:
            raise InvalidInputError({CONF_PARAMETERS: "invalid_parameters"}, line=line)
        parameters[name] = value
    return parameters


def as_lines(parameters: Mapping[str, Any]) -> str:
    """Return parameters as lines. Raises ValueError for those that lines cannot have."""
    lines = "\n".join(f"{name}={value}" for name, value in parameters.items())
    try:
        same = read_parameters(lines) == parameters
    except InvalidInputError as err:
        raise ValueError(str(err)) from err
    if not same:
        raise ValueError("not names and texts of one line each")
    return lines
