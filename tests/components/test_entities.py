"""What the entities of a thing show."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
import errno
from typing import Any

from cryptography import x509
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import EndpointError
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.coordinator import PROGRESS_SECONDS
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    ApprovalRequest,
    Hold,
    JobState,
    StepState,
    StepStatus,
)
from custom_components.aws_iot_jobs.runner.client import RunnerTokenError
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
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_component import async_update_entity
from homeassistant.helpers.event import async_track_state_change_event

from ..certificates import Credentials
from .conftest import THING
from .fake_agent import FakeAgent

CONNECTED = "binary_sensor.thing_1_connected"
JOB = "event.thing_1_job"
RUNNER = "binary_sensor.thing_1_runner"
TAKE_JOBS = "switch.thing_1_take_jobs"

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


pytestmark = pytest.mark.usefixtures("all_entities")

IDLE = {
    "job_status": "idle",
    "current_job": STATE_UNKNOWN,
    "progress": STATE_UNKNOWN,
    "current_step": STATE_UNKNOWN,
    "step_status": STATE_UNKNOWN,
    "step_number": STATE_UNKNOWN,
    "last_job_result": STATE_UNKNOWN,
    "last_job_ended": STATE_UNKNOWN,
    "jobs_succeeded": "0",
    "jobs_failed": "0",
}


async def test_before_any_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Without any job there is nothing to show, but it could be."""
    assert _states(hass) == IDLE
    assert _get(hass, CONNECTED).state == STATE_OFF


async def test_running_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """While a job runs, it shows what runs and how far it is."""
    agent.push(AgentState(connected=True, job=RUNNING))
    assert _states(hass) == IDLE | {
        "job_status": "in_progress",
        "current_job": "update-themes",
        "current_step": "Second",
        "step_status": "in_progress",
        "step_number": "2",
        "progress": "33",
    }
    step = _sensor(hass, "current_step").attributes
    assert (step["index"], step["count"]) == (2, 3)
    assert _sensor(hass, "step_number").attributes["count"] == 3
    assert _sensor(hass, "progress").attributes["unit_of_measurement"] == "%"


