"""Look at the system's processes through /proc. Blocks: not for an event loop.

"There is no such process" and "it could not be looked" are two answers: the second is a
CannotLookError, and nobody may take it for the first.
"""

from collections.abc import Callable, Iterable
import contextlib
from dataclasses import dataclass
import errno
import fcntl
import os
from pathlib import Path
import threading

_STAT_BYTES = 4096


class CannotLookError(Exception):
    """The system's processes cannot be seen; its message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """What /proc says of a process.

    `started` is in clock ticks after the boot: with `pid`, it is one process for sure.
    """

    pid: int
    parent: int
    group: int
    session: int
    started: int
    living: bool


class SpareDescriptor:
    """A file descriptor kept for the moment when there is none left to look with."""

    def __init__(self) -> None:
        """Open it, if that is possible."""
        self._descriptor: int | None = None
        self._open()

    def lend[T](self, look: Callable[[], T]) -> T:
        """Return what a look finds, with this descriptor's place if it needs that."""
        try:
            return look()
        except CannotLookError:
            self.close()
            try:
                return look()
            finally:
                self._open()

    def close(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            self._descriptor = os.open("/", os.O_RDONLY | os.O_CLOEXEC)


def newest_process() -> str:
    """Return what tells whether a process has been started since the last call."""
    try:
        return Path("/proc/loadavg").read_text("ascii").rpartition(" ")[2]
    except OSError:
        return ""


def processes() -> list[ProcessStatus]:
    """Return the processes that this one may see, zombies too.

    Raises CannotLookError where there is no /proc, where it is of other processes than
    these, and when no file can be opened.
    """
    try:
        if Path("/proc/self").readlink().name != str(os.getpid()):
            raise CannotLookError("/proc is of another namespace")
        names = [entry.name for entry in Path("/proc").iterdir()]
    except OSError as err:
        raise CannotLookError(f"/proc cannot be read: {err.strerror}") from err
    pids = (int(name) for name in names if name.isdecimal())
    return [status for pid in pids if (status := process_status(pid)) is not None]


def process_status(pid: int) -> ProcessStatus | None:
    """Return what /proc says of a process; None for one that is not there, or is hidden.

    Raises CannotLookError when no file can be opened.
    """
    try:
        text = _read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    except OSError as err:
        raise CannotLookError(f"/proc/{pid} cannot be read: {err.strerror}") from err
    # The name, in parentheses, may hold anything.
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessStatus(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        started=int(fields[19]),
        living=fields[0] not in (b"Z", b"X"),
    )


def groups_with_environment(
    setting: str, among: Iterable[ProcessStatus] | None = None
) -> set[int]:
    """Return the groups of the living processes that were started with `NAME=value`.

    Of those whose environment this process may see: as root, all. Raises CannotLookError
    where `among` is not given and the processes cannot be seen.
    """
    wanted = os.fsencode(setting)
    return {
        process.group
        for process in (processes() if among is None else among)
        if process.living and wanted in _environment(process.pid)
    }


def group_answers(group: int) -> bool:
    """Tell whether the kernel knows a process group, and be it of zombies alone.

    It needs neither /proc nor a file descriptor.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_surely_unused(number: int) -> bool:
    """Tell whether it is sure that neither a process nor a group or session has this id.

    Linux looks up the number, whatever has it, and be it zombies alone: unlike a look at
    /proc, that misses nothing that is begun meanwhile, and nothing that is hidden. Old
    kernels never say that a number is unused. What emulates Linux may look for processes
    and groups alone; it does not find the id of a thread, which is neither.
    """
    if _is_in_use(number):
        return False
    threads = {thread.native_id for thread in threading.enumerate()} - {os.getpid()}
    return any(_is_in_use(thread) for thread in threads if thread is not None)


def _is_in_use(number: int) -> bool:
    """Tell whether the kernel takes an id for one that could be told of input."""
    try:
        descriptor = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -number)
    except OSError as err:
        return err.errno != errno.ESRCH
    finally:
        os.close(descriptor)
    return True


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    except OSError as err:
        raise CannotLookError(f"/proc/{pid} cannot be read: {err.strerror}") from err


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _STAT_BYTES)
    finally:
        os.close(descriptor)
