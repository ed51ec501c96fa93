"""An agent that does nothing by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
import json
from typing import Any

from custom_components.aws_iot_jobs.aws_iot.errors import AwsIotError
from custom_components.aws_iot_jobs.jobs.errors import NoSuchJobError
from custom_components.aws_iot_jobs.jobs.events import JobEvent, events_between
from custom_components.aws_iot_jobs.jobs.logs import JobLogs
from custom_components.aws_iot_jobs.jobs.model import AgentState, Hold, JobState
from custom_components.aws_iot_jobs.jobs.plan import Plan
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.runner.model import Runner


class FakeHistory:
    """Jobs that have ended, newest first: none, unless a test adds them."""

    def __init__(self) -> None:
        """Begin without any."""
        self.ended: list[JobState] = []

    def jobs(self, limit: int | None = None) -> tuple[JobState, ...]:
        """Return so many of them at most."""
        return tuple(self.ended[:limit])


class FakeAgent:
    """Runs until it is cancelled or a test makes it fail, and shows what a test pushes.

    `running` is set while it runs, `stopping` when it has been cancelled. It ends when a
    test lets it: `may_end` is set unless a test clears it. `retries` counts how many times it was
    told to connect at once, `checks` how many times to look for jobs; `asked` is what was asked of
    jobs, and `idle` whether there is none to stop; `lent` tells whether it leaves the thing's
    name to somebody. `disk_problem` is what keeps it from remembering, `plan` what the job
    would do that waits. `published` is what it was given to publish, and `publish_problem` what
    keeps that from being done. Its logs are real.
    """

    def __init__(self, settings: AgentSettings, runner: Runner) -> None:
        """Take what an agent takes."""
        self.settings = settings
        self.runner = runner
        self.state = AgentState()
        self.running = asyncio.Event()
        self.stopping = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.retries = 0
        self.checks = 0
        self.asked: list[tuple[str | None, ...]] = []
        self.history = FakeHistory()
        self.logs = JobLogs(settings.directory, limit=settings.log_bytes)
        self.plan = Plan()
        self.lent = False
        self.idle = False
        self.published: list[tuple[str, Any]] = []
        self.publish_problem: AwsIotError | None = None
        self.disk_problem: OSError | None = None
        self._event_listeners: list[Callable[[JobEvent], None]] = []
        self._listeners: list[Callable[[AgentState], None]] = []
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def jobs(self) -> tuple[JobState, ...]:
        """The job under way, if there is one, and those that have ended."""
        job = self.state.job
        return (*(() if job is None else (job,)), *self.history.jobs())

    def subscribe(self, listener: Callable[[AgentState], None]) -> Callable[[], None]:
        """Tell states to a listener."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def subscribe_events(
        self, listener: Callable[[JobEvent], None]
    ) -> Callable[[], None]:
        """Tell events to a listener."""
        self._event_listeners.append(listener)
        return lambda: self._event_listeners.remove(listener)

    async def load(self) -> None:
        """Know what a test has given it."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Take note of it. Raises what a test has it raise."""
        self.published.append((topic, json.loads(payload)))
        if self.publish_problem is not None:
            raise self.publish_problem

    def hold(self, hold: Hold) -> None:
        """Ask for no job."""
        self.push(replace(self.state, holds=self.state.holds | {hold}))

    def release(self, hold: Hold) -> None:
        """Ask for jobs, as far as that is the reason not to."""
        self.push(replace(self.state, holds=self.state.holds - {hold}))

    async def take_jobs(self, *, takes: bool) -> None:
        """Take jobs, or none. Raises OSError where a test has it so."""
        if self.disk_problem is not None:
            raise self.disk_problem
        holds = self.state.holds - {Hold.SWITCHED_OFF}
        if not takes:
            holds |= {Hold.SWITCHED_OFF}
        self.push(replace(self.state, holds=holds))

    def retry_now(self) -> None:
        """Take note of it."""
        self.retries += 1

    def check_for_jobs(self) -> None:
        """Take note of it."""
        self.checks += 1

    async def approve(self, job_id: str | None = None) -> None:
        """Take note of it."""
        self.asked.append(("approve", job_id))

    async def reject(self, job_id: str | None = None, reason: str = "") -> None:
        """Take note of it."""
        self.asked.append(("reject", job_id, reason))

    async def stop_job(self, job_id: str | None = None) -> None:
        """Take note of it. Raises NoSuchJobError where it is idle."""
        if self.idle:
            raise NoSuchJobError(job_id)
        self.asked.append(("stop_job", job_id))

    async def plan_of_waiting(self, job_id: str | None = None) -> Plan:
        """Return what it would do. Raises NoSuchJobError where it is idle."""
        if self.idle:
            raise NoSuchJobError(job_id)
        return self.plan

    @asynccontextmanager
    async def disconnected(self) -> AsyncIterator[None]:
        """Leave the name to somebody."""
        self.lent = True
        try:
            yield
        finally:
            self.lent = False

    async def run(self) -> None:
        """Run."""
        self.running.set()
        try:
            await self._failure
        finally:
            self.stopping.set()
            await self.may_end.wait()
            await self.logs.stop()
            self.running.clear()

    def push(self, state: AgentState) -> None:
        """Get into a state, and tell what has happened on the way."""
        before, self.state = self.state, state
        for listener in tuple(self._listeners):
            listener(state)
        for event in events_between(before, state):
            for tell in tuple(self._event_listeners):
                tell(event)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self._failure.set_exception(error)
