"""Start a process: a session of its own, no input, and nothing of this process but what is given."""

import asyncio
from collections.abc import Iterator
import contextlib
import errno
from pathlib import Path
import signal
from typing import Final

from .executable import Executable, is_program, require_shell_script
from .model import RunRefusedError

_SHELL: Final = Path("/bin/sh")


async def spawn[Protocol: asyncio.SubprocessProtocol](
    argv: tuple[str, ...],
    executable: Executable,
    environment: dict[str, str],
    directory: Path,
    protocol: Protocol,
) -> tuple[asyncio.SubprocessTransport, Protocol]:
    """Start a process that leads a session, with exactly this environment and no input.

    What runs is `executable`, whatever the first word of `argv` is. What the system does
    not know runs by /bin/sh if it is text, as `execvp` does it. Raises RunRefusedError for
    a file that cannot run or was replaced, and OSError when the system does not start it.
    """
    executable.require_unchanged()
    try:
        return await _spawn(argv, executable.path, environment, directory, protocol)
    except OSError as err:
        if err.errno == errno.ENOENT:
            await asyncio.to_thread(_require_loader, executable.path)
        if err.errno != errno.ENOEXEC:
            raise
    await asyncio.to_thread(require_shell_script, executable.path)
    script = argv[0] if "/" in argv[0] else str(executable.path)
    return await _spawn(
        (str(_SHELL), script, *argv[1:]), _SHELL, environment, directory, protocol
    )


async def _spawn[Protocol: asyncio.SubprocessProtocol](
    argv: tuple[str, ...],
    file: Path,
    environment: dict[str, str],
    directory: Path,
    protocol: Protocol,
) -> tuple[asyncio.SubprocessTransport, Protocol]:
    loop = asyncio.get_running_loop()
    spawning = loop.subprocess_exec(
        lambda: protocol,
        *argv,
        executable=str(file),
        stdin=asyncio.subprocess.DEVNULL,
        env=environment,
        cwd=directory,
        start_new_session=True,
    )
    with _no_signal_blocked():
        # The process is there before this task waits for the first time.
        spawned = asyncio.Task(spawning, loop=loop, eager_start=True)
    return await spawned


def _require_loader(file: Path) -> None:
    """Refuse a program whose loader is missing. Raises RunRefusedError, OSError."""
    if is_program(file):
        raise RunRefusedError(
            f"{file} cannot be run: the loader that it names does not exist; it is a "
            "program for another system, or for another C library"
        )


@contextlib.contextmanager
def _no_signal_blocked() -> Iterator[None]:
    """Let a process that is started meanwhile find no signal blocked: it inherits that."""
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
