"""One process and its group, from start to reaped.

The process leads a session and a process group of its own. The group ends with it: what
it leaves running in the background gets SIGTERM, and after the grace time SIGKILL.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import errno
import logging
import os
from pathlib import Path
import shutil
import signal
from typing import Self

from .model import Stream
from .proc import group_lives

_LOGGER = logging.getLogger(__name__)

# How long a pipe may stay open after the group has ended: by then only a process that has
# left the group, a daemon, can hold it.
_DRAIN_SECONDS = 1.0
# How long a group may take to end after SIGKILL, which needs no consent, only a moment.
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.05
_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}


class _Protocol(asyncio.SubprocessProtocol):
    """Tell of the start, hand on the output, and remember the end."""

    def __init__(
        self,
        on_start: Callable[[int], None],
        on_output: Callable[[Stream, bytes], None],
    ) -> None:
        self._on_start = on_start
        self._on_output = on_output
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._on_start(transport.get_pid())

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._on_output(_STREAMS[fd], data)

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


class Process:
    """A started process. Await `end`, then nothing of it is left."""

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
        on_start: Callable[[int], None],
        on_output: Callable[[Stream, bytes], None],
        signal_command: tuple[str, ...] = (),
    ) -> Self:
        """Start a process with no input and exactly this environment.

        `on_start` is told its id, and then `on_output` what it writes. A script without an
        interpreter line runs by /bin/sh, as `execvp` does it. `signal_command` begins the
        argv of a command that signals the group where this process may not. Raises OSError
        when it cannot be started. A call that is cancelled ends at once what it has
        started.
        """
        spawning = _spawn(
            tuple(argv), dict(environment), directory, _Protocol(on_start, on_output)
        )
        # A start that is broken off in the middle would leave pipes and children.
        starting = asyncio.ensure_future(spawning)
        try:
            transport, protocol = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError, ValueError):
                await cls(*await starting, signal_command).end(grace=0)
            raise
        return cls(transport, protocol, signal_command)

    async def exited(self) -> None:
        """Wait until the process itself has ended."""
        await self._protocol.exited.wait()

    async def end(self, grace: float) -> int | None:
        """End what still runs of it: SIGTERM to its group, `grace` seconds, SIGKILL.

        Returns the exit status, or the negative number of the signal that ended the
        process, when all of its output has been read; None when not even SIGKILL has
        ended it. A call that was cancelled may be made again: it goes on, with the
        shorter grace time.
        """
        loop = asyncio.get_running_loop()
        if await self._lives() and not await self._ends_by(
            await self._terminate(grace)
        ):
            await self._signal(signal.SIGKILL)
            if not await self._ends_by(loop.time() + _KILL_SECONDS):
                _LOGGER.error("Process group %d cannot be ended", self.pid)
        await self._close()
        return self._transport.get_returncode()

    async def _terminate(self, grace: float) -> float:
        """Send SIGTERM to the group, once; return when its grace time is over."""
        kill_at = asyncio.get_running_loop().time() + grace
        if self._kill_at is None:
            self._kill_at = kill_at
            await self._signal(signal.SIGTERM)
        self._kill_at = min(self._kill_at, kill_at)
        return self._kill_at

    async def _ends_by(self, when: float) -> bool:
        try:
            async with asyncio.timeout_at(when):
                await self.exited()
                while await self._lives():
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False
        return True

    async def _lives(self) -> bool:
        """Tell whether the process or anything else of its group still runs."""
        if not self._protocol.exited.is_set():
            return True
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return await asyncio.to_thread(group_lives, self.pid)

    async def _close(self) -> None:
        """Read the rest of the output, but do not wait for a daemon that holds a pipe."""
        closed = self._protocol.closed
        if self._protocol.exited.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await closed.wait()
        self._transport.close()
        if self._protocol.exited.is_set():
            await closed.wait()

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
        # Not every system has `kill` as a program; every shell has it.
        kill = ("/bin/sh", "-c", 'kill -s "$1" -- "-$2"', "sh")
        killer = await asyncio.create_subprocess_exec(
            *self._signal_command,
            *kill,
            number.name.removeprefix("SIG"),
            str(self.pid),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await killer.wait() != 0:
            _LOGGER.warning("Not permitted to signal process group %d", self.pid)


async def _spawn(
    argv: tuple[str, ...],
    environment: dict[str, str],
    directory: Path,
    protocol: _Protocol,
) -> tuple[asyncio.SubprocessTransport, _Protocol]:
    loop = asyncio.get_running_loop()
    spawning = loop.subprocess_exec(
        lambda: protocol,
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        env=environment,
        cwd=directory,
        start_new_session=True,
    )
    try:
        with _no_signal_blocked():
            # The process is there before this task waits for the first time.
            spawned = asyncio.Task(spawning, loop=loop, eager_start=True)
        return await spawned
    except OSError as err:
        if err.errno != errno.ENOEXEC:
            raise
    script = shutil.which(argv[0], path=environment.get("PATH")) or argv[0]
    by_shell = ("/bin/sh", script, *argv[1:])
    return await _spawn(by_shell, environment, directory, protocol)


@contextlib.contextmanager
def _no_signal_blocked() -> Iterator[None]:
    """Let a process that is started meanwhile find no signal blocked: it inherits that."""
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
