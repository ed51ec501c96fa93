"""A connection with everything around it: a broker, and the network between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
import time

import pytest
import pytest_socket

from custom_components.aws_iot_jobs.aws_iot import enrolment, provisioning
from custom_components.aws_iot_jobs.aws_iot.connection import (
    Connection,
    ConnectionSettings,
)
from custom_components.aws_iot_jobs.aws_iot.errors import ConnectError

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from ..fake_provisioning_service import TEMPLATE, FakeProvisioningService
from .fleet import Fleet
from .link import Link
from .scripted_broker import ScriptedBroker

THING = "thing-1"
TOPIC = f"$aws/things/{THING}/jobs/start-next"


@pytest.fixture(autouse=True)
def sockets_on_loopback(socket_enabled: None) -> None:
    """Let the link connect to the broker, and nothing to anywhere else."""
    pytest_socket.socket_allow_hosts(
        ["127.0.0.1", "localhost", "::1"], allow_unix_socket=True
    )


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Run a broker that enforces the minimal policy."""
    async with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
async def link(broker: Broker) -> AsyncIterator[Link]:
    """Put a network before the broker."""
    async with Link(broker.port) as link:
        yield link


@pytest.fixture
async def scripted(broker: Broker, tmp_path: Path) -> AsyncIterator[ScriptedBroker]:
    """Run a broker that misbehaves as told, with a certificate that is trusted."""
    async with ScriptedBroker(tmp_path / "scripted", broker.ca) as scripted:
        yield scripted


@dataclass
class Thing:
    """A thing's connection, and what it has told."""

    settings: ConnectionSettings
    ready_at: list[float] = field(default_factory=list)
    lost_at: list[float] = field(default_factory=list)
    errors: list[ConnectError] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Prepare its connection."""
        self.connection = Connection(
            self.settings,
            (f"$aws/things/{self.settings.thing_name}/jobs/notify-next",),
            on_ready=self.ready,
            on_lost=self.lost,
            on_message=lambda _topic, _payload: None,
        )

    def ready(self) -> None:
        """Take it that the connection is there."""
        self.ready_at.append(time.monotonic())
        self._changed.set()

    def lost(self, error: ConnectError) -> None:
        """Take it that the connection is not there."""
        self.lost_at.append(time.monotonic())
        self.errors.append(error)
        self._changed.set()

    async def connected(self, within: float = 20) -> None:
        """Wait until it is connected and subscribed."""
        await self.until(lambda: self.connection.ready, within)

    async def times_ready(self, count: int, within: float = 20) -> None:
        """Wait until it has been ready so often."""
        await self.until(lambda: len(self.ready_at) >= count, within)

    async def times_lost(self, count: int, within: float = 20) -> None:
        """Wait until so many errors have been told."""
        await self.until(lambda: len(self.errors) >= count, within)

    async def until(self, condition: Callable[[], bool], within: float = 20) -> None:
        """Wait until a condition holds; it is looked at after each event."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def thing(broker: Broker, link: Link) -> AsyncIterator[Thing]:
    """Return a thing that is not started, behind the link."""
    thing = Thing(replace(broker.settings(THING), port=link.port))
    yield thing
    await thing.connection.stop()


@pytest.fixture
async def misled(broker: Broker, scripted: ScriptedBroker) -> AsyncIterator[Thing]:
    """Return a thing that is not started, and connects to the scripted broker."""
    thing = Thing(replace(broker.settings(THING), port=scripted.port))
    yield thing
    await thing.connection.stop()


@pytest.fixture
def forbidden() -> tuple[str, ...]:
    """Return the topics that the policies of a fleet do not have."""
    return ()


@pytest.fixture
async def fleet(
    tmp_path: Path, forbidden: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Fleet]:
    """Run a local AWS that takes homes, which wait for no more than is needed there."""
    monkeypatch.setattr(provisioning, "ANSWER_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(provisioning, "FIRST_BACKOFF_SECONDS", 0.1)
    monkeypatch.setattr(enrolment, "FIRST_BACKOFF_SECONDS", 0.1)
    monkeypatch.setattr(enrolment, "REFUSED_SECONDS", 0)
    async with (
        Broker(tmp_path / "broker", template=TEMPLATE, forbidden=forbidden) as broker,
        Link(broker.port) as link,
    ):
        tls_context = broker.service_tls_context()
        async with (
            FakeProvisioningService(
                port=broker.port, tls_context=tls_context, authority=broker.ca
            ) as service,
            FakeJobsService(port=broker.port, tls_context=tls_context) as jobs,
        ):
            yield Fleet(broker, service, jobs, link)
