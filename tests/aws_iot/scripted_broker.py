"""A broker that does what no real one would: it answers only what a test wants it to."""

import asyncio
import contextlib
from enum import IntEnum
from pathlib import Path
import ssl
import time
from types import TracebackType
from typing import Self

from ..certificates import CertificateAuthority

NOT_AUTHORIZED = 0x87
QUOTA_EXCEEDED = 0x97


class Packet(IntEnum):
    """The types of MQTT packets that a client sends here."""

    CONNECT = 1
    SUBSCRIBE = 8
    PINGREQ = 12
    DISCONNECT = 14


class ScriptedBroker:
    """It takes one subscription at a time, unless that is to be `refused`, for a `reason`.

    `silent_after` is the packet from which on it does not answer; `closes_after` the one
    whose answer, if there is one, is the last before it closes the connection. While it is
    `mute`, it acknowledges no subscription.
    """

    def __init__(self, directory: Path, authority: CertificateAuthority) -> None:
        """Prepare a broker with a certificate of an authority."""
        server = authority.server()
        directory.mkdir()
        chain = directory / "server.pem"
        chain.write_bytes(server.certificate + server.private_key)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(chain)
        self._tls.load_verify_locations(cadata=authority.certificate.decode())
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._changed = asyncio.Condition()
        self._handlers: set[asyncio.Task[None]] = set()
        self.silent_after: Packet | None = None
        self.closes_after: Packet | None = None
        self.refused = False
        self.reason = NOT_AUTHORIZED
        self.mute = False
        self.received: list[tuple[Packet, float]] = []
        """What came, and when on the monotonic clock."""

    async def __aenter__(self) -> Self:
        """Take connections."""
        self._server = await asyncio.start_server(
            self._take, "127.0.0.1", 0, ssl=self._tls
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Break what there is."""
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break all connections, without a word; new ones are taken."""
        for handler in self._handlers:
            handler.cancel()
        if self._handlers:
            await asyncio.wait(tuple(self._handlers))

    def times(self, packet: Packet) -> list[float]:
        """Return when packets of a type came."""
        return [at for kind, at in self.received if kind is packet]

    async def count(self, packet: Packet, count: int, within: float = 20) -> None:
        """Wait until so many packets of a type have come."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.times(packet)) >= count)

    async def idle(self, within: float = 20) -> None:
        """Wait until there is no connection."""
        async with asyncio.timeout(within):
            while self._handlers:
                await asyncio.wait(tuple(self._handlers))

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
        with contextlib.suppress(
            asyncio.CancelledError, asyncio.IncompleteReadError, OSError
        ):
            await self._talk(reader, writer)
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            kind, body = await _packet(reader)
            self.received.append((kind, time.monotonic()))
            async with self._changed:
                self._changed.notify_all()
            if kind is self.silent_after:
                await reader.read()
                return
            writer.write(self._answer(kind, body))
            await writer.drain()
            if kind in (self.closes_after, Packet.DISCONNECT):
                # Orderly, so that what was written arrives.
                writer.close()
                await writer.wait_closed()
                return

    def _answer(self, kind: Packet, body: bytes) -> bytes:
        match kind:
            case Packet.CONNECT:
                return b"\x20\x03\x00\x00\x00"
            case Packet.SUBSCRIBE if self.mute:
                return b""
            case Packet.SUBSCRIBE:
                code = self.reason if self.refused else 1
                return b"\x90\x04" + body[:2] + bytes((0, code))
            case Packet.PINGREQ:
                return b"\xd0\x00"
            case Packet.DISCONNECT:
                return b""


async def _packet(reader: asyncio.StreamReader) -> tuple[Packet, bytes]:
    """Read a packet: its type, and what follows the fixed header."""
    kind = Packet((await reader.readexactly(1))[0] >> 4)
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return kind, await reader.readexactly(length)
