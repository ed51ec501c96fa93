"""Child processes: each leads a session of its own and writes to a log file."""

import asyncio
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
import os
from pathlib import Path
import signal
import socket
import time
from typing import Self

POLL_SECONDS = 0.05
LOG_TAIL_LINES = 30


class StackError(Exception):
    """A part did not do what was asked of it.

    The message says what, for a reader; `log` is the file that may say why.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        """Take the message and the log file."""
        super().__init__(message)
        self.log = log


class Child:
    """A running child process. Whoever started it has to `stop` or `kill` it."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        """Take a process that leads a session of its own."""
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
    ) -> Self:
        """Start `command` in `directory`; its output is appended to `log`.

        `environment` is all that it gets. Raises OSError if it cannot be started.
        """
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                env=environment,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """The process ID, which is also that of its process group."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, minus the signal if one ended it, None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Return the exit status when the process has ended."""
        return await self._process.wait()

    async def until[T](
        self, check: Callable[[], Awaitable[T | None]], seconds: float
    ) -> T:
        """Ask `check` again and again; return its first answer that is not None.

        Raises StackError when the process ends before, or when the time is up.
        """
        deadline = time.monotonic() + seconds
        while (found := await check()) is None:
            if self.exit_status is not None:
                raise StackError(
                    f"{self.name} did not start: exit status {self.exit_status}",
                    self.log,
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} did not start within {seconds:g} s", self.log
                )
            await asyncio.sleep(POLL_SECONDS)
        return found

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the process alone, if it still runs."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, grace_seconds: float) -> None:
        """Let the process end itself, and end its whole group in any case."""
        try:
            self.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), grace_seconds)
        finally:
            # Also when this is cancelled: somebody is in a hurry, but nothing may stay.
            await self.kill()

    async def kill(self) -> None:
        """End the whole process group with SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.wait()


def kill_strays(folder: Path) -> None:
    """End what still runs with `folder` in its environment, with SIGKILL.

    Handlers lead process groups of their own, which outlive a Home Assistant that was killed.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(folder) in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def free_ports(count: int, *, preferred: Sequence[int] = ()) -> list[int]:
    """Return different free TCP ports of 127.0.0.1, the preferred ones where they are free."""
    wanted = [*preferred[:count], *[0] * (count - len(preferred))]
    with ExitStack() as held:
        return [_bind(held, port) for port in wanted]


def _bind(held: ExitStack, port: int) -> int:
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    number: int = listener.getsockname()[1]
    return number


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last lines of a log file."""
    with suppress(FileNotFoundError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
