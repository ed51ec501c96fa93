"""Diagnostics: what helps to find a fault, and nothing that opens a door."""

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import AnyDeviceEntry

from .const import (
    CONF_ALLOWED_ACTIONS,
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_PRIVATE_KEY,
    CONF_PROXY_USER,
    CONF_ROOT_CA,
)
from .coordinator import AwsIotJobsConfigEntry
from .fence_options import fences_of
from .jobs.model import AgentState, JobState
from .jobs.redact import without_signatures

# What a job prints is nobody's business but its owner's.
TO_REDACT = {
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_PROXY_USER,
    CONF_ROOT_CA,
    "stderr",
    "stdout",
}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry
) -> dict[str, Any]:
    """Return the settings and the state of a thing."""
    endpoint: str = entry.data[CONF_ENDPOINT]
    fences = fences_of(entry.options)
    options = dict(entry.options)
    # Their data may hold the code of a lock.
    options.pop(CONF_ALLOWED_ACTIONS, None)
    found = {
        "data": dict(entry.data),
        "options": options,
        "fences": list(fences.up),
        "allowed_actions": len(fences.actions),
        "available": entry.runtime_data.last_update_success,
        "version": entry.runtime_data.version,
        "runner_problem": entry.runtime_data.watch.problem,
        "inventory": entry.runtime_data.inventory_status,
        "state": _state(entry.runtime_data.data),
    }
    hidden = _without_account(async_redact_data(found, TO_REDACT), endpoint)
    return dict(without_signatures(hidden))


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, device: AnyDeviceEntry
) -> dict[str, Any]:
    """Return the same of a thing's device, with what stands of it in the registry."""
    found = await async_get_config_entry_diagnostics(hass, entry)
    return found | {
        "device": {
            "disabled_by": device.disabled_by,
            "name_by_user": device.name_by_user,
            "entities": _entities(hass, device),
        }
    }


def _entities(hass: HomeAssistant, device: AnyDeviceEntry) -> dict[str, Any]:
    """Return the entities of a device, those that are disabled too, with their states."""
    entities = er.async_entries_for_device(
        er.async_get(hass), device.id, include_disabled_entities=True
    )
    return {
        entity.entity_id: {
            "disabled_by": entity.disabled_by,
            "state": None
            if (state := hass.states.get(entity.entity_id)) is None
            else without_signatures(state.state),
        }
        for entity in entities
    }


def _state(state: AgentState) -> dict[str, Any]:
    return {
        "connected": state.connected,
        "error": None
        if state.error is None
        else f"{type(state.error).__name__}: {state.error}",
        "disconnected_since": state.disconnected_since,
        "next_try_at": state.next_try_at,
        "journal_set_aside": None
        if state.journal_set_aside is None
        else str(state.journal_set_aside),
        "storage_problem": state.storage_problem,
        "holds": sorted(state.holds),
        "next_window": state.next_window,
        "waiting": _job(state.waiting),
        "jobs_succeeded": state.jobs_succeeded,
        "jobs_failed": state.jobs_failed,
        "job": _job(state.job),
        "last_job": _job(state.last_job),
    }


def _job(job: JobState | None) -> dict[str, Any] | None:
    return None if job is None else asdict(job)


def _without_account(value: Any, endpoint: str) -> Any:
    """Return a value in whose texts the endpoint has no part that names the account."""
    if isinstance(value, str):
        _, dot, region = endpoint.partition(".")
        return value.replace(endpoint, f"{REDACTED}{dot}{region}")
    if isinstance(value, dict):
        return {key: _without_account(item, endpoint) for key, item in value.items()}
    return value
