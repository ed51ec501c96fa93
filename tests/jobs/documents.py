"""Job documents for the tests of the agent."""

from typing import Any


def handler_step(handler: str, *args: str, **fields: Any) -> dict[str, Any]:
    """Return a step that runs a handler of the handler directory."""
    given = {"handler": handler, "args": list(args), "path": "default"}
    return {"action": {"name": handler, "type": "runHandler", "input": given} | fields}


def command_step(command: str, **fields: Any) -> dict[str, Any]:
    """Return a step that runs a command."""
    given = {"command": command}
    return {"action": {"name": command, "type": "runCommand", "input": given} | fields}


def home_step(type_: str, **fields: Any) -> dict[str, Any]:
    """Return a step that runs in Home Assistant itself."""
    return {"action": {"name": type_, "type": type_} | fields}


def document(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a job document of the new schema that wants its output back."""
    return {"version": "1.0", "includeStdOut": True, "steps": list(steps)} | fields
