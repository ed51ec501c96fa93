"""The runner's service in a process of its own, as the app runs it, and a line to it that breaks."""

import asyncio
import contextlib
from dataclasses import dataclass, field
import os
from pathlib import Path
import signal
import socket
import sys
from typing import Self

import aiohttp

from custom_components.aws_iot_jobs import runner
from custom_components.aws_iot_jobs.runner.client import RunnerAddress


def free_port() -> int:
    """Return a port on the loopback interface that nobody uses."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


@dataclass
class RunnerService:
    """The service, seen from outside. What it keeps outlives it."""

    directory: Path
    grace: float = 2.0
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def handlers(self) -> Path:
        """Its handler directory."""
        return self.directory / "handlers"

    @property
    def data(self) -> Path:
        """What it keeps."""
        return self.directory / "data"

    @property
    def bundle(self) -> Path:
        """Where a bundle may be left."""
        return self.directory / "bundle.json"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """Its token, once it has been started."""
        return (self.data / "token").read_text()

    @property
    def address(self) -> RunnerAddress:
        """Its address, once it has been started."""
        return RunnerAddress(url=self.url, token=self.token)

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.directory / "service.log").read_text()

    def handler(self, name: str, text: str, mode: int = 0o700) -> Path:
        """Put a handler into its directory."""
        file = self.handlers / name
        file.write_text(text)
        file.chmod(mode)
        return file

    async def start(self, **environment: str) -> None:
        """Start it, and wait until it answers."""
        package = self.directory / "package"
        package.mkdir(parents=True, exist_ok=True)
        self.handlers.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (package / "runner").symlink_to(Path(runner.__file__).parent)
        with (self.directory / "service.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "runner", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--grace", str(self.grace)),
                *("--handlers", str(self.handlers), "--data", str(self.data)),
                *("--bundle", str(self.bundle)),
                env=os.environ | {"PYTHONPATH": str(package)} | environment,
                stderr=log,
            )
        await self.answers()

    async def answers(self, within: float = 20) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(within), aiohttp.ClientSession() as session:
            while True:
                assert self.process is None or self.process.returncode is None, self.log
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/health") as response:
                        assert response.status == 200
                        return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Kill it without a warning."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it as Supervisor stops an app."""
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it do nothing, while its connections stay open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> None:
        if (process := self.process) is None:
            return
        self.process = None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        await process.wait()


class Line:
    """A TCP proxy to a port, whose connections can be cut. An async context manager."""

    def __init__(self, port: int) -> None:
        """Lead to a port on the loopback interface."""
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connected = asyncio.Condition()
        self.port = 0
        self.connections = 0
        self.answers_to_lose = 0
        self._forsaken: list[asyncio.Event] = []
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> Self:
        """Open it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it with all connections."""
        assert self._server is not None
        self._server.close()
        for gate in (self._open, *self._forsaken):
            gate.set()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Cut all connections, in the middle of whatever they carry."""
        for writer in self._writers:
            writer.transport.abort()

    def hold(self) -> None:
        """Carry nothing any more, as a black hole does; connections stay."""
        self._open.clear()

    def release(self) -> None:
        """Carry what was held, and what comes."""
        self._open.set()

    def forsake(self) -> None:
        """Carry nothing over the connections that are there, but over new ones."""
        self._open.clear()
        self._forsaken.append(self._open)
        self._open = asyncio.Event()
        self._open.set()

    async def used(self, times: int) -> None:
        """Wait until it has carried that many connections."""
        async with asyncio.timeout(20), self._connected:
            await self._connected.wait_for(lambda: self.connections >= times)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            target = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, target[1]}
        gate = self._open
        self._writers |= pair
        async with self._connected:
            self.connections += 1
            self._connected.notify_all()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, target[1], gate))
                group.create_task(self._answer(target[0], writer, gate))
        finally:
            for each in pair:
                each.transport.abort()
            self._writers -= pair

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event,
    ) -> None:
        if self.answers_to_lose > 0:
            with contextlib.suppress(ConnectionError):
                await reader.read(1)
            self.answers_to_lose -= 1
            writer.transport.abort()
            return
        await _pump(reader, writer, gate)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            await gate.wait()
            writer.write(data)
            await writer.drain()
    await gate.wait()
    writer.close()
