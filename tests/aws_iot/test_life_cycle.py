"""A connection has one owner from start to stop, and leaves nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable
import gc
from pathlib import Path
import threading
from typing import Any

from awscrt import mqtt5
from awsiot import mqtt5_client_builder
import pytest

from custom_components.aws_iot_jobs.aws_iot import backoff, connection, mqtt
from custom_components.aws_iot_jobs.aws_iot.errors import (
    ConnectError,
    CredentialsError,
    DisconnectedError,
    EndpointError,
)
from custom_components.aws_iot_jobs.aws_iot.mqtt import MqttConnection

from ..broker import Broker
from ..certificates import CertificateAuthority
from .conftest import TOPIC, Thing
from .link import Link
from .scripted_broker import Packet, ScriptedBroker

HANDSHAKE_SECONDS = 15
"""How long the library keeps the socket of a handshake that is not answered: 10 s."""


@pytest.fixture(autouse=True)
async def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Any:
    """Find every task that a test leaves, and every client of the library."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left
    # Errors that were logged keep the frames that they came through.
    caplog.get_records("call").clear()
    gc.collect()
    assert not [it for it in gc.get_objects() if isinstance(it, mqtt5.Client)]


class _Gate:
    """Holds the preparation of connections up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.left = threading.Event()
        prepare = mqtt._client

        def held_up(*args: Any) -> Any:
            self.entered.set()
            self.open.wait(10)
            try:
                return prepare(*args)
            finally:
                self.left.set()

        monkeypatch.setattr(mqtt, "_client", held_up)

    async def pass_through(self) -> None:
        """Let it end, in its thread, and all that follows in the loop."""
        self.open.set()
        await asyncio.to_thread(self.left.wait, 10)
        await asyncio.to_thread(lambda: None)


async def test_a_stop_during_the_preparation_wins(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left who connects, and the start comes to its end."""
    gate = _Gate(monkeypatch)
    starting = asyncio.ensure_future(thing.connection.start())
    await asyncio.to_thread(gate.entered.wait, 10)
    await thing.connection.stop()
    await asyncio.wait_for(starting, 5)
    await gate.pass_through()
    await _assert_silent(thing, link)


