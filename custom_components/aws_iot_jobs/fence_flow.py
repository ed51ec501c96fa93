"""The steps that ask, of a thing that is added, what jobs may do."""

from abc import abstractmethod
from typing import Any

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult


class FenceSteps(ConfigFlow):
    """What asks for fences. A flow has `async_fence`, and goes on in its step `fences`."""

    @abstractmethod
    async def async_fence(self, *, locked: bool) -> ConfigFlowResult:
        """Go on with fences: all of them up, or none."""

    async def async_step_fences(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what jobs may do. The first choice is the better one."""
        return self.async_show_menu(
            step_id="fences", menu_options=["locked_down", "open"]
        )

    async def async_step_locked_down(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let jobs do what harms nothing."""
        return await self.async_fence(locked=True)

    async def async_step_open(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let jobs do all that they can."""
        return await self.async_fence(locked=False)
