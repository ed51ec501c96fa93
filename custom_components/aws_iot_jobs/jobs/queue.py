"""Where jobs come from: AWS has one next, or somebody here wants a document run."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
import contextlib
import logging
from typing import Any

from ..aws_iot.errors import RequestRejectedError
from ..aws_iot.messages import RejectedCode
from ..aws_iot.model import JobExecution
from ..aws_iot.service import JobsService
from .gate import Gate
from .local import known_execution
from .opening import NOTHING, opening_of
from .peek import NotSeenError, Peek
from .record import JobRecord
from .settings import AgentSettings

_LOGGER = logging.getLogger(__name__)


class JobQueue:
    """What there is to do for a thing, one job at a time.

    `opening` is what AWS was told of the job that it was asked for last. `doubtful` is
    whether AWS has told of a change since then: the job that it gave may not be ours any
    more, or `announced` may be it.
    """

    def __init__(
        self,
        service: JobsService,
        settings: AgentSettings,
        gate: Gate,
        peek: Peek,
        *,
        for_room: Callable[[], Awaitable[None]],
    ) -> None:
        """Ask where the gate is open, and look at what has to wait; `for_room` is awaited before any job is taken."""
        self._service = service
        self._settings = settings
        self._gate = gate
        self._peek = peek
        self._for_room = for_room
        self._changed = asyncio.Event()
        self._local: deque[JobExecution] = deque()
        self._local_wanted = asyncio.Event()
        self.announced: JobExecution | None = None
        self.opening = NOTHING
        self.doubtful = False

    def want(self, execution: JobExecution) -> None:
        """Have a job run that AWS knows nothing of."""
        self._local.append(execution)
        self._local_wanted.set()
        self._changed.set()

    def look(self) -> None:
        """Have AWS asked: it may have something."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait until there may be something to do."""
        await self._changed.wait()
        self._changed.clear()

    async def next(self, under_way: JobRecord | None) -> JobExecution | None:
        """Return what is to be done next: what is under way, if AWS still has it.

        Without that, what somebody here wants, else what AWS has; None where there is
        nothing. Raises RequestRejectedError where AWS hands out no job.
        """
        if under_way is not None:
            if under_way.document is not None:
                return known_execution(under_way)
            if under_way.queued:
                return await self._look_for_queued()
            return await self._ask()
        while not self._local:
            self._local_wanted.clear()
            asked, execution = await self._ask_while_open()
            if asked:
                return execution
        await self._for_room()
        return self._local.popleft()

    async def _ask_while_open(self) -> tuple[bool, JobExecution | None]:
        """Ask AWS, unless that must not be, or something else is wanted before."""
        await _first(self._gate.opened(), self._local_wanted.wait())
        if self._local:
            return False, None
        asking = asyncio.ensure_future(self._ask())
        await _first(asking, self._gate.closed(), self._local_wanted.wait())
        if asking.cancelled():
            return False, None
        return True, asking.result()

    async def _look_for_queued(self) -> JobExecution | None:
        """Return what is next, of which one was seen in the queue before, and begin nothing.

        Where it cannot be looked at any more, it is begun as soon as that may be.
        """
        self._changed.clear()
        self.doubtful = False
        try:
            return await self._peek.look()
        except NotSeenError:
            await self._gate.opened()
        return await self._start()

    async def _ask(self) -> JobExecution | None:
        """Ask AWS, and say of the job that it has announced where it begins."""
        await self._for_room()
        # What is asked for from here on answers all that there was to ask before.
        self._changed.clear()
        self.doubtful = False
        with contextlib.suppress(NotSeenError):
            seen = await self._peek.look_ahead()
            # Where nothing is, nothing is begun: what comes meanwhile may have to wait.
            if seen is None or await self._peek.has_to_wait(seen):
                self.opening = NOTHING
                self.announced = None
                return seen
        return await self._start()

    async def _start(self) -> JobExecution | None:
        """Have AWS begin what it has next, or go on with what it has begun."""
        self.opening = opening_of(self.announced, self._settings)
        self.announced = None
        try:
            return await self._service.start_next(
                status_details=self.opening.details,
                step_timeout_minutes=self.opening.step_timer_minutes,
            )
        except RequestRejectedError as err:
            if err.code != RejectedCode.INVALID_REQUEST or self.opening == NOTHING:
                raise
            _LOGGER.debug("AWS IoT Jobs takes no details with start-next: %s", err)
        self.opening = NOTHING
        return await self._service.start_next()


async def _first(*waits: Awaitable[Any]) -> None:
    """Wait until the first of these is done, and cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
