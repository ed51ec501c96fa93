"""A connection's socket sends at once, and no other socket is touched."""

import asyncio
from collections.abc import Iterator
import contextlib
from dataclasses import replace
import fcntl
import logging
import os
from pathlib import Path
import socket
import stat
import sys

from awscrt import io
import pytest

from custom_components.aws_iot_jobs.aws_iot import mqtt, no_delay
from custom_components.aws_iot_jobs.aws_iot.mqtt import MqttConnection, Timing
from custom_components.aws_iot_jobs.aws_iot.no_delay import UndelayedSocket

from ..broker import Broker
from .conftest import THING, TOPIC, Thing
from .link import Link

TIMING = Timing(
    keep_alive=60, ping_timeout=20, ack_timeout=10, connack_timeout=20, stop_timeout=5
)


def _sockets() -> Iterator[socket.socket]:
    """Yield all sockets that this process has, as others of the same."""
    for descriptor in [int(it.name) for it in Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as found:
                    yield found


def _no_delay_to(port: int) -> list[bool]:
    """Return of each connection to a port whether it has TCP_NODELAY."""
    told = []
    for found in _sockets():
        with contextlib.suppress(OSError):
            if found.family == socket.AF_INET and found.getpeername()[1] == port:
                told.append(_has_no_delay(found))
    return told


def _has_no_delay(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def _connect(port: int) -> socket.socket:
    """Connect as no part of the integration does."""
    return socket.create_connection(("127.0.0.1", port), timeout=5)


async def test_the_connection_has_it_also_when_it_is_back(
    thing: Thing, link: Link
) -> None:
    """Each time there is another socket."""
    await thing.connection.start()
    for count in range(1, 4):
        await thing.times_ready(count)
        assert _no_delay_to(link.port) == [True]
        await link.cut()


async def test_many_that_connect_at_once_have_it(tmp_path: Path) -> None:
    """Each finds its own, whoever else connects to the same place meanwhile."""
    names = [f"thing-{number}" for number in range(20)]
    async with Broker(tmp_path, names) as broker, Link(broker.port) as link:
        things = [Thing(replace(broker.settings(it), port=link.port)) for it in names]
        await asyncio.gather(*(thing.connection.start() for thing in things))
        await asyncio.gather(*(thing.connected() for thing in things))
        assert _no_delay_to(link.port) == [True] * 20
        await asyncio.gather(*(thing.connection.stop() for thing in things))


async def test_other_sockets_are_left_alone(thing: Thing, link: Link) -> None:
    """Even those to the same place, of whatever age."""
    with contextlib.ExitStack() as others:
        old = others.enter_context(_connect(link.port))
        await thing.connection.start()
        await thing.connected()
        young = others.enter_context(_connect(link.port))
        await link.cut()
        await thing.times_ready(2)
        new = others.enter_context(_connect(link.port))
        await link.connections(5)
        assert [_has_no_delay(it) for it in (old, young, new)] == [False] * 3
        assert sorted(_no_delay_to(link.port))[-2:] == [False, True]


async def test_it_is_found_in_the_place_of_what_was_known(
    broker: Broker, link: Link
) -> None:
    """A connection often has the number of one that was closed before it."""
    first = _lone(broker, link)
    others = [_connect(link.port) for _ in range(20)]
    await first.open()
    for other in others:
        other.close()
    await first.close()
    second = _lone(broker, link)
    await second.open()
    assert _no_delay_to(link.port) == [True]
    await second.close()


async def test_a_lock_on_a_file_is_kept(thing: Thing, tmp_path: Path) -> None:
    """A process loses it when it closes any descriptor of the file, as of a database."""
    with (tmp_path / "database").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        await thing.connection.start()
        await thing.connected()
        try_it = (
            "import fcntl, sys\n"
            "fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        )
        tried = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            try_it,
            tmp_path / "database",
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await tried.communicate()
    assert b"BlockingIOError" in told


def test_of_several_the_connected_ones_are_set(port: int) -> None:
    """The library tries addresses side by side; one may still have no answer."""
    mine, others = UndelayedSocket(port), UndelayedSocket(port)
    with _connect(port) as one, socket.socket() as trying, _connect(port) as other:
        for marked in (trying, one):
            _mark(marked, mine.options)
        assert mine.undelay()
        assert [_has_no_delay(it) for it in (one, trying, other)] == [
            True,
            False,
            False,
        ]
        assert not others.undelay()
        trying.connect(("127.0.0.1", port))
        assert not others.undelay()
        assert _has_no_delay(trying)


def test_one_look_serves_all(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks later has been served; nobody looks again at what is known."""
    known = [UndelayedSocket(port) for _ in range(5)]
    with contextlib.ExitStack() as connections:
        for it in known:
            _mark(connections.enter_context(_connect(port)), it.options)
        assert known[0].undelay()
        monkeypatch.delattr(no_delay, "_look")
        assert all(it.undelay() for it in known)


def test_what_is_known_is_not_looked_at_again(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sockets there are."""
    with contextlib.ExitStack() as connections:
        for _ in range(100):
            connections.enter_context(_connect(port))
        UndelayedSocket(port).undelay()
        seen = []
        look_at = no_delay._look_at

        def count(descriptor: int) -> bool:
            seen.append(descriptor)
            return look_at(descriptor)

        monkeypatch.setattr(no_delay, "_look_at", count)
        new = UndelayedSocket(port)
        connection = connections.enter_context(_connect(port))
        _mark(connection, new.options)
        assert new.undelay()
        assert connection.fileno() in seen
        assert len(seen) < 50


def test_another_port_is_not_the_connection(port: int) -> None:
    """Whatever mark it has."""
    mine = UndelayedSocket(port + 1)
    with _connect(port) as one:
        _mark(one, mine.options)
        assert not mine.undelay()
        assert not _has_no_delay(one)


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _mark(one: socket.socket, options: io.SocketOptions) -> None:
    """Set what the library sets."""
    idle, interval = options.keep_alive_interval_secs, options.keep_alive_timeout_secs
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)


async def test_where_it_is_not_found_the_connection_works(
    thing: Thing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log for debugging tells."""
    monkeypatch.setattr(no_delay, "_DESCRIPTORS", Path("/nowhere"))
    with caplog.at_level(logging.DEBUG, mqtt.__name__):
        await thing.connection.start()
        await thing.connected()
        await thing.connection.publish(TOPIC, b"{}")
    (told,) = [it for it in caplog.records if "TCP_NODELAY" in it.getMessage()]
    assert told.levelno == logging.DEBUG


@pytest.mark.parametrize("name", ["tcp_nodelay", "tcp_no_delay", "no_delay"])
@pytest.mark.parametrize(("default", "chosen"), [(None, True), (False, True), (2, 2)])
def test_a_library_that_has_the_option_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str, default: object, chosen: object
) -> None:
    """Then nothing is looked for, and no mark is needed."""

    class LaterOptions(io.SocketOptions):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            setattr(self, name, default)

    monkeypatch.setattr(io, "SocketOptions", LaterOptions)
    monkeypatch.delattr(no_delay, "_look")
    mine = UndelayedSocket(8883)
    assert getattr(mine.options, name) == chosen
    assert not mine.options.keep_alive
    assert mine.undelay()


def _lone(broker: Broker, link: Link) -> MqttConnection:
    """Return one connection that nobody would have come back."""
    return MqttConnection(
        replace(broker.settings(THING), port=link.port),
        THING,
        TIMING,
        lambda _topic, _payload: None,
        asyncio.get_running_loop(),
    )
