"""Config flow: adding a thing, renewing its certificate, changing its settings."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, override

import probatio

from homeassistant.components.hassio import AddonError, AddonManager, AddonState
from homeassistant.config_entries import (
    SOURCE_HASSIO,
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_PORT, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.hassio import is_hassio
from homeassistant.helpers.selector import (
    BooleanSelector,
    DurationSelector,
    DurationSelectorConfig,
    FileSelector,
    FileSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from .aws_iot.connection import DEFAULT_PORT
from .checks import Check, async_begin_check, async_end_check, async_outcome
from .const import (
    CONF_CERTIFICATE,
    CONF_DEFAULT_TIMEOUT,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_OUTAGE_ALLOWANCE,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER,
    CONF_RUNNER_TOKEN,
    CONF_THING_NAME,
    DEFAULT_OUTAGE_ALLOWANCE,
    DOMAIN,
    MAX_OUTAGE_ALLOWANCE,
)
from .coordinator import AwsIotJobsConfigEntry
from .credentials import READERS
from .errors import InvalidInputError
from .places.app import (
    address_of,
    async_find_slug,
    async_follow,
    async_get_manager,
    async_start_app,
    is_app,
)
from .places.runners import RunnerKind, RunnerSettings
from .places.samples import install_samples
from .runner.client import RunnerAddress, RunnerError
from .settings import ThingSettings
from .storage import (
    SecretStore,
    default_handler_directory,
    make_default_handler_directory,
)
from .uploads import Uploads
from .validation import (
    async_check_runner,
    async_read_handler_directory,
    async_read_input,
    read_runner_url,
)

_TEXT = TextSelector()
_TOKEN = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_PORT = probatio.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    probatio.Coerce(int),
)
_CERTIFICATE_FILE = FileSelector(
    FileSelectorConfig(accept=".pem,.crt,.cer,.der,application/x-x509-user-cert")
)
_PRIVATE_KEY_FILE = FileSelector(
    FileSelectorConfig(accept=".pem,.key,.der,.pk8,application/pkcs8")
)
_ROOT_CA_FILE = FileSelector(
    FileSelectorConfig(accept=".pem,.crt,.cer,.der,application/x-x509-ca-cert")
)

_USER_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_ENDPOINT): _TEXT,
        probatio.Required(CONF_PORT, default=DEFAULT_PORT): _PORT,
        probatio.Required(CONF_THING_NAME): _TEXT,
        probatio.Required(CONF_CERTIFICATE): _CERTIFICATE_FILE,
        probatio.Required(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE,
    }
)
_REAUTH_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_CERTIFICATE): _CERTIFICATE_FILE,
        probatio.Required(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE,
    }
)
_CONNECTION_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_ENDPOINT): _TEXT,
        probatio.Required(CONF_PORT): _PORT,
        probatio.Optional(CONF_CERTIFICATE): _CERTIFICATE_FILE,
        probatio.Optional(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE,
    }
)
_LOCAL_SCHEMA = probatio.Schema(
    {
        probatio.Optional(CONF_HANDLER_DIRECTORY): _TEXT,
        probatio.Required(CONF_INSTALL_SAMPLES, default=True): BooleanSelector(),
    }
)
_ADDRESS_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_URL): _TEXT,
        probatio.Required(CONF_RUNNER_TOKEN): _TOKEN,
    }
)
_OPTIONS_SCHEMA_ELSEWHERE = probatio.Schema(
    {
        probatio.Optional(CONF_DEFAULT_TIMEOUT): DurationSelector(),
        probatio.Optional(
            CONF_OUTAGE_ALLOWANCE,
            default={"minutes": DEFAULT_OUTAGE_ALLOWANCE // timedelta(minutes=1)},
        ): DurationSelector(DurationSelectorConfig(enable_day=True)),
    }
)
_OPTIONS_SCHEMA = probatio.Schema(
    {
        probatio.Optional(CONF_HANDLER_DIRECTORY): _TEXT,
        **_OPTIONS_SCHEMA_ELSEWHERE.schema,
    }
)


class AwsIotJobsConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a thing, and keeps its certificate and settings up to date."""

    VERSION = 1

    def __init__(self) -> None:
        """Begin without uploaded files."""
        self._uploads = Uploads()
        self._thing: ThingSettings | None = None
        self._discovered_slug: str | None = None
        self._manager: AddonManager | None = None
        self._check: Check | None = None
        self._task: asyncio.Task[Any] | None = None
        self._app: RunnerSettings | None = None
        self._app_problem = ""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(
        config_entry: AwsIotJobsConfigEntry,
    ) -> AwsIotJobsOptionsFlow:
        """Return the options flow."""
        return AwsIotJobsOptionsFlow()

    @callback
    @override
    def async_remove(self) -> None:
        """End what a dialog that is closed, or left for another, still does."""
        if self._check is not None:
            async_end_check(self._check)

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a thing: first, how it connects."""
        if user_input is None:
            return self._form("user", _USER_SCHEMA, {})
        try:
            values = await async_read_input(self.hass, user_input, self._uploads, {})
            settings = ThingSettings.of(values)
            await self._async_take_name(settings.thing_name)
            await self._async_check(settings)
        except InvalidInputError as fault:
            return self._form("user", _USER_SCHEMA, user_input, fault)
        self._thing = settings
        if self._discovered_slug is not None:
            return await self.async_step_app()
        return await self.async_step_runner()

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
        self._discovered_slug = discovery_info.slug
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
        return await self._async_change(
            "reauth_confirm", _REAUTH_SCHEMA, self._get_reauth_entry(), user_input
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change how a thing connects, or where its handlers run."""
        thing_name = self._get_reconfigure_entry().data[CONF_THING_NAME]
        self._end_others(source=SOURCE_RECONFIGURE, entry_id=self._reconfigure_entry_id)
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=["connection", *self._places()],
            description_placeholders={"thing_name": thing_name},
        )

    async def async_step_connection(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change how a thing connects."""
        return await self._async_change(
            "connection",
            _CONNECTION_SCHEMA,
            self._get_reconfigure_entry(),
            user_input,
        )

    async def async_step_runner(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where handlers run."""
        return self.async_show_menu(step_id="runner", menu_options=self._places())

    async def async_step_local(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Run handlers in Home Assistant itself."""
        if user_input is None:
            return self._form("local", _LOCAL_SCHEMA, self._known_handler_directory())
        try:
            directory = await async_read_handler_directory(
                self.hass, user_input.get(CONF_HANDLER_DIRECTORY, "")
            )
            if user_input[CONF_INSTALL_SAMPLES]:
                await self._async_install_samples(Path(directory))
        except InvalidInputError as fault:
            return self._form("local", _LOCAL_SCHEMA, user_input, fault)
        return await self._async_finish(
            RunnerSettings(kind=RunnerKind.LOCAL), {CONF_HANDLER_DIRECTORY: directory}
        )

    async def async_step_address(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Run handlers by a runner at an address."""
        if user_input is None:
            return self._form("address", _ADDRESS_SCHEMA, {})
        try:
            address = RunnerAddress(
                url=read_runner_url(user_input[CONF_URL]),
                token=user_input[CONF_RUNNER_TOKEN].strip(),
            )
            info = await async_check_runner(self.hass, address)
        except InvalidInputError as fault:
            shown = {CONF_URL: user_input[CONF_URL]}
            return self._form("address", _ADDRESS_SCHEMA, shown, fault)
        runner = RunnerSettings(kind=RunnerKind.ADDRESS)
        return await self._async_finish(runner.at(address, info))

    async def async_step_app(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Run handlers in the app: see what it takes."""
        try:
            slug = self._discovered_slug or await async_find_slug(self.hass)
            self._manager = async_get_manager(self.hass, slug)
            state = (await self._manager.async_get_addon_info()).state
        except AddonError as err:
            self._app_problem = str(err)
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
        return await self._async_finish(self._app)

    async def async_step_app_failed(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Tell why the app cannot be used, and offer to try again, or another place."""
        return self.async_show_menu(
            step_id="app_failed",
            menu_options=self._places(),
            description_placeholders={"reason": self._app_problem.rstrip(".")},
        )

    async def _async_install(self) -> None:
        assert self._manager is not None
        # It goes on without this dialog: the next one finds it, and waits for it, too.
        await asyncio.shield(self._manager.async_schedule_install_addon())

    async def _async_start(self) -> None:
        assert self._manager is not None
        self._app = await async_start_app(self.hass, self._manager)

    async def _async_progress(
        self, step_id: str, work: Callable[[], Coroutine[Any, Any, None]], then: str
    ) -> ConfigFlowResult:
        """Show that work lasts until it is done, then go on, or tell why not."""
        if self._task is None:
            self._task = self.hass.async_create_task(work())
        if not self._task.done():
            return self.async_show_progress(
                step_id=step_id, progress_action=step_id, progress_task=self._task
            )
        task, self._task = self._task, None
        try:
            await task
        except (AddonError, RunnerError) as err:
            self._app_problem = str(err)
            then = "app_failed"
        return self.async_show_progress_done(next_step_id=then)

    async def _async_install_samples(self, directory: Path) -> None:
        def install() -> None:
            make_default_handler_directory(self.hass, directory)
            install_samples(directory)

        try:
            await self.hass.async_add_executor_job(install)
        except OSError as err:
            raise InvalidInputError(
                {CONF_INSTALL_SAMPLES: "samples_failed"},
                directory=str(directory),
                reason=err.strerror or str(err),
            ) from err

    async def _async_change(
        self,
        step_id: str,
        schema: probatio.Schema,
        entry: AwsIotJobsConfigEntry,
        user_input: dict[str, Any] | None,
    ) -> ConfigFlowResult:
        """Change what an entry has to what a form says, once that works."""
        thing_name = entry.data[CONF_THING_NAME]
        if user_input is None:
            return self._form(step_id, schema, entry.data, thing_name=thing_name)
        secrets = await SecretStore(self.hass, thing_name).async_load()
        try:
            values = await async_read_input(
                self.hass, user_input, self._uploads, {**entry.data, **secrets}
            )
            settings = ThingSettings.of(values)
            await self._async_check(settings, entry)
        except InvalidInputError as fault:
            return self._form(step_id, schema, user_input, fault, thing_name=thing_name)
        await _async_keep_private_key(self.hass, settings)
        runner = {CONF_RUNNER: entry.data[CONF_RUNNER]}
        return self.async_update_reload_and_abort(
            entry, data=settings.as_entry_data() | runner
        )

    async def _async_finish(
        self, runner: RunnerSettings, options: Mapping[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Have the handlers of the thing run where they are to run."""
        if self.source == SOURCE_RECONFIGURE:
            entry = self._get_reconfigure_entry()
            await self._async_keep_token(entry.data[CONF_THING_NAME], runner)
            return self.async_update_reload_and_abort(
                entry,
                data={**entry.data, CONF_RUNNER: runner.as_entry_data()},
                options={**entry.options, **(options or {})},
            )
        assert self._thing is not None
        await self.async_set_unique_id(self._thing.thing_name, raise_on_progress=False)
        self._abort_if_unique_id_configured()
        await _async_keep_private_key(self.hass, self._thing)
        await self._async_keep_token(self._thing.thing_name, runner)
        if runner.kind is RunnerKind.APP:
            self._abort_offers()
        return self.async_create_entry(
            title=self._thing.thing_name,
            data=self._thing.as_entry_data() | {CONF_RUNNER: runner.as_entry_data()},
            options=options,
        )

    async def _async_keep_token(self, thing_name: str, runner: RunnerSettings) -> None:
        store = SecretStore(self.hass, thing_name)
        await store.async_update({CONF_RUNNER_TOKEN: runner.token})

    async def _async_take_name(self, thing_name: str) -> None:
        """Let this dialog be the one that adds a thing, unless it is there.

        A dialog that a page reload has left behind cannot be opened again, and is not told
        from one in another window: the last one goes on, the others end. An offer of the
        app goes by the app until the thing is added, so that it is offered once, and can
        be ignored.
        """
        if self.source != SOURCE_HASSIO:
            await self.async_set_unique_id(thing_name, raise_on_progress=False)
            self._abort_if_unique_id_configured()
        elif thing_name in self._async_current_ids():
            raise AbortFlow("already_configured")
        self._end_others(source=SOURCE_USER, unique_id=thing_name)

    async def _async_check(
        self, settings: ThingSettings, entry: AwsIotJobsConfigEntry | None = None
    ) -> None:
        """Check settings for as long as this dialog is there. Raises InvalidInputError."""
        self._check = async_begin_check(self.hass, settings, entry)
        await async_outcome(self._check)

    def _abort_offers(self) -> None:
        """Offer the app no more, which is in use now."""
        self._end_others(source=SOURCE_HASSIO)

    def _end_others(self, **context: str) -> None:
        """End the other dialogs of a kind."""
        for flow in self._async_in_progress(
            include_uninitialized=True, match_context=context
        ):
            self.hass.config_entries.flow.async_abort(flow["flow_id"])

    def _places(self) -> list[str]:
        """Return where handlers can run, the best choice first."""
        places = [RunnerKind.LOCAL.value, RunnerKind.ADDRESS.value]
        return [RunnerKind.APP.value, *places] if is_hassio(self.hass) else places

    def _known_handler_directory(self) -> dict[str, Any]:
        known = {CONF_HANDLER_DIRECTORY: str(default_handler_directory(self.hass))}
        if self.source == SOURCE_RECONFIGURE:
            known |= self._get_reconfigure_entry().options
        return known

    def _form(
        self,
        step_id: str,
        schema: probatio.Schema,
        values: Mapping[str, Any],
        fault: InvalidInputError | None = None,
        **placeholders: str,
    ) -> ConfigFlowResult:
        """Show a form with values, and what is wrong with them.

        What concerns a field that the form does not have is told for the form as a whole.
        Of files, only the name of an upload is ever shown, and only of a good one.
        """
        fields = {str(key) for key in schema.schema}
        errors: dict[str, str] = {}
        if fault is not None:
            placeholders |= fault.placeholders
            errors = {
                field if field in fields else "base": error
                for field, error in fault.errors.items()
            }
        shown = {
            field: value
            for field, value in values.items()
            if field not in READERS or (fault is not None and field not in errors)
        }
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, shown),
            errors=errors,
            description_placeholders=placeholders,
        )


class AwsIotJobsOptionsFlow(OptionsFlowWithReload):
    """Changes how the jobs of a thing are run."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the options."""
        errors: dict[str, str] = {}
        placeholders: Mapping[str, str] = {}
        if user_input is not None:
            try:
                return self.async_create_entry(data=await self._async_read(user_input))
            except InvalidInputError as fault:
                errors, placeholders = fault.errors, fault.placeholders
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _OPTIONS_SCHEMA if self._is_local else _OPTIONS_SCHEMA_ELSEWHERE,
                user_input or self.config_entry.options,
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    @property
    def _is_local(self) -> bool:
        kind: str = self.config_entry.data[CONF_RUNNER]["kind"]
        return kind == RunnerKind.LOCAL

    async def _async_read(self, user_input: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that a form says. Raises InvalidInputError."""
        options = dict(self.config_entry.options)
        if self._is_local:
            options[CONF_HANDLER_DIRECTORY] = await async_read_handler_directory(
                self.hass, user_input.get(CONF_HANDLER_DIRECTORY, "")
            )
        options.pop(CONF_DEFAULT_TIMEOUT, None)
        duration = user_input.get(CONF_DEFAULT_TIMEOUT, {})
        if timedelta(**duration):
            options[CONF_DEFAULT_TIMEOUT] = duration
        options.pop(CONF_OUTAGE_ALLOWANCE, None)
        allowance = timedelta(**user_input[CONF_OUTAGE_ALLOWANCE])
        if allowance > MAX_OUTAGE_ALLOWANCE:
            raise InvalidInputError(
                {CONF_OUTAGE_ALLOWANCE: "outage_allowance_too_long"}
            )
        if allowance != DEFAULT_OUTAGE_ALLOWANCE:
            options[CONF_OUTAGE_ALLOWANCE] = user_input[CONF_OUTAGE_ALLOWANCE]
        return options


async def _async_keep_private_key(hass: HomeAssistant, settings: ThingSettings) -> None:
    await SecretStore(hass, settings.thing_name).async_update(
        {CONF_PRIVATE_KEY: settings.private_key}
    )
