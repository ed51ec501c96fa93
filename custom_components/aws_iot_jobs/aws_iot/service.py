"""The AWS IoT Jobs data plane as calls, within the minimal policy.

Each request carries a token of its own. What may pass (no answer, no connection,
throttling, an internal error) is tried again with backoff until it is answered or the
caller gives up; every other answer is the caller's to act on.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
import logging
from typing import Any
import uuid

from .backoff import backoff
from .connection import Connection, ConnectionSettings
from .errors import (
    AwsIotError,
    ConnectError,
    DisconnectedError,
    MalformedMessageError,
    RequestRejectedError,
    RequestTimeoutError,
)
from .messages import (
    RejectedCode,
    Topics,
    client_token,
    decode,
    encode,
    execution,
    execution_state,
    rejection,
)
from .model import ExecutionKey, ExecutionState, JobExecution, JobStatus
from .rate_limit import RateLimit

_LOGGER = logging.getLogger(__name__)

ANSWER_TIMEOUT_SECONDS = 10
FIRST_BACKOFF_SECONDS = 1
REQUEST_BURST = 20
"""How many requests go at once: those of several jobs."""
REQUESTS_PER_SECOND = 50
"""How many go after a burst: half of what AWS IoT Core takes from a connection, 100 a second.

It answers each. With a burst there are 70 in a second at most: what is held up on the way and
comes in a heap, and whatever else the connection has to say, still has room. The client's
library has a limit of its own, 100 at once and 100 a second, which is never met then.
"""

_FINAL_CODES = frozenset(
    {
        RejectedCode.INVALID_JSON,
        RejectedCode.INVALID_REQUEST,
        RejectedCode.INVALID_STATE_TRANSITION,
        RejectedCode.INVALID_TOPIC,
        RejectedCode.RESOURCE_NOT_FOUND,
        RejectedCode.TERMINAL_STATE_REACHED,
        RejectedCode.VERSION_MISMATCH,
    }
)


class JobsService:
    """AWS IoT Jobs, as one thing sees it.

    Callbacks are called in the event loop: `on_ready` whenever the connection is there
    and subscribed, `on_problem` with what is in the way, `on_next` with the next pending
    job that AWS notifies of, or None, `on_unclear` when what is next has changed, but not
    to what, `on_wait` with in how many seconds the next try to connect comes, and with None
    when it has begun.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        on_ready: Callable[[], None],
        on_problem: Callable[[AwsIotError], None],
        on_next: Callable[[JobExecution | None], None],
        on_unclear: Callable[[], None] = lambda: None,
        on_wait: Callable[[float | None], None] = lambda _: None,
    ) -> None:
        """Prepare the service for the thing of these settings."""
        self._topics = Topics(settings.thing_name)
        self._on_ready = on_ready
        self._on_problem = on_problem
        self._on_next = on_next
        self._on_unclear = on_unclear
        self._ready = asyncio.Event()
        self._hears_peeks = False
        self._pending: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._rate_limit = RateLimit(REQUEST_BURST, REQUESTS_PER_SECOND)
        self._abandoned: deque[str] = deque(maxlen=100)
        self._warned: set[str] = set()
        self._connection = Connection(
            settings,
            self._topics.filters,
            on_ready=self._is_ready,
            on_lost=self._lost,
            on_message=self._message,
            on_wait=on_wait,
        )

    @property
    def ready(self) -> bool:
        """Whether the connection is there and subscribed."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Begin to connect. Raises CredentialsError for a key or certificate of no use."""
        await self._connection.start()

    async def stop(self) -> None:
        """Disconnect; requests that wait for an answer fail."""
        self._ready.clear()
        self._hears_peeks = False
        self._fail_pending(DisconnectedError("stopped"))
        await self._connection.stop()

    def use(self, settings: ConnectionSettings) -> None:
        """Connect with other settings of the same thing the next time."""
        self._connection.use(settings)

    def retry_now(self) -> None:
        """Connect at once where the next try would come later."""
        self._connection.retry_now()

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish something that is no request, when what jobs need has had its turn.

        Raises DisconnectedError, and NotAuthorizedError where the policy refuses it.
        """
        await self._rate_limit.turn()
        await self._connection.publish(topic, payload)

    async def start_next(
        self,
        *,
        status_details: Mapping[str, str] | None = None,
        step_timeout_minutes: int | None = None,
    ) -> JobExecution | None:
        """Take the next pending job: StartNextPendingJobExecution.

        Details and timer are set when it is begun by this, and not when it was in progress.
        Returns None when there is none. Raises RequestRejectedError.
        """
        request = _with(status_details, step_timeout_minutes)
        return await self._call(self._topics.start_next, request, execution)

    async def peek(self) -> JobExecution | None:
        """Return the next pending job without taking it: DescribeJobExecution of $next.

        Tries once, as soon as there is a connection. Returns None when there is no such job.
        Raises NotAuthorizedError where the policy does not allow it, which no job needs,
        RequestRejectedError, RequestTimeoutError, ConnectError and MalformedMessageError.
        """
        await self._ready.wait()
        if not self._hears_peeks:
            await self._connection.subscribe(self._topics.peek_filters)
            self._hears_peeks = self.ready
        request = {"includeJobDocument": True}
        return execution(await self._request(self._topics.peek, request))

    async def update(
        self,
        key: ExecutionKey,
        status: JobStatus,
        *,
        expected_version: int,
        status_details: Mapping[str, str] | None = None,
        step_timeout_minutes: int | None = None,
    ) -> ExecutionState:
        """Tell of a job's status: UpdateJobExecution.

        Without `status_details`, those that AWS has stay. Returns the state of the
        execution that came of it. Raises RequestRejectedError.
        """
        request = _update(
            key, status, expected_version, status_details, step_timeout_minutes
        )
        return await self._call(self._topics.update(key.job_id), request, _state)

    async def update_once(
        self, key: ExecutionKey, status: JobStatus, *, expected_version: int
    ) -> ExecutionState:
        """Do what `update` does, but try only once.

        Raises RequestRejectedError, RequestTimeoutError and ConnectError.
        """
        request = _update(key, status, expected_version, None, None)
        return _state(await self._request(self._topics.update(key.job_id), request))

    async def _call[T](
        self,
        topic: str,
        request: Mapping[str, Any],
        read: Callable[[dict[str, Any]], T],
    ) -> T:
        """Make a request until it is answered, and read the answer.

        The delays grow with what AWS says, or does not; a lost connection is not the
        request's fault, and coming back is what has to be waited for then.
        """
        delays = backoff(FIRST_BACKOFF_SECONDS)
        while True:
            await self._ready.wait()
            try:
                return read(await self._request(topic, request))
            except RequestRejectedError as err:
                if err.code in _FINAL_CODES:
                    raise
                problem: AwsIotError = err
            except (ConnectError, RequestTimeoutError, MalformedMessageError) as err:
                problem = err
            if not isinstance(problem, DisconnectedError):
                self._on_problem(problem)
            elif not self.ready:
                _LOGGER.debug("%s: %s; trying again when connected", topic, problem)
                delays = backoff(FIRST_BACKOFF_SECONDS)
                continue
            delay = next(delays)
            _LOGGER.debug("%s: %s; trying again in %.1f s", topic, problem, delay)
            await asyncio.sleep(delay)

    async def _request(self, topic: str, request: Mapping[str, Any]) -> dict[str, Any]:
        await self._rate_limit.turn()
        token = uuid.uuid4().hex
        answer: asyncio.Future[dict[str, Any]] = (
            asyncio.get_running_loop().create_future()
        )
        self._pending[token] = answer
        try:
            await self._publish(topic, {**request, "clientToken": token}, answer)
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                return await answer
        except TimeoutError as err:
            raise RequestTimeoutError(
                f"AWS IoT Jobs did not answer on {topic}"
            ) from err
        finally:
            del self._pending[token]
            answer.cancel()
            if answer.cancelled() or isinstance(answer.exception(), DisconnectedError):
                # Its answer may still come, and is no news then.
                self._abandoned.append(token)

    async def _publish(
        self, topic: str, message: Mapping[str, Any], answer: asyncio.Future[Any]
    ) -> None:
        """Publish a request. What is answered has been received, acknowledged or not."""
        try:
            await self._connection.publish(topic, encode(message))
        except ConnectError:
            if not answer.done():
                raise

    def _is_ready(self) -> None:
        self._ready.set()
        self._on_ready()

    def _lost(self, error: ConnectError) -> None:
        self._ready.clear()
        self._hears_peeks = False
        self._fail_pending(error)
        self._on_problem(error)

    def _fail_pending(self, error: ConnectError) -> None:
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(DisconnectedError(str(error)))

    def _message(self, topic: str, payload: bytes) -> None:
        """Hand a message to whom it is for; one that makes no sense is ignored."""
        try:
            message = decode(payload)
            if topic == self._topics.notify_next:
                self._notified(message)
            elif self._topics.is_accepted(topic):
                self._answer(topic, message)
            elif self._topics.is_rejected(topic):
                self._reject(topic, message)
            else:
                self._warn_once(topic, "it is not a topic of this thing")
        except MalformedMessageError as err:
            self._warn_once(topic, str(err))

    def _notified(self, message: dict[str, Any]) -> None:
        try:
            next_execution = execution(message)
        except MalformedMessageError:
            # Something has changed all the same: let the agent ask what.
            self._on_unclear()
            raise
        self._on_next(next_execution)

    def _answer(self, topic: str, message: dict[str, Any]) -> None:
        if answer := self._asked(topic, message):
            answer.set_result(message)

    def _reject(self, topic: str, message: dict[str, Any]) -> None:
        if answer := self._asked(topic, message):
            told = rejection(message)
            answer.set_exception(
                RequestRejectedError(told.code, told.message, told.state)
            )

    def _asked(
        self, topic: str, message: dict[str, Any]
    ) -> asyncio.Future[dict[str, Any]] | None:
        """Return the request that still waits for this answer."""
        token = client_token(message)
        if token is None:
            self._warn_once(topic, "it has no clientToken")
            return None
        answer = self._pending.get(token)
        if answer is not None and not answer.done():
            return answer
        if answer is None and token not in self._abandoned:
            self._warn_once(topic, "it answers no request of this connection")
        return None

    def _warn_once(self, topic: str, problem: str) -> None:
        """Tell of a message that was ignored: once for each kind, then for debugging."""
        kind = problem.partition(":")[0]
        level = logging.DEBUG if kind in self._warned else logging.WARNING
        self._warned.add(kind)
        _LOGGER.log(level, "Ignored a message on %s: %s", topic, problem)


def _update(
    key: ExecutionKey,
    status: JobStatus,
    expected_version: int,
    status_details: Mapping[str, str] | None,
    step_timeout_minutes: int | None,
) -> dict[str, Any]:
    return {
        "status": status,
        "expectedVersion": expected_version,
        "executionNumber": key.execution_number,
        "includeJobExecutionState": True,
        **_with(status_details, step_timeout_minutes),
    }


def _with(
    status_details: Mapping[str, str] | None, step_timeout_minutes: int | None
) -> dict[str, Any]:
    return {
        "statusDetails": None if status_details is None else dict(status_details),
        "stepTimeoutInMinutes": step_timeout_minutes,
    }


def _state(message: dict[str, Any]) -> ExecutionState:
    if (state := execution_state(message)) is None:
        raise MalformedMessageError("executionState: missing")
    return state
