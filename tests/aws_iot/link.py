"""The network between a thing and its broker, which can fail in many ways."""

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Self


class Link:
    """A relay on loopback, to be connected to instead of the port behind it."""

    def __init__(self, target: int) -> None:
        """Prepare a link to a port."""
        self.accepted: list[float] = []
        """When each connection came, on the monotonic clock."""
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Take connections."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Break what there is."""
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    async def cut(self) -> None:
        """Break all connections, without a word; new ones are taken."""
        for writer in self._open.values():
            writer.transport.abort()
        for task in tuple(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(tuple(self._open))
        self.resume()

    def stall(self) -> None:
        """Take connections, and what comes, and pass nothing on."""
        self._passing.clear()

    def resume(self) -> None:
        """Pass on what comes again, also what came meanwhile."""
        self._passing.set()

    async def connections(self, count: int, within: float = 20) -> None:
        """Wait until so many connections have come, from the beginning."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= count)

    async def idle(self, within: float = 20, *, but: int = 0) -> None:
        """Wait until there is no connection, but for so many."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self._open) <= but)

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.accepted.append(time.monotonic())
        try:
            await self._tell()
            await self._relay(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()
            del self._open[task]
        await self._tell()

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass on in both directions until either end closes."""
        try:
            ahead, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        ways = [
            asyncio.ensure_future(self._pass(reader, onward)),
            asyncio.ensure_future(self._pass(ahead, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            onward.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                writer.write(data)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
