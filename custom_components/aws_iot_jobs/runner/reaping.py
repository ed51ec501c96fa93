"""Reap a child of this process as soon as it has ended."""

import asyncio
from collections.abc import Callable
import contextlib
import logging
import os
import subprocess
import threading

_LOGGER = logging.getLogger(__name__)

_UNKNOWN_STATUS = 255


def reaped(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """Return what has the exit status of a child, or its signal's number, negative.

    It is done when the child has ended and left nothing of itself. A child is reaped
    also where nobody waits for that any longer.
    """
    loop = asyncio.get_running_loop()
    status: asyncio.Future[int] = loop.create_future()

    def tell(exit_status: int) -> None:
        process.returncode = exit_status
        status.set_result(exit_status)

    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        # An old kernel, a container that forbids it, or no descriptor left.
        _reap_in_thread(process.pid, loop, tell)
        return status

    def reap() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        tell(_reap(process.pid))

    loop.add_reader(descriptor, reap)
    return status


def _reap_in_thread(
    pid: int, loop: asyncio.AbstractEventLoop, tell: Callable[[int], None]
) -> None:
    def wait() -> None:
        exit_status = _reap(pid)
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, exit_status)

    threading.Thread(target=wait, name=f"reap {pid}", daemon=True).start()


def _reap(pid: int) -> int:
    """Wait for a child that has ended, or is about to; return its exit status."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        _LOGGER.warning("How process %s has ended is not known: it is gone", pid)
        return _UNKNOWN_STATUS
    return os.waitstatus_to_exitcode(status)