async def test_a_start_that_is_cancelled_connects_nobody(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a stop, too."""
    gate = _Gate(monkeypatch)
    starting = asyncio.ensure_future(thing.connection.start())
    await asyncio.to_thread(gate.entered.wait, 10)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await gate.pass_through()
    await _assert_silent(thing, link)


async def test_a_start_after_such_a_stop_connects_once(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first had prepared is not used, or used alone."""
    gate = _Gate(monkeypatch)
    starting = asyncio.ensure_future(thing.connection.start())
    await asyncio.to_thread(gate.entered.wait, 10)
    stopping = asyncio.ensure_future(thing.connection.stop())
    again = asyncio.ensure_future(thing.connection.start())
    await gate.pass_through()
    await asyncio.gather(starting, stopping, again)
    await thing.connected()
    await thing.connection.publish(TOPIC, b"{}")
    assert len(link.accepted) == 1


async def test_a_stop_and_a_start_in_one_moment_connect_once(
    thing: Thing, link: Link
) -> None:
    """The start waits until the end of what was before."""
    await thing.connection.start()
    await thing.connected()
    await asyncio.gather(thing.connection.stop(), thing.connection.start())
    await thing.connected()
    assert len(link.accepted) == 2
    await asyncio.gather(*(thing.connection.stop() for _ in range(3)))
    await _assert_silent(thing, link)


async def test_two_starts_connect_once(thing: Thing, link: Link) -> None:
    """Both at a time, and a third later."""
    await asyncio.gather(thing.connection.start(), thing.connection.start())
    await thing.connected()
    await thing.connection.start()
    await thing.connection.publish(TOPIC, b"{}")
    assert len(link.accepted) == 1
    assert len(thing.ready_at) == 1


async def test_a_key_of_no_use_can_be_mended(thing: Thing) -> None:
    """A start that raises leaves nothing, and another may follow."""
    key = CertificateAuthority().device("thing-1").private_key
    useful = thing.settings
    object.__setattr__(useful, "private_key", key)
    with pytest.raises(CredentialsError, match="cannot be used"):
        await thing.connection.start()
    await thing.connection.stop()


async def _subscribing(thing: Thing, scripted: ScriptedBroker) -> None:
    scripted.silent_after = Packet.SUBSCRIBE
    await thing.connection.start()
    await scripted.count(Packet.SUBSCRIBE, 1)


async def _connecting(thing: Thing, scripted: ScriptedBroker) -> None:
    scripted.silent_after = Packet.CONNECT
    await thing.connection.start()
    await scripted.count(Packet.CONNECT, 1)


async def _refused(thing: Thing, scripted: ScriptedBroker) -> None:
    scripted.refused = True
    await thing.connection.start()
    await thing.times_lost(1)


async def _waiting(thing: Thing, scripted: ScriptedBroker) -> None:
    scripted.closes_after = Packet.CONNECT
    await thing.connection.start()
    await thing.times_lost(3)


async def _ready(thing: Thing, _: ScriptedBroker) -> None:
    await thing.connection.start()
    await thing.connected()


async def _started(thing: Thing, _: ScriptedBroker) -> None:
    await thing.connection.start()


@pytest.mark.parametrize(
    "reach", [_started, _connecting, _subscribing, _refused, _waiting, _ready]
)
async def test_a_stop_leaves_nothing(
    misled: Thing,
    scripted: ScriptedBroker,
    reach: Callable[[Thing, ScriptedBroker], Awaitable[None]],
) -> None:
    """In whatever state: no task, no client, no socket, no word, and within moments."""
    sockets = _sockets()
    await reach(misled, scripted)
    async with asyncio.timeout(7):
        await misled.connection.stop()
    told = len(misled.errors), len(misled.ready_at)
    came = len(scripted.times(Packet.CONNECT))
    await scripted.idle()
    misled.connection.retry_now()
    with pytest.raises(DisconnectedError):
        await misled.connection.publish(TOPIC, b"{}")
    await asyncio.sleep(2)
    assert (len(misled.errors), len(misled.ready_at)) == told
    assert len(scripted.times(Packet.CONNECT)) == came
    assert _sockets() <= sockets


async def test_a_stop_in_a_handshake_leaves_nothing_that_connects(
    thing: Thing, link: Link, broker: Broker
) -> None:
    """The library keeps its socket for a while, and does not use it."""
    link.stall()
    await thing.connection.start()
    await link.connections(1)
    async with asyncio.timeout(7):
        await thing.connection.stop()
    link.resume()
    await link.idle(HANDSHAKE_SECONDS)
    assert not any("New client connected" in line for line in broker.log)


async def test_many_sessions_leave_no_thread_and_no_file(
    thing: Thing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is started and stopped; the library's own threads are there after the first."""
    monkeypatch.setattr(connection, "MIN_INTERVAL_SECONDS", 0)
    counts = []
    for _ in range(10):
        await thing.connection.start()
        await thing.connected()
        await thing.connection.stop()
        counts.append(_held())
    # The library closes a socket a moment after it says that it has stopped.
    async with asyncio.timeout(10):
        while _held() > counts[4]:
            await asyncio.sleep(0.05)


async def test_a_retry_in_a_handshake_that_hangs_is_not_lost(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connection begins before the network is there, and fails; then at once."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 600)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 1200)
    link.stall()
    await thing.connection.start()
    await link.connections(1)
    thing.connection.retry_now()
    thing.connection.retry_now()
    await link.cut()
    await thing.connected(within=5)


async def test_retries_in_any_number_connect_once_a_second(
    thing: Thing, link: Link, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hints come by the dozen while the network is not quite there."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 600)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 1200)
    await broker.kill()
    thing.connection.retry_now()
    await thing.connection.start()
    for _ in range(30):
        thing.connection.retry_now()
        await asyncio.sleep(0.1)
    assert 3 <= len(link.accepted) <= 5
    await broker.start()
    thing.connection.retry_now()
    await thing.connected(within=5)


async def test_a_retry_works_after_a_stop_and_a_start(
    thing: Thing, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint, a stop and a start in any order leave it able to take the next hint."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 600)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 1200)
    await broker.kill()
    for _ in range(3):
        await thing.connection.start()
        await thing.times_lost(len(thing.errors) + 1)
        thing.connection.retry_now()
        await thing.connection.stop()
        thing.connection.retry_now()
    await thing.connection.start()
    await thing.times_lost(len(thing.errors) + 1)
    await broker.start()
    thing.connection.retry_now()
    await thing.connected(within=5)
    thing.connection.retry_now()
    await thing.connection.publish(TOPIC, b"{}")


async def test_a_listener_that_raises_does_not_end_it(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the connection comes back as ever."""
    ready, lost = thing.ready, thing.lost

    def raise_when_ready() -> None:
        ready()
        raise ValueError("ready")

    def raise_when_lost(error: ConnectError) -> None:
        lost(error)
        raise ValueError("lost")

    monkeypatch.setattr(thing.connection, "_on_ready", raise_when_ready)
    monkeypatch.setattr(thing.connection, "_on_lost", raise_when_lost)
    await thing.connection.start()
    await thing.connected()
    await link.cut()
    await thing.times_ready(2)
    await thing.connection.publish(TOPIC, b"{}")


@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_an_unexpected_error_does_not_end_it(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Once, no connection can be prepared: the next try comes all the same.

    The certificate, which was of use before, is not blamed for it.
    """
    await thing.connection.start()
    await thing.connected()
    prepare = mqtt5_client_builder.mtls_from_bytes

    def fail(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(mqtt5_client_builder, "mtls_from_bytes", prepare)
        raise error("no file is free")

    monkeypatch.setattr(mqtt5_client_builder, "mtls_from_bytes", fail)
    await link.cut()
    await thing.times_ready(2)
    assert "no file is free" in str(thing.errors[1])
    assert not isinstance(thing.errors[1], CredentialsError)


async def test_a_handshake_without_an_end_is_given_up(
    thing: Thing, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the library waits for, and however long."""
    monkeypatch.setattr(mqtt, "OPEN_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(connection, "STOP_TIMEOUT_SECONDS", 1)
    link.stall()
    await thing.connection.start()
    await thing.times_lost(1)
    assert isinstance(thing.errors[0], EndpointError)
    link.resume()
    await thing.connected()
    await link.idle(HANDSHAKE_SECONDS, but=1)
    await thing.connection.publish(TOPIC, b"{}")


async def test_connections_that_are_over_are_forgotten(
    misled: Thing, scripted: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thing that is in a fight for months needs no more memory for it."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(connection, "MIN_INTERVAL_SECONDS", 0)
    scripted.closes_after = Packet.SUBSCRIBE
    await misled.connection.start()
    await misled.times_ready(20)
    await misled.connection.stop()
    gc.collect()
    assert not [it for it in gc.get_objects() if isinstance(it, MqttConnection)]


async def _assert_silent(thing: Thing, link: Link) -> None:
    """Assert that nobody connects, or is connected."""
    accepted = len(link.accepted)
    await link.idle()
    await asyncio.sleep(2)
    assert len(link.accepted) == accepted
    assert not thing.connection.ready


def _held() -> tuple[int, int]:
    """Return how many files and threads this process has."""
    own = Path("/proc/self")
    return len([*(own / "fd").iterdir()]), len([*(own / "task").iterdir()])


def _sockets() -> int:
    """Return how many sockets this process has."""
    links = [it.readlink() for it in Path("/proc/self/fd").iterdir() if it.is_symlink()]
    return sum(str(link).startswith("socket:") for link in links)
