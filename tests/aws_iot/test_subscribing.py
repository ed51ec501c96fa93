"""Connected is not enough: a thing is ready when its subscriptions are accepted."""

import time

import pytest

from custom_components.aws_iot_jobs.aws_iot import backoff, connection
from custom_components.aws_iot_jobs.aws_iot.errors import (
    ConnectError,
    DisconnectedError,
    NotAuthorizedError,
)

from .conftest import TOPIC, Thing
from .scripted_broker import QUOTA_EXCEEDED, Packet, ScriptedBroker


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the waits begin at a fifth of a second."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 0.2)


async def test_a_policy_that_is_mended_is_noticed(
    misled: Thing, scripted: ScriptedBroker
) -> None:
    """In the same connection; until then the thing says what it lacks."""
    scripted.refused = True
    await misled.connection.start()
    await misled.times_lost(3)
    assert all(isinstance(error, NotAuthorizedError) for error in misled.errors)
    with pytest.raises(DisconnectedError):
        await misled.connection.publish(TOPIC, b"{}")
    scripted.refused = False
    await misled.connected()
    assert len(scripted.times(Packet.CONNECT)) == 1
    assert len(misled.ready_at) == 1


async def test_an_account_that_is_over_its_quota_is_no_policy_that_refuses(
    misled: Thing, scripted: ScriptedBroker
) -> None:
    """Where a whole fleet comes back at once, say: it says what it is, and tries again."""
    scripted.refused, scripted.reason = True, QUOTA_EXCEEDED
    await misled.connection.start()
    await misled.times_lost(2)
    assert {type(error) for error in misled.errors} == {ConnectError}
    assert str(misled.errors[0]).endswith("/notify-next: quota exceeded")
    scripted.refused = False
    await misled.connected()
    assert len(scripted.times(Packet.CONNECT)) == 1


async def test_subscribing_is_tried_at_once_after_a_hint(
    misled: Thing, scripted: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the next try would come in a minute."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 60)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 120)
    scripted.refused = True
    await misled.connection.start()
    await misled.times_lost(1)
    scripted.refused = False
    misled.connection.retry_now()
    await misled.connected(within=3)


async def test_a_connection_that_is_lost_before_it_is_subscribed_is_made_again(
    misled: Thing, scripted: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not when the acknowledgement is overdue."""
    scripted.silent_after = Packet.SUBSCRIBE
    await misled.connection.start()
    await scripted.count(Packet.SUBSCRIBE, 1)
    scripted.silent_after = None
    began = time.monotonic()
    await scripted.cut()
    await misled.connected()
    assert time.monotonic() - began < 5
    assert [type(error) for error in misled.errors] == [DisconnectedError]


async def test_a_connection_that_is_lost_while_its_policy_is_refused_is_made_again(
    misled: Thing, scripted: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the next try to subscribe is over with the connection."""
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 60)
    scripted.refused = True
    await misled.connection.start()
    await misled.times_lost(1)
    await scripted.cut()
    await misled.times_lost(2, within=3)
    assert isinstance(misled.errors[1], DisconnectedError)


async def test_an_acknowledgement_that_never_comes_is_asked_for_again(
    misled: Thing, scripted: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the library gives it up, and over the same connection."""
    monkeypatch.setattr(connection, "ACK_TIMEOUT_SECONDS", 1)
    scripted.mute = True
    await misled.connection.start()
    await misled.times_lost(1)
    assert "did not acknowledge" in str(misled.errors[0])
    scripted.mute = False
    await misled.connected()
    assert len(scripted.times(Packet.CONNECT)) == 1