async def test_before_the_first_step(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A job that has just begun has no step yet."""
    agent.push(AgentState(connected=True, job=replace(RUNNING, steps=(FIRST, SECOND))))
    assert _states(hass) == IDLE | {
        "job_status": "in_progress",
        "current_job": "update-themes",
        "progress": "0",
    }
    step = _sensor(hass, "current_step").attributes
    assert (step["index"], step["count"]) == (None, None)


async def test_job_that_waits_for_approval(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """A job that needs approval waits, and is in progress once it has it."""
    request = ApprovalRequest(requested_at=STARTED, expires_at=ENDED)
    waiting = replace(RUNNING, steps=(), approval=request)
    agent.push(AgentState(connected=True, job=waiting))
    assert _sensor(hass, "job_status").state == "awaiting_approval"
    assert _sensor(hass, "current_job").state == "update-themes"
    approved = replace(waiting, approval=None, approved_at=ENDED)
    agent.push(AgentState(connected=True, job=approved))
    assert _sensor(hass, "job_status").state == "in_progress"


async def test_job_that_waits_in_the_queue(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """Automations see which one it is, as long as none is taken."""
    queued_at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    key = ExecutionKey("job-7", 1, int(queued_at.timestamp()))
    waiting = JobState(key=key, status=JobStatus.QUEUED)
    agent.push(AgentState(holds=frozenset({Hold.SWITCHED_OFF}), waiting=waiting))
    await hass.async_block_till_done()
    shown = _get(hass, "sensor.thing_1_job_status")
    assert shown.state == "idle"
    assert shown.attributes["waiting_job_id"] == "job-7"
    assert shown.attributes["waiting_since"] == queued_at
    agent.push(AgentState())
    await hass.async_block_till_done()
    assert "waiting_job_id" not in _get(hass, "sensor.thing_1_job_status").attributes


async def test_between_two_steps(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Until the next step begins, the one before is shown, with what became of it."""
    agent.push(
        AgentState(
            connected=True, job=replace(RUNNING, steps=(*RUNNING.steps[:1], SECOND))
        )
    )
    assert _sensor(hass, "current_step").state == "First"
    assert _sensor(hass, "step_status").state == "succeeded"
    assert _sensor(hass, "progress").state == "50"


async def test_ended_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """When a job has ended, it shows how, and why; of what runs there is nothing."""
    agent.push(AgentState(connected=True, job=RUNNING))
    agent.push(AgentState(connected=True, last_job=FAILED, jobs_failed=1))
    assert _states(hass) == IDLE | {
        "last_job_result": "failed",
        "last_job_ended": ENDED.isoformat(),
        "jobs_failed": "1",
    }
    result = _sensor(hass, "last_job_result")
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
    assert _sensor(hass, "last_job_result").state == "failed"


@pytest.mark.parametrize("status", [status for status in JobStatus if status.terminal])
async def test_all_results(
    hass: HomeAssistant, agent: FakeAgent, status: JobStatus
) -> None:
    """Each end that AWS knows can be shown."""
    agent.push(AgentState(last_job=replace(FAILED, status=status)))
    assert _sensor(hass, "last_job_result").state == status.lower()


@pytest.mark.parametrize(
    "status", set(StepStatus) - {StepStatus.PENDING, StepStatus.SKIPPED}
)
async def test_all_step_statuses(
    hass: HomeAssistant, agent: FakeAgent, status: StepStatus
) -> None:
    """Each status that a step which has begun gets to can be shown."""
    step = replace(FIRST, status=status, started_at=STARTED)
    agent.push(AgentState(job=replace(RUNNING, steps=(step,))))
    assert _sensor(hass, "step_status").state == status.lower()


async def test_long_step_name(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A name that is longer than a state may be is cut, not lost."""
    step = replace(RUNNING.steps[1], name="x" * 300)
    agent.push(AgentState(job=replace(RUNNING, steps=(step,))))
    assert _sensor(hass, "current_step").state == "x" * 255


async def test_presigned_urls(hass: HomeAssistant, agent: FakeAgent) -> None:
    """What lets anybody download a file is not shown; the rest of the text is."""
    url = "https://bucket.s3.amazonaws.com/file"
    job = replace(
        FAILED,
        reason=f"cannot fetch {url}?X-Amz-Date=1&X-Amz-Signature=secret: 403",
        status_details={"stdout": f"see {url}?page=2\n<{url}?Signature=secret>"},
    )
    agent.push(AgentState(last_job=job))
    attributes = _sensor(hass, "last_job_result").attributes
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
    assert _sensor(hass, "current_step").state == "Second"


async def test_quick_progress(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Quick progress is shown once a second, and the last of it; a job's end at once."""
    written: list[tuple[float, str]] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        assert state is not None
        written.append((hass.loop.time(), state.state))
        if state.state == "50":
            shown.set()

    shown = asyncio.Event()
    async_track_state_change_event(hass, "sensor.thing_1_progress", note)
    for count in range(1, 6):
        agent.push(AgentState(connected=True, job=_job_of(10, done=count)))
    async with asyncio.timeout(5):
        await shown.wait()
    assert [state for _, state in written] == ["10", "50"]
    assert written[1][0] - written[0][0] >= PROGRESS_SECONDS
    agent.push(AgentState(connected=True, job=_job_of(10, done=6)))
    agent.push(AgentState(connected=True, last_job=FAILED))
    assert _sensor(hass, "progress").state == STATE_UNKNOWN
    assert _sensor(hass, "last_job_result").state == "failed"


async def test_progress_of_many_steps(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Of many steps not each is a change of the progress, but the last one is."""
    agent.push(AgentState(job=_job_of(200, done=19)))
    assert _sensor(hass, "progress").state == "5"
    agent.push(AgentState(last_job=FAILED))
    agent.push(AgentState(job=_job_of(200, done=200)))
    assert _sensor(hass, "progress").state == "100"


async def test_update_on_request(hass: HomeAssistant, agent: FakeAgent) -> None:
    """To ask an entity for an update does no harm: it is always up to date."""
    agent.push(AgentState(connected=True, job=RUNNING))
    await async_update_entity(hass, "sensor.thing_1_current_step")
    assert _sensor(hass, "current_step").state == "Second"


async def test_agent_has_failed(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Nothing is known when nothing runs."""
    agent.push(AgentState(connected=True, job=RUNNING))
    agent.fail(RuntimeError("a defect"))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert _states(hass) == dict.fromkeys(IDLE, STATE_UNAVAILABLE)
    assert _get(hass, CONNECTED).state == STATE_UNAVAILABLE


async def test_certificate(
    hass: HomeAssistant, agent: FakeAgent, credentials: Credentials
) -> None:
    """It shows when the thing has to have another certificate."""
    expires = x509.load_pem_x509_certificate(credentials.certificate)
    shown = _sensor(hass, "certificate_expires").state
    assert datetime.fromisoformat(shown) == expires.not_valid_after_utc


async def test_runner(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Whether handlers can be run shows, and what is in the way."""
    assert _get(hass, RUNNER).state == STATE_OFF
    watch = entry.runtime_data.watch
    watch.async_take_problem(RunnerTokenError("wrong token"))
    assert _get(hass, RUNNER).state == STATE_ON
    assert _get(hass, RUNNER).attributes["problem"] == "wrong token"
    watch.async_take_problem(None)
    assert _get(hass, RUNNER).state == STATE_OFF
    assert _get(hass, RUNNER).attributes["problem"] is None


async def test_check_for_jobs(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A button asks AWS for jobs."""
    await _press(hass, "check_for_jobs")
    assert agent.checks == 1


async def test_stop_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A button stops the job that runs, and says so where none does."""
    agent.idle = True
    with pytest.raises(
        ServiceValidationError, match=r"^No job runs on thing-1 now\.?$"
    ):
        await _press(hass, "stop_job")
    agent.idle = False
    agent.push(AgentState(job=RUNNING))
    await _press(hass, "stop_job")
    assert agent.asked == [("stop_job", None)]


async def test_take_jobs(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A switch has the thing take no jobs, and take them again."""
    assert _get(hass, TAKE_JOBS).state == STATE_ON
    await _switch(hass, "turn_off")
    assert agent.state.holds == {Hold.SWITCHED_OFF}
    assert _get(hass, TAKE_JOBS).state == STATE_OFF
    await _switch(hass, "turn_on")
    assert not agent.state.holds
    assert _get(hass, TAKE_JOBS).state == STATE_ON


async def test_take_jobs_is_not_kept(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A switch that would be forgotten does not switch, and says why."""
    agent.disk_problem = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(HomeAssistantError, match="No space left on device"):
        await _switch(hass, "turn_off")
    assert _get(hass, TAKE_JOBS).state == STATE_ON


async def test_events_of_a_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Each thing that happens to a job is told once, in order, with what is known of it."""
    seen = _record_events(hass)
    request = ApprovalRequest(requested_at=STARTED, expires_at=ENDED)
    fresh = replace(RUNNING, steps=())
    for job in (
        fresh,
        replace(fresh, approval=request),
        replace(fresh, approved_at=ENDED),
        replace(RUNNING, approved_at=ENDED, steps=RUNNING.steps[:1]),
        replace(RUNNING, approved_at=ENDED),
    ):
        agent.push(AgentState(connected=True, job=job))
    agent.push(AgentState(connected=True, last_job=FAILED))
    await hass.async_block_till_done()
    assert [event["event_type"] for event in seen] == [
        "received",
        "approval_requested",
        "approved",
        "started",
        "step_finished",
        "step_started",
        "failed",
    ]
    assert {
        "job_id": "update-themes",
        "execution_number": 1,
        "step": "Second",
        "step_index": 2,
        "step_count": 3,
        "reason": "step Second: exit status 3",
        "duration": 60.0,
    }.items() <= seen[-1].items()
    assert all(event.keys() == seen[-1].keys() for event in seen)


@pytest.mark.parametrize("status", [status for status in JobStatus if status.terminal])
async def test_events_of_all_ends(
    hass: HomeAssistant, agent: FakeAgent, status: JobStatus
) -> None:
    """Each end that AWS knows is told."""
    agent.push(AgentState(job=RUNNING))
    agent.push(AgentState(last_job=replace(FAILED, status=status)))
    assert _get(hass, JOB).attributes["event_type"] == status.lower()


async def test_events_come_after_the_states(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """Whoever hears of an end finds it in the other entities, be the progress as it may."""
    seen: list[tuple[str, str, str]] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        assert state is not None
        seen.append(
            (
                state.attributes["event_type"],
                _sensor(hass, "job_status").state,
                _sensor(hass, "last_job_result").state,
            )
        )

    async_track_state_change_event(hass, JOB, note)
    agent.push(AgentState(connected=True, job=_job_of(10, done=0)))
    await hass.async_block_till_done()
    agent.push(AgentState(connected=True, job=_job_of(10, done=5)))
    await hass.async_block_till_done()
    agent.push(AgentState(connected=True, last_job=FAILED))
    await hass.async_block_till_done()
    assert seen[0] == ("received", "in_progress", STATE_UNKNOWN)
    assert seen[-1] == ("failed", "idle", "failed")


async def test_events_have_no_secrets(hass: HomeAssistant, agent: FakeAgent) -> None:
    """What lets anybody download a file is not told."""
    url = "https://bucket.s3.amazonaws.com/file"
    secret = f"{url}?X-Amz-Signature=secret"
    step = replace(RUNNING.steps[1], name=f"get {secret}")
    job = replace(FAILED, steps=(step,), reason=f"cannot fetch {secret} (403)")
    agent.push(AgentState(last_job=job))
    attributes = _get(hass, JOB).attributes
    assert attributes["reason"] == f"cannot fetch {url} (403)"
    assert attributes["step"] == f"get {url}"


async def test_registry(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Entities have ids of the thing's own, which stay whatever they are called."""
    registry = er.async_get(hass)
    found = {
        entry.entity_id: (
            entry.unique_id.removeprefix(f"{THING}_"),
            entry.entity_category,
        )
        for entry in registry.entities.values()
    }
    diagnostic, config = EntityCategory.DIAGNOSTIC, EntityCategory.CONFIG
    assert found == {
        "binary_sensor.thing_1_connected": ("connected", diagnostic),
        "binary_sensor.thing_1_runner": ("runner", diagnostic),
        "button.thing_1_check_for_jobs": ("check_for_jobs", None),
        "button.thing_1_stop_job": ("stop_job", None),
        "event.thing_1_job": ("job_event", None),
        "sensor.thing_1_certificate_expires": ("certificate_expires", diagnostic),
        "sensor.thing_1_current_job": ("job", None),
        "sensor.thing_1_current_step": ("step", None),
        "sensor.thing_1_job_status": ("job_status", None),
        "sensor.thing_1_jobs_failed": ("jobs_failed", None),
        "sensor.thing_1_jobs_succeeded": ("jobs_succeeded", None),
        "sensor.thing_1_last_job_ended": ("last_job_ended", None),
        "sensor.thing_1_last_job_result": ("last_result", None),
        "sensor.thing_1_progress": ("progress", None),
        "sensor.thing_1_step_number": ("step_number", None),
        "sensor.thing_1_step_status": ("step_status", None),
        "switch.thing_1_take_jobs": ("take_jobs", config),
    }


def _job_of(steps: int, *, done: int) -> JobState:
    """Return a job that runs, so many steps of which have ended."""
    ended = replace(
        FIRST, status=StepStatus.SUCCEEDED, started_at=STARTED, ended_at=STARTED
    )
    return replace(RUNNING, steps=(ended,) * done + (SECOND,) * (steps - done))


def _record_events(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return what the event entity tells from now on."""
    seen: list[dict[str, Any]] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        assert state is not None
        seen.append(dict(state.attributes))

    async_track_state_change_event(hass, JOB, note)
    return seen


async def _press(hass: HomeAssistant, key: str) -> None:
    await hass.services.async_call(
        "button", "press", {"entity_id": f"button.thing_1_{key}"}, blocking=True
    )


async def _switch(hass: HomeAssistant, action: str) -> None:
    await hass.services.async_call(
        "switch", action, {"entity_id": TAKE_JOBS}, blocking=True
    )


def _states(hass: HomeAssistant) -> dict[str, str]:
    return {key: _sensor(hass, key).state for key in IDLE}


def _sensor(hass: HomeAssistant, key: str) -> State:
    return _get(hass, f"sensor.thing_1_{key}")


def _get(hass: HomeAssistant, entity_id: str) -> State:
    state = hass.states.get(entity_id)
    assert state is not None
    return state
