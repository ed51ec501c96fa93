"""What happens to jobs, as Home Assistant tells it: to the event entity and on its bus."""

from typing import Any, Final

from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID, Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import CONF_THING_NAME, DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .jobs.agent import Agent
from .jobs.events import JobEvent, JobEventType
from .jobs.redact import without_signatures

EVENT_JOB: Final = f"{DOMAIN}_event"
"""Fired for a job's start and for its end: Activity makes a line of each."""

EVENT_ENTITY_KEY: Final = "job_event"

ENDS: Final = frozenset(
    {
        JobEventType.SUCCEEDED,
        JobEventType.FAILED,
        JobEventType.REJECTED,
        JobEventType.TIMED_OUT,
        JobEventType.CANCELED,
        JobEventType.REMOVED,
    }
)


def event_data(event: JobEvent) -> dict[str, Any]:
    """Return what is told of an event: the same keys for each, without secrets."""
    data = {
        "job_id": event.key.job_id,
        "execution_number": event.key.execution_number,
        "step": event.step,
        "step_index": event.step_index,
        "step_count": event.step_count,
        "reason": event.reason,
        "duration": event.duration,
    }
    return dict(without_signatures(data))


@callback
def async_fire_events(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, agent: Agent
) -> CALLBACK_TYPE:
    """Fire an event whenever a job starts or ends; returns what ends that."""

    @callback
    def fire(event: JobEvent) -> None:
        if event.type is not JobEventType.STARTED and event.type not in ENDS:
            return
        data = {"type": event.type.value} | event_data(event)
        hass.bus.async_fire(EVENT_JOB, _source(hass, entry) | data)

    return agent.subscribe_events(fire)


def _source(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> dict[str, str | None]:
    """Return which device and which entity an event belongs to, as they are now."""
    thing_name = entry.data[CONF_THING_NAME]
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, thing_name), entry.entry_id
    )
    entity_id = er.async_get(hass).async_get_entity_id(
        Platform.EVENT, DOMAIN, f"{thing_name}_{EVENT_ENTITY_KEY}"
    )
    return {
        ATTR_DEVICE_ID: None if device is None else device.id,
        ATTR_ENTITY_ID: entity_id,
    }
