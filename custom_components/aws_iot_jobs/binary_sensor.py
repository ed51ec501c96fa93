"""Binary sensor: whether a thing is connected."""

from typing import Any, override

from homeassistant.components.binary_sensor import (  # type: ignore[attr-defined]
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import AwsIotJobsConfigEntry
from .entity import JobsEntity
from .jobs.model import AgentState

PARALLEL_UPDATES = 0

_CONNECTED = BinarySensorEntityDescription(
    key="connected",
    translation_key="connected",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensor of a thing."""
    async_add_entities([ConnectedBinarySensor(entry.runtime_data, _CONNECTED)])


class ConnectedBinarySensor(JobsEntity, BinarySensorEntity):
    """Whether AWS IoT is connected, and all that is needed is subscribed."""

    @override
    def _from(self, state: AgentState) -> object:
        return state.connected, state.error

    @property
    @override
    def is_on(self) -> bool:
        """Return whether it is."""
        return self.coordinator.data.connected

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what is in the way, if anything."""
        error = self.coordinator.data.error
        return {"error": None if error is None else str(error)}
