"""Config flow: adding a thing, renewing its certificate, changing its settings."""

from collections.abc import Mapping
from typing import Any, override

import probatio

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import (
    FileSelector,
    FileSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
)

from .const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_THING_NAME,
    DOMAIN,
)
from .credentials import READERS
from .errors import InvalidInputError
from .jobs.connection import DEFAULT_PORT
from .settings import ThingSettings
from .storage import PrivateKeyStore, default_handler_directory
from .uploads import Uploads
from .validation import (
    async_check_settings,
    async_read_handler_directory,
    async_read_input,
)

_TEXT = TextSelector()
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
        probatio.Optional(CONF_HANDLER_DIRECTORY): _TEXT,
    }
)
_REAUTH_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_CERTIFICATE): _CERTIFICATE_FILE,
        probatio.Required(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE,
    }
)
_RECONFIGURE_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_ENDPOINT): _TEXT,
        probatio.Required(CONF_PORT): _PORT,
        probatio.Optional(CONF_CERTIFICATE): _CERTIFICATE_FILE,
        probatio.Optional(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE,
        probatio.Optional(CONF_HANDLER_DIRECTORY): _TEXT,
    }
)
_OPTIONS_SCHEMA = probatio.Schema({probatio.Optional(CONF_HANDLER_DIRECTORY): _TEXT})


class AwsIotJobsConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a thing, and keeps its certificate and settings up to date."""

    VERSION = 1

    def __init__(self) -> None:
        """Begin without uploaded files."""
        self._uploads = Uploads()

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> AwsIotJobsOptionsFlow:
        """Return the options flow."""
        return AwsIotJobsOptionsFlow()

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a thing."""
        known = {CONF_HANDLER_DIRECTORY: str(default_handler_directory(self.hass))}
        if user_input is None:
            return self._form("user", _USER_SCHEMA, known)
        try:
            values = await async_read_input(self.hass, user_input, self._uploads, known)
            settings = ThingSettings.of(values)
            await self.async_set_unique_id(settings.thing_name)
            self._abort_if_unique_id_configured()
            await async_check_settings(self.hass, settings)
        except InvalidInputError as fault:
            return self._form("user", _USER_SCHEMA, user_input, fault)
        await _async_keep_private_key(self.hass, settings)
        return self.async_create_entry(
            title=settings.thing_name,
            data=settings.as_entry_data(),
            options=_options(values),
        )

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
        """Change the settings of a thing."""
        return await self._async_change(
            "reconfigure",
            _RECONFIGURE_SCHEMA,
            self._get_reconfigure_entry(),
            user_input,
        )

    async def _async_change(
        self,
        step_id: str,
        schema: probatio.Schema,
        entry: ConfigEntry,
        user_input: dict[str, Any] | None,
    ) -> ConfigFlowResult:
        """Change what an entry has to what a form says, once that works."""
        thing_name = entry.data[CONF_THING_NAME]
        known: dict[str, Any] = {**entry.data, **entry.options}
        if user_input is None:
            return self._form(step_id, schema, known, thing_name=thing_name)
        if private_key := await PrivateKeyStore(self.hass, thing_name).async_load():
            known[CONF_PRIVATE_KEY] = private_key
        try:
            values = await async_read_input(self.hass, user_input, self._uploads, known)
            settings = ThingSettings.of(values)
            await async_check_settings(self.hass, settings)
        except InvalidInputError as fault:
            return self._form(step_id, schema, user_input, fault, thing_name=thing_name)
        await _async_keep_private_key(self.hass, settings)
        return self.async_update_reload_and_abort(
            entry,
            data=settings.as_entry_data(),
            options={**entry.options, **_options(values)},
        )

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
                directory = await async_read_handler_directory(
                    self.hass, user_input.get(CONF_HANDLER_DIRECTORY, "")
                )
            except InvalidInputError as fault:
                errors, placeholders = fault.errors, fault.placeholders
            else:
                return self.async_create_entry(data={CONF_HANDLER_DIRECTORY: directory})
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _OPTIONS_SCHEMA, user_input or self.config_entry.options
            ),
            errors=errors,
            description_placeholders=placeholders,
        )


async def _async_keep_private_key(hass: HomeAssistant, settings: ThingSettings) -> None:
    await PrivateKeyStore(hass, settings.thing_name).async_save(settings.private_key)


def _options(values: Mapping[str, Any]) -> dict[str, Any]:
    return {CONF_HANDLER_DIRECTORY: values[CONF_HANDLER_DIRECTORY]}
