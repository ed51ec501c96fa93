"""One process and its group, from start to reaped.

The process leads a session and a process group of its own. The group ends with it: what
it leaves running in the background gets SIGTERM, and after the grace time SIGKILL.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
import contextlib
import errno
import logging
import os
from pathlib import Path
import signal

from .model import Stream
from .proc import group_lives

_LOGGER = logging.getLogger(__name__)

# How long a pipe may stay open after the group has ended: by then only a process that has
# left the group, a daemon, can hold it.
_DRAIN_SECONDS = 1.0
_POLL_SECONDS = 0.05
_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}


class Process:
    """A started process. Await `wait`, then nothing of it is left."""

    def __init__(
        self,
        transport: asyncio.SubprocessTransport,
        protocol: _Protocol,
        signal_command: tuple[str, ...],
    ) -> None:
        """Use `start`."""
        self._transport = transport
        self._protocol = protocol
        self._signal_command = signal_command
        self._kill_at: float | None = None
        self.pid = transport.get_pid()

    @classmethod
    async def start(
        cls,
        argv: Iterable[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        on_output: Callable[[Stream, bytes], None],
        signal_command: tuple[str, ...] = (),
    ) -> Process:
        """Start a process with no input and exactly this environment.

        A script without an interpreter line runs by /bin/sh, as `execvp` does it.
        `signal_command` begins the argv of a command that signals the group where this
        process may not. Raises OSError when it cannot be started.
        """
        argv = tuple(argv)
        loop = asyncio.get_running_loop()

        async def spawn(
            argv: tuple[str, ...],
        ) -> tuple[asyncio.SubprocessTransport, _Protocol]:
            return await loop.subprocess_exec(
                lambda: _Protocol(on_output),
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )

        try:
            transport, protocol = await spawn(argv)
        except OSError as err:
            if err.errno != errno.ENOEXEC:
                raise
            transport, protocol = await spawn(("/bin/sh", *argv))
        return cls(transport, protocol, signal_command)

    async def wait(self, grace: float) -> int:
        """Wait until it has ended, its group too, and its output has been read.

        `grace` is the time in seconds that the rest of the group has between SIGTERM and
        SIGKILL. Returns the exit status, or the negative number of the signal that ended
        the process.
        """
        await self._protocol.exited.wait()
        await self._end_group(grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._protocol.closed.wait()
        self._transport.close()
        returncode = self._transport.get_returncode()
        assert returncode is not None
        return returncode

    async def stop(self, grace: float) -> None:
        """End the process: SIGTERM to its group, `grace` seconds, SIGKILL.

        Its output and the rest of its group are left to `wait`.
        """
        if self._protocol.exited.is_set():
            return
        kill_at = await self._terminate(grace)
        try:
            async with asyncio.timeout_at(kill_at):
                await self._protocol.exited.wait()
        except TimeoutError:
            await self._signal(signal.SIGKILL)
            await self._protocol.exited.wait()

    def kill(self) -> None:
        """End the group at once, without waiting."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._transport.close()

    async def _end_group(self, grace: float) -> None:
        """End what the process has left running in its group."""
        if not await self._group_lives():
            return
        if not await self._group_ends_by(await self._terminate(grace)):
            await self._signal(signal.SIGKILL)
            loop = asyncio.get_running_loop()
            # SIGKILL needs no consent, only a moment.
            await self._group_ends_by(loop.time() + _DRAIN_SECONDS)

    async def _terminate(self, grace: float) -> float:
        """Send SIGTERM to the group, once; return when its grace time is over."""
        if self._kill_at is None:
            self._kill_at = asyncio.get_running_loop().time() + grace
            await self._signal(signal.SIGTERM)
        return self._kill_at

    async def _group_ends_by(self, when: float) -> bool:
        try:
            async with asyncio.timeout_at(when):
                while await self._group_lives():
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False
        return True

    async def _group_lives(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return await asyncio.to_thread(group_lives, self.pid)

    async def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            await self._signal_by_command(number)

    async def _signal_by_command(self, number: signal.Signals) -> None:
        if not self._signal_command:
            _LOGGER.warning("Not permitted to signal process group %d", self.pid)
            return
        killer = await asyncio.create_subprocess_exec(
            *self._signal_command,
            "kill",
            "-s",
            number.name.removeprefix("SIG"),
            "--",
            f"-{self.pid}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await killer.wait()


class _Protocol(asyncio.SubprocessProtocol):
    """Hand on the output, and remember the end."""

    def __init__(self, on_output: Callable[[Stream, bytes], None]) -> None:
        self._on_output = on_output
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._on_output(_STREAMS[fd], data)

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
