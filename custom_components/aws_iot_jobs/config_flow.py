"""Config flow: adding a thing, renewing its certificate, changing its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_HASSIO,
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigFlowResult,
)
from homeassistant.const import CONF_PORT, CONF_URL
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.hassio import is_hassio
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from . import config_forms
from .app_flow import AppSteps
from .const import (
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_ROTATION,
    CONF_RUNNER,
    CONF_RUNNER_TOKEN,
    CONF_THING_NAME,
    DOMAIN,
)
from .coordinator import AwsIotJobsConfigEntry
from .errors import InvalidInputError
from .fence_flow import FenceSteps
from .fence_options import locked_down
from .offer_flow import OfferSteps
from .options_flow import AwsIotJobsOptionsFlow
from .places.app import address_of, async_follow, is_app
from .places.runners import RunnerKind, RunnerSettings
from .runner.client import RunnerAddress
from .storage import SecretStore, default_handler_directory
from .validation import (
    async_check_runner,
    async_install_samples,
    async_read_handler_directory,
    read_runner_url,
)


class AwsIotJobsConfigFlow(OfferSteps, AppSteps, FenceSteps, domain=DOMAIN):
    """Adds a thing, and keeps its certificate and settings up to date.

    First it asks how the thing connects, and tries it (ThingSteps), or has a claim make it a
    thing (ClaimSteps), one that the app has found perhaps (OfferSteps). Then it asks where
    handlers run: in the app (AppSteps), in Home Assistant itself, or by a runner at an
    address, and, where there is a Supervisor, what jobs may do there (FenceSteps).
    """

    VERSION = 1

    def __init__(self) -> None:
        """Begin."""
        OfferSteps.__init__(self)
        AppSteps.__init__(self)
        self._place: tuple[RunnerSettings, Mapping[str, Any]] | None = None

    @staticmethod
    @callback
    @override
    def async_get_options_flow(
        config_entry: AwsIotJobsConfigEntry,
    ) -> AwsIotJobsOptionsFlow:
        """Return the options flow."""
        return AwsIotJobsOptionsFlow()

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a thing: with a certificate that there is, or with a claim that makes one."""
        if (offer := await self.async_offer()) is not None:
            return offer
        return self.async_show_menu(
            step_id="user", menu_options=["certificate", "claim"]
        )

    async def async_step_certificate(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a thing that has a certificate."""
        return await self.async_ask(config_forms.THING, user_input)

    @override
    async def async_step_hassio(
        self, discovery_info: HassioServiceInfo
    ) -> ConfigFlowResult:
        """Take note of the app: things that use it follow it, or one is offered."""
        if not is_app(discovery_info.slug):
            return self.async_abort(reason="not_the_app")
        try:
            address = address_of(discovery_info.config)
        except KeyError:
            return self.async_abort(reason="invalid_discovery_info")
        await self.async_set_unique_id(discovery_info.uuid)
        self._abort_if_unique_id_configured()
        entries = self.hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        for entry in entries:
            if entry.data[CONF_RUNNER].get("slug") == discovery_info.slug:
                await async_follow(self.hass, entry, address)
        if entries:
            return self.async_abort(reason="already_configured")
        self.discovered_slug = discovery_info.slug
        self.app_address = address
        self.context["title_placeholders"] = {"name": discovery_info.name}
        return await self.async_step_user()

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Begin to renew the certificate of a thing."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Renew the certificate of a thing."""
        entry = self._get_reauth_entry()
        return await self.async_ask(config_forms.RENEWAL, user_input, entry)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change how a thing connects, or where its handlers run."""
        self._end_others(source=SOURCE_RECONFIGURE, entry_id=self._reconfigure_entry_id)
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=["connection", *self.places()],
            description_placeholders=_present_choice(self._get_reconfigure_entry()),
        )

    async def async_step_connection(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change how a thing connects."""
        entry = self._get_reconfigure_entry()
        return await self.async_ask(config_forms.CONNECTION, user_input, entry)

    @override
    async def async_step_checked(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on when the thing can connect: keep what has changed, or ask where handlers run."""
        if self.source == SOURCE_RECONFIGURE:
            return await self._async_keep_settings(self._get_reconfigure_entry())
        if self.source == SOURCE_REAUTH:
            return await self._async_keep_settings(self._get_reauth_entry())
        if self.discovered_slug is not None:
            return await self.async_step_app()
        return await self.async_step_runner()

    async def async_step_runner(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where handlers run."""
        return self.async_show_menu(step_id="runner", menu_options=self.places())

    async def async_step_local(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Run handlers in Home Assistant itself."""
        if user_input is None:
            return config_forms.LOCAL.show(self, self._known_handler_directory())
        try:
            directory = await async_read_handler_directory(
                self.hass, user_input.get(CONF_HANDLER_DIRECTORY, "")
            )
            if user_input[CONF_INSTALL_SAMPLES]:
                await async_install_samples(self.hass, Path(directory))
        except InvalidInputError as fault:
            return config_forms.LOCAL.show(self, user_input, fault)
        return await self.async_use(
            RunnerSettings(kind=RunnerKind.LOCAL), {CONF_HANDLER_DIRECTORY: directory}
        )

    async def async_step_address(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Run handlers by a runner at an address."""
        if user_input is None:
            return config_forms.ADDRESS.show(self, self._known_address())
        try:
            address = RunnerAddress(
                url=read_runner_url(user_input[CONF_URL]),
                token=user_input[CONF_RUNNER_TOKEN].strip(),
            )
            info = await async_check_runner(self.hass, address)
        except InvalidInputError as fault:
            shown = {CONF_URL: user_input[CONF_URL]}
            return config_forms.ADDRESS.show(self, shown, fault)
        return await self.async_use(
            RunnerSettings(kind=RunnerKind.ADDRESS).at(address, info)
        )

    @override
    async def async_use(
        self, runner: RunnerSettings, options: Mapping[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Have the handlers of the thing run where they are to run."""
        if self.source == SOURCE_RECONFIGURE:
            entry = self._get_reconfigure_entry()
            await self._async_keep(
                entry.data[CONF_THING_NAME], {CONF_RUNNER_TOKEN: runner.token}
            )
            return self.async_update_reload_and_abort(
                entry,
                data={**entry.data, CONF_RUNNER: runner.as_entry_data()},
                options={**entry.options, **(options or {})},
            )
        self._place = runner, options or {}
        if is_hassio(self.hass):
            return await self.async_step_fences()
        return await self._async_add(runner, options)

    @override
    async def async_fence(self, *, locked: bool) -> ConfigFlowResult:
        """Add the thing, locked down or open."""
        assert self.settings is not None
        assert self._place is not None
        runner, options = self._place
        fences = locked_down(self.settings.endpoint) if locked else {}
        return await self._async_add(runner, {**options, **fences})

    @override
    async def async_take_name(self, thing_name: str) -> None:
        """Let this dialog be the one that adds a thing, unless it is there.

        A dialog that a page reload has left behind cannot be opened again, and is not told
        from one in another window: the last one goes on, the others end. An offer of the
        app goes by the app until the thing is added, so that it is offered once, and can
        be ignored.
        """
        if self.source in {SOURCE_REAUTH, SOURCE_RECONFIGURE}:
            return
        if self.source == SOURCE_USER:
            await self.async_set_unique_id(thing_name, raise_on_progress=False)
            self._abort_if_unique_id_configured()
        elif thing_name in self._async_current_ids():
            raise AbortFlow("already_configured")
        self._end_others(source=SOURCE_USER, unique_id=thing_name)

    async def _async_add(
        self, runner: RunnerSettings, options: Mapping[str, Any] | None
    ) -> ConfigFlowResult:
        assert self.settings is not None
        thing_name = self.settings.thing_name
        await self.async_set_unique_id(thing_name, raise_on_progress=False)
        self._abort_if_unique_id_configured()
        secrets = {
            **self.settings.secrets(),
            CONF_RUNNER_TOKEN: runner.token,
        }
        await self._async_keep(thing_name, secrets)
        if runner.kind is RunnerKind.APP:
            # It is offered no more: it is in use now.
            self._end_others(source=SOURCE_HASSIO)
        return self.async_create_entry(
            title=thing_name,
            data=self.settings.as_entry_data() | {CONF_RUNNER: runner.as_entry_data()},
            options=options,
        )

    async def _async_keep_settings(
        self, entry: AwsIotJobsConfigEntry
    ) -> ConfigFlowResult:
        """Have an entry connect as it is entered, and its handlers run where they ran."""
        assert self.settings is not None
        # What is entered counts, and not what a rotation has begun before.
        await self._async_keep(
            self.settings.thing_name, self.settings.secrets() | {CONF_ROTATION: ""}
        )
        runner = {CONF_RUNNER: entry.data[CONF_RUNNER]}
        return self.async_update_reload_and_abort(
            entry, data=self.settings.as_entry_data() | runner
        )

    async def _async_keep(self, thing_name: str, secrets: Mapping[str, str]) -> None:
        await SecretStore(self.hass, thing_name).async_update(secrets)

    def _end_others(self, **context: str) -> None:
        """End the other dialogs of a kind."""
        for flow in self._async_in_progress(
            include_uninitialized=True, match_context=context
        ):
            self.hass.config_entries.flow.async_abort(flow["flow_id"])

    def _known_handler_directory(self) -> dict[str, Any]:
        known = {CONF_HANDLER_DIRECTORY: str(default_handler_directory(self.hass))}
        if self.source == SOURCE_RECONFIGURE:
            known |= self._get_reconfigure_entry().options
        return known

    def _known_address(self) -> dict[str, Any]:
        if self.source != SOURCE_RECONFIGURE:
            return {}
        runner = self._get_reconfigure_entry().data[CONF_RUNNER]
        return {CONF_URL: runner["url"]} if runner["kind"] == RunnerKind.ADDRESS else {}


def _present_choice(entry: AwsIotJobsConfigEntry) -> dict[str, str]:
    """Return the placeholders that tell how a thing connects, and where handlers run now."""
    runner = entry.data[CONF_RUNNER]
    marks = {f"{kind}_mark": "" for kind in RunnerKind}
    marks[f"{runner['kind']}_mark"] = "✓ "
    return {
        "thing_name": entry.data[CONF_THING_NAME],
        "endpoint": entry.data[CONF_ENDPOINT],
        "port": str(entry.data[CONF_PORT]),
        **marks,
    }
