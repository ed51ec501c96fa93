"""Which module does which type of step; they are loaded when there is such a step."""

from typing import Any, Final, cast

from aiohasupervisor import SupervisorError
import voluptuous as vol

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.importlib import async_import_module

from ..coordinator import AwsIotJobsConfigEntry
from ..jobs.calls import ActionType, HomeAssistantCall
from ..jobs.home_steps import Attempt, StepFailedError
from .step import HomeStep

_MODULES: Final = {
    ActionType.UPDATE_HOME_ASSISTANT: "update",
    ActionType.CREATE_BACKUP: "create_backup",
    ActionType.CALL_ACTION: "call_action",
    ActionType.CHECK_HOME_ASSISTANT: "check",
    ActionType.RESTART_HOME_ASSISTANT: "restart",
    ActionType.RELOAD_CONFIGURATION: "reload",
    ActionType.COLLECT_LOGS: "collect_logs",
    ActionType.ROTATE_CERTIFICATE: "rotate_certificate",
}


class StepsHere:
    """Does the steps of a thing that run in this Home Assistant.

    Each module has a `STEP`, the class that does such steps.
    """

    def __init__(self, hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
        """Do steps for the thing of an entry."""
        self._hass = hass
        self._entry = entry

    async def before(self, call: HomeAssistantCall) -> Any:
        """Return what a step has to know of how it was before its job."""
        step = await self._async_step(call)
        return await step.before(call)

    async def check(self, call: HomeAssistantCall) -> str | None:
        """Return what a step would fail for before it changes anything."""
        step = await self._async_step(call)
        return await step.problem(call)

    async def run(self, attempt: Attempt) -> None:
        """Do a step, to its end. Raises StepFailedError, and JobStoppedError."""
        step = await self._async_step(attempt.call)
        try:
            await step.run(attempt.call, attempt)
        except (HomeAssistantError, SupervisorError, vol.Invalid) as err:
            raise StepFailedError(str(err) or type(err).__name__) from err

    async def _async_step(self, call: HomeAssistantCall) -> HomeStep[HomeAssistantCall]:
        name = f"{__package__}.{_MODULES[call.type]}"
        module = await async_import_module(self._hass, name)
        return cast(HomeStep[HomeAssistantCall], module.STEP(self._hass, self._entry))
