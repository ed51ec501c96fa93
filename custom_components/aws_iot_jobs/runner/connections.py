"""The connections of a service: those that do not show its token are few and short.

Until a request with the token has come over it, a connection belongs to a stranger. It is
closed after some seconds whatever it sends, and sooner where too many are open: so nobody
without the token takes the file descriptors that steps need.
"""

import asyncio
from collections.abc import Callable
import logging
import resource
import socket
from typing import cast

from aiohttp import ClientPayloadError, web
from aiohttp.http import HttpProcessingError

_LOGGER = logging.getLogger(__name__)

STRANGER_SECONDS = 10.0
"""How long a connection may be open without a request that has the token."""
MAX_CONNECTIONS = 128
BACKLOG = 32
"""How many are accepted at a time, before the oldest can be closed for them."""
ACKNOWLEDGE_SECONDS = 60
"""After how long a client that is gone without a word, by its network, is known to be."""
LOG_INTERVAL_SECONDS = 60.0


# What aiohttp raises for what is no HTTP, in a head and in a body.
_NO_HTTP = (HttpProcessingError, ClientPayloadError, web.RequestPayloadError)


class _Guarded(asyncio.Protocol):
    """The protocol of a connection, whose begin and end somebody else wants to know."""

    def __init__(
        self,
        protocol: asyncio.Protocol,
        opened: Callable[[asyncio.Transport], None],
        closed: Callable[[asyncio.Transport], None],
    ) -> None:
        self._protocol = protocol
        self._opened = opened
        self._closed = closed
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.connection_made(transport)
        self._opened(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._closed(self._transport)
        self._protocol.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


class Connections:
    """Which connections of a service are open, and which are strangers', oldest first."""

    def __init__(self) -> None:
        """Allow as many as leave most of the file descriptors to others."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = MAX_CONNECTIONS
        if descriptors != resource.RLIM_INFINITY:
            self._limit = min(MAX_CONNECTIONS, descriptors // 4)
        self._open: set[asyncio.Transport] = set()
        self._strangers: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._turned_away = 0
        self._address = ""
        self._closing = False
        self._next_line: asyncio.TimerHandle | None = None
        self.logger = logging.getLogger(f"{__name__}.http")
        """For aiohttp: what is no HTTP is counted there, not told one by one."""

    def guard(self, server: web.Server) -> Callable[[], asyncio.Protocol]:
        """Return what makes the protocol of a new connection: the server's, guarded.

        `close` has to follow.
        """
        self.logger.addFilter(self._is_worth_a_line)
        return lambda: _Guarded(server(), self._opened, self._closed)

    def trust(self, transport: asyncio.BaseTransport | None) -> None:
        """Take note that a request with the token has come over a connection."""
        timer = self._strangers.pop(cast(asyncio.Transport, transport), None)
        if timer is not None:
            timer.cancel()

    def turned_away(self, address: str | None) -> None:
        """Count a stranger who got nothing; the log has one line a minute for all."""
        if self._closing:
            return
        self._turned_away += 1
        self._address = address or self._address
        if self._next_line is None:
            self._tell()

    def close(self) -> None:
        """Tell how many there were since the last line; count no longer."""
        self.logger.removeFilter(self._is_worth_a_line)
        self._closing = True
        if self._next_line is not None:
            self._next_line.cancel()
            self._tell()

    def _opened(self, transport: asyncio.Transport) -> None:
        """Take note of a connection, for which the oldest stranger may have to go."""
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, ACKNOWLEDGE_SECONDS * 1000
        )
        self._open.add(transport)
        self._strangers[transport] = asyncio.get_running_loop().call_later(
            STRANGER_SECONDS, self._drop, transport
        )
        if len(self._open) > self._limit:
            self._drop(next(iter(self._strangers)))

    def _closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)
        self.trust(transport)

    def _drop(self, transport: asyncio.Transport) -> None:
        self._closed(transport)
        address = transport.get_extra_info("peername")
        self.turned_away(address[0] if address else None)
        transport.abort()

    def _tell(self) -> None:
        self._next_line = None
        if not self._turned_away:
            return
        _LOGGER.warning(
            "Turned away without the token, in the last minute: %d, the last from %s",
            self._turned_away,
            self._address or "an unknown address",
        )
        self._turned_away = 0
        if not self._closing:
            self._next_line = asyncio.get_running_loop().call_later(
                LOG_INTERVAL_SECONDS, self._tell
            )

    def _is_worth_a_line(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _NO_HTTP):
            self.turned_away(None)
            return False
        return True
