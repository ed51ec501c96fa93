"""Read what a process writes, as it comes, without ever holding the event loop for long."""

import asyncio
from collections.abc import Callable
import contextlib
import fcntl
import io
import logging
import os
import threading

_LOGGER = logging.getLogger(__name__)

# How much a process may write ahead while the event loop has other work.
_PIPE_BYTES = 1024 * 1024
_READ_BYTES = 128 * 1024

type Feed = Callable[[bytearray, int], None]
"""Takes so many bytes at the beginning of a buffer, which is written to again afterwards."""


def enlarge(pipe: io.FileIO) -> None:
    """Have a pipe hold more, where the system has that and grants it to this user."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


class _Buffer(threading.local):
    """What is read goes here and is handed on at once: one buffer serves a whole loop."""

    def __init__(self) -> None:
        self.data = bytearray(_READ_BYTES)


_buffer = _Buffer()


class PipeReader:
    """Reads a pipe to its end: a bounded amount each time that the loop comes round."""

    def __init__(self, pipe: io.FileIO, feed: Feed) -> None:
        """Begin to read, and hand on what is read. `closed` is done after all of it."""
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._feed = feed
        self.closed: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)

    def close(self) -> None:
        """Read no more."""
        if not self.closed.done():
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self.closed.set_result(None)

    def _read(self) -> None:
        data = _buffer.data
        try:
            size = self._pipe.readinto(data)
        except OSError as err:
            _LOGGER.warning("The output of a process cannot be read: %s", err)
            size = 0
        if size is None:
            return
        if not size:
            self.close()
            return
        self._feed(data, size)
