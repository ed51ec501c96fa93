"""Counts what a process does to its disk, its threads and its event loop.

It is asked through a Unix socket, with one line of JSON for each question.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import json
import os
from pathlib import Path
import time
from typing import Any

TICK_SECONDS = 0.002


class Probe:
    """What has been counted since the last question."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self._flushed_at: list[float] = []
        self._hops = 0
        self._flush_seconds = 0.0
        self._ticker = Ticker()

    def install(self) -> None:
        """Count each flush of a file and each call that is given to a thread."""
        os.fsync = self._counting_flushes(os.fsync)
        os.fdatasync = self._counting_flushes(os.fdatasync)
        submit = ThreadPoolExecutor.submit

        def counted(
            executor: ThreadPoolExecutor, /, *args: Any, **kwargs: Any
        ) -> Future[Any]:
            self._hops += 1
            return submit(executor, *args, **kwargs)

        ThreadPoolExecutor.submit = counted  # type: ignore[assignment, method-assign]

    async def serve(self, path: Path) -> asyncio.Server:
        """Answer at a Unix socket, in this event loop."""
        path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._answer, path)

    def _counting_flushes[**P](self, flush: Callable[P, None]) -> Callable[P, None]:
        def counted(*args: P.args, **kwargs: P.kwargs) -> None:
            time.sleep(self._flush_seconds)
            flush(*args, **kwargs)
            self._flushed_at.append(time.monotonic())

        return counted

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while line := await reader.readline():
            answer = self._ask(**json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _ask(
        self, *, flush_seconds: float | None = None, ticking: bool | None = None
    ) -> dict[str, Any]:
        """Return what has been counted, begin anew, and change what is given.

        `flush_seconds` is how much longer each flush takes. While `ticking`, the delays of
        the event loop are measured, which costs a little.
        """
        answer = {
            "flushed_at": self._flushed_at,
            "hops": self._hops,
            "delays": self._ticker.take(),
        }
        self._flushed_at = []
        self._hops = 0
        if flush_seconds is not None:
            self._flush_seconds = flush_seconds
        if ticking is not None:
            self._ticker.switch(on=ticking)
        return answer


class Ticker:
    """Measures in seconds how much later than wanted the event loop gets to something."""

    def __init__(self) -> None:
        """Prepare one that is off."""
        self._delays: list[float] = []
        self._timer: asyncio.TimerHandle | None = None

    def switch(self, *, on: bool) -> None:
        """Begin or end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if on:
            self._tick(None)

    def take(self) -> list[float]:
        """Return the delays since the last time."""
        delays, self._delays = self._delays, []
        return delays

    def _tick(self, wanted: float | None) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if wanted is not None:
            self._delays.append(now - wanted)
        following = now + TICK_SECONDS
        self._timer = loop.call_at(following, self._tick, following)
