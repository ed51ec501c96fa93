"""The way into AWS IoT: it knows certificates, and lets in who shows one that is active.

It stands before a broker that knows none of that, and can break all connections in front of
any MQTT packet.
"""

import asyncio
from collections.abc import Callable
import contextlib
from pathlib import Path
import ssl
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .broker import HOST, Broker


class Door:
    """A relay on loopback for one thing of a broker, to be connected to instead of that.

    `passed` counts the packets that have passed it, both ways; before the one of the number
    `cut_before`, all connections break. `used` is the certificate, PEM, of the last client
    that was let in.
    """

    def __init__(
        self, directory: Path, broker: Broker, is_active: Callable[[str], bool]
    ) -> None:
        """Prepare it. `is_active` tells whether a certificate is."""
        directory.mkdir()
        self._target = broker.port
        self._is_active = is_active
        server = broker.ca.server(HOST)
        self._inward = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _load(
            self._inward,
            directory / "server.pem",
            server.certificate,
            server.private_key,
        )
        self._inward.load_verify_locations(cadata=broker.ca.certificate.decode())
        self._inward.verify_mode = ssl.CERT_REQUIRED
        self._inward.verify_flags &= ~ssl.VERIFY_X509_STRICT
        thing = broker.settings()
        self._onward = ssl.create_default_context(cadata=broker.ca.certificate.decode())
        _load(
            self._onward, directory / "thing.pem", thing.certificate, thing.private_key
        )
        self._open: set[asyncio.Task[None]] = set()
        self.passed = 0
        self.cut_before: int | None = None
        self.used = ""

    async def __aenter__(self) -> Self:
        """Take connections."""
        self._server = await asyncio.start_server(
            self._take, "127.0.0.1", 0, ssl=self._inward
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
        self._cut()
        if self._open:
            await asyncio.wait(tuple(self._open))
        await self._server.wait_closed()

    @property
    def has_cut(self) -> bool:
        """Whether it has broken what it was to break."""
        return self.cut_before is not None and self.passed >= self.cut_before

    def _cut(self) -> None:
        for task in self._open:
            task.cancel()

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            shown = _shown(writer)
            if self._is_active(shown):
                await self._relay(reader, writer, shown)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shown: str
    ) -> None:
        ahead, onward = await asyncio.open_connection(
            "127.0.0.1", self._target, ssl=self._onward, server_hostname=HOST
        )
        ways = [
            asyncio.ensure_future(self._pass(reader, onward, shown)),
            asyncio.ensure_future(self._pass(ahead, writer, shown)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            onward.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shown: str
    ) -> None:
        """Pass packets on until their sender ends."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                packet = await _packet(reader)
                self.passed += 1
                if self.passed == self.cut_before:
                    self._cut()
                    return
                self.used = shown
                writer.write(packet)


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """Read one MQTT packet: a byte, how long the rest is, and the rest."""
    head = await reader.readexactly(2)
    length = head[-1] & 0x7F
    while head[-1] & 0x80:
        head += await reader.readexactly(1)
        length |= (head[-1] & 0x7F) << 7 * (len(head) - 2)
    return head + await reader.readexactly(length)


def _shown(writer: asyncio.StreamWriter) -> str:
    """Return the certificate that a client has shown, PEM."""
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


def _load(context: ssl.SSLContext, file: Path, certificate: bytes, key: bytes) -> None:
    file.write_bytes(certificate + key)
    context.load_cert_chain(file)
