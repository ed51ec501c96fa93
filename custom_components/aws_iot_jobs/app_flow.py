"""The steps that have handlers run in the app: it is found, installed and started."""

from abc import abstractmethod
import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from homeassistant.components.hassio import AddonManager, AddonState
from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.helpers.hassio import is_hassio

from .places.app import (
    AppError,
    async_find_slug,
    async_get_manager,
    async_get_state,
    async_install_app,
    async_start_app,
)
from .places.runners import RunnerKind, RunnerSettings
from .runner.client import RunnerError


class AppSteps(ConfigFlow):
    """What it takes to use the app. A flow has `async_use`, and begins with the step `app`."""

    def __init__(self) -> None:
        """Begin without knowing of an app."""
        self.discovered_slug: str | None = None
        self._manager: AddonManager | None = None
        self._work: asyncio.Task[None] | None = None
        self._app: RunnerSettings | None = None
        self._problem = ""

    @abstractmethod
    async def async_use(
        self, runner: RunnerSettings, options: Mapping[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Have handlers run by a runner."""

    def places(self) -> list[str]:
        """Return where handlers can run, the best choice first."""
        places = [RunnerKind.LOCAL.value, RunnerKind.ADDRESS.value]
        return [RunnerKind.APP.value, *places] if is_hassio(self.hass) else places

    async def async_step_app(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Run handlers in the app: see what it takes."""
        try:
            slug = self.discovered_slug or await async_find_slug(self.hass)
            self._manager = async_get_manager(self.hass, slug)
            state = await async_get_state(self._manager)
        except AppError as err:
            self._problem = str(err)
            return await self.async_step_app_failed()
        if state in (AddonState.NOT_INSTALLED, AddonState.INSTALLING):
            return await self.async_step_install_app()
        return await self.async_step_start_app()

    async def async_step_install_app(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Install the app, and show that it lasts."""
        return await self._async_progress("install_app", self._async_install, "app")

    async def async_step_start_app(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Start the app, and wait until it can be used."""
        return await self._async_progress("start_app", self._async_start, "use_app")

    async def async_step_use_app(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Have handlers run in the app that has been started."""
        assert self._app is not None
        return await self.async_use(self._app)

    async def async_step_app_failed(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Tell why the app cannot be used, and offer to try again, or another place."""
        return self.async_show_menu(
            step_id="app_failed",
            menu_options=self.places(),
            description_placeholders={"reason": self._problem.rstrip(".")},
        )

    async def _async_install(self) -> None:
        assert self._manager is not None
        await async_install_app(self._manager)

    async def _async_start(self) -> None:
        assert self._manager is not None
        self._app = await async_start_app(self.hass, self._manager)

    async def _async_progress(
        self, step_id: str, work: Callable[[], Coroutine[Any, Any, None]], then: str
    ) -> ConfigFlowResult:
        """Show that work lasts until it is done, then go on, or tell why not."""
        if self._work is None:
            self._work = self.hass.async_create_task(work())
        if not self._work.done():
            return self.async_show_progress(
                step_id=step_id, progress_action=step_id, progress_task=self._work
            )
        task, self._work = self._work, None
        try:
            await task
        except (AppError, RunnerError) as err:
            self._problem = str(err)
            then = "app_failed"
        return self.async_show_progress_done(next_step_id=then)
