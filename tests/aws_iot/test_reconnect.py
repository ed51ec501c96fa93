"""How soon a thing is back after its connection was lost."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
import statistics
import time

import pytest

from custom_components.aws_iot_jobs.aws_iot import backoff, connection
from custom_components.aws_iot_jobs.aws_iot.errors import (
    CredentialsError,
    DisconnectedError,
    EndpointError,
    TakenOverError,
)

from ..broker import Broker
from ..certificates import CertificateAuthority
from .conftest import THING, TOPIC, Thing
from .link import Link
from .scripted_broker import Packet, ScriptedBroker

SLACK = 1.0
"""What a busy machine may add to a wait, in seconds."""


async def _away(thing: Thing, count: int) -> float:
    """Return for how long it was away, once it is ready for the nth time."""
    began = time.monotonic()
    await thing.times_ready(count)
    return time.monotonic() - began


@pytest.mark.timeout(120)
async def test_after_short_losses_it_is_back_within_moments(
    thing: Thing, link: Link
) -> None:
    """Twenty in a row, each right after it was back; never two CONNECT within a second."""
    await thing.connection.start()
    await thing.connected()
    away = []
    for count in range(2, 22):
        await link.cut()
        away.append(await _away(thing, count))
    assert statistics.median(away) <= 1.5
    assert max(away) <= 5
    assert min(late - early for early, late in pairwise(link.accepted)) >= 0.95


@pytest.mark.parametrize("away", [0.3, 5])
async def test_it_is_soon_back_when_the_broker_is(
    thing: Thing, broker: Broker, away: float
) -> None:
    """It was away for a while; the wait has grown to that, and not beyond."""
    await thing.connection.start()
    await thing.connected()
    await broker.kill()
    await asyncio.sleep(away)
    await broker.start()
    assert await _away(thing, 2) <= 1.5 + away + SLACK


async def test_failures_are_forgotten_when_a_connection_works(
    thing: Thing, broker: Broker, link: Link, brisk: None
) -> None:
    """The wait had grown; the next loss is over as soon as the first one was."""
    await broker.kill()
    await thing.connection.start()
    await thing.times_lost(5)
    await broker.start()
    await thing.connected()
    await link.cut()
    assert await _away(thing, 2) <= 0.2 + SLACK


async def test_waits_grow_while_the_endpoint_is_away(
    broker: Broker, brisk: None
) -> None:
    """Nothing listens there."""
    thing = Thing(replace(broker.settings(THING), port=1))
    await _assert_growing(thing, EndpointError)


async def test_waits_grow_while_the_certificate_is_refused(
    broker: Broker, brisk: None
) -> None:
    """As when it is not active."""
    stranger = CertificateAuthority().device(THING)
    thing = Thing(
        replace(
            broker.settings(THING),
            certificate=stranger.certificate,
            private_key=stranger.private_key,
        )
    )
    await _assert_growing(thing, CredentialsError)


@pytest.mark.parametrize("last", [Packet.CONNECT, Packet.SUBSCRIBE])
async def test_waits_grow_while_the_broker_closes_at_once(
    misled: Thing, scripted: ScriptedBroker, brisk: None, last: Packet
) -> None:
    """It takes the connection, and even the subscription: that is no connection yet."""
    scripted.closes_after = last
    if last is Packet.SUBSCRIBE:
        scripted.refused = True
    await misled.connection.start()
    await scripted.count(Packet.CONNECT, 6)
    _assert_doubling(scripted.times(Packet.CONNECT))
    assert isinstance(misled.errors[-1], TakenOverError)


async def test_waits_grow_when_connections_are_short_again_and_again(
    misled: Thing,
    scripted: ScriptedBroker,
    brisk: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a fight of two clients of one name; the first returns are quick."""
    monkeypatch.setattr(backoff, "QUICK_RETURNS", 3)
    scripted.closes_after = Packet.SUBSCRIBE
    await misled.connection.start()
    await misled.times_ready(9)
    times = scripted.times(Packet.CONNECT)
    assert max(late - early for early, late in pairwise(times[:4])) <= 0.2 + SLACK
    _assert_doubling(times[2:])
    assert isinstance(misled.errors[-1], TakenOverError)
    assert not isinstance(misled.errors[1], TakenOverError)


async def test_an_endpoint_that_cannot_be_reached_is_no_fight_for_a_name(
    broker: Broker, brisk: None
) -> None:
    """The broker was restarted four times: nobody else has connected."""
    thing = Thing(broker.settings(THING))
    await thing.connection.start()
    await thing.connected()
    for count in range(2, 6):
        await broker.kill()
        errors = len(thing.errors)
        await thing.times_lost(errors + 2)
        assert isinstance(thing.errors[-1], EndpointError)
        await broker.start()
        await thing.times_ready(count)
    await thing.connection.stop()
    assert not any(isinstance(error, TakenOverError) for error in thing.errors)


async def test_a_fleet_does_not_come_back_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve things lose their connection in the same moment, long after they connected."""
    monkeypatch.setattr(connection, "MIN_INTERVAL_SECONDS", 0)
    names = [f"thing-{number}" for number in range(12)]
    async with Broker(tmp_path / "fleet", names) as broker, _fleet(broker, names) as it:
        await broker.kill()
        await broker.start()
        await asyncio.gather(*(thing.times_ready(2) for thing in it))
        returned = sorted(thing.ready_at[1] for thing in it)
    assert returned[-1] - returned[0] >= 0.5


@contextlib.asynccontextmanager
async def _fleet(broker: Broker, names: list[str]) -> AsyncIterator[list[Thing]]:
    things = [Thing(broker.settings(name)) for name in names]
    await asyncio.gather(*(thing.connection.start() for thing in things))
    await asyncio.gather(*(thing.connected() for thing in things))
    yield things
    await asyncio.gather(*(thing.connection.stop() for thing in things))


async def test_nothing_is_sent_again_after_a_loss(
    thing: Thing, link: Link, broker: Broker
) -> None:
    """A message that was under way is lost, and said to be; who publishes decides."""
    await thing.connection.start()
    await thing.connected()
    link.stall()
    lost = asyncio.ensure_future(thing.connection.publish(TOPIC, b"lost"))
    await asyncio.sleep(0)
    await link.cut()
    with pytest.raises(DisconnectedError):
        await lost
    with pytest.raises(DisconnectedError, match="not connected"):
        await thing.connection.publish(TOPIC, b"early")
    await thing.times_ready(2)
    await thing.connection.publish(TOPIC, b"heard")
    assert broker.published_by(THING) == [TOPIC]


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the waits begin at a fifth of a second, and end at three."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 0.2)
    monkeypatch.setattr(connection, "MIN_INTERVAL_SECONDS", 0)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 3)


async def _assert_growing(thing: Thing, kind: type[Exception]) -> None:
    await thing.connection.start()
    try:
        await thing.times_lost(6)
    finally:
        await thing.connection.stop()
    assert all(isinstance(error, kind) for error in thing.errors)
    _assert_doubling(thing.lost_at)


def _assert_doubling(times: list[float]) -> None:
    """Assert that the waits between tries are those of a brisk backoff."""
    waits = [late - early for early, late in pairwise(times)]
    assert waits[0] <= 0.2 + SLACK
    for wait, full in zip(waits[1:], (0.4, 0.8, 1.6, 3, 3), strict=False):
        assert full / 2 <= wait <= full + SLACK
