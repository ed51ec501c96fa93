"""One attempt of a step that runs in Home Assistant, and what becomes of it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs.calls import HomeAssistantCall
from custom_components.aws_iot_jobs.jobs.home_steps import Attempt, run_attempt
from custom_components.aws_iot_jobs.jobs.job import JobStoppedError
from custom_components.aws_iot_jobs.runner.model import (
    RunEvent,
    RunOutcome,
    RunOutput,
    RunResult,
)
from custom_components.aws_iot_jobs.steps.home import StepsHere


class WholeAttempt:
    """An attempt of a step; `kept` is what it has put on record, in its order.

    With `killed_at` a number, Home Assistant is killed right after the attempt has kept
    something for the so many-th time; with `stop_at` one, the job is to stop while it does.
    """

    def __init__(
        self,
        steps: StepsHere,
        call: HomeAssistantCall,
        *,
        known: Any = None,
        killed_at: int | None = None,
        stop_at: int | None = None,
    ) -> None:
        """Prepare it."""
        self._steps = steps
        self._killed_at = killed_at
        self._stop_at = stop_at
        self._changed = asyncio.Event()
        self._running: asyncio.Future[RunResult] | None = None
        self.kept: list[Any] = []
        self.lines: list[str] = []
        self.percents: list[int] = []
        self.stop = asyncio.Event()
        self.attempt = Attempt(
            call,
            key=ExecutionKey("job-1", 1),
            run_id="run-1",
            known=known,
            keep=self._keep,
            on_event=self._take_event,
            on_percent=self._take_percent,
        )

    @property
    def known(self) -> Any:
        """What the next attempt begins with."""
        return self.kept[-1] if self.kept else self.attempt.known

    def start(self, timeout: float | None = 20) -> None:
        """Let it begin."""
        self._running = asyncio.ensure_future(
            run_attempt(self._steps, self.attempt, timeout=timeout, stop=self.stop)
        )

    async def result(self) -> RunResult:
        """Return how it ends."""
        assert self._running is not None
        return await self._running

    async def run(self, timeout: float | None = 20) -> RunResult:
        """Have it run, and return how it ends."""
        self.start(timeout)
        return await self.result()

    async def succeeds(self) -> str:
        """Have it run to a good end, and return its output."""
        result = await self.run()
        assert result.outcome is RunOutcome.EXITED, result.detail
        return "\n".join(self.lines)

    async def fails(self) -> str:
        """Have it run to a bad end, and return why."""
        result = await self.run()
        assert result.outcome is RunOutcome.REFUSED, result.outcome
        return result.detail

    async def stopped(self) -> str:
        """Stop it, and return what that has not taken back."""
        self.stop.set()
        result = await self.result()
        assert result.outcome is RunOutcome.STOPPED
        return result.detail

    async def killed(self) -> Any:
        """End it as Home Assistant ends with its process; return what is on record."""
        assert self._running is not None
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        return self.known

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds of what it tells."""
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _keep(self, known: Any) -> None:
        self.kept.append(known)
        self._changed.set()
        if len(self.kept) == self._stop_at:
            self.stop.set()
        if self.stop.is_set():
            raise JobStoppedError
        if len(self.kept) == self._killed_at:
            await asyncio.Event().wait()

    def _take_event(self, event: RunEvent) -> None:
        if isinstance(event, RunOutput):
            self.lines += event.data.decode().splitlines()
            self._changed.set()

    def _take_percent(self, percent: int) -> None:
        self.percents.append(percent)
        self._changed.set()
