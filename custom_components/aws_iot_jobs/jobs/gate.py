"""What keeps an agent from asking for jobs, and from starting steps, for a while."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from .model import Hold
from .window import MaintenanceWindow

_LOOK_SECONDS = 60.0
"""How long a change of the window may go unnoticed after the clock was set."""


class Gate:
    """Open while nothing holds. What is under way goes on, but in a backup starts no step."""

    def __init__(
        self,
        window: MaintenanceWindow | None,
        *,
        now: Callable[[], datetime],
        on_change: Callable[[], None],
    ) -> None:
        """Begin with the window; `now` is the local time, with its zone."""
        self._window = window
        self._now = now
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._holds = frozenset({Hold.WINDOW} if self._is_closed() else ())

    @property
    def holds(self) -> frozenset[Hold]:
        """What holds now."""
        return self._holds

    @property
    def next_window(self) -> datetime | None:
        """When the window opens, where it is closed."""
        if self._window is None or Hold.WINDOW not in self._holds:
            return None
        return self._window.next_opening(self._now())

    def set(self, hold: Hold, *, holds: bool) -> None:
        """Have something hold from now on, or no longer."""
        others = self._holds - {hold}
        changed = others | {hold} if holds else others
        if changed != self._holds:
            self._holds = changed
            self._changed.set()
            self._changed = asyncio.Event()
            self._on_change()

    async def run(self) -> None:
        """Follow the clock, until cancelled."""
        while True:
            self.set(Hold.WINDOW, holds=self._is_closed())
            await asyncio.sleep(self._seconds_to_change())

    async def opened(self) -> None:
        """Wait until jobs may be asked for."""
        while self._holds:
            await self._changed.wait()

    async def closed(self) -> None:
        """Wait until no job may be asked for."""
        while not self._holds:
            await self._changed.wait()

    async def for_step(self) -> None:
        """Wait until a step may start."""
        while Hold.BACKUP in self._holds:
            await self._changed.wait()

    def _is_closed(self) -> bool:
        return self._window is not None and not self._window.is_open(self._now())

    def _seconds_to_change(self) -> float:
        now = self._now()
        change = None if self._window is None else self._window.next_change(now)
        if change is None:
            return _LOOK_SECONDS
        return min(max(0.0, (change - now).total_seconds()) + 0.01, _LOOK_SECONDS)
