"""What Activity says of jobs."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_capture_events,
)
from pytest_homeassistant_custom_component.components.recorder.common import (  # type: ignore[import-untyped]
    async_wait_recording_done,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    JobState,
    StepState,
    StepStatus,
)
from custom_components.aws_iot_jobs.logbook import async_sentence
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .fake_agent import FakeAgent

ACTIVITY = "logbook/get_events"

STARTED = dt_util.utcnow()
RUNNING = JobState(
    key=ExecutionKey("update-7", 1),
    steps=(
        StepState(name="Fetch", status=StepStatus.SUCCEEDED, started_at=STARTED),
        StepState(name="Check", status=StepStatus.IN_PROGRESS, started_at=STARTED),
        StepState(name="Restart"),
    ),
    started_at=STARTED,
)
REASON = "step 2 of 3 'Check': exit status 3"
FAILED = replace(RUNNING, status=JobStatus.FAILED, reason=REASON, ended_at=STARTED)


@pytest.fixture
def database(recorder_mock: object) -> None:
    """Have Home Assistant's own."""


@pytest.mark.parametrize(
    ("type_", "reason", "words"),
    [
        ("started", "", "Job update-7 started"),
        ("failed", REASON, f"Job update-7 failed: {REASON}"),
        (
            "succeeded",
            "3 of 3 steps succeeded",
            "Job update-7 succeeded: 3 of 3 steps succeeded",
        ),
        ("rejected", "steps: required", "Job update-7 was rejected: steps: required"),
        (
            "rejected",
            "rejected in Home Assistant: guests are here",
            "Job update-7 was rejected in Home Assistant: guests are here",
        ),
        (
            "timed_out",
            "timed out in AWS IoT Jobs",
            "Job update-7 timed out in AWS IoT Jobs",
        ),
        (
            "canceled",
            "canceled in AWS IoT Jobs",
            "Job update-7 was canceled in AWS IoT Jobs",
        ),
        (
            "removed",
            "removed from AWS IoT Jobs",
            "Job update-7 was removed from AWS IoT Jobs",
        ),
        ("removed", "", "Job update-7 was removed"),
    ],
)
@pytest.mark.usefixtures("entry")
async def test_sentences(
    hass: HomeAssistant, type_: str, reason: str, words: str
) -> None:
    """A line says which job, what became of it, and why."""
    data = {"type": type_, "job_id": "update-7", "reason": reason}
    assert async_sentence(hass, data) == words


async def test_activity_of_a_job(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """There is a line for a job's start and one for its end, where its device is."""
    assert await async_setup_component(hass, "logbook", {})
    agent.push(AgentState(connected=True))
    await async_wait_recording_done(hass)
    begun = dt_util.utcnow()
    for job in (replace(RUNNING, steps=()), RUNNING):
        agent.push(AgentState(connected=True, job=job))
    agent.push(AgentState(connected=True, last_job=FAILED))
    await async_wait_recording_done(hass)
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    client = await hass_ws_client()
    entities = er.async_entries_for_device(er.async_get(hass), device.id)
    ids = [entity.entity_id for entity in entities]
    for where in (
        {"device_ids": [device.id]},
        {"device_ids": [device.id], "entity_ids": ids},
        {"entity_ids": ["event.thing_1_job"]},
    ):
        await client.send_json_auto_id(
            {"type": ACTIVITY, "start_time": begun.isoformat(), **where}
        )
        lines: list[dict[str, Any]] = (await client.receive_json())["result"]
        told = [line for line in lines if line.get("domain") == "aws_iot_jobs"]
        assert [(line["name"], line["message"]) for line in told] == [
            ("thing-1", "Job update-7 started"),
            ("thing-1", f"Job update-7 failed: {REASON}"),
        ]
        # Those of the event entity cannot be left out; no sensor has any.
        others = {line["entity_id"] for line in lines if line not in told}
        assert others <= {"event.thing_1_job"}


async def test_activity_has_no_secrets(hass: HomeAssistant, agent: FakeAgent) -> None:
    """What lets anybody download a file is on the bus as little as elsewhere."""
    fired = async_capture_events(hass, "aws_iot_jobs_event")
    url = "https://bucket.s3.amazonaws.com/file"
    reason = f"cannot fetch {url}?X-Amz-Signature=secret now"
    agent.push(AgentState(last_job=replace(FAILED, reason=reason)))
    await hass.async_block_till_done()
    (event,) = fired
    assert event.data["reason"] == f"cannot fetch {url} now"


async def test_activity_after_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """What was told is not told again, and a thing that is gone tells nothing."""
    fired = async_capture_events(hass, "aws_iot_jobs_event")
    agent.push(AgentState(last_job=FAILED))
    await hass.config_entries.async_unload(entry.entry_id)
    agent.push(AgentState(last_job=replace(FAILED, reason="again")))
    await hass.async_block_till_done()
    assert len(fired) == 1
