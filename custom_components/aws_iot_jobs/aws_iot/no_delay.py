"""TCP_NODELAY for a connection whose library neither sets it nor shows its socket.

Without it the second of two small messages waits until the other end has acknowledged the
first, which that end puts off for 40 ms. docs/tcp-nodelay.md has the figures.

The socket is found among the descriptors of the process, and is known by a mark. The library
lets options of TCP's keep-alive be chosen: how long a connection is idle before the first
probe, and how long until the next. The one is so long that there never is a probe, as MQTT
itself says something every minute. The other is then without effect, and is the mark.

Of all sockets only those are looked at that have come since the last look, and one look serves
all connections that there are: where a thousand are opened at once, most have been served
before they ask.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
import os
from pathlib import Path
import socket
import stat
import threading
from typing import Final
from weakref import WeakValueDictionary

from awscrt import io

_DESCRIPTORS: Final = Path("/proc/self/fd")
_MOST_SECONDS: Final = 32767
"""The most that Linux takes for either option: nine hours."""
_FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}


class UndelayedSocket:
    """The socket of one connection to a port. `options` are what it is to be opened with."""

    def __init__(self, port: int) -> None:
        """Have the library set TCP_NODELAY where it can, or else mark the socket."""
        self.port = port
        self.options = io.SocketOptions()
        self.done = _asked_of_the_library(self.options)
        if not self.done:
            mark = next(_marks)
            self.options.keep_alive = True
            # Named otherwise than what comes of them: Linux calls the one the idle time, and
            # the other the interval.
            self.options.keep_alive_interval_secs = _MOST_SECONDS
            self.options.keep_alive_timeout_secs = mark
            _by_mark[mark] = self

    def undelay(self) -> bool:
        """Set TCP_NODELAY once the connection is there, and return whether it is set.

        Blocks, for about two milliseconds where the process has 1000 sockets.
        """
        with _looking:
            if not self.done:
                _look()
        return self.done


# Long ones, which do no harm either should the library take one option for the other.
_marks: Final = cycle(range(10_000, _MOST_SECONDS))
_by_mark: Final = WeakValueDictionary[int, UndelayedSocket]()
_looking: Final = threading.Lock()
_known: Final[dict[int, int]] = {}
"""The sockets that have been looked at: the inode of each descriptor."""


def _asked_of_the_library(options: io.SocketOptions) -> bool:
    """Have the library set TCP_NODELAY itself, where a version of it can.

    Its siblings for other languages call the option `tcp_nodelay`, and have it on.
    """
    for name in dir(options):
        if "nodelay" in name.replace("_", "").lower():
            if not getattr(options, name):
                setattr(options, name, True)
            return True
    return False


def _look() -> None:
    """Look at all sockets that have come since the last look."""
    sockets = dict(_sockets())
    for descriptor, _ in sockets.items() - _known.items():
        if not _look_at(descriptor):
            del sockets[descriptor]
    _known.clear()
    _known.update(sockets)


def _sockets() -> Iterator[tuple[int, int]]:
    """Yield descriptor and inode of all sockets; none where the system does not tell."""
    with suppress(OSError), os.scandir(_DESCRIPTORS) as descriptors:
        for descriptor in map(int, (it.name for it in descriptors)):
            with suppress(OSError):
                status = os.fstat(descriptor)
                if stat.S_ISSOCK(status.st_mode):
                    yield descriptor, status.st_ino


def _look_at(descriptor: int) -> bool:
    """Set TCP_NODELAY where a socket is that of a connection.

    Returns whether it is known what the socket is: what is not connected may become one. There
    may be several of a connection: where a name has many addresses, the library tries some
    side by side, and closes all but one.
    """
    try:
        # The option belongs to the socket, of which this is another descriptor: it stays the
        # same one, whatever comes in the place of the first. Should a file have come there
        # already, its descriptor is not closed: the process would lose its locks on the file.
        with socket.socket(fileno=os.dup(descriptor)) as found:
            if found.family not in _FAMILIES or found.type != socket.SOCK_STREAM:
                return True
            port = found.getpeername()[1]
            owner = _owner(found)
            if owner is not None and owner.port == port:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                owner.done = True
            return True
    except OSError:
        return False


def _owner(found: socket.socket) -> UndelayedSocket | None:
    """Return whose mark a TCP socket has."""
    if found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) != _MOST_SECONDS:
        return None
    return _by_mark.get(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL))
