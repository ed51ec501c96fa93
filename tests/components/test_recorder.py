"""What jobs add to Home Assistant's database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.components.recorder.common import (  # type: ignore[import-untyped]
    async_wait_recording_done,
)

from custom_components.aws_iot_jobs import coordinator
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    JobState,
    StepState,
    StepStatus,
)
from homeassistant.components.recorder.db_schema import Events, States
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope

from ..fake_jobs_service import FakeJobsService
from .fake_agent import FakeAgent
from .waiting import until_shown

STEPS = 200
MAX_ROWS = 450

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


MAX_ROWS_OF_A_SHORT_JOB = 15
"""Thirteen states, and the events of its two lines in Activity."""


@pytest.fixture
def database(recorder_mock: object) -> None:
    """Have Home Assistant's own."""


async def test_slow_job(
    hass: HomeAssistant,
    agent: FakeAgent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A job of many slow steps, each shown as it comes, fills no database."""
    monkeypatch.setattr(coordinator, "PROGRESS_SECONDS", 0)
    agent.push(AgentState(connected=True))
    before = await _rows(hass)
    for states in _steps_of_a_job():
        job = JobState(key=ExecutionKey("long", 1), steps=states, started_at=NOW)
        agent.push(AgentState(connected=True, job=job))
    ended = replace(job, status=JobStatus.SUCCEEDED, ended_at=NOW)
    agent.push(AgentState(connected=True, last_job=ended, jobs_succeeded=1))
    # Each step was told of, and each stride of the progress.
    assert 2 * STEPS + 20 < await _rows(hass) - before < MAX_ROWS


async def test_quick_job(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """So does one of many quick steps, that are really run."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    before = await _rows(hass)
    step = {
        "action": {"name": "True", "type": "runCommand", "input": {"command": "true"}}
    }
    job = service.create_job({"version": "1.0", "steps": [step] * STEPS})
    await until_shown(hass, job, seconds=60)
    assert job.status == "SUCCEEDED"
    assert 2 * STEPS < await _rows(hass) - before < MAX_ROWS


async def test_short_job(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """A job of one step adds what it has to tell, and no more."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    await until_shown(hass, service.create_job({"operation": "true"}))
    before = await _rows(hass)
    await until_shown(hass, service.create_job({"operation": "true"}))
    assert 0 < await _rows(hass) - before <= MAX_ROWS_OF_A_SHORT_JOB


async def test_idle_day(
    hass: HomeAssistant,
    agent: FakeAgent,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A day without jobs adds nothing."""
    agent.push(AgentState(connected=True))
    before = await _rows(hass)
    for _ in range(24):
        freezer.tick(timedelta(hours=1))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    assert await _rows(hass) == before


def _steps_of_a_job() -> list[tuple[StepState, ...]]:
    """Return what the steps of a job go through."""
    steps = [StepState(name=f"Step {number}") for number in range(STEPS)]
    seen = [tuple(steps)]
    for index, step in enumerate(steps):
        runs = replace(step, status=StepStatus.IN_PROGRESS, started_at=NOW)
        for state in (
            runs,
            replace(runs, status=StepStatus.SUCCEEDED, ended_at=NOW),
        ):
            steps[index] = state
            seen.append(tuple(steps))
    return seen


async def _rows(hass: HomeAssistant) -> int:
    """Return how many states and events of things are in the database."""
    await hass.async_block_till_done()
    await async_wait_recording_done(hass)

    def count() -> int:
        with session_scope(hass=hass, read_only=True) as session:
            return session.query(States).count() + session.query(Events).count()

    return int(await get_instance(hass).async_add_executor_job(count))
