"""Binary sensors: whether a thing is connected, and whether its handlers can be run."""

from typing import Any, override

from homeassistant.components.binary_sensor import (  # type: ignore[attr-defined]
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .entity import JobsEntity
from .jobs.model import AgentState
from .places.runners import RunnerKind

PARALLEL_UPDATES = 0

CONNECTED = BinarySensorEntityDescription(
    key="connected",
    translation_key="connected",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)
RUNNER = BinarySensorEntityDescription(
    key="runner",
    translation_key="runner",
    device_class=BinarySensorDeviceClass.PROBLEM,
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensors of a thing."""
    async_add_entities(
        [
            ConnectedBinarySensor(entry.runtime_data, CONNECTED),
            RunnerBinarySensor(entry.runtime_data),
        ]
    )


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


class RunnerBinarySensor(JobsEntity, BinarySensorEntity):
    """Whether something is the matter with what runs the handlers.

    With Home Assistant itself there never is.
    """

    def __init__(self, coordinator: JobsCoordinator) -> None:
        """Be there for those whose handlers run elsewhere."""
        super().__init__(coordinator, RUNNER)
        kind = coordinator.watch.settings.kind
        self._attr_entity_registry_enabled_default = kind is not RunnerKind.LOCAL

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what the looks at the runner find."""
        await super().async_added_to_hass()
        watch = self.coordinator.watch
        self.async_on_remove(watch.async_subscribe(self.async_write_ha_state))

    @property
    @override
    def is_on(self) -> bool:
        """Return whether there is a problem."""
        return self.coordinator.watch.problem is not None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what is the matter, if anything."""
        return {"problem": self.coordinator.watch.problem}
