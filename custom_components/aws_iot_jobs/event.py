"""Event entity: what happens to a thing's jobs, as it happens."""

from dataclasses import replace
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import AwsIotJobsConfigEntry
from .entity import JobsEntity
from .job_events import EVENT_ENTITY_KEY, event_data
from .jobs.events import JobEvent, JobEventType
from .reasons import async_translate_reason

PARALLEL_UPDATES = 0

# It has no category: triggers that are aimed at a device would pass it over.
JOB = EventEntityDescription(
    key=EVENT_ENTITY_KEY,
    translation_key="job",
    event_types=[each.value for each in JobEventType],
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the event entity of a thing."""
    async_add_entities([JobEventEntity(entry.runtime_data, JOB)])


class JobEventEntity(JobsEntity, EventEntity):
    """Tells each thing that happens to a job once, after the states that it led to."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what happens."""
        await super().async_added_to_hass()
        agent = self.coordinator.agent
        self.async_on_remove(agent.subscribe_events(self._async_tell))

    @callback
    def _async_tell(self, event: JobEvent) -> None:
        told = replace(event, reason=async_translate_reason(self.hass, event.reason))
        self._trigger_event(event.type, event_data(told))
        self.async_write_ha_state()
