"""Triggers and conditions on jobs, as automations have them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import WebSocketGenerator  # type: ignore[import-untyped]

from custom_components import aws_iot_jobs
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.condition import CONDITIONS
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    ApprovalRequest,
    JobState,
    StepState,
    StepStatus,
)
from custom_components.aws_iot_jobs.trigger import TRIGGERS
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import condition, device_registry as dr
from homeassistant.helpers.typing import ConfigType
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict

from .fake_agent import FakeAgent

ROOT = Path(aws_iot_jobs.__file__).parent

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STEP = StepState(name="Work", status=StepStatus.IN_PROGRESS, started_at=NOW)
RECEIVED = JobState(key=ExecutionKey("job-1", 1), started_at=NOW)
WAITS = replace(
    RECEIVED,
    approval=ApprovalRequest(requested_at=NOW, expires_at=NOW + timedelta(days=1)),
)
RUNS = replace(RECEIVED, steps=(STEP,))
FAILS = {"job_ended", "job_failed"}


def _ended(status: JobStatus) -> AgentState:
    return AgentState(
        connected=True, last_job=replace(RUNS, status=status, ended_at=NOW)
    )


@pytest.fixture
async def device_id(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> str:
    """Return the device of a thing that is set up."""
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return device.id


def _of_device(device_id: str) -> dict[str, Any]:
    return {"device_id": device_id}


def _of_entity(_: str) -> dict[str, Any]:
    return {"entity_id": "event.thing_1_job"}


@pytest.mark.parametrize("target", [_of_device, _of_entity])
async def test_triggers(
    hass: HomeAssistant,
    agent: FakeAgent,
    device_id: str,
    target: Callable[[str], dict[str, Any]],
) -> None:
    """Each trigger fires for what it is called after, and for nothing else."""
    fired = await _listen(hass, target(device_id))
    for state, names in [
        (AgentState(connected=True, job=RECEIVED), {"job_received"}),
        (AgentState(connected=True, job=WAITS), {"job_approval_requested"}),
        (AgentState(connected=True, job=replace(RECEIVED, approved_at=NOW)), set()),
        (AgentState(connected=True, job=RUNS), {"job_started"}),
        (_ended(JobStatus.SUCCEEDED), {"job_ended", "job_succeeded"}),
        (_ended(JobStatus.FAILED), FAILS),
        (_ended(JobStatus.REJECTED), FAILS),
        (_ended(JobStatus.TIMED_OUT), FAILS),
        (_ended(JobStatus.CANCELED), {"job_ended"}),
        (_ended(JobStatus.REMOVED), {"job_ended"}),
    ]:
        fired.clear()
        agent.push(state)
        await hass.async_block_till_done()
        assert {name for name, _ in fired} == names
        assert {job_id for _, job_id in fired} <= {"job-1"}


async def test_failures_in_a_row(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    device_id: str,
) -> None:
    """One after the other each is told of, and none again by a reload."""
    fired = await _listen(hass, _of_device(device_id))
    for number in range(3):
        job = replace(RUNS, key=ExecutionKey(f"job-{number}", 1))
        ended = replace(job, status=JobStatus.FAILED, ended_at=NOW)
        agents[-1].push(AgentState(job=job))
        agents[-1].push(AgentState(last_job=ended))
    await hass.async_block_till_done()
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    failed = [job_id for name, job_id in fired if name == "job_failed"]
    assert failed == ["job-0", "job-1", "job-2"]


@pytest.mark.usefixtures("all_entities")
async def test_conditions(
    hass: HomeAssistant, agent: FakeAgent, device_id: str
) -> None:
    """Each condition holds while a thing is at what it is called after."""
    assert await _holding(hass, device_id) == set()
    agent.push(AgentState(job=WAITS))
    assert await _holding(hass, device_id) == {"job_awaits_approval"}
    # Step status has such a state, too.
    agent.push(AgentState(job=RUNS))
    assert await _holding(hass, device_id) == {"job_is_running"}
    agent.push(_ended(JobStatus.SUCCEEDED))
    assert await _holding(hass, device_id) == set()


async def test_editor_offers_them(
    hass: HomeAssistant, device_id: str, hass_ws_client: WebSocketGenerator
) -> None:
    """Whoever chooses the thing in the automation editor is offered all of them."""
    assert await async_setup_component(hass, "websocket_api", {})
    client = await hass_ws_client()
    for kind, known in (("triggers", TRIGGERS), ("conditions", CONDITIONS)):
        await client.send_json_auto_id(
            {"type": f"get_{kind}_for_target", "target": {"device_id": [device_id]}}
        )
        offered = (await client.receive_json())["result"]
        ours = {name for name in offered if name.startswith("aws_iot_jobs.")}
        assert ours == {f"aws_iot_jobs.{name}" for name in known}


@pytest.mark.parametrize(
    ("kind", "known"), [("triggers", TRIGGERS), ("conditions", CONDITIONS)]
)
def test_they_are_described(kind: str, known: dict[str, object]) -> None:
    """Each has a description, and nothing else has."""
    described = load_yaml_dict(ROOT / f"{kind}.yaml")
    assert {name for name in described if not name.startswith(".")} == known.keys()


async def _listen(hass: HomeAssistant, target: dict[str, Any]) -> list[tuple[str, str]]:
    """Return which triggers fire from now on, each with the job that it is about."""
    automations = [
        {
            "id": name,
            "alias": name,
            "mode": "queued",
            "triggers": {"trigger": f"aws_iot_jobs.{name}", "target": target},
            "actions": {
                "event": "fired",
                "event_data": {
                    "name": name,
                    "job_id": "{{ trigger.to_state.attributes.job_id }}",
                },
            },
        }
        for name in TRIGGERS
    ]
    assert await async_setup_component(hass, "automation", {"automation": automations})
    await hass.async_block_till_done()
    fired: list[tuple[str, str]] = []

    @callback
    def note(event: Event[dict[str, str]]) -> None:
        fired.append((event.data["name"], event.data["job_id"]))

    hass.bus.async_listen("fired", note)
    return fired


async def _holding(hass: HomeAssistant, device_id: str) -> set[str]:
    """Return which conditions on a thing hold."""
    found = set()
    for name in CONDITIONS:
        config: ConfigType = await condition.async_validate_condition_config(
            hass,
            {
                "condition": f"aws_iot_jobs.{name}",
                "target": {"device_id": [device_id]},
                "options": {"behavior": "any"},
            },
        )
        checker = await condition.async_from_config(hass, config)
        if checker.async_check():
            found.add(name)
        checker.async_unload()
    return found
