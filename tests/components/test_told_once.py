"""How a job ended is told once, whatever becomes of Home Assistant and of the thing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_capture_events,
)

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.issues import Issue
from custom_components.aws_iot_jobs.jobs.model import AgentState, JobState
from homeassistant.const import EVENT_STATE_CHANGED, STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from ..fake_jobs_service import FakeJobsService
from .conftest import THING
from .fake_agent import FakeAgent
from .waiting import until

FAILS = {"operation": "sh", "args": ["-c", "exit 3"]}
NO_STEPS: dict[str, Any] = {"version": "1.0", "steps": []}


@pytest.fixture
async def failures(hass: HomeAssistant) -> list[str]:
    """Return the jobs for which the trigger "Job failed" fires, as it does."""
    automation = {
        "alias": "Failures",
        "mode": "queued",
        "triggers": {
            "trigger": "aws_iot_jobs.job_failed",
            "target": {"entity_id": "event.thing_1_job"},
        },
        "actions": {
            "event": "job_has_failed",
            "event_data": {"job_id": "{{ trigger.to_state.attributes.job_id }}"},
        },
    }
    assert await async_setup_component(hass, "automation", {"automation": automation})
    seen: list[str] = []

    @callback
    def note(event: Event[dict[str, str]]) -> None:
        seen.append(event.data["job_id"])

    hass.bus.async_listen("job_has_failed", note)
    return seen


async def test_each_failure_is_told_once(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    failures: list[str],
) -> None:
    """Three jobs fail in a row and one is rejected: four times, and never again."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    jobs = [service.create_job(FAILS) for _ in range(3)] + [
        service.create_job(NO_STEPS)
    ]
    for job in jobs:
        await service.ended(job)
    await until(hass, lambda: len(failures) == len(jobs))
    changes: list[Event[Any]] = async_capture_events(hass, EVENT_STATE_CHANGED)

    assert await hass.config_entries.async_reload(thing.entry_id)
    await until(
        hass, lambda: hass.states.is_state("binary_sensor.thing_1_connected", STATE_ON)
    )
    last = service.create_job({"operation": "true"})
    await service.ended(last)
    await until(
        hass,
        lambda: hass.states.is_state("sensor.thing_1_last_job_result", "succeeded"),
    )
    await hass.async_block_till_done()

    assert failures == [job.job_id for job in jobs]
    shown = list(_states_of(changes, "sensor.thing_1_last_job_result"))
    assert shown == [STATE_UNAVAILABLE, "rejected", "succeeded"]


async def test_states_are_known_from_the_start(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """What the last job came to is there with the entities, and totals go on."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    await service.ended(service.create_job(FAILS))
    await until(
        hass, lambda: hass.states.is_state("sensor.thing_1_last_job_result", "failed")
    )
    result = hass.states.get("sensor.thing_1_last_job_result")
    ended = hass.states.get("sensor.thing_1_last_job_ended")
    assert result is not None
    assert ended is not None
    await hass.services.async_call(
        "switch", "turn_off", {"entity_id": "switch.thing_1_take_jobs"}, blocking=True
    )
    assert await hass.config_entries.async_unload(thing.entry_id)
    changes: list[Event[Any]] = async_capture_events(hass, EVENT_STATE_CHANGED)
    assert await hass.config_entries.async_setup(thing.entry_id)
    await hass.async_block_till_done()
    for entity_id, state in (
        (result.entity_id, "failed"),
        (ended.entity_id, ended.state),
        ("sensor.thing_1_job_status", "idle"),
        ("switch.thing_1_take_jobs", "off"),
    ):
        assert list(_states_of(changes, entity_id)) == [state]
    again = hass.states.get("sensor.thing_1_last_job_result")
    assert again is not None
    assert again.attributes["reason"] == result.attributes["reason"]


async def test_end_while_the_thing_is_unloaded(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """A job that ends just then is told of; that the connection ends is no news."""
    job = JobState(key=ExecutionKey("job-1", 1), started_at=dt_util.utcnow())
    agent.push(AgentState(connected=True, job=job))
    agent.may_end.clear()
    changes: list[Event[Any]] = async_capture_events(hass, EVENT_STATE_CHANGED)
    unloading = hass.async_create_task(
        hass.config_entries.async_unload(entry.entry_id), eager_start=True
    )
    await agent.stopping.wait()
    ended = replace(job, status=JobStatus.FAILED, ended_at=dt_util.utcnow())
    agent.push(AgentState(connected=True, last_job=ended))
    agent.push(AgentState(connected=False, last_job=ended))
    agent.may_end.set()
    assert await unloading
    await hass.async_block_till_done()
    told = [
        change.data["new_state"].attributes.get("event_type")
        for change in changes
        if change.data["entity_id"] == "event.thing_1_job"
    ]
    assert told[0] == "failed"
    result = list(_states_of(changes, "sensor.thing_1_last_job_result"))
    assert result == ["failed", STATE_UNAVAILABLE]
    connected = list(_states_of(changes, "binary_sensor.thing_1_connected"))
    assert connected == [STATE_UNAVAILABLE]


async def test_damage_is_told_from_the_start(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """A journal that is set aside before the entities are there is told of all the same."""
    directory = Path(hass.config.path("aws_iot_jobs", "things", THING))
    directory.mkdir(parents=True)
    (directory / "journal.log").write_text("garbage\nand more\n")
    assert await hass.config_entries.async_setup(thing.entry_id)
    issue = f"{Issue.JOURNAL}_{thing.entry_id}"
    assert ir.async_get(hass).async_get_issue("aws_iot_jobs", issue) is not None


def _states_of(changes: list[Event[Any]], entity_id: str) -> Iterator[str]:
    """Yield what an entity showed, each state once it changed."""
    for change in changes:
        new, old = change.data["new_state"], change.data["old_state"]
        if change.data["entity_id"] == entity_id and new is not None:
            if old is None or old.state != new.state:
                yield new.state
