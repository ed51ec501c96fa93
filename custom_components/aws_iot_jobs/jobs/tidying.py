"""What is left of ended jobs: steps that come to their end, and what a runner has to forget.

It goes on in the background, as long as it takes where the runner cannot be reached. Only
the steps of the next job wait for it.
"""

import asyncio
from collections.abc import Callable, Iterable
import logging
from typing import Any

from ..runner.model import Runner
from .tasks import end_task

_LOGGER = logging.getLogger(__name__)


class Tidying:
    """The tidying up after the jobs of one thing."""

    def __init__(self, runner: Runner, *, on_tidied: Callable[[str], None]) -> None:
        """Tidy up at a runner; `on_tidied` is told the name of a job that is forgotten."""
        self._runner = runner
        self._on_tidied = on_tidied
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The jobs that are not forgotten yet."""
        return tuple(self._tasks)

    def begin(self, name: str, steps: asyncio.Task[Any] | None) -> None:
        """Have a job forgotten, once its steps have come to their end."""
        self._tasks[name] = asyncio.create_task(self._tidy(name, steps))

    def recover(self, names: Iterable[str]) -> None:
        """Go on with jobs of an earlier life."""
        for name in names:
            self._tasks[name] = asyncio.create_task(self._recover(name))

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until all is tidy, or so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout)

    async def stop(self) -> None:
        """End in an orderly way; what is not tidy by then is left to the next life."""
        for task in tuple(self._tasks.values()):
            await end_task(task)

    async def _tidy(self, name: str, steps: asyncio.Task[Any] | None) -> None:
        try:
            if steps is not None:
                await asyncio.wait((steps,))
        except asyncio.CancelledError:
            assert steps is not None
            await end_task(steps)
            raise
        await self._forget(name)

    async def _recover(self, name: str) -> None:
        await self._runner.recover(name)
        await self._forget(name)

    async def _forget(self, name: str) -> None:
        try:
            await self._runner.release(name)
        except Exception:
            _LOGGER.exception("Job %s cannot be tidied up after", name)
        self._on_tidied(name)
        del self._tasks[name]
