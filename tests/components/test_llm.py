"""What an assistant can find out of a thing's jobs."""

from datetime import UTC, datetime
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.const import DOMAIN
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    ApprovalRequest,
    Hold,
    JobState,
    StepState,
    StepStatus,
)
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant
from homeassistant.helpers import llm
from homeassistant.setup import async_setup_component

from .conftest import THING
from .fake_agent import FakeAgent

ASSISTANT = "conversation"
TOOL = "aws_iot_jobs__get_jobs"
BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
ENDED = datetime(2026, 11, 1, 12, 5, tzinfo=UTC)


async def _api(hass: HomeAssistant) -> llm.APIInstance:
    """Return what an assistant can use."""
    for component in ("homeassistant", "llm"):
        assert await async_setup_component(hass, component, {})
    context = llm.LLMContext(
        platform="test",
        context=None,
        language="en",
        assistant=ASSISTANT,
        device_id=None,
    )
    return await llm.async_get_api(hass, llm.LLM_API_ASSIST, context)


async def _ask(api: llm.APIInstance, **arguments: str) -> llm.ToolResult:
    wanted = llm.ToolInput(tool_name=TOOL, tool_args=dict(arguments))
    return await api.async_call_tool(wanted)


def _expose(hass: HomeAssistant, *, exposed: bool = True) -> None:
    async_expose_entity(hass, ASSISTANT, "sensor.thing_1_job_status", exposed)


async def _exposed_api(hass: HomeAssistant) -> llm.APIInstance:
    assert await async_setup_component(hass, "homeassistant", {})
    _expose(hass)
    return await _api(hass)


def _tool_names(api: llm.APIInstance) -> set[str]:
    return {tool.name for tool in api.tools}


async def test_what_runs_and_why_the_last_job_failed(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """It says both, and gives away no output and nothing that opens a door."""
    steps = (
        StepState(name="Fetch", status=StepStatus.SUCCEEDED),
        StepState(
            name="Check",
            status=StepStatus.FAILED,
            reason="no https://bucket.example/file?X-Amz-Signature=secret",
        ),
    )
    agent.push(
        AgentState(
            connected=True,
            job=JobState(
                key=ExecutionKey("update-8", 1),
                status=JobStatus.IN_PROGRESS,
                started_at=ENDED,
                steps=(
                    StepState(name="Fetch", status=StepStatus.SUCCEEDED),
                    StepState(name="Check", status=StepStatus.IN_PROGRESS),
                ),
            ),
            last_job=JobState(
                key=ExecutionKey("update-7", 1),
                status=JobStatus.FAILED,
                reason="step 2 of 2 'Check': exit status 3",
                status_details={"stdout": "password: hunter2"},
                started_at=BEGAN,
                ended_at=ENDED,
                steps=steps,
            ),
        )
    )
    answer = await _ask(await _exposed_api(hass), thing=THING)
    assert not answer.error
    things: Any = answer.data["things"]
    assert things == [
        {
            "thing": THING,
            "connected_to_aws": True,
            "running_job": {
                "job_id": "update-8",
                "started_at": ENDED.isoformat(),
                "progress_percent": 50,
                "waits_for_approval_until": None,
                "step": "Check",
                "steps": 2,
            },
            "last_job": {
                "job_id": "update-7",
                "started_at": BEGAN.isoformat(),
                "ended_at": ENDED.isoformat(),
                "status": "failed",
                "reason": "step 2 of 2 'Check': exit status 3",
                "steps": [
                    {"step": "Fetch", "status": "succeeded", "reason": ""},
                    {
                        "step": "Check",
                        "status": "failed",
                        "reason": "no https://bucket.example/file",
                    },
                ],
            },
        }
    ]


async def test_before_any_job(hass: HomeAssistant, agent: FakeAgent) -> None:
    """It says that there is none, and what jobs would wait for."""
    problem = "/config/aws_iot_jobs: No space left on device"
    holds = frozenset({Hold.WINDOW, Hold.BACKUP})
    agent.push(AgentState(storage_problem=problem, holds=holds))
    answer = await _ask(await _exposed_api(hass))
    assert answer.data["things"] == [
        {
            "thing": THING,
            "connected_to_aws": False,
            "running_job": None,
            "last_job": None,
            "jobs_wait_because": [
                "Home Assistant makes a backup",
                "it is outside of the maintenance window",
                problem,
            ],
        }
    ]


async def test_job_that_waits_for_approval(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """It says so, and until when."""
    waiting = JobState(
        key=ExecutionKey("update-9", 1),
        approval=ApprovalRequest(requested_at=BEGAN, expires_at=ENDED),
    )
    agent.push(AgentState(connected=True, job=waiting))
    answer = await _ask(await _exposed_api(hass))
    things: Any = answer.data["things"]
    job = things[0]["running_job"]
    assert job["waits_for_approval_until"] == ENDED.isoformat()


async def test_only_what_is_exposed(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """An assistant learns of a thing what its owner exposes, and nothing after that."""
    assert TOOL not in _tool_names(await _api(hass))
    api = await _exposed_api(hass)
    (tool,) = (tool for tool in api.tools if tool.integration == DOMAIN)
    assert tool.name == TOOL
    assert tool.annotations.read_only
    _expose(hass, exposed=False)
    answer = await _ask(api)
    assert answer.error
    _expose(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    assert TOOL not in _tool_names(await _api(hass))
