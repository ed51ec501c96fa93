"""A tool for assistants: what runs on a thing, and how its last job ended. It only reads."""

from collections.abc import Iterable
from typing import override

import probatio

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.components.llm import LLMTools
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.llm import (
    LLM_API_ASSIST,
    LLMContext,
    Tool,
    ToolAnnotations,
    ToolInput,
    ToolResult,
)
from homeassistant.util.json import JsonObjectType

from .const import CONF_THING_NAME, DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .jobs.model import AgentState, Hold, JobState, StepState
from .jobs.redact import without_signatures
from .reasons import async_translate_job

_HOLDS = {
    Hold.BACKUP: "Home Assistant makes a backup",
    Hold.SWITCHED_OFF: "taking jobs is switched off",
    Hold.WINDOW: "it is outside of the maintenance window",
}


class GetJobsTool(Tool):
    """Tells of the jobs of those things that an assistant may know of."""

    name = f"{DOMAIN}__get_jobs"
    title = "Get AWS IoT jobs"
    description = (
        "Find out which job from AWS IoT runs on a thing of this home now, in which step "
        "it is, and how the last job ended. Use this to answer questions like 'Is an "
        "update running?' or 'Why did the last job fail?'. It changes nothing."
    )
    annotations = ToolAnnotations(
        read_only=True, destructive=False, idempotent=True, open_world=False
    )
    integration = DOMAIN

    def __init__(self, things: Iterable[str]) -> None:
        """Name the things that can be asked for."""
        self.parameters = probatio.Schema(
            {
                probatio.Optional(
                    "thing", description="The name of the thing, by default all things"
                ): probatio.In(list(things))
            }
        )

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: ToolInput, llm_context: LLMContext
    ) -> ToolResult:
        """Tell of the jobs."""
        wanted = self.parameters(tool_input.tool_args).get("thing")
        things: list[JsonObjectType] = [
            _thing(hass, entry)
            for entry in _exposed_entries(hass, llm_context.assistant)
            if wanted in {None, entry.data[CONF_THING_NAME]}
        ]
        if not things:
            return ToolResult(data={"error": "Thing not found"}, error=True)
        return ToolResult(data={"things": [*things]})


@callback
def async_get_tools(
    hass: HomeAssistant, llm_context: LLMContext, api_id: str
) -> LLMTools | None:
    """Return the tool, where an entity of a thing is exposed to the assistant."""
    if api_id != LLM_API_ASSIST:
        return None
    entries = _exposed_entries(hass, llm_context.assistant)
    if not entries:
        return None
    return LLMTools(
        tools=[GetJobsTool(entry.data[CONF_THING_NAME] for entry in entries)]
    )


def _exposed_entries(
    hass: HomeAssistant, assistant: str
) -> list[AwsIotJobsConfigEntry]:
    """Return the things that are set up, and of which an assistant may know something."""
    entities = er.async_get(hass)
    return [
        entry
        for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        if any(
            async_should_expose(hass, assistant, entity.entity_id)
            for entity in er.async_entries_for_config_entry(entities, entry.entry_id)
        )
    ]


def _thing(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> JsonObjectType:
    state: AgentState = entry.runtime_data.data
    last_job = state.last_job
    told: JsonObjectType = {
        "thing": entry.data[CONF_THING_NAME],
        "connected_to_aws": state.connected,
        "running_job": None if state.job is None else _running(state.job),
        "last_job": None
        if last_job is None
        else _ended(async_translate_job(hass, last_job)),
    }
    reasons = _reasons_to_wait(state, entry.runtime_data.watch.problem)
    return {**told, "jobs_wait_because": [*reasons]} if reasons else told


def _reasons_to_wait(state: AgentState, runner_problem: str | None) -> list[str]:
    """Return why no job is taken, or no step begun, in words."""
    problems = [state.storage_problem, runner_problem]
    return [
        *(_HOLDS[hold] for hold in sorted(state.holds)),
        *(problem for problem in problems if problem is not None),
    ]


def _running(job: JobState) -> JsonObjectType:
    index = job.current_index
    return {
        **_job(job),
        "progress_percent": job.progress,
        "waits_for_approval_until": None
        if job.approval is None
        else job.approval.expires_at.isoformat(),
        "step": None if index is None else job.steps[index].name,
        "steps": len(job.steps),
    }


def _ended(job: JobState) -> JsonObjectType:
    return {
        **_job(job),
        "status": job.status.lower(),
        "reason": without_signatures(job.reason),
        "steps": [_step(step) for step in job.steps],
        "ended_at": None if job.ended_at is None else job.ended_at.isoformat(),
    }


def _job(job: JobState) -> JsonObjectType:
    return {
        "job_id": job.key.job_id,
        "started_at": None if job.started_at is None else job.started_at.isoformat(),
    }


def _step(step: StepState) -> JsonObjectType:
    return {
        "step": step.name,
        "status": step.status.lower(),
        "reason": without_signatures(step.reason),
    }
