"""A TCP proxy on loopback that makes the way longer: a WAN, but as wide as ever."""

import asyncio
from collections import deque
from typing import Self


class Proxy:
    """Leads to a port of loopback, and counts the bytes.

    Each direction takes `delay` seconds more. asyncio sets TCP_NODELAY on all its sockets.
    """

    def __init__(self, target: int, delay: float = 0.0) -> None:
        """Take where it leads; its own port is known once it has been entered."""
        self.port = 0
        self.delay = delay
        self.bytes_out = 0
        """From those who connect, over all connections."""
        self.bytes_in = 0
        """To those who connect."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._lines: set[_Line] = set()

    async def __aenter__(self) -> Self:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._line, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break all connections."""
        assert self._server is not None
        self._server.close()
        for line in tuple(self._lines):
            line.break_off()
        await self._server.wait_closed()

    def _line(self) -> _Line:
        line = _Line(self, self._target)
        self._lines.add(line)
        return line

    def forget(self, line: _Line) -> None:
        """Let go of a connection that has ended."""
        self._lines.discard(line)


class _Way(asyncio.Protocol):
    """Takes what one end says, and gives it to the other end when its time has come."""

    def __init__(self, delay: float) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Way | None = None
        self._delay = delay
        self._waiting = deque[tuple[float, bytes]]()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.other is not None:
            self.other.deliver()

    def data_received(self, data: bytes) -> None:
        due = self._loop.time() + self._delay
        self._waiting.append((due, data))
        if len(self._waiting) == 1:
            self._loop.call_at(due, self.deliver)

    def deliver(self) -> None:
        """Give what is due to the other end."""
        if self.other is None or self.other.transport is None:
            return
        while self._waiting:
            due, data = self._waiting[0]
            if due > self._loop.time():
                self._loop.call_at(due, self.deliver)
                return
            self._waiting.popleft()
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.break_off()

    def break_off(self) -> None:
        """End both connections; what is still on its way is lost."""
        for end in (self, self.other):
            if end is not None and end.transport is not None:
                end.transport.abort()


class _Line(_Way):
    """One connection: this end is who has connected, the other one where it leads."""

    def __init__(self, proxy: Proxy, target: int) -> None:
        super().__init__(proxy.delay)
        self._proxy = proxy
        self._target = target
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        self._proxy.bytes_out += len(data)
        super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._proxy.forget(self)

    async def _connect(self) -> None:
        far = _Far(self._proxy, self)
        self.other = far
        try:
            await self._loop.create_connection(lambda: far, "127.0.0.1", self._target)
        except OSError:
            self.break_off()


class _Far(_Way):
    def __init__(self, proxy: Proxy, line: _Line) -> None:
        super().__init__(proxy.delay)
        self.other = line
        self._proxy = proxy

    def data_received(self, data: bytes) -> None:
        self._proxy.bytes_in += len(data)
        super().data_received(data)
