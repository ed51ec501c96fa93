"""Run steps elsewhere: the runner behind an HTTP service.

A run goes on there whatever happens here. It is found again by its id: after a lost
connection its events are read from where they broke off, after a restart from the start.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
import contextlib
from dataclasses import dataclass, field, replace
import json
import logging
import os
import random
from typing import Any

import aiohttp

from .inventory import LeftFile, PermissionsFix
from .model import (
    RunEvent,
    RunOutcome,
    RunOutput,
    RunResult,
    RunTrace,
    StepCheck,
    StepNotCheckedError,
    StepRequest,
    Stream,
)
from .wire import WireError, check_from_json, event_from_json, request_as_json

_LOGGER = logging.getLogger(__name__)

API_VERSION = 1
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=20)
# The service answers at once, and notes what is to stop.
STOP_TIMEOUT = aiohttp.ClientTimeout(total=5)
# The service answers when all processes of a job have ended.
RELEASE_TIMEOUT = aiohttp.ClientTimeout(total=90)
# The service sends at least an empty line every 15 seconds.
STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=45)
MIN_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 15.0
STOP_RETRY_SECONDS = 1.0
"""How long to wait at most before the next attempt to have a run ended."""


class RunnerError(Exception):
    """The service cannot be used. Its message is for people."""


class RunnerUnreachableError(RunnerError):
    """The service does not answer."""


class RunnerBusyError(RunnerError):
    """The service runs as much as it can; there is nothing to do but wait."""


class RunnerTokenError(RunnerError):
    """The service does not accept the token."""


class RunnerVersionError(RunnerError):
    """The service speaks another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerAddress:
    """Where a service is, and the token that it wants."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerInfo:
    """What a service says of itself; `app_version` where it is the app's."""

    app_version: str | None
    operating_systems: tuple[str, ...]
    architecture: str
    handler_directory: str


class _Course:
    """How far a run has come, as its client knows: begun, told to stop, read up to a number."""

    def __init__(
        self, request: StepRequest, on_event: Callable[[RunEvent], None]
    ) -> None:
        self.request = request
        self.begun = False
        self.stopped = False
        self.number = 0
        self._ends: dict[Stream, int] = {}
        self._on_event = on_event

    def take(self, line: bytes) -> RunResult | None:
        """Take a line of the stream; return the result when it is that."""
        try:
            numbered = event_from_json(
                self.request.run_id, json.loads(line), self._ends
            )
        except (ValueError, RecursionError) as err:
            raise RunnerVersionError(
                f"the runner sends what is no event: {err}"
            ) from err
        self.number = numbered.number
        if isinstance(numbered.event, RunResult):
            return numbered.event
        if isinstance(numbered.event, RunOutput):
            self._ends[numbered.event.stream] = numbered.event.end
        self._on_event(numbered.event)
        return None


