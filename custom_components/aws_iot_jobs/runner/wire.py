"""How requests, events and results look on the wire, as JSON.

Keys are those of the dataclasses of `model`; output is base64, for it is bytes.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
import re
from typing import Any

from .model import (
    CommandCall,
    HandlerCall,
    RunEvent,
    RunOutcome,
    RunOutput,
    RunResult,
    RunStarted,
    StepCheck,
    StepRequest,
    Stream,
)

# Both name files.
_NAME = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,239}")
_MAX_TIMEOUT = 1e9
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class WireError(ValueError):
    """What came over the wire makes no sense; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """An event of a run, or its result, which is the last one; numbers begin at 1."""

    number: int
    event: RunEvent | RunResult


def request_as_json(request: StepRequest) -> dict[str, Any]:
    """Return a request without its `run_id`, which the address names."""
    call = "handler" if isinstance(request.call, HandlerCall) else "command"
    return {
        "job_key": request.job_key,
        call: asdict(request.call),
        "run_as_user": request.run_as_user,
        "environment": dict(request.environment),
        "timeout": request.timeout,
    }


def request_from_json(run_id: str, data: Any) -> StepRequest:
    """Return a request. Raises WireError."""
    fields = _object(data, "the request")
    return StepRequest(
        run_id=required_name(run_id, "the run's id"),
        job_key=required_name(fields.get("job_key"), "job_key"),
        call=_call(fields),
        run_as_user=_text(fields.get("run_as_user", ""), "run_as_user"),
        environment=_environment(fields.get("environment", {})),
        timeout=_timeout(fields.get("timeout")),
    )


def event_as_json(numbered: Numbered) -> dict[str, Any]:
    """Return a line of an event stream."""
    match numbered.event:
        case RunStarted(pid=pid):
            told: dict[str, Any] = {"started": {"pid": pid}}
        case RunOutput() as output:
            told = {
                "output": {
                    "stream": output.stream,
                    "data": base64.b64encode(output.data).decode(),
                    "offset": output.offset,
                    "at": output.at.isoformat(),
                }
            }
        case RunResult() as result:
            told = {"ended": result_as_json(result)}
    return {"number": numbered.number} | told


def event_from_json(
    run_id: str, data: Any, ends: Mapping[Stream, int] | None = None
) -> Numbered:
    """Return what a line of an event stream says. Raises WireError.

    `ends` is up to where the streams have been told before: a service that does not say
    where output goes on leaves nothing out in between.
    """
    fields = _object(data, "the event")
    number = fields.get("number")
    if not isinstance(number, int):
        raise WireError("number: missing")
    return Numbered(number=number, event=_event(run_id, fields, ends or {}))


def required_name(value: Any, name: str) -> str:
    """Return what may name a run or a job, and with that a file. Raises WireError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise WireError(
            f"{name}: must be 1 to 240 of A-Z a-z 0-9 _ - . : and not begin with a dot"
        )
    return value


def result_as_json(result: RunResult) -> dict[str, Any]:
    """Return a result."""
    return asdict(result)


def result_from_json(data: Any) -> RunResult:
    """Return a result. Raises WireError."""
    fields = _object(data, "the result")
    try:
        return RunResult(**{**fields, "outcome": RunOutcome(fields["outcome"])})
    except (KeyError, TypeError, ValueError) as err:
        raise WireError(f"the result: {err}") from err


def check_from_json(data: Any) -> StepCheck:
    """Return what a run would do. Raises WireError."""
    match data:
        case {
            "path": str() | None as path,
            "acts_as_root": bool(acts_as_root),
            "problem": str() | None as problem,
        }:
            return StepCheck(path=path, acts_as_root=acts_as_root, problem=problem)
    raise WireError("the check: path, acts_as_root or problem is missing")


def _event(
    run_id: str, fields: Mapping[str, Any], ends: Mapping[Stream, int]
) -> RunEvent | RunResult:
    try:
        match fields:
            case {"started": {"pid": int(pid)}}:
                return RunStarted(run_id=run_id, pid=pid)
            case {"output": {"stream": stream, "data": str(data)} as output}:
                return RunOutput(
                    run_id=run_id,
                    stream=Stream(stream),
                    data=base64.b64decode(data, validate=True),
                    offset=int(output.get("offset", ends.get(stream, 0))),
                    at=_time(output.get("at")),
                )
            case {"ended": result}:
                return result_from_json(result)
    except (OverflowError, TypeError, ValueError, binascii.Error) as err:
        raise WireError(f"the event: {err}") from err
    raise WireError("the event: neither started, output nor ended")


def _time(value: Any) -> datetime:
    if value is None:
        return datetime.now(UTC)
    return datetime.fromisoformat(value).astimezone(UTC)


def _call(fields: Mapping[str, Any]) -> HandlerCall | CommandCall:
    match fields:
        case {"handler": handler, **others} if "command" not in others:
            call = _object(handler, "handler")
            return HandlerCall(
                handler=_text(call.get("handler"), "handler.handler"),
                args=_texts(call.get("args", []), "handler.args"),
                path=_text(call.get("path", ""), "handler.path"),
            )
        case {"command": command, **others} if "handler" not in others:
            argv = _texts(_object(command, "command").get("argv"), "command.argv")
            if not argv or not argv[0]:
                raise WireError("command.argv: must not be empty")
            return CommandCall(argv=argv)
    raise WireError("either handler or command: required")


def _timeout(value: Any) -> float | None:
    match value:
        case None:
            return None
        case bool():
            pass
        case int() | float() if abs(value) <= _MAX_TIMEOUT:
            return float(value)
    raise WireError("timeout: must be a number of seconds up to 1e9, or null")


def _environment(value: Any) -> dict[str, str]:
    environment = _object(value, "environment")
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise WireError(f"environment: {name!r:.80} is no name of a variable")
    return {
        name: _text(setting, f"environment.{name}")
        for name, setting in environment.items()
    }


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WireError(f"{name}: must be an object")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise WireError(f"{name}: must be a string without NUL characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WireError(f"{name}: must not hold lone surrogates") from None
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise WireError(f"{name}: must be a list of strings")
    return tuple(_text(entry, f"{name}[{index}]") for index, entry in enumerate(value))
