"""Start a process: a session of its own, no input, and nothing of this process but what is given."""

import asyncio
from collections.abc import Iterator
import contextlib
import errno
from pathlib import Path
import shutil
import signal


async def spawn[Protocol: asyncio.SubprocessProtocol](
    argv: tuple[str, ...],
    environment: dict[str, str],
    directory: Path,
    protocol: Protocol,
) -> tuple[asyncio.SubprocessTransport, Protocol]:
    """Start a process that leads a session, with exactly this environment and no input.

    A script without an interpreter line runs by /bin/sh, as `execvp` does it. Raises
    OSError when it cannot be started.
    """
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
    return await spawn(by_shell, environment, directory, protocol)


@contextlib.contextmanager
def _no_signal_blocked() -> Iterator[None]:
    """Let a process that is started meanwhile find no signal blocked: it inherits that."""
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
