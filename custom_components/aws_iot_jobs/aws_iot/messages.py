"""The messages of the AWS IoT Jobs device MQTT API: topics, requests and answers.

See "Jobs device MQTT API operations" in the AWS IoT developer guide. All of it is pure:
bytes to dataclasses and back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
import json
import re
from typing import Any

from .errors import MalformedMessageError
from .model import ExecutionKey, ExecutionState, JobExecution, JobStatus

MAX_PAYLOAD_BYTES = 128 * 1024
"""AWS IoT Core's limit for a message."""

_MAX_DIGITS = 300
_JOB_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class RejectedCode(StrEnum):
    """The codes of an ErrorResponse."""

    INTERNAL_ERROR = "InternalError"
    INVALID_JSON = "InvalidJson"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_STATE_TRANSITION = "InvalidStateTransition"
    INVALID_TOPIC = "InvalidTopic"
    REQUEST_THROTTLED = "RequestThrottled"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
    TERMINAL_STATE_REACHED = "TerminalStateReached"
    VERSION_MISMATCH = "VersionMismatch"


class Topics:
    """The topics of one thing: `filters` are those that jobs need."""

    def __init__(self, thing_name: str) -> None:
        """Name the thing."""
        self._prefix = f"$aws/things/{thing_name}/jobs/"
        self.start_next = f"{self._prefix}start-next"
        self.notify_next = f"{self._prefix}notify-next"
        self.filters = (
            f"{self.start_next}/accepted",
            f"{self.start_next}/rejected",
            f"{self._prefix}+/update/accepted",
            f"{self._prefix}+/update/rejected",
            self.notify_next,
        )
        self.peek = f"{self._prefix}$next/get"
        self.peek_filters = (f"{self.peek}/accepted", f"{self.peek}/rejected")
        """These, and `peek`, are not among what the minimal policy allows."""

    def update(self, job_id: str) -> str:
        """Return where updates of a job are published."""
        return f"{self._prefix}{job_id}/update"

    def is_accepted(self, topic: str) -> bool:
        """Tell whether a topic has answers that a request was accepted."""
        return self._is_answer(topic, "/accepted")

    def is_rejected(self, topic: str) -> bool:
        """Tell whether a topic has answers that a request was rejected."""
        return self._is_answer(topic, "/rejected")

    def _is_answer(self, topic: str, ending: str) -> bool:
        if not (topic.startswith(self._prefix) and topic.endswith(ending)):
            return False
        operation = topic.removeprefix(self._prefix).removesuffix(ending)
        asked = {"start-next", "$next/get"}
        return operation in asked or operation.endswith("/update")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An ErrorResponse."""

    code: str
    message: str
    state: ExecutionState | None


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the payload of a request; members that are None are left out."""
    present = {key: value for key, value in message.items() if value is not None}
    return json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode()


def decode(payload: bytes) -> dict[str, Any]:
    """Return the JSON object of a payload. Raises MalformedMessageError."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedMessageError(f"{len(payload)} bytes are more than AWS IoT sends")
    try:
        message = json.loads(payload, parse_int=_integer)
    # Deeply nested JSON exhausts the decoder's stack.
    except (ValueError, RecursionError) as err:
        raise MalformedMessageError(f"not JSON: {err}") from err
    if not isinstance(message, dict):
        raise MalformedMessageError("not a JSON object")
    return message


def _integer(text: str) -> int | float:
    """Read a number; one that is longer than Python likes is as good as infinite.

    A job document with one is rejected, instead of being handed out for ever.
    """
    return int(text) if len(text) <= _MAX_DIGITS else float(text)


def client_token(message: Mapping[str, Any]) -> str | None:
    """Return the token that tells which request a message answers."""
    token = message.get("clientToken")
    return token if isinstance(token, str) else None


def execution(message: Mapping[str, Any]) -> JobExecution | None:
    """Return the execution of a start-next or $next/get answer or a notify-next message.

    None when no job is pending. Raises MalformedMessageError where a field is missing or
    has the wrong type.
    """
    # AWS leaves the member out, or sends an empty object in some places.
    if not (fields := message.get("execution")):
        return None
    if not isinstance(fields, dict):
        raise MalformedMessageError("execution: not an object")
    return JobExecution(
        key=ExecutionKey(
            _job_id(fields),
            _field(fields, "executionNumber", int),
            _optional_int(fields, "queuedAt") or 0,
        ),
        status=_status(fields),
        version_number=_field(fields, "versionNumber", int),
        document=fields.get("jobDocument"),
        status_details=_details(fields),
        seconds_before_timed_out=_optional_int(
            fields, "approximateSecondsBeforeTimedOut"
        ),
    )


def execution_state(message: Mapping[str, Any]) -> ExecutionState | None:
    """Return the execution state of an update's answer, where there is one."""
    if not (fields := message.get("executionState")):
        return None
    if not isinstance(fields, dict):
        raise MalformedMessageError("executionState: not an object")
    return ExecutionState(
        status=_status(fields), version_number=_field(fields, "versionNumber", int)
    )


def rejection(message: Mapping[str, Any]) -> Rejection:
    """Return what an ErrorResponse says; a missing code is an empty one."""
    code, text = message.get("code"), message.get("message")
    return Rejection(
        code=code if isinstance(code, str) else "",
        message=text if isinstance(text, str) else "",
        state=execution_state(message),
    )


def _job_id(fields: Mapping[str, Any]) -> str:
    """Return the job's id, which is safe to name topics and directories with."""
    job_id = _field(fields, "jobId", str)
    if not _JOB_ID.fullmatch(job_id):
        raise MalformedMessageError(f"jobId: {job_id!r:.80} is not one of AWS IoT Jobs")
    return job_id


def _status(fields: Mapping[str, Any]) -> JobStatus:
    text = _field(fields, "status", str)
    try:
        return JobStatus(text)
    except ValueError:
        raise MalformedMessageError(f"status: unknown value {text!r:.40}") from None


def _details(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the status details that AWS has, where it tells any."""
    details = fields.get("statusDetails")
    return details if isinstance(details, dict) else {}


def _field[T](fields: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = fields.get(name)
    # In Python a bool is an int; in JSON it is not.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MalformedMessageError(f"{name}: missing, or not of type {kind.__name__}")
    return value


def _optional_int(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
