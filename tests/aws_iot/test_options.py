"""Every option that is handed to the MQTT library has the effect that it is for."""

import asyncio
from dataclasses import replace
import time

from awscrt import mqtt5
import pytest

from custom_components.aws_iot_jobs.aws_iot import connection, mqtt
from custom_components.aws_iot_jobs.aws_iot.errors import DisconnectedError
from custom_components.aws_iot_jobs.aws_iot.mqtt import MqttConnection, Timing

from ..broker import Broker
from .conftest import THING, TOPIC, Thing
from .link import Link
from .scripted_broker import Packet, ScriptedBroker

SLACK = 1.5
"""What a busy machine may add to a time limit, in seconds."""


async def test_the_broker_is_told_what_we_want(thing: Thing, broker: Broker) -> None:
    """MQTT 5, a clean session, a keep-alive of a minute, the thing's name as client id."""
    await thing.connection.start()
    await thing.connected()
    await broker.logged(rf"New client connected from \S+ as {THING} \(p5, c1, k60, ")


async def test_the_port_is_the_one_given(thing: Thing, link: Link) -> None:
    """The link's, not the broker's own."""
    await thing.connection.start()
    await thing.connected()
    assert len(link.accepted) == 1


@pytest.mark.parametrize(("keep_alive", "ping_timeout"), [(2, 1), (4, 1), (4, 2)])
async def test_a_dead_link_is_noticed_after_keep_alive_and_ping_timeout(
    thing: Thing,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    keep_alive: int,
    ping_timeout: int,
) -> None:
    """Nothing is said on it: after the one a ping is sent, after the other it is given up."""
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", keep_alive)
    monkeypatch.setattr(connection, "PING_TIMEOUT_SECONDS", ping_timeout)
    await thing.connection.start()
    await thing.connected()
    broker.freeze()
    began = time.monotonic()
    await thing.times_lost(1)
    noticed = time.monotonic() - began
    assert -0.5 <= noticed - keep_alive - ping_timeout <= SLACK
    assert "PINGREQ" in str(thing.errors[0])


@pytest.mark.parametrize("ack_timeout", [1, 4])
async def test_a_message_is_given_up_after_the_ack_timeout(
    thing: Thing, broker: Broker, monkeypatch: pytest.MonkeyPatch, ack_timeout: int
) -> None:
    """The broker has it, and does not acknowledge it."""
    monkeypatch.setattr(connection, "ACK_TIMEOUT_SECONDS", ack_timeout)
    await thing.connection.start()
    await thing.connected()
    broker.freeze()
    began = time.monotonic()
    with pytest.raises(DisconnectedError, match="did not acknowledge"):
        await thing.connection.publish(TOPIC, b"{}")
    assert 0 <= time.monotonic() - began - ack_timeout <= SLACK
    assert thing.connection.ready


@pytest.mark.parametrize("connack_timeout", [1, 4])
async def test_a_broker_that_does_not_answer_is_given_up(
    misled: Thing,
    scripted: ScriptedBroker,
    monkeypatch: pytest.MonkeyPatch,
    connack_timeout: int,
) -> None:
    """It has taken the CONNECT, and says nothing."""
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", connack_timeout)
    scripted.silent_after = Packet.CONNECT
    await misled.connection.start()
    await scripted.count(Packet.CONNECT, 1)
    began = time.monotonic()
    await misled.times_lost(1)
    assert -0.2 <= time.monotonic() - began - connack_timeout <= SLACK


async def test_the_library_does_not_connect_again_by_itself(
    broker: Broker, link: Link
) -> None:
    """Left to itself it does so within two seconds."""
    lone = _lone(broker, link)
    await lone.open()
    await link.cut()
    await lone.lost
    await asyncio.sleep(3)
    assert len(link.accepted) == 1
    await lone.close()


async def test_the_library_keeps_to_the_delay_that_it_was_given(
    broker: Broker, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the millisecond: neither jitter nor growth is added to it."""
    monkeypatch.setattr(mqtt, "_NEVER_MS", 1500)
    lone = _lone(broker, link)
    await lone.open()
    for count in range(2, 5):
        await link.cut()
        began = time.monotonic()
        await link.connections(count)
        assert 1.4 <= time.monotonic() - began <= 1.5 + SLACK
        await broker.logged(f"New client connected .* as {THING} ", count=count)
    await lone.close()


async def test_what_is_published_without_a_connection_fails_at_once(
    broker: Broker, link: Link
) -> None:
    """The library queues nothing, neither for later nor for a connection of its own."""
    lone = _lone(broker, link)
    operation = lone.client.publish(
        mqtt5.PublishPacket(topic=TOPIC, qos=mqtt5.QoS.AT_LEAST_ONCE)
    )
    error = await asyncio.to_thread(operation.exception, 5)
    assert "offline queue" in str(error)
    await lone.close()


def _lone(broker: Broker, link: Link) -> MqttConnection:
    """Return one connection that nobody would have come back."""
    return MqttConnection(
        replace(broker.settings(THING), port=link.port),
        THING,
        Timing(
            keep_alive=60,
            ping_timeout=20,
            ack_timeout=10,
            connack_timeout=20,
            stop_timeout=5,
        ),
        lambda _topic, _payload: None,
        asyncio.get_running_loop(),
    )
