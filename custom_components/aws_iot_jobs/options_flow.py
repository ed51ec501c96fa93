"""Options flow: how jobs are run, approved, fenced, kept and told of."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import probatio

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.helpers.selector import (
    BooleanSelector,
    DurationSelector,
    DurationSelectorConfig,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    ObjectSelector,
    ObjectSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
    TimeSelector,
)

from .const import (
    CONF_ALLOWED_ACTIONS,
    CONF_APPROVAL,
    CONF_APPROVAL_TIME_LIMIT,
    CONF_DEFAULT_TIMEOUT,
    CONF_ENDPOINT,
    CONF_FENCE_COMMANDS,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_HOME_ASSISTANT_STEPS,
    CONF_FENCE_PATHS,
    CONF_FENCE_PRESET,
    CONF_FENCE_UPLOAD_HOSTS,
    CONF_FENCE_USERS,
    CONF_HANDLER_DIRECTORY,
    CONF_HISTORY_COUNT,
    CONF_HISTORY_DAYS,
    CONF_INVENTORY,
    CONF_LOG_KIB,
    CONF_OUTAGE_ALLOWANCE,
    CONF_PEEK,
    CONF_REPORT_VERSIONS,
    CONF_RUN_DOCUMENT,
    CONF_RUNNER,
    CONF_SIGNING_KEY_FILE,
    CONF_SIGNING_KEYS,
    CONF_WINDOW_DAYS,
    CONF_WINDOW_FROM,
    CONF_WINDOW_TO,
    Weekday,
)
from .entered_options import DEFAULTS, read_options
from .errors import InvalidInputError
from .fence_options import (
    HOME_STEPS,
    LOCKED_DOWN_HANDLERS,
    NO_STEP,
    NO_URL,
    STEPS_WITHOUT_USER,
    FencePreset,
    in_force,
    preset_options,
)
from .forms import Form, folded
from .jobs.approval import ApprovalPolicy
from .places.runners import RunnerKind
from .signing_keys import SigningKey
from .signing_options import (
    async_read_key_file,
    read_signing,
    signing_fields,
    stored_keys,
)
from .validation import async_read_handler_directory

type _Fields = dict[probatio.Marker, Any]


def _number(unit: str | None = None) -> NumberSelector:
    config = NumberSelectorConfig(mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)


def _defaulted(key: str) -> probatio.Marker:
    return probatio.Optional(key, default=DEFAULTS[key])


_DURATION = DurationSelector(DurationSelectorConfig(enable_day=True))
_TIME = TimeSelector()
_WHICH_JOBS = SelectSelector(
    SelectSelectorConfig(options=list(ApprovalPolicy), translation_key="approval")
)
_WEEKDAYS = SelectSelector(
    SelectSelectorConfig(
        options=list(Weekday), translation_key="weekday", multiple=True
    )
)

_PRESET = SelectSelector(
    SelectSelectorConfig(options=list(FencePreset), translation_key="fence_preset")
)
_HOME_STEPS = SelectSelector(
    SelectSelectorConfig(
        options=[NO_STEP, *HOME_STEPS],
        translation_key="fence_home_assistant_steps",
        multiple=True,
    )
)
_ACTIONS = ObjectSelector(
    ObjectSelectorConfig(
        fields={
            "action": {"required": True, "selector": TextSelector()},
            "entities": {
                "selector": EntitySelector(EntitySelectorConfig(multiple=True))
            },
            "data": {"selector": ObjectSelector()},
        },
        multiple=True,
        label_field="action",
        description_field="entities",
        translation_key="allowed_actions",
    )
)


def _names(known: Iterable[str], translation_key: str | None = None) -> SelectSelector:
    """Return a selector of names, those that are not known too."""
    config = SelectSelectorConfig(options=list(known), multiple=True, custom_value=True)
    if translation_key is not None:
        config["translation_key"] = translation_key
    return SelectSelector(config)


_HANDLERS_ELSEWHERE: _Fields = {
    probatio.Optional(CONF_DEFAULT_TIMEOUT): DurationSelector(),
}
_HANDLERS_HERE: _Fields = {
    probatio.Optional(CONF_HANDLER_DIRECTORY): TextSelector(),
    **_HANDLERS_ELSEWHERE,
}
_APPROVAL_AND_WINDOW: _Fields = {
    _defaulted(CONF_APPROVAL): _WHICH_JOBS,
    _defaulted(CONF_APPROVAL_TIME_LIMIT): _DURATION,
    _defaulted(CONF_WINDOW_DAYS): _WEEKDAYS,
    probatio.Optional(CONF_WINDOW_FROM): _TIME,
    probatio.Optional(CONF_WINDOW_TO): _TIME,
}
_FENCES: _Fields = {
    probatio.Optional(CONF_FENCE_PRESET, default=FencePreset.CUSTOM.value): _PRESET,
    _defaulted(CONF_FENCE_COMMANDS): BooleanSelector(),
    _defaulted(CONF_FENCE_PATHS): BooleanSelector(),
    _defaulted(CONF_FENCE_HANDLERS): _names(LOCKED_DOWN_HANDLERS),
    _defaulted(CONF_FENCE_USERS): _names([STEPS_WITHOUT_USER], "fence_users"),
    _defaulted(CONF_FENCE_UPLOAD_HOSTS): _names([NO_URL], "fence_upload_hosts"),
    _defaulted(CONF_FENCE_HOME_ASSISTANT_STEPS): _HOME_STEPS,
    _defaulted(CONF_ALLOWED_ACTIONS): _ACTIONS,
}
_HISTORY_AND_LOGS: _Fields = {
    _defaulted(CONF_HISTORY_COUNT): _number(),
    _defaulted(CONF_HISTORY_DAYS): _number("d"),
    _defaulted(CONF_LOG_KIB): _number("KiB"),
}
_TOWARDS_AWS: _Fields = {
    _defaulted(CONF_OUTAGE_ALLOWANCE): _DURATION,
    _defaulted(CONF_REPORT_VERSIONS): BooleanSelector(),
    _defaulted(CONF_INVENTORY): BooleanSelector(),
    _defaulted(CONF_PEEK): BooleanSelector(),
}
_DOCUMENTS: _Fields = {_defaulted(CONF_RUN_DOCUMENT): BooleanSelector()}


def _form(handlers: _Fields, signing: _Fields) -> Form:
    return Form(
        "init",
        probatio.Schema(
            {
                probatio.Required("handlers"): folded(handlers, collapsed=False),
                probatio.Required("approval_and_window"): folded(_APPROVAL_AND_WINDOW),
                probatio.Required("fences"): folded(_FENCES),
                probatio.Required("signed_jobs"): folded(signing),
                probatio.Required("history_and_logs"): folded(_HISTORY_AND_LOGS),
                probatio.Required("towards_aws"): folded(_TOWARDS_AWS),
                probatio.Required("documents"): folded(_DOCUMENTS),
            }
        ),
    )


HERE: Final = _form(_HANDLERS_HERE, signing_fields(()))
"""The options of a thing whose handlers run in Home Assistant itself."""


class AwsIotJobsOptionsFlow(OptionsFlowWithReload):
    """Changes how the jobs of a thing are run, approved, fenced, kept and told of."""

    _keys: tuple[SigningKey, ...] = ()

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the options."""
        if user_input is None:
            self._keys = stored_keys(self.config_entry.options)
            shown = {**in_force(self.config_entry.options)}
            shown.pop(CONF_SIGNING_KEYS, None)
            return self._form.show(self, shown)
        entered = self._form.flat(user_input)
        try:
            await self._async_read_keys(entered)
            return self.async_create_entry(data=await self._async_read(entered))
        except InvalidInputError as fault:
            return self._form.show(self, entered, fault)

    @property
    def _form(self) -> Form:
        handlers = _HANDLERS_HERE if self._is_local else _HANDLERS_ELSEWHERE
        return _form(handlers, signing_fields(self._keys))

    async def _async_read_keys(self, entered: dict[str, Any]) -> None:
        """Have the keys that are to stay, and those of a file; then the form shows these.

        What was uploaded is given out only once. Raises InvalidInputError.
        """
        upload_id = entered.pop(CONF_SIGNING_KEY_FILE, None)
        stay = entered.pop(CONF_SIGNING_KEYS, ())
        self._keys = tuple(key for key in self._keys if key.id in stay)
        if upload_id is not None:
            found = await async_read_key_file(self.hass, upload_id)
            self._keys = tuple({key.id: key for key in (*self._keys, *found)}.values())

    @property
    def _is_local(self) -> bool:
        kind: str = self.config_entry.data[CONF_RUNNER]["kind"]
        return kind == RunnerKind.LOCAL

    async def _async_read(self, entered: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that a form says. Raises InvalidInputError."""
        directory = self.config_entry.options.get(CONF_HANDLER_DIRECTORY)
        if self._is_local:
            directory = await async_read_handler_directory(
                self.hass, entered.get(CONF_HANDLER_DIRECTORY, "")
            )
        kept = {} if directory is None else {CONF_HANDLER_DIRECTORY: directory}
        preset = preset_options(
            entered.get(CONF_FENCE_PRESET, FencePreset.CUSTOM),
            self.config_entry.data[CONF_ENDPOINT],
        )
        return (
            kept
            | read_options({**entered, **preset})
            | read_signing(entered, self._keys)
        )
