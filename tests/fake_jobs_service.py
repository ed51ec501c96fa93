"""AWS IoT Jobs' device side, as far as the minimal policy reaches, over a real broker.

Faithful to what was observed of AWS: the order of checks and messages, versions, the
re-hand-out of executions in progress, strict status details. `faults` makes it misbehave.
"""

import asyncio
from collections import deque
from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
import json
import random
import re
import socket
import ssl
import time
from typing import Any, Self
import unicodedata

import aiomqtt

TERMINAL = frozenset(
    {"SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "CANCELED", "REMOVED"}
)
SETTABLE = frozenset({"IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"})
_TOPIC = re.compile(r"\$aws/things/([^/]+)/jobs/(start-next|\$next/get|([^/]+)/update)")
_KEY = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


@dataclass(kw_only=True)
class Execution:
    """A job execution as the service has it."""

    job_id: str
    thing_name: str
    document: Any
    execution_number: int = 1
    status: str = "QUEUED"
    status_details: dict[str, str] = field(default_factory=dict)
    version_number: int = 1
    queued_at: int = field(default_factory=lambda: int(time.time()))
    started_at: int | None = None
    seconds_before_timed_out: int | None = None
    step_timeout_minutes: int | None = None
    history: list[str] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, int, int]:
        """What makes it another execution."""
        return self.job_id, self.execution_number, self.queued_at

    def as_execution(self) -> dict[str, Any]:
        """Return it as start-next and notify-next show it."""
        shown: dict[str, Any] = {"jobId": self.job_id, "status": self.status}
        if self.status_details:
            shown["statusDetails"] = self.status_details
        shown["queuedAt"] = self.queued_at
        if self.started_at is not None:
            shown["startedAt"] = self.started_at
        shown["lastUpdatedAt"] = int(time.time())
        shown["versionNumber"] = self.version_number
        shown["executionNumber"] = self.execution_number
        if self.status == "IN_PROGRESS" and (left := self._seconds_left()) is not None:
            shown["approximateSecondsBeforeTimedOut"] = left
        shown["jobDocument"] = self.document
        return shown

    def _seconds_left(self) -> int | None:
        """Return when the first timer ends, as if none had begun to run."""
        minutes, job = self.step_timeout_minutes, self.seconds_before_timed_out
        step = None if minutes is None else minutes * 60
        return min((it for it in (step, job) if it is not None), default=None)

    def as_state(self) -> dict[str, Any]:
        """Return it as an update's answer shows it."""
        state: dict[str, Any] = {"status": self.status}
        if self.status_details:
            state["statusDetails"] = self.status_details
        state["versionNumber"] = self.version_number
        return state


class RejectedError(Exception):
    """A request gets an ErrorResponse."""

    def __init__(self, code: str, message: str, state: Execution | None = None) -> None:
        """Keep what to answer."""
        super().__init__(message)
        self.code = code
        self.state = state


@dataclass
class Faults:
    """What goes wrong, as often as told.

    `reject` has codes for the next requests; `lose_requests` and `lose_answers` count
    those that vanish, the latter after they have had their effect; `double_answers` sends
    each twice. `chance` does the same at random, for each message.
    """

    reject: deque[str | None] = field(default_factory=deque)
    lose_requests: int = 0
    lose_answers: int = 0
    double_answers: bool = False
    chance: float = 0.0
    max_delay: float = 0.0
    random: random.Random = field(default_factory=random.Random)

    def loses_request(self) -> bool:
        """Tell whether a request is lost on its way."""
        if self.lose_requests > 0:
            self.lose_requests -= 1
            return True
        return self._hits()

    def copies_of_answer(self) -> int:
        """Return how often an answer is sent."""
        if self.lose_answers > 0:
            self.lose_answers -= 1
            return 0
        if self.double_answers or self._hits():
            return 2
        return 0 if self._hits() else 1

    def delay(self) -> float:
        """Return how many seconds an answer takes."""
        return self.random.uniform(0, self.max_delay)

    def _hits(self) -> bool:
        return self.chance > 0 and self.random.random() < self.chance


