"""What the entities of a thing show."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from custom_components.aws_iot_jobs.aws_iot.errors import EndpointError
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.coordinator import PROGRESS_BURST
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    JobState,
    StepState,
    StepStatus,
)
from homeassistant.const import (
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    EntityCategory,
)
from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_component import async_update_entity
from homeassistant.helpers.event import async_track_state_change_event

from .conftest import THING
from .fake_agent import FakeAgent

CONNECTED = "binary_sensor.thing_1_connected"
SENSORS = ("job_status", "job", "step", "step_status", "progress", "last_result")

STARTED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENDED = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)

FIRST, SECOND, THIRD = (StepState(name=name) for name in ("First", "Second", "Third"))
RUNNING = JobState(
    key=ExecutionKey("update-themes", 1),
    status=JobStatus.IN_PROGRESS,
    steps=(
        replace(
            FIRST, status=StepStatus.SUCCEEDED, started_at=STARTED, ended_at=STARTED
        ),
        replace(SECOND, status=StepStatus.IN_PROGRESS, started_at=STARTED),
        THIRD,
    ),
    started_at=STARTED,
)
FAILED = replace(
    RUNNING,
    status=JobStatus.FAILED,
    steps=(
        RUNNING.steps[0],
        replace(
            RUNNING.steps[1],
            status=StepStatus.FAILED,
            reason="exit status 3",
            attempt=2,
            ended_at=ENDED,
        ),
        replace(THIRD, status=StepStatus.SKIPPED),
    ),
    reason="step Second: exit status 3",
    status_details={"stdout": "Hello", "stderr": "Oh no"},
    ended_at=ENDED,
)


async def test_before_any_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Without any job there is nothing to show, but it could be."""
    assert _states(hass) == dict.fromkeys(SENSORS, STATE_UNKNOWN)
    assert _get(hass, CONNECTED).state == STATE_OFF


async def test_running_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """While a job runs, it shows what runs and how far it is."""
    agent.push(AgentState(connected=True, job=RUNNING))
    assert _states(hass) == {
        "job_status": "in_progress",
        "job": "update-themes",
        "step": "Second",
        "step_status": "in_progress",
        "progress": "33",
        "last_result": STATE_UNKNOWN,
    }
    step = _sensor(hass, "step").attributes
    assert (step["index"], step["count"]) == (2, 3)
    assert _sensor(hass, "progress").attributes["unit_of_measurement"] == "%"


