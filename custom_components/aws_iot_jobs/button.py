"""Buttons: ask AWS for jobs now, stop the job that is under way."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .entity import JobsEntity
from .jobs.agent import Agent
from .jobs.errors import NoSuchJobError

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class JobsButtonEntityDescription(ButtonEntityDescription):
    """What an agent does when a button is pressed."""

    press_fn: Callable[[Agent], Awaitable[None]]


async def _check_for_jobs(agent: Agent) -> None:
    agent.check_for_jobs()


BUTTONS = (
    JobsButtonEntityDescription(
        key="check_for_jobs",
        translation_key="check_for_jobs",
        entity_registry_enabled_default=False,
        press_fn=_check_for_jobs,
    ),
    JobsButtonEntityDescription(
        key="stop_job",
        translation_key="stop_job",
        entity_registry_enabled_default=False,
        press_fn=lambda agent: agent.stop_job(),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of a thing."""
    async_add_entities(
        JobsButton(entry.runtime_data, description) for description in BUTTONS
    )


class JobsButton(JobsEntity, ButtonEntity):
    """Has the agent do something."""

    entity_description: JobsButtonEntityDescription

    @override
    async def async_press(self) -> None:
        """Do it. Raises ServiceValidationError where there is no job for it."""
        try:
            await self.entity_description.press_fn(self.coordinator.agent)
        except NoSuchJobError as err:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="no_job_runs",
                translation_placeholders={"thing_name": self.coordinator.thing_name},
            ) from err
