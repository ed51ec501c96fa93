"""HTTP proxies on loopback: a real one, one that opens TLS, and one that leads elsewhere."""

import asyncio
from base64 import b64decode
from collections.abc import Iterable
from functools import partial
import os
from pathlib import Path
import re
import shutil
import ssl
from types import TracebackType
from typing import Self

from custom_components.aws_iot_jobs.aws_iot.proxy import Proxy

from .runner_service import free_port
from .tls_servers import Server, Talk, say_nothing

HOST = "localhost"
USER = "home"
PASSWORD = "open.sesame"

_START_SECONDS = 10
_STARTED = "Accepting connections"


class TinyProxy:
    """A tinyproxy that wants a user and a password, for as long as its context lasts."""

    def __init__(self, directory: Path, ports: Iterable[int] = ()) -> None:
        """Prepare one that lets through to these ports, or to any."""
        self.port = free_port()
        self._directory = directory
        self._ports = tuple(ports)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lines: list[str] = []
        self._changed = asyncio.Event()

    @property
    def settings(self) -> Proxy:
        """What gets through."""
        return Proxy(host=HOST, port=self.port, user=USER, password=PASSWORD)

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def start(self) -> None:
        """Start it, and return when it takes connections."""
        self._lines.clear()
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "tinyproxy.conf"
        configuration.write_text(self._configuration())
        self._process = await asyncio.create_subprocess_exec(
            _tinyproxy(),
            "-d",
            "-c",
            str(configuration),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._reading = asyncio.create_task(self._read(self._process.stdout))
        async with asyncio.timeout(_START_SECONDS):
            await self.logged(_STARTED)

    async def stop(self) -> None:
        """Stop it: connections through it break."""
        if (process := self._process) is None:
            return
        assert self._reading is not None
        process.kill()
        await process.wait()
        await self._reading
        self._process = self._reading = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, if it still runs."""
        await self.stop()

    def asked_for(self, target: str) -> int:
        """Return how often it was asked for a tunnel to there."""
        return sum(f"CONNECT {target} " in line for line in self._lines)

    async def logged(self, words: str) -> None:
        """Wait until there are words in the log."""
        while not any(words in line for line in self._lines):
            self._changed.clear()
            await self._changed.wait()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self._lines.append(line.decode(errors="replace"))
            self._changed.set()

    def _configuration(self) -> str:
        lines = [
            f"Port {self.port}",
            "Listen 127.0.0.1",
            "Timeout 600",
            "LogLevel Info",
            f"BasicAuth {USER} {PASSWORD}",
            *(f"ConnectPort {port}" for port in self._ports),
        ]
        return "\n".join((*lines, ""))


class ScriptedProxy(Server):
    """A proxy that opens what it says is a tunnel, and has `talk` be at its other end.

    `targets` are what it was asked for, `logins` those that came with it.
    """

    def __init__(self, talk: Talk) -> None:
        """Take what is at the other end."""
        super().__init__(self._open)
        self.targets: list[str] = []
        self.logins: list[str] = []
        self._at_end = talk

    @property
    def settings(self) -> Proxy:
        """What gets through."""
        return Proxy(host=HOST, port=self.port)

    async def _open(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.match(r"CONNECT (\S+) HTTP/1\.1\r\n", head.decode())
        assert found is not None
        self.targets.append(found[1])
        if login := re.search(rb"\r\nProxy-Authorization: Basic (\S+)\r\n", head):
            self.logins.append(b64decode(login[1]).decode())
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await self._at_end(reader, writer)


def opening_tls(context: ssl.SSLContext) -> ScriptedProxy:
    """Return a proxy that opens TLS, with a certificate of its own, to look into it."""

    async def open_tls(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await writer.start_tls(context)
        await say_nothing(reader, writer)

    return ScriptedProxy(open_tls)


def leading_to(port: int) -> ScriptedProxy:
    """Return a proxy that leads to a port on loopback, whatever it is asked for."""
    return ScriptedProxy(partial(_relay, port))


async def _relay(
    port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass_on(reader, far_writer))
            tasks.create_task(_pass_on(far_reader, writer))
    finally:
        far_writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def _tinyproxy() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
    if (program := shutil.which("tinyproxy", path=path)) is None:
        raise FileNotFoundError("tinyproxy is not installed")
    return program
