"""One process and its session, from start to reaped.

The process leads a session of its own. The session ends with it, in all its process groups:
what it leaves running in the background gets SIGTERM, and after the grace time SIGKILL.
"""

import asyncio
from collections.abc import Callable, Sequence
import contextlib
from dataclasses import dataclass
from functools import partial
import os
import signal

from .ending import end_groups, send_signals
from .family import Family, Leader, Seen
from .model import Stream
from .pipes import PipeReader
from .proc import CannotLookError, SpareDescriptor, group_answers, is_surely_unused
from .reaping import reaped
from .spawn import Spawned

# How long a pipe may stay open after the session has ended: by then only a process that has
# left it, a daemon, can hold it.
_DRAIN_SECONDS = 1.0
# How long the event loop may take to notice that a process has ended.
_REAP_SECONDS = 5.0


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
        spawned: Spawned,
        leader: Leader,
        on_output: Callable[[Stream, bytearray, int], None],
        signal_command: tuple[str, ...] = (),
    ) -> None:
        """Take over a process that has been spawned, and read what it writes.

        `leader` is this process, with the time of its start where that is known.
        `on_output` is told where so many bytes at the beginning of a buffer come from.
        `signal_command` begins the argv of a command that signals the session where this
        process may not.
        """
        self.pid = spawned.process.pid
        self.exited = reaped(spawned.process)
        self._leader = leader
        self._signal_command = signal_command
        self._spare = SpareDescriptor()
        self._by_itself: bool | None = None
        self._readers = (
            PipeReader(spawned.stdout, partial(on_output, Stream.STDOUT)),
            PipeReader(spawned.stderr, partial(on_output, Stream.STDERR)),
        )

    async def end(
        self, grace: float, *, setting: str, hurry: asyncio.Future[None]
    ) -> Ended:
        """End what still runs of its session: SIGTERM, `grace` seconds, SIGKILL.

        What carries `setting`, a `NAME=value`, in its environment is ended too, if it is not
        empty. Once `hurry` is done, there is no more grace time. Returns when all output has
        been read.
        """
        left: frozenset[int] = frozenset()
        try:
            if setting or not self._is_gone():
                left = await self._end_family(grace, setting, hurry)
            await self._close(hurry)
        finally:
            self._spare.close()
        return Ended(
            returncode=self._returncode(),
            by_itself=self._by_itself in (None, True),
            left=left,
        )

    def kill(self) -> None:
        """End it at once, where nobody is left to wait for its end."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for reader in self._readers:
            reader.close()
        self._spare.close()

    def _is_gone(self) -> bool:
        """Tell whether it is sure that nothing of the session is left, not even a zombie."""
        return self.exited.done() and is_surely_unused(self.pid)

    async def _end_family(
        self, grace: float, setting: str, hurry: asyncio.Future[None]
    ) -> frozenset[int]:
        """End what lives; return the process groups that could not be ended."""
        look = partial(self._look, Family(self._leader, setting))
        left = await end_groups(look, self._send, grace=grace, hurry=hurry)
        if not left:
            await asyncio.wait((self.exited,), timeout=_REAP_SECONDS)
        return left

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
        if self.exited.done():
            return True
        try:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, look) is not None
        except ChildProcessError:
            return True

    def _returncode(self) -> int | None:
        return self.exited.result() if self.exited.done() else None

    async def _close(self, hurry: asyncio.Future[None]) -> None:
        """Read the rest of the output, but do not wait for a daemon that holds a pipe."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _DRAIN_SECONDS
        for reader in self._readers:
            if self.exited.done() and not reader.closed.done():
                await asyncio.wait(
                    (reader.closed, hurry),
                    timeout=max(0, give_up_at - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            reader.close()
