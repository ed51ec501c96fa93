"""How a step runs that Home Assistant itself does: with the limits and the ends of any other.

Who does such steps is given to the agent, as its runner is. A restart may come in the middle
of one, and be what it is there for: what an attempt keeps is on record before it does what
cannot be done twice, and the next one begins with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
import logging
from typing import Any, Final, Protocol

from ..aws_iot.model import ExecutionKey
from ..runner.model import RunEvent, RunOutcome, RunOutput, RunResult, Stream
from .calls import HomeAssistantCall
from .job import JobStoppedError
from .reasons import Reason
from .tasks import end_task

_LOGGER = logging.getLogger(__name__)

_KEPT_CHARACTERS = 16 * 1024
_PERCENT_STEP = 5


class StepFailedError(Exception):
    """A step has failed; its message says what happened, to which thing, and why."""


class Attempt:
    """One attempt of a step: what is to be done, what is known, and whom to tell.

    `known` is what the attempt before has kept, or what was so before the job; it is what
    JSON can say. `goes_on` says what a stop cannot take back, once there is such.
    """

    def __init__(
        self,
        call: HomeAssistantCall,
        *,
        key: ExecutionKey,
        run_id: str,
        known: Any,
        keep: Callable[[Any], Awaitable[None]],
        on_event: Callable[[RunEvent], None],
        on_percent: Callable[[int], None],
    ) -> None:
        """Begin an attempt of a step of the job with this key."""
        self.call = call
        self.key = key
        self.known = known
        self.goes_on = ""
        self._run_id = run_id
        self._keep = keep
        self._on_event = on_event
        self._on_percent = on_percent
        self._written = 0
        self._stdout = ""
        self._percent = -1

    @property
    def stdout(self) -> str:
        """The end of what it has written."""
        return self._stdout

    async def keep(self, known: Any) -> None:
        """Have something on record, durably, for the next attempt.

        Raises JobStoppedError where the job is to stop meanwhile.
        """
        await self._keep(known)
        self.known = known

    def write(self, line: str) -> None:
        """Write a line to the output of the step."""
        data = f"{line}\n".encode()
        self._stdout = (self._stdout + line + "\n")[-_KEPT_CHARACTERS:]
        self._on_event(
            RunOutput(
                run_id=self._run_id,
                stream=Stream.STDOUT,
                data=data,
                offset=self._written,
            )
        )
        self._written += len(data)

    def progress(self, percent: float) -> None:
        """Tell how much is done."""
        rounded = min(100, max(0, int(percent) // _PERCENT_STEP * _PERCENT_STEP))
        if rounded != self._percent:
            self._percent = rounded
            self._on_percent(rounded)


class HomeSteps(Protocol):
    """What does steps in Home Assistant."""

    async def before(self, call: HomeAssistantCall) -> Any:
        """Return what a step has to know of how it was before its job; None for nothing."""

    async def check(self, call: HomeAssistantCall) -> str | None:
        """Return what a step would fail for before it changes anything, if that is known."""

    async def run(self, attempt: Attempt) -> None:
        """Do a step, to its end. Raises StepFailedError, and JobStoppedError."""


class _NoHomeSteps:
    """An agent without a Home Assistant."""

    _PROBLEM = "there is no Home Assistant here that could run this step"

    async def before(self, call: HomeAssistantCall) -> Any:
        """Know nothing."""

    async def check(self, call: HomeAssistantCall) -> str | None:
        """Return why it fails."""
        return self._PROBLEM

    async def run(self, attempt: Attempt) -> None:
        """Fail."""
        raise StepFailedError(self._PROBLEM)


NO_HOME: Final[HomeSteps] = _NoHomeSteps()


async def run_attempt(
    steps: HomeSteps, attempt: Attempt, *, timeout: float | None, stop: asyncio.Event
) -> RunResult:
    """Do a step; return how it ended. Once `stop` is set, or the time is over, it ends.

    Failures are results, those that nobody has foreseen, too.
    """
    doing = asyncio.ensure_future(steps.run(attempt))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait(
            (doing, stopping), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        ended_by_itself = doing.done()
        stopped = stop.is_set()
        await end_task(doing)
    except asyncio.CancelledError:
        await end_task(doing)
        raise
    finally:
        stopping.cancel()
    if doing.cancelled():
        if ended_by_itself and not stopped:
            # What it waited for was broken off, as when Home Assistant ends.
            return _result(attempt, RunOutcome.INTERRUPTED)
        outcome = RunOutcome.STOPPED if stopped else RunOutcome.TIMED_OUT
        return _result(attempt, outcome, attempt.goes_on)
    match doing.exception():
        case None:
            return _result(attempt, RunOutcome.EXITED, exit_status=0)
        case JobStoppedError():
            return _result(attempt, RunOutcome.STOPPED, attempt.goes_on)
        case StepFailedError() as err:
            return _result(attempt, RunOutcome.REFUSED, str(err))
        case unforeseen:
            _LOGGER.error(
                "Job %s: its step %s has failed unexpectedly",
                attempt.key.job_id,
                attempt.call.type,
                exc_info=unforeseen,
            )
            detail = Reason.INTERNAL_ERROR.text()
            return _result(attempt, RunOutcome.REFUSED, detail)


def _result(
    attempt: Attempt,
    outcome: RunOutcome,
    detail: str = "",
    exit_status: int | None = None,
) -> RunResult:
    return RunResult(
        outcome=outcome, detail=detail, exit_status=exit_status, stdout=attempt.stdout
    )
