"""What all entities of a thing have in common."""

from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import JobsCoordinator
from .jobs.model import AgentState


class JobsEntity(CoordinatorEntity[JobsCoordinator]):
    """Something to know of a thing's jobs, or to do with them.

    It stays available while AWS IoT is out of reach: the job goes on, and what is shown
    of it is true. It becomes unavailable when the agent can no longer run.
    """

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: JobsCoordinator, description: EntityDescription
    ) -> None:
        """Make it part of the thing's device."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{coordinator.thing_name}_{description.key}"
        self._attr_device_info = coordinator.device_info
        self._shown: object = None

    def _from(self, state: AgentState) -> object:
        """Return all that is shown of an agent's state: nothing, unless overridden."""
        return None

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Show what has changed: of a job's many changes, most concern other entities."""
        shown = (self.available, self._from(self.coordinator.data))
        if shown != self._shown:
            self._shown = shown
            self.async_write_ha_state()
