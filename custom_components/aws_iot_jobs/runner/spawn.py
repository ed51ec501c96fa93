"""Start a process: a session of its own, no input, and nothing of this process but what is given.

Blocks, until the process runs: not for an event loop.
"""

from collections.abc import Iterator, Mapping
import contextlib
from dataclasses import dataclass
import errno
import io
from pathlib import Path
import signal
import subprocess
from typing import Final

from .executable import Executable, is_program, require_shell_script
from .model import RunRefusedError
from .pipes import enlarge

_SHELL: Final = Path("/bin/sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """A process that runs, and our ends of the pipes that it writes to."""

    process: subprocess.Popen[bytes]
    stdout: io.FileIO
    stderr: io.FileIO


def spawn(
    argv: tuple[str, ...],
    executable: Executable,
    environment: Mapping[str, str],
    directory: Path,
) -> Spawned:
    """Start a process that leads a session, with exactly this environment and no input.

    What runs is `executable`, whatever the first word of `argv` is. What the system does
    not know runs by /bin/sh if it is text, as `execvp` does it. Raises RunRefusedError for
    a file that cannot run or was replaced, and OSError or ValueError when the system does
    not start it.
    """
    executable.require_unchanged()
    try:
        return _spawn(argv, executable.path, environment, directory)
    except OSError as err:
        if err.errno == errno.ENOENT:
            _require_loader(executable.path)
        if err.errno != errno.ENOEXEC:
            raise
    require_shell_script(executable.path)
    script = argv[0] if "/" in argv[0] else str(executable.path)
    return _spawn((str(_SHELL), script, *argv[1:]), _SHELL, environment, directory)


def _spawn(
    argv: tuple[str, ...], file: Path, environment: Mapping[str, str], directory: Path
) -> Spawned:
    with _no_signal_blocked():
        process = subprocess.Popen(
            argv,
            executable=file,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    stdout, stderr = process.stdout, process.stderr
    assert isinstance(stdout, io.FileIO)
    assert isinstance(stderr, io.FileIO)
    for pipe in (stdout, stderr):
        enlarge(pipe)
    return Spawned(process=process, stdout=stdout, stderr=stderr)


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
