"""One process and its session, from start to reaped.

The process leads a session of its own. The session ends with it, in all its process groups:
what it leaves running in the background gets SIGTERM, and after the grace time SIGKILL.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
from dataclasses import dataclass
from functools import partial
import os
from pathlib import Path
import signal
from typing import Self

from .ending import end_groups, send_signals, wait_for_any
from .executable import Executable
from .family import Family, Leader, Seen
from .model import RunRefusedError, Stream
from .proc import CannotLookError, SpareDescriptor, group_answers
from .spawn import spawn

# How long a pipe may stay open after the session has ended: by then only a process that has
# left it, a daemon, can hold it.
_DRAIN_SECONDS = 1.0
# How long the event loop may take to notice that a process has ended.
_REAP_SECONDS = 5.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process has ended, and what of it has not.

    `returncode` is the exit status, or the negative number of the signal that ended the
    process; None when not even SIGKILL has ended it. `by_itself` when it had ended before a
    signal was sent. `left` are the process groups that could not be ended.
    """

    returncode: int | None
    by_itself: bool
    left: frozenset[int] = frozenset()


class Process:
    """A started process. Await `end`, once, then nothing of it is left."""

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
        self._spare = SpareDescriptor()
        self._by_itself: bool | None = None
        self.pid = transport.get_pid()

    @classmethod
    async def start(
        cls,
        argv: Iterable[str],
        *,
        executable: Executable,
        environment: Mapping[str, str],
        directory: Path,
        on_start: Callable[[int], None],
        on_output: Callable[[Stream, bytes], None],
        signal_command: tuple[str, ...] = (),
    ) -> Self:
        """Start a process with no input and exactly this environment.

        What runs is `executable`, whatever `argv` begins with; a script without an
        interpreter line by /bin/sh, as `execvp` does it. `on_start` is told its id, and
        then `on_output` what it writes. `signal_command` begins the argv of a command that
        signals the group where this process may not. Raises RunRefusedError or OSError
        when it cannot be started. A call that is cancelled ends at once what it has
        started.
        """
        spawning = spawn(
            tuple(argv),
            executable,
            dict(environment),
            directory,
            _Protocol(on_start, on_output),
        )
        # A start that is broken off in the middle would leave pipes and children.
        starting = asyncio.ensure_future(spawning)
        try:
            transport, protocol = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError, ValueError, RunRefusedError):
                cls(*await starting, signal_command).kill()
            raise
        return cls(transport, protocol, signal_command)

    async def exited(self) -> None:
        """Wait until the process itself has ended."""
        await self._protocol.exited.wait()

    async def end(
        self,
        grace: float,
        *,
        leader: Leader | None = None,
        setting: str = "",
        hurry: asyncio.Event | None = None,
    ) -> Ended:
        """End what still runs of its session: SIGTERM, `grace` seconds, SIGKILL.

        `leader` is this process, with the time of its start where that is known. What
        carries the `NAME=value` of `setting` in its environment is ended too. Once `hurry`
        is set, there is no more grace time. Returns when all output has been read.
        """
        hurry = hurry or asyncio.Event()
        family = Family(leader or Leader(pid=self.pid), setting)
        try:
            left = await end_groups(
                partial(self._look, family), self._send, grace=grace, hurry=hurry
            )
            if not left:
                await wait_for_any(_REAP_SECONDS, self._protocol.exited)
            await self._close(hurry)
        finally:
            self._spare.close()
        return Ended(
            returncode=self._transport.get_returncode(),
            by_itself=self._by_itself in (None, True),
            left=left,
        )

    def kill(self) -> None:
        """End it at once, where nobody is left to wait for its end."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._transport.close()
        self._spare.close()

    def _look(self, family: Family, *, deep: bool = False) -> Seen:
        """Return what lives; where that cannot be seen, what the kernel answers for."""
        try:
            return self._spare.lend(partial(family.look, deep=deep))
        except CannotLookError:
            groups = {self.pid} if group_answers(self.pid) else set()
            return Seen(groups=frozenset(groups), led=not self._has_ended())

    async def _send(
        self, groups: frozenset[int], numbers: Sequence[signal.Signals]
    ) -> None:
        if self._by_itself is None:
            self._by_itself = self._has_ended()
        await send_signals(groups, numbers, self._signal_command)

    def _has_ended(self) -> bool:
        """Tell whether the process has ended, be the event loop told of it or not."""
        if self._protocol.exited.is_set():
            return True
        try:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, look) is not None
        except ChildProcessError:
            return True

    async def _close(self, hurry: asyncio.Event) -> None:
        """Read the rest of the output, but do not wait for a daemon that holds a pipe."""
        closed = self._protocol.closed
        if self._protocol.exited.is_set():
            await wait_for_any(_DRAIN_SECONDS, closed, hurry)
        self._transport.close()
        if self._protocol.exited.is_set():
            await closed.wait()
