"""What is shown of a thing on its card: itself, the job under way, those that have ended.

In the language of who looks at it, and with what that user may do. Names and forms are
those of frontend/src/model.ts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util.json import JsonObjectType, JsonValueType

from .const import CONF_THING_NAME, CONF_WINDOW_FROM, CONF_WINDOW_TO
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .jobs.advice import Advice, advice_for, exit_status, failed_step, rejection
from .jobs.model import AgentState, ApprovalRequest, JobState, StepState
from .jobs.redact import without_signatures
from .options import may_run_documents
from .permissions import async_may
from .places.runners import RunnerKind, RunnerSettings
from .places.watch import RunnerWatch
from .reasons import async_issue_texts, async_translate_reason, async_translate_step
from .responses import job_summary, step_response, time_response
from .thing_changes import async_coordinator


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at a thing, and in which language, whose texts are at hand."""

    user: User
    language: str


_RUNNER_KINDS = {
    RunnerKind.LOCAL: "local",
    RunnerKind.APP: "app",
    RunnerKind.ADDRESS: "remote",
}


@callback
def async_shown_thing(
    hass: HomeAssistant,
    viewer: Viewer,
    device: dr.DeviceEntry,
    entry: AwsIotJobsConfigEntry,
) -> JsonObjectType:
    """Return a thing without its jobs."""
    coordinator = async_coordinator(entry)
    runs = coordinator is not None and coordinator.last_update_success
    state = AgentState() if coordinator is None else coordinator.agent.state
    user = viewer.user
    return {
        "device_id": device.id,
        "name": device.name_by_user or device.name or "",
        "thing_name": entry.data[CONF_THING_NAME],
        "entry_id": entry.entry_id,
        "state": "loaded" if runs else "not_loaded",
        "connected": state.connected,
        "error": None if state.error is None else str(state.error),
        "disconnected_since": time_response(state.disconnected_since),
        "next_try_at": time_response(state.next_try_at),
        "runner": _runner(hass, viewer, entry, coordinator),
        "holds": sorted(state.holds),
        "next_window": time_response(state.next_window),
        "waiting": _waiting(state.waiting),
        "window": _window(entry),
        "storage_problem": state.storage_problem,
        "run_document": user.is_admin and may_run_documents(entry.options),
        "may": {
            "control": async_may(hass, user, entry, POLICY_CONTROL),
            "administer": user.is_admin,
        },
        "entities": _entities(hass, entry),
    }


@callback
def async_shown_job(
    hass: HomeAssistant, viewer: Viewer, job: JobState
) -> JsonObjectType:
    """Return a job with its steps, and what to do where it has failed."""
    failed = failed_step(job)
    steps = [
        async_shown_step(hass, viewer, index, step)
        for index, step in enumerate(job.steps, start=1)
    ]
    reason = async_translate_reason(hass, job.reason, viewer.language)
    return {
        **job_summary(replace(job, reason=reason)),
        "queued_at": job.key.queued_at or None,
        "approved_at": time_response(job.approved_at),
        "approval": _approval(job.approval),
        "failed_step": None if failed is None else failed + 1,
        "step_reason": steps[failed]["reason"] or None
        if failed is not None
        else without_signatures(rejection(job.reason)),
        "advice": _advice(advice_for(job)),
        "steps": [*steps],
    }


async def async_shown_jobs(
    hass: HomeAssistant, viewer: Viewer, jobs: Sequence[JobState]
) -> list[JsonObjectType]:
    """Return jobs; nothing else waits for all of them."""
    shown: list[JsonObjectType] = []
    for job in jobs:
        shown.append(async_shown_job(hass, viewer, job))
        await asyncio.sleep(0)
    return shown


@callback
def async_shown_step(
    hass: HomeAssistant, viewer: Viewer, index: int, step: StepState
) -> JsonObjectType:
    """Return a step by its place, from 1."""
    told = async_translate_step(hass, step, viewer.language)
    return {
        **step_response(index, told),
        "percent": step.percent,
        "exit_status": exit_status(step.reason),
    }


def _runner(
    hass: HomeAssistant,
    viewer: Viewer,
    entry: AwsIotJobsConfigEntry,
    coordinator: JobsCoordinator | None,
) -> JsonValueType:
    settings = RunnerSettings.of(entry.data, {})
    return {
        "kind": _RUNNER_KINDS[settings.kind],
        "address": urlsplit(settings.url).netloc
        if settings.kind is RunnerKind.ADDRESS
        else None,
        "problem": None
        if coordinator is None
        else _problem(hass, viewer, entry, coordinator.watch),
    }


def _problem(
    hass: HomeAssistant,
    viewer: Viewer,
    entry: AwsIotJobsConfigEntry,
    watch: RunnerWatch,
) -> JsonValueType:
    """Return what is the matter with a runner, in the words of its repair issue."""
    if watch.problem is None or watch.problem_key is None:
        return None
    title, description = async_issue_texts(hass, watch.problem_key, viewer.language)
    parts = {"thing_name": entry.data[CONF_THING_NAME], "problem": watch.problem}
    return {
        "kind": watch.problem_key.partition("_")[2],
        "title": title.format(**parts),
        # Where the issue leads on to a form, its description tells of that.
        "message": (description or "{problem}.").format(**parts),
    }


def _window(entry: AwsIotJobsConfigEntry) -> JsonValueType:
    start, end = (entry.options.get(key) for key in (CONF_WINDOW_FROM, CONF_WINDOW_TO))
    return {"start": start, "end": end} if start and end else None


def _entities(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> JsonValueType:
    """Return the entities that there are, by the keys of their names."""
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return {
        entity.translation_key: entity.entity_id
        for entity in entities
        if entity.translation_key is not None and entity.disabled_by is None
    }


def _waiting(job: JobState | None) -> JsonValueType:
    """Return what is known of a job that AWS has in its queue."""
    if job is None:
        return None
    return {
        "job_id": job.key.job_id,
        "execution_number": job.key.execution_number,
        "queued_at": job.key.queued_at or None,
        "steps": [without_signatures(step.name) for step in job.steps],
        "problem": without_signatures(job.reason) or None,
    }


def _approval(request: ApprovalRequest | None) -> JsonValueType:
    if request is None:
        return None
    return {
        "requested_at": time_response(request.requested_at),
        "expires_at": time_response(request.expires_at),
    }


def _advice(advice: Advice | None) -> JsonValueType:
    if advice is None:
        return None
    return {
        "kind": advice.kind.value,
        "subject": without_signatures(advice.subject),
    }
