"""Asks the probe in another process."""

import asyncio
from dataclasses import dataclass
import json
from pathlib import Path
from statistics import quantiles
import time
from typing import Self

CONNECT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a process did since the last question. Times are of CLOCK_MONOTONIC, in seconds."""

    flushed_at: list[float]
    hops: int
    delays: list[float]

    @property
    def longest_delay_ms(self) -> float:
        """How long the event loop was blocked at most."""
        return max(self.delays, default=0.0) * 1000

    @property
    def p999_delay_ms(self) -> float:
        """How long it was blocked at most, but for the worst thousandth."""
        if len(self.delays) < 2:
            return self.longest_delay_ms
        return quantiles(self.delays, n=1000, method="inclusive")[-1] * 1000


class ProbeClient:
    """A connection to a probe."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take an open connection."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, socket: Path) -> Self:
        """Connect as soon as there is somebody at the socket. Raises TimeoutError."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                # A minute of ticks is a long line.
                return cls(*await asyncio.open_unix_connection(socket, limit=2**26))
            except (FileNotFoundError, ConnectionRefusedError) as err:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"nobody answers at {socket}") from err
                await asyncio.sleep(0.05)

    async def ask(
        self, *, flush_seconds: float | None = None, ticking: bool | None = None
    ) -> Counts:
        """Return what has been counted since the last time.

        `flush_seconds` is how much longer each flush takes from here on, `ticking` whether
        the delays of the event loop are measured.
        """
        question = {"flush_seconds": flush_seconds, "ticking": ticking}
        self._writer.write(json.dumps(question).encode() + b"\n")
        return Counts(**json.loads(await self._reader.readline()))

    async def close(self) -> None:
        """Disconnect."""
        self._writer.close()
        await self._writer.wait_closed()
