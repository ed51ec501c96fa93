"""Diagnostics: what users hand out."""

import json

from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.components.diagnostics import (  # type: ignore[import-untyped]
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import EndpointError
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.model import AgentState, JobState, StepState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .conftest import ENDPOINT, THING
from .fake_agent import FakeAgent


async def test_diagnostics(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """They have the settings and the state, and nothing that is a secret."""
    agent.push(
        AgentState(
            error=EndpointError(f"{ENDPOINT}:8883 cannot be reached"),
            job=JobState(
                key=ExecutionKey("job-2", 1),
                status=JobStatus.IN_PROGRESS,
                steps=(StepState(name="Fetch"),),
            ),
            last_job=JobState(
                key=ExecutionKey("job-1", 1),
                status=JobStatus.FAILED,
                reason="no https://bucket.example/file?X-Amz-Signature=signature",
                status_details={"reason": "why", "stdout": "password: hunter2"},
            ),
        )
    )
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    redacted = "**REDACTED**"
    region = "iot.eu-central-1.amazonaws.com"
    assert diagnostics["data"] == {
        "endpoint": f"{redacted}.{region}",
        "port": 8883,
        "thing_name": THING,
        "certificate": redacted,
        "root_ca": redacted,
        "runner": {"kind": "local"},
    }
    assert diagnostics["options"] == dict(entry.options)
    assert diagnostics["available"] is True
    state = diagnostics["state"]
    assert (
        state["error"] == f"EndpointError: {redacted}.{region}:8883 cannot be reached"
    )
    assert state["job"]["key"] == ["job-2", 1, 0]
    assert state["job"]["steps"][0]["name"] == "Fetch"
    assert state["last_job"]["status"] == "FAILED"
    assert state["last_job"]["reason"] == "no https://bucket.example/file"
    assert state["last_job"]["status_details"] == {"reason": "why", "stdout": redacted}
    text = json.dumps(diagnostics)
    for secret in ("BEGIN", "hunter2", "=signature", "account-ats"):
        assert secret not in text


async def test_before_any_job(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """They can be had at any time."""
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert diagnostics["state"] == {
        "connected": False,
        "error": None,
        "disconnected_since": None,
        "next_try_at": None,
        "journal_set_aside": None,
        "storage_problem": None,
        "holds": [],
        "next_window": None,
        "waiting": None,
        "jobs_succeeded": 0,
        "jobs_failed": 0,
        "job": None,
        "last_job": None,
    }


async def test_of_a_device(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """They can be had on the page of the thing's device, with its entities."""
    agent.push(AgentState(connected=True))
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    of_entry = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    of_device = await get_diagnostics_for_device(hass, hass_client, entry, device)
    entities = of_device.pop("device")["entities"]
    assert of_device == of_entry
    assert entities["binary_sensor.thing_1_connected"]["state"] == "on"
