"""Tell what a process writes as it comes, in bounded amounts.

What comes within a twentieth of a second is told in one go. All of it is told up to a
budget, which grows by so much a second; of what a process writes beyond that, the newest is
told at times, and its end in any case. Offsets show what was left out.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
import logging

from .model import RunEvent, RunOutput, RunStarted, Stream
from .output import Tail

_LOGGER = logging.getLogger(__name__)

BUDGET_BYTES = 1024 * 1024
"""How many bytes a run may write at once so that all of it is told."""
BYTES_PER_SECOND = 256 * 1024
"""How fast a budget that is spent grows again."""
NEWEST_BYTES = 64 * 1024
"""How much is told at once of a stream of which there is too much to tell all."""
PAUSE_SECONDS = 0.05
"""How long what is written waits for more, to be told with it."""


class Telling:
    """What is told of one run: its start, and what it writes."""

    def __init__(self, run_id: str, on_event: Callable[[RunEvent], None]) -> None:
        """Tell of a run to `on_event`, whose errors are logged."""
        self._run_id = run_id
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._streams = {stream: _Told(stream) for stream in Stream}
        self._budget = float(BUDGET_BYTES)
        self._refilled_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False

    def begin(self, pid: int) -> None:
        """Tell that the process has started."""
        self._tell(RunStarted(run_id=self._run_id, pid=pid))

    def feed(self, stream: Stream, data: bytearray, size: int) -> None:
        """Take so many bytes at the beginning of a buffer, and tell them soon."""
        fed = self._streams[stream]
        if self._budget > 0:
            self._make_way(fed, size)
        all_at_once = size > NEWEST_BYTES and self._budget > 0
        fed.tail.feed(data, size)
        if all_at_once:
            self._tell_output(fed, bytes(data[:size]))
        elif self._timer is None:
            self._wait()

    def end(self) -> None:
        """Tell what has not been told of what was written, or the end of that."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for told in self._streams.values():
            self._tell_newest(told)

    def text(self, stream: Stream) -> str:
        """Return the end of a stream."""
        return self._streams[stream].tail.text()

    def _make_way(self, fed: "_Told", size: int) -> None:
        """Tell before so many bytes what would lose its place in the order, or be lost."""
        for told in self._streams.values():
            if told is not fed or told.untold + size > NEWEST_BYTES:
                self._tell_newest(told)

    def _wait(self) -> None:
        self._timer = self._loop.call_later(PAUSE_SECONDS, self._tell_untold)

    def _tell_newest(self, told: "_Told") -> None:
        if told.untold:
            self._tell_output(told, told.tail.newest(told.untold))

    def _tell_untold(self) -> None:
        self._timer = None
        self._refill()
        if self._budget > 0:
            self.end()
        else:
            self._wait()

    def _refill(self) -> None:
        now = self._loop.time()
        grown = self._budget + (now - self._refilled_at) * BYTES_PER_SECOND
        self._budget = min(BUDGET_BYTES, grown)
        self._refilled_at = now

    def _tell_output(self, told: "_Told", data: bytes) -> None:
        self._budget -= len(data)
        told.size = told.tail.size
        self._tell(
            RunOutput(
                run_id=self._run_id,
                stream=told.stream,
                data=data,
                offset=told.size - len(data),
                at=datetime.now(UTC),
            )
        )

    def _tell(self, event: RunEvent) -> None:
        try:
            self._on_event(event)
        except Exception:
            if not self._failed:
                _LOGGER.exception("An event of run %s cannot be told", self._run_id)
            self._failed = True


class _Told:
    """A stream: its end, and up to where it has been told."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.tail = Tail(NEWEST_BYTES)
        self.size = 0

    @property
    def untold(self) -> int:
        """How many bytes are left to tell, be they kept or not."""
        return self.tail.size - self.size
