"""A step that has Home Assistant load its YAML configuration anew."""

import asyncio
from typing import override

from homeassistant.components.homeassistant import SERVICE_RELOAD_ALL
from homeassistant.core import DOMAIN as HOMEASSISTANT_DOMAIN

from ..jobs.calls import ReloadCall
from ..jobs.home_steps import Attempt, StepFailedError
from .configuration import async_check_configuration
from .started import async_begin_when_started
from .step import HomeStep


class ReloadStep(HomeStep[ReloadCall]):
    """Reloads all that can be. Doing so once more does no harm."""

    @override
    async def problem(self, call: ReloadCall) -> str | None:
        """Return what is wrong with the configuration, if anything is."""
        return (await async_check_configuration(self._hass)).problem

    @override
    async def run(self, call: ReloadCall, attempt: Attempt) -> None:
        """Reload it, if it is valid."""
        await async_begin_when_started(self._hass, attempt)
        checked = await async_check_configuration(self._hass)
        if checked.problem is not None:
            raise StepFailedError(f"not reloaded: {checked.problem}")
        for warning in checked.warnings:
            attempt.write(f"Home Assistant warns: {warning}")
        # Ended in the middle, it would leave automations unloaded.
        reloading = self._hass.async_create_task(
            self._hass.services.async_call(
                HOMEASSISTANT_DOMAIN, SERVICE_RELOAD_ALL, blocking=True
            ),
            "reload of a job",
        )
        attempt.goes_on = "Home Assistant goes on reloading its configuration"
        await asyncio.wait((reloading,))
        if (err := reloading.exception()) is not None:
            said = str(err) or type(err).__name__
            raise StepFailedError(
                f"not all of the configuration could be reloaded: {said}"
            ) from err
        attempt.write("The configuration has been reloaded")


STEP = ReloadStep