class FakeJobsService:
    """The service. Use it as an async context manager."""

    def __init__(
        self,
        *,
        port: int,
        tls_context: ssl.SSLContext,
        client_id: str = "aws",
        strict_details: bool = True,
    ) -> None:
        """Connect to a broker on the loopback interface.

        With `strict_details`, status details may hold no character of Unicode's category
        C, not even a newline, as the API's pattern says.
        """
        self._port = port
        self._tls_context = tls_context
        self._client_id = client_id
        self._strict_details = strict_details
        self._client: aiomqtt.Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._changed = asyncio.Condition()
        self._numbers: dict[tuple[str, str], int] = {}
        self._next: dict[str, tuple[str, int, int] | None] = {}
        self.faults = Faults()
        self.executions: list[Execution] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.received_at: list[float] = []

    async def __aenter__(self) -> Self:
        """Connect, and stay connected until the end."""
        self._spawn(self._serve())
        async with asyncio.timeout(10):
            await self._connected.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What an operator does

    def create_job(
        self,
        document: Any,
        *,
        thing_name: str = "thing-1",
        job_id: str | None = None,
        seconds_before_timed_out: int | None = None,
    ) -> Execution:
        """Queue a job; for a known id, another execution of it."""
        job_id = job_id or f"job-{len(self.executions) + 1}"
        number = self._numbers.get((thing_name, job_id), 0) + 1
        self._numbers[thing_name, job_id] = number
        execution = Execution(
            job_id=job_id,
            thing_name=thing_name,
            document=document,
            execution_number=number,
            seconds_before_timed_out=seconds_before_timed_out,
        )
        self.executions.append(execution)
        self._spawn(self._notify(thing_name))
        return execution

    def end(self, execution: Execution, status: str) -> None:
        """End an execution from AWS's side: CANCELED or TIMED_OUT."""
        self._set_status(execution, status)
        self._spawn(self._notify(execution.thing_name))

    def delete(self, execution: Execution) -> None:
        """Delete an execution, whatever its status; its number is free again."""
        self.executions.remove(execution)
        execution.status = "REMOVED"
        self._numbers.pop((execution.thing_name, execution.job_id), None)
        # That another one comes in its place at once is told all the same.
        self._next[execution.thing_name] = ("", 0, 0)
        self._spawn(self._notify(execution.thing_name))

    async def until(self, condition: Callable[[], bool], within: float = 20) -> None:
        """Wait until something holds of the executions or requests."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    async def ended(self, execution: Execution, within: float = 20) -> Execution:
        """Wait until an execution has ended, and return it."""
        await self.until(lambda: execution.status in TERMINAL, within)
        return execution

    async def send(self, topic: str, payload: bytes) -> None:
        """Publish anything."""
        assert self._client is not None
        await self._client.publish(topic, payload, qos=1)

    async def send_json(self, topic: str, message: dict[str, Any]) -> None:
        """Publish any message."""
        await self.send(topic, json.dumps(message).encode())

    # The service itself

    async def _serve(self) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._serve_connection()
            self._client = None
            self._connected.clear()
            await asyncio.sleep(0.1)

    async def _serve_connection(self) -> None:
        async with aiomqtt.Client(
            "localhost",
            self._port,
            identifier=self._client_id,
            tls_context=self._tls_context,
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=5,
            # Its own small writes must not wait for the broker's delayed acknowledgements.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        ) as client:
            await client.subscribe("$aws/things/+/jobs/start-next", qos=1)
            await client.subscribe("$aws/things/+/jobs/+/update", qos=1)
            await client.subscribe("$aws/things/+/jobs/$next/get", qos=1)
            self._client = client
            self._connected.set()
            for thing_name in {execution.thing_name for execution in self.executions}:
                await self._notify(thing_name)
            async for message in client.messages:
                payload = message.payload
                assert isinstance(payload, bytes)
                self._spawn(self._receive(str(message.topic), payload))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, topic: str, payload: bytes) -> None:
        request = json.loads(payload)
        self.requests.append((topic, request))
        self.received_at.append(time.monotonic())
        if self.faults.loses_request():
            await self._tell_change()
            return
        found = _TOPIC.fullmatch(topic)
        assert found is not None, topic
        thing_name = found[1]
        answer: dict[str, Any] = {}
        if "clientToken" in request:
            answer["clientToken"] = request["clientToken"]
        answer["timestamp"] = int(time.time())
        try:
            if (
                self.faults.reject
                and (code := self.faults.reject.popleft()) is not None
            ):
                raise RejectedError(code, "as the test wants it")
            if found[2] == "start-next":
                answer |= self._start_next(thing_name, request)
            elif found[2] == "$next/get":
                answer |= self._peek(thing_name)
            else:
                answer |= self._update(thing_name, found[3], request)
        except RejectedError as err:
            if err.state is not None:
                answer["executionState"] = err.state.as_state()
            if err.code:
                answer["code"] = err.code
            answer["message"] = str(err)
            await self._tell_change()
            await self._answer(f"{topic}/rejected", answer)
            return
        # Who waits for a request may rely on its effect.
        await self._tell_change()
        await self._answer(f"{topic}/accepted", answer)
        await self._notify(thing_name)

    async def _answer(self, topic: str, answer: dict[str, Any]) -> None:
        if delay := self.faults.delay():
            await asyncio.sleep(delay)
        for _ in range(self.faults.copies_of_answer()):
            await self._publish(topic, answer)

    async def _publish(self, topic: str, message: dict[str, Any]) -> None:
        if self._client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await self.send_json(topic, message)

    async def _tell_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _pending(self, thing_name: str) -> list[Execution]:
        pending = [
            execution
            for execution in self.executions
            if execution.thing_name == thing_name and execution.status not in TERMINAL
        ]
        return sorted(pending, key=lambda execution: execution.status != "IN_PROGRESS")

    def _set_status(self, execution: Execution, status: str) -> None:
        if status == "IN_PROGRESS" and execution.started_at is None:
            execution.started_at = int(time.time())
        execution.status = status
        execution.version_number += 1
        execution.history.append(status)

    def _start_next(self, thing_name: str, request: dict[str, Any]) -> dict[str, Any]:
        self._check_details(request.get("statusDetails"))
        self._check_timer(request.get("stepTimeoutInMinutes"))
        if not (pending := self._pending(thing_name)):
            return {}
        first = pending[0]
        if first.status == "QUEUED":
            self._set_status(first, "IN_PROGRESS")
            first.status_details = request.get("statusDetails") or {}
            first.step_timeout_minutes = request.get("stepTimeoutInMinutes")
            # Starting the first one changes nothing of what is next.
            self._next[thing_name] = first.identity
        return {"execution": first.as_execution()}

    def _peek(self, thing_name: str) -> dict[str, Any]:
        """Tell of the next job, and leave it as it is."""
        pending = self._pending(thing_name)
        return {"execution": pending[0].as_execution()} if pending else {}

    def _update(
        self, thing_name: str, job_id: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        details = request.get("statusDetails")
        self._check_details(details)
        status = request.get("status")
        if status not in SETTABLE:
            raise RejectedError("InvalidRequest", f"status: {status}")
        execution = self._find(thing_name, job_id, request.get("executionNumber"))
        expected = request.get("expectedVersion")
        if expected is not None and int(expected) != execution.version_number:
            raise RejectedError(
                "VersionMismatch",
                f"Expected version {expected} but found version {execution.version_number}",
                execution,
            )
        if execution.status in TERMINAL:
            raise RejectedError(
                "InvalidStateTransition",
                f"Job {job_id} for {thing_name} has already finished",
                execution,
            )
        if details is not None:
            execution.status_details = details
        if (minutes := request.get("stepTimeoutInMinutes")) is not None:
            if minutes != -1:
                self._check_timer(minutes)
            execution.step_timeout_minutes = None if minutes == -1 else minutes
        self._set_status(execution, status)
        execution.accepted.append(request)
        if request.get("includeJobExecutionState"):
            return {"executionState": execution.as_state()}
        return {}

    def _check_timer(self, minutes: int | None) -> None:
        if minutes is not None and not 1 <= minutes <= 10080:
            raise RejectedError("InvalidRequest", f"stepTimeoutInMinutes: {minutes}")

    def _find(self, thing_name: str, job_id: str, number: int | None) -> Execution:
        found = [
            execution
            for execution in self.executions
            if (execution.thing_name, execution.job_id) == (thing_name, job_id)
            and number in (None, execution.execution_number)
        ]
        if not found:
            raise RejectedError(
                "ResourceNotFound", f"Job {job_id} not found for {thing_name}"
            )
        return found[-1]

    def _check_details(self, details: Any) -> None:
        if details is None:
            return
        if not isinstance(details, dict) or len(details) > 10:
            raise RejectedError("InvalidRequest", "statusDetails: not 0 to 10 pairs")
        for key, value in details.items():
            if not (_KEY.fullmatch(key) and isinstance(value, str)):
                raise RejectedError("InvalidRequest", f"statusDetails: {key}")
            if not 1 <= len(value) <= 1024 or self._has_control(value):
                raise RejectedError("InvalidRequest", f"statusDetails: value of {key}")

    def _has_control(self, value: str) -> bool:
        return self._strict_details and any(
            unicodedata.category(character).startswith("C") for character in value
        )

    async def _notify(self, thing_name: str) -> None:
        """Tell of the next job if it is another one than before."""
        await self._tell_change()
        pending = self._pending(thing_name)
        first = pending[0].identity if pending else None
        if self._next.get(thing_name) == first:
            return
        self._next[thing_name] = first
        message: dict[str, Any] = {"timestamp": int(time.time())}
        if pending:
            message["execution"] = pending[0].as_execution()
        await self._publish(f"$aws/things/{thing_name}/jobs/notify-next", message)