class RunnerClient:
    """Runs steps by a service.

    `namespace` keeps apart the jobs of things that share a service: a thing's name.
    `on_problem` is told of what is in the way when that changes; None when it is gone.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: RunnerAddress,
        *,
        namespace: str,
        on_problem: Callable[[RunnerError | None], None] = lambda _: None,
    ) -> None:
        """Use a session that somebody else owns."""
        self._session = session
        self._url = address.url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {address.token}"}
        self._namespace = namespace
        self.name = f"{namespace} at {self._url}"
        self._on_problem = on_problem
        self._problem: str | None = None

    async def info(self) -> RunnerInfo:
        """Ask what the service is, once. Raises RunnerError."""
        with self._expecting():
            data = await self._json("GET", "/v1/info")
            if data["api_version"] != API_VERSION:
                raise RunnerVersionError(
                    f"the runner at {self._url} speaks version {data['api_version']} of "
                    f"its interface, not {API_VERSION}"
                )
            return RunnerInfo(
                app_version=data["app_version"],
                operating_systems=tuple(data["operating_systems"]),
                architecture=str(data["architecture"]),
                handler_directory=str(data["handler_directory"]),
            )

    async def bundle(self) -> bytes | None:
        """Return the bundle that was left for us, if there is one. Raises RunnerError.

        Of one with more than a mebibyte, there is a byte more than that. A service of an
        earlier version has none.
        """
        async with self._request("GET", "/v1/bundle") as response:
            if response.status == 404:
                return None
            await self._require_success(response)
            return await response.read()

    async def handlers(self) -> dict[str, str | None]:
        """Return the handlers by name, each with why it may not run. Raises RunnerError."""
        with self._expecting():
            data = await self._json("GET", "/v1/handlers")
            return {handler["name"]: handler["problem"] for handler in data}

    async def fix_permissions(self) -> PermissionsFix:
        """Have the handlers' permissions set; return what came of it. Raises RunnerError."""
        with self._expecting():
            data = await self._json("POST", "/v1/handlers/fix-permissions")
            left = tuple(
                LeftFile(path=it["path"], owner=it["owner"], reason=it["reason"])
                for it in data.get("left", ())
            )
            return PermissionsFix(changed=tuple(data["changed"]), left=left)

    async def run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        """Run a step to its end, or attach to it when it runs already.

        Waits for a service that does not answer. Cancelled, it leaves the run alone.
        """
        stop = stop or asyncio.Event()
        course = _Course(request, on_event)
        if not stop.is_set():
            going = self._patiently(lambda: self._begin_and_follow(course))
            if (result := await _unless(stop, going)) is not None:
                return result
        return await self._patiently(
            lambda: self._stop_and_follow(course), STOP_RETRY_SECONDS
        )

    async def check(self, request: StepRequest) -> StepCheck:
        """Have the service tell what a run would do; those before this may not know how."""
        try:
            return await self._check(request)
        except RunnerError as err:
            raise StepNotCheckedError(str(err)) from err

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        """Tell whether the service knows a run; one that it does not will not begin later.

        An earlier life's request to begin it may be under way still.
        """
        path = self._run_path(run_id)

        async def find() -> bool:
            return await self._exists(path) or await self._delete(path)

        known = await self._patiently(find)
        return RunTrace.ATTACHABLE if known else RunTrace.LOST

    async def recover(self, job_key: str) -> None:
        """Do nothing: what runs there is not lost."""

    async def release(self, job_key: str) -> None:
        """Have the service forget a job, and end what still runs of it."""
        path = f"/v1/jobs/{self._named(job_key)}"
        await self._patiently(
            lambda: self._found("DELETE", path, timeout=RELEASE_TIMEOUT)
        )

    async def _begin_and_follow(self, course: _Course) -> RunResult:
        """Have the service begin a run, if it has not, and follow it to its result."""
        if not course.begun:
            if (refusal := await self._put(course.request)) is not None:
                return refusal
            course.begun = True
        return await self._follow(course)

    async def _stop_and_follow(self, course: _Course) -> RunResult:
        """Have the service end a run, if it knows it, and follow it to its result.

        One that it does not know when it is told that it ends will not be begun.
        """
        if not course.stopped:
            known = await self._delete(self._run_path(course.request.run_id))
            if not known and not course.begun:
                return RunResult(outcome=RunOutcome.STOPPED)
            course.stopped = True
        return await self._follow(course)

    async def _patiently[T](
        self, attempt: Callable[[], Awaitable[T]], longest_pause: float | None = None
    ) -> T:
        """Make an attempt until it works; tell what is in the way meanwhile."""
        longest_pause = longest_pause or MAX_RETRY_SECONDS
        shortest_pause = min(MIN_RETRY_SECONDS, longest_pause)
        delay = shortest_pause
        while True:
            try:
                outcome = await attempt()
            except RunnerError as err:
                if self._problem is None:
                    delay = shortest_pause
                self._tell(err)
                await asyncio.sleep(delay * random.uniform(0.5, 1))
                delay = min(2 * delay, longest_pause)
            else:
                self._tell(None)
                return outcome

    def _tell(self, problem: RunnerError | None) -> None:
        text = None if problem is None else str(problem)
        if text != self._problem:
            self._problem = text
            self._on_problem(problem)

    def _named(self, name: str) -> str:
        # The name of a thing has no dot.
        return f"{self._namespace}.{name}"

    def _run_path(self, run_id: str) -> str:
        return f"/v1/runs/{self._named(run_id)}"

    async def _put(self, request: StepRequest) -> RunResult | None:
        """Begin a run; return a result when the service does not want it at all."""
        path, step = self._run_path(request.run_id), self._step(request)
        async with self._request("PUT", path, json=step) as response:
            if (detail := await _refusal(response)) is not None:
                return RunResult(outcome=RunOutcome.REFUSED, detail=detail)
            await self._require_success(response)
            return None

    async def _check(self, request: StepRequest) -> StepCheck:
        step = self._step(request)
        async with self._request("POST", "/v1/check", json=step) as response:
            if (problem := await _refusal(response)) is not None:
                return StepCheck(problem=problem)
            if response.status == 404:
                raise RunnerVersionError(
                    f"the runner at {self._url} does not know how to check a step; "
                    "update it"
                )
            await self._require_success(response)
            try:
                return check_from_json(await response.json())
            except WireError as err:
                raise RunnerVersionError(
                    f"what answers at {self._url} is no runner that is known here: {err}"
                ) from err

    def _step(self, request: StepRequest) -> dict[str, Any]:
        named = replace(request, job_key=self._named(request.job_key))
        return request_as_json(named)

    async def _follow(self, course: _Course) -> RunResult:
        """Read events until the result; what the service has forgotten was interrupted."""
        path = f"{self._run_path(course.request.run_id)}/events?after={course.number}"
        async with self._request("GET", path, timeout=STREAM_TIMEOUT) as response:
            if response.status == 404:
                return RunResult(outcome=RunOutcome.INTERRUPTED)
            await self._require_success(response)
            self._tell(None)
            async for line in _lines(response.content):
                if line and (result := course.take(line)) is not None:
                    return result
        raise RunnerUnreachableError(f"the runner at {self._url} ended the connection")

    async def _delete(self, path: str) -> bool:
        """End what is there; tell whether it was."""
        return await self._found("DELETE", path, timeout=STOP_TIMEOUT)

    async def _exists(self, path: str) -> bool:
        return await self._found("GET", path)

    async def _found(self, method: str, path: str, **options: Any) -> bool:
        async with self._request(method, path, **options) as response:
            if response.status != 404:
                await self._require_success(response)
            return response.status != 404

    async def _json(self, method: str, path: str) -> Any:
        async with self._request(method, path) as response:
            await self._require_success(response)
            return await response.json()

    @contextlib.contextmanager
    def _expecting(self) -> Iterator[None]:
        """Tell of answers without what belongs there as of another version."""
        try:
            yield
        except (KeyError, TypeError) as err:
            raise RunnerVersionError(
                f"what answers at {self._url} is no runner that is known here"
            ) from err

    @contextlib.asynccontextmanager
    async def _request(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make a request. Raises RunnerUnreachableError, also from within the context."""
        options.setdefault("timeout", REQUEST_TIMEOUT)
        try:
            async with self._session.request(
                method, self._url + path, headers=self._headers, **options
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError, ValueError) as err:
            _LOGGER.debug("The runner at %s cannot be reached: %r", self._url, err)
            raise RunnerUnreachableError(
                f"the runner at {self._url} cannot be reached: {_problem(err)}"
            ) from err

    async def _require_success(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 401:
            raise RunnerTokenError(
                f"the runner at {self._url} does not accept the token"
            )
        if response.status == 429:
            raise RunnerBusyError(
                f"the runner at {self._url} is busy: {await _error(response)}"
            )
        if response.status >= 400:
            raise RunnerUnreachableError(
                f"the runner at {self._url} answers {response.status}: "
                f"{await _error(response)}"
            )


async def _unless[T](stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do work, and leave it when `stop` is set first: then there is nothing to return."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        working.cancel()
        await asyncio.wait((working,))
    return None if working.cancelled() else working.result()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length, without their ends; an unfinished last one is dropped."""
    rest: list[bytes] = []
    async for data in content.iter_any():
        *ends, begun = data.split(b"\n")
        for end in ends:
            yield b"".join((*rest, end))
            rest = []
        rest.append(begun)


async def _refusal(response: aiohttp.ClientResponse) -> str | None:
    """Return why the service does not want a step at all, if that is its answer."""
    if response.status not in (400, 413):
        return None
    return f"the runner refuses the step: {await _error(response)}"


def _problem(err: Exception) -> str:
    """Say in words why there is no answer, or none that can be read."""
    match err:
        case TimeoutError():
            return "it does not answer in time"
        case aiohttp.ClientConnectorDNSError():
            return "no address is known for it"
        case aiohttp.ClientSSLError():
            return "its certificate is not trusted, or it speaks no TLS"
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int(number))):
            return os.strerror(number).lower()
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "it ends the connection"
        case aiohttp.ClientResponseError() | ValueError():
            return "it does not answer as a runner does"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return "the connection fails"


async def _error(response: aiohttp.ClientResponse) -> str:
    try:
        return str((await response.json())["error"])
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        return response.reason or ""
