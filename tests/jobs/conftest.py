"""An agent with everything around it: broker, service, handlers."""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_socket

from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.events import JobEvent
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.runner.local import LocalRunner

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService

THING = "thing-1"


@pytest.fixture(autouse=True)
def sockets_on_loopback(socket_enabled: None) -> None:
    """Let the fake service connect to the broker, and nothing to anywhere else."""
    pytest_socket.socket_allow_hosts(
        ["127.0.0.1", "localhost", "::1"], allow_unix_socket=True
    )


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Run a broker that enforces the minimal policy."""
    async with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
async def service(broker: Broker) -> AsyncIterator[FakeJobsService]:
    """Run AWS IoT Jobs behind the broker."""
    async with FakeJobsService(
        port=broker.port, tls_context=broker.service_tls_context()
    ) as it:
        yield it


@dataclass
class Device:
    """A thing whose agent can be started, stopped and started again."""

    settings: AgentSettings
    handlers: Path
    grace: float = 2.0
    states: list[AgentState] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _task: asyncio.Task[None] | None = None
    _agent: Agent | None = None

    def handler(self, name: str, text: str, mode: int = 0o700) -> Path:
        """Put a handler into the handler directory."""
        file = self.handlers / name
        file.write_text(text)
        file.chmod(mode)
        return file

    @property
    def agent(self) -> Agent:
        """The agent that was started last."""
        assert self._agent is not None
        return self._agent

    @property
    def state(self) -> AgentState:
        """The agent's state."""
        return self.agent.state

    async def start(self) -> None:
        """Start an agent with an empty memory."""
        work = self.settings.directory / "work"
        self._agent = Agent(
            self.settings, LocalRunner(self.handlers, work, grace=self.grace)
        )
        self._agent.subscribe(self._note)
        self._agent.subscribe_events(self.events.append)
        self._task = asyncio.create_task(self._agent.run())

    async def stop(self) -> None:
        """Stop the agent as Home Assistant does, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def ended(self) -> None:
        """Wait until the agent has ended by itself; raise what it raised."""
        assert self._task is not None
        async with asyncio.timeout(20):
            await asyncio.wait((self._task,))
        task, self._task = self._task, None
        await task

    async def until(
        self, condition: Callable[[AgentState], bool], within: float = 20
    ) -> None:
        """Wait until the agent's state meets a condition."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: condition(self.state))

    async def connected(self) -> None:
        """Wait until the agent is connected and subscribed."""
        await self.until(lambda state: state.connected)

    def _note(self, state: AgentState) -> None:
        self.states.append(state)
        self._waking = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@pytest.fixture
async def stopped_device(broker: Broker, tmp_path: Path) -> AsyncIterator[Device]:
    """Make a thing whose agent does not run yet."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    settings = AgentSettings(
        connection=replace(broker.settings(THING)),
        directory=tmp_path / "thing",
        facts={"operatingSystem": ["linux", "debian"], "thingName": [THING]},
    )
    device = Device(settings=settings, handlers=handlers)
    yield device
    await device.stop()


@pytest.fixture
async def device(stopped_device: Device, service: FakeJobsService) -> Device:
    """Return a thing whose agent is connected, and has asked for a job in vain."""
    await stopped_device.start()
    await stopped_device.connected()
    await service.until(lambda: bool(service.requests))
    return stopped_device
