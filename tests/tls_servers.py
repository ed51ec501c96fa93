"""Servers on loopback that are not what a thing looks for, or only just are."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
import ssl
from types import TracebackType
from typing import Self
import warnings

from .certificates import CertificateAuthority, Credentials

HOST = "localhost"
CONNACK = bytes.fromhex("2003000000")

type Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A TCP server that does one thing with all who connect. An async context manager."""

    def __init__(
        self,
        talk: Talk,
        tls: ssl.SSLContext | None = None,
        *,
        address: str = "127.0.0.1",
    ) -> None:
        """Take what is done with a connection."""
        self.port = 0
        self._address = address
        self._talk = talk
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(
            self._take, self._address, 0, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Listen no more, and end all connections."""
        assert self._server is not None
        self._server.close()
        self._server.abort_clients()
        for task in list(self._talks):
            task.cancel()
        await self._server.wait_closed()

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        try:
            await self._talk(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()


async def say_nothing(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Keep the connection, and be silent, until it is ended there."""
    while await reader.read(1024):
        pass


async def close_at_once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """End the connection without a word, as what expects no TLS often does."""
    await reader.read(1024)


def say(words: bytes) -> Talk:
    """Return a talk that says the same to everybody, and waits for the end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(words)
        await writer.drain()
        await say_nothing(reader, writer)

    return talk


def behind_tls(context: ssl.SSLContext) -> Talk:
    """Return a silent talk by TLS. A handshake that fails is nobody's error but the client's."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(context)
        await say_nothing(reader, writer)

    return talk


class MqttTalk:
    """What takes all who connect by MQTT. `connected` is set when one has asked to."""

    def __init__(self) -> None:
        """Begin with nobody connected."""
        self.connected = asyncio.Event()

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Let a client connect, and hear nothing of what else it wants."""
        if await reader.read(1024):
            self.connected.set()
            writer.write(CONNACK)
            await say_nothing(reader, writer)


def tls_context(
    directory: Path,
    credentials: Credentials,
    *,
    clients: CertificateAuthority | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> ssl.SSLContext:
    """Return how a server does TLS, up to a version.

    It asks for a certificate that `clients` signs, or for none.
    """
    certificate, key = directory / "server.pem", directory / "server.key"
    certificate.write_bytes(credentials.certificate)
    key.write_bytes(credentials.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        # An old version is what is wanted.
        context.maximum_version = version
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.certificate.decode())
    return context
