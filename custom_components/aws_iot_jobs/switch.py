"""Switch: whether a thing takes jobs."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .entity import JobsEntity
from .jobs.model import AgentState

PARALLEL_UPDATES = 0

TAKE_JOBS = SwitchEntityDescription(
    key="take_jobs",
    translation_key="take_jobs",
    entity_category=EntityCategory.CONFIG,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the switch of a thing."""
    async_add_entities([TakeJobsSwitch(entry.runtime_data, TAKE_JOBS)])


class TakeJobsSwitch(JobsEntity, SwitchEntity):
    """While it is off, the job that is under way goes on and no other is asked for."""

    @override
    def _from(self, state: AgentState) -> object:
        return state.takes_jobs

    @property
    @override
    def is_on(self) -> bool:
        """Return whether jobs are taken."""
        return self.coordinator.data.takes_jobs

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Take jobs from now on."""
        await self._async_take_jobs(takes=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Take no other job."""
        await self._async_take_jobs(takes=False)

    async def _async_take_jobs(self, *, takes: bool) -> None:
        """Have it so after restarts, too. Raises HomeAssistantError if it cannot be."""
        try:
            await self.coordinator.agent.take_jobs(takes=takes)
        except OSError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="take_jobs_not_kept",
                translation_placeholders={"reason": err.strerror or str(err)},
            ) from err
