"""A step that restarts Home Assistant."""

import asyncio
from typing import Final, override

from homeassistant.components.homeassistant.const import SERVICE_HOMEASSISTANT_RESTART
from homeassistant.const import __version__ as HOME_ASSISTANT_VERSION
from homeassistant.core import DOMAIN as HOMEASSISTANT_DOMAIN
from homeassistant.helpers.signal import KEY_HA_STOP
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..jobs.calls import RestartCall
from ..jobs.home_steps import Attempt, StepFailedError
from .configuration import async_check_configuration
from .started import async_begin_when_started
from .step import PROCESS_ID, HomeStep

_ASKING: HassKey[asyncio.Task[object]] = HassKey(f"{DOMAIN}_restart")
"""What asks for a restart. It outlives its step: what is asked for cannot be taken back."""

_GOES_ON: Final = "the restart of Home Assistant has been asked for"


class RestartStep(HomeStep[RestartCall]):
    """Restarts Home Assistant once.

    What is kept is the process that is to end. An attempt in another one finds Home
    Assistant restarted, for whatever reason that was in the end.
    """

    @override
    async def problem(self, call: RestartCall) -> str | None:
        """Return what is wrong with the configuration, if anything is."""
        return (await async_check_configuration(self._hass)).problem

    @override
    async def run(self, call: RestartCall, attempt: Attempt) -> None:
        """Restart it, if its configuration is valid; done when it has started again."""
        await async_begin_when_started(self._hass, attempt)
        if attempt.known not in (None, PROCESS_ID):
            attempt.write(f"Home Assistant {HOME_ASSISTANT_VERSION} has restarted")
            return
        if self._asking is None:
            await self._async_check(attempt)
        await attempt.keep(PROCESS_ID)
        attempt.goes_on = _GOES_ON
        asking = self._asking or self._async_ask()
        await asyncio.wait((asking,))
        # It is cancelled where Home Assistant ends before Supervisor has answered.
        if not asking.cancelled() and (err := asking.exception()) is not None:
            said = str(err) or type(err).__name__
            raise StepFailedError(f"not restarted: {said}") from err
        # The end of Home Assistant ends this, and the next attempt goes on.
        await asyncio.Event().wait()

    @property
    def _asking(self) -> asyncio.Task[object] | None:
        """What has asked for a restart that is under way, be it for another job."""
        asking = self._hass.data.get(_ASKING)
        if asking is None or not asking.done() or KEY_HA_STOP in self._hass.data:
            return asking
        return None

    def _async_ask(self) -> asyncio.Task[object]:
        """Ask for a restart: never into safe mode, which has no jobs."""
        asking = self._hass.async_create_background_task(
            self._hass.services.async_call(
                HOMEASSISTANT_DOMAIN, SERVICE_HOMEASSISTANT_RESTART, blocking=True
            ),
            "restart of a job",
        )
        self._hass.data[_ASKING] = asking
        return asking

    async def _async_check(self, attempt: Attempt) -> None:
        checked = await async_check_configuration(self._hass)
        if checked.problem is not None:
            raise StepFailedError(f"not restarted: {checked.problem}")
        for warning in checked.warnings:
            attempt.write(f"Home Assistant warns: {warning}")


STEP = RestartStep