async def test_before_the_first_step(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A job that has just begun has no step yet."""
    agent.push(AgentState(connected=True, job=replace(RUNNING, steps=(FIRST, SECOND))))
    assert _states(hass) == {
        "job_status": "in_progress",
        "job": "update-themes",
        "step": STATE_UNKNOWN,
        "step_status": STATE_UNKNOWN,
        "progress": "0",
        "last_result": STATE_UNKNOWN,
    }
    step = _sensor(hass, "step").attributes
    assert (step["index"], step["count"]) == (None, None)


async def test_between_two_steps(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Until the next step begins, the one before is shown, with what became of it."""
    agent.push(
        AgentState(
            connected=True, job=replace(RUNNING, steps=(*RUNNING.steps[:1], SECOND))
        )
    )
    assert _sensor(hass, "step").state == "First"
    assert _sensor(hass, "step_status").state == "succeeded"
    assert _sensor(hass, "progress").state == "50"


async def test_ended_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """When a job has ended, it shows how, and why, until the next one runs."""
    agent.push(AgentState(connected=True, last_job=FAILED))
    assert _states(hass) == {
        "job_status": "failed",
        "job": STATE_UNKNOWN,
        "step": STATE_UNKNOWN,
        "step_status": "failed",
        "progress": "33",
        "last_result": "failed",
    }
    result = _sensor(hass, "last_result")
    assert {
        "job_id": "update-themes",
        "execution_number": 1,
        "reason": "step Second: exit status 3",
        "started_at": STARTED,
        "ended_at": ENDED,
        "steps": [
            {"name": "First", "status": "succeeded", "reason": "", "attempt": 1},
            {
                "name": "Second",
                "status": "failed",
                "reason": "exit status 3",
                "attempt": 2,
            },
            {"name": "Third", "status": "skipped", "reason": "", "attempt": 1},
        ],
        "stdout": "Hello",
        "stderr": "Oh no",
    }.items() <= result.attributes.items()
    assert result.state_info is not None
    unrecorded = result.state_info["unrecorded_attributes"]
    assert {"steps", "stdout", "stderr"} <= unrecorded
    assert "reason" not in unrecorded


async def test_next_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """The next job shows, and the result of the last one stays."""
    agent.push(AgentState(connected=True, job=RUNNING, last_job=FAILED))
    assert _sensor(hass, "job_status").state == "in_progress"
    assert _sensor(hass, "step_status").state == "in_progress"
    assert _sensor(hass, "last_result").state == "failed"


@pytest.mark.parametrize("status", JobStatus)
async def test_all_job_statuses(
    hass: HomeAssistant, agent: FakeAgent, status: JobStatus
) -> None:
    """Each status that AWS knows can be shown."""
    job = replace(FAILED, status=status)
    agent.push(AgentState(last_job=job) if status.terminal else AgentState(job=job))
    assert _sensor(hass, "job_status").state == status.lower()
    if status.terminal:
        assert _sensor(hass, "last_result").state == status.lower()


@pytest.mark.parametrize("status", set(StepStatus) - {StepStatus.PENDING})
async def test_all_step_statuses(
    hass: HomeAssistant, agent: FakeAgent, status: StepStatus
) -> None:
    """Each status that a step gets to can be shown."""
    step = replace(FIRST, status=status, started_at=STARTED)
    agent.push(AgentState(job=replace(RUNNING, steps=(step,))))
    assert _sensor(hass, "step_status").state == status.lower()


async def test_long_step_name(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A name that is longer than a state may be is cut, not lost."""
    step = replace(RUNNING.steps[1], name="x" * 300)
    agent.push(AgentState(job=replace(RUNNING, steps=(step,))))
    assert _sensor(hass, "step").state == "x" * 255


async def test_presigned_urls(hass: HomeAssistant, agent: FakeAgent) -> None:
    """What lets anybody download a file is not shown; the rest of the text is."""
    url = "https://bucket.s3.amazonaws.com/file"
    job = replace(
        FAILED,
        reason=f"cannot fetch {url}?X-Amz-Date=1&X-Amz-Signature=secret: 403",
        status_details={"stdout": f"see {url}?page=2\n<{url}?Signature=secret>"},
    )
    agent.push(AgentState(last_job=job))
    attributes = _sensor(hass, "last_result").attributes
    assert attributes["reason"].startswith(f"cannot fetch {url}")
    assert attributes["stdout"] == f"see {url}?page=2\n<{url}>"
    assert "secret" not in str(attributes)


async def test_connection(hass: HomeAssistant, agent: FakeAgent) -> None:
    """While AWS IoT is out of reach, it says why; what is known of the job stays."""
    agent.push(AgentState(connected=True, job=RUNNING))
    assert _get(hass, CONNECTED).state == STATE_ON
    assert _get(hass, CONNECTED).attributes["error"] is None
    agent.push(AgentState(error=EndpointError("nobody is there"), job=RUNNING))
    assert _get(hass, CONNECTED).state == STATE_OFF
    assert _get(hass, CONNECTED).attributes["error"] == "nobody is there"
    assert _sensor(hass, "step").state == "Second"


async def test_quick_progress(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Of many quick steps some are shown, and the last one; the job's end at once."""
    names = [f"step {number}" for number in range(200)]
    seen: list[str] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        assert state is not None
        seen.append(state.state)
        if state.state == names[-1]:
            shown.set()

    shown = asyncio.Event()
    async_track_state_change_event(hass, "sensor.thing_1_step", note)
    for count in range(1, len(names) + 1):
        begun = tuple(
            StepState(name=name, status=StepStatus.IN_PROGRESS, started_at=STARTED)
            for name in names[:count]
        )
        agent.push(AgentState(connected=True, job=replace(RUNNING, steps=begun)))
    async with asyncio.timeout(5):
        await shown.wait()
    assert PROGRESS_BURST <= len(seen) < PROGRESS_BURST + 10
    agent.push(AgentState(connected=True, last_job=FAILED))
    assert _states(hass)["last_result"] == "failed"


async def test_update_on_request(hass: HomeAssistant, agent: FakeAgent) -> None:
    """To ask an entity for an update does no harm: it is always up to date."""
    agent.push(AgentState(connected=True, job=RUNNING))
    await async_update_entity(hass, "sensor.thing_1_step")
    assert _sensor(hass, "step").state == "Second"


async def test_agent_has_failed(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Nothing is known when nothing runs."""
    agent.push(AgentState(connected=True, job=RUNNING))
    agent.fail(RuntimeError("a defect"))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert _states(hass) == dict.fromkeys(SENSORS, STATE_UNAVAILABLE)
    assert _get(hass, CONNECTED).state == STATE_UNAVAILABLE


async def test_registry(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Entities have ids of the thing's own; the connection is a matter of diagnostics."""
    registry = er.async_get(hass)
    for key in SENSORS:
        entry = registry.async_get(f"sensor.thing_1_{key}")
        assert entry is not None
        assert entry.unique_id == f"{THING}_{key}"
        assert entry.translation_key == key
        assert entry.entity_category is None
    connected = registry.async_get(CONNECTED)
    assert connected is not None
    assert connected.unique_id == f"{THING}_connected"
    assert connected.entity_category is EntityCategory.DIAGNOSTIC


def _states(hass: HomeAssistant) -> dict[str, str]:
    return {key: _sensor(hass, key).state for key in SENSORS}


def _sensor(hass: HomeAssistant, key: str) -> State:
    return _get(hass, f"sensor.thing_1_{key}")


def _get(hass: HomeAssistant, entity_id: str) -> State:
    state = hass.states.get(entity_id)
    assert state is not None
    return state
