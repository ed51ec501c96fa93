"""The steps that ask how a thing connects, and try it, while the dialog shows that it lasts."""

from abc import abstractmethod
import asyncio
from typing import Any, Final, override

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow

from .aws_iot.connection import DEFAULT_PORT
from .checks import async_begin_check
from .config_forms import EXAMPLE_ENDPOINT
from .const import (
    CONF_ENDPOINT,
    CONF_PROXY_HOST,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
    CONF_THING_NAME,
)
from .coordinator import AwsIotJobsConfigEntry
from .errors import InvalidInputError
from .forms import Form
from .progress import async_shown
from .proxy_fields import known_beside
from .settings import ThingSettings
from .storage import SecretStore
from .thing_form import ThingForm
from .turns import async_end, async_outcome
from .validation import async_read_input

_SHOWN: Final = {
    CONF_ENDPOINT,
    CONF_PORT,
    CONF_PROXY_HOST,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
}
"""What a form is filled in with of an entry."""


class ThingSteps(ConfigFlow):
    """A form, a check of what it says, and the form again as long as that fails.

    A flow begins with `async_ask`, has `async_take_name`, and goes on in its step `checked`.
    """

    def __init__(self) -> None:
        """Begin without anything entered."""
        self._removed = False
        self.settings: ThingSettings | None = None
        self._asking: Form | None = None
        self._entered = ThingForm({})
        self._fault: InvalidInputError | None = None
        self._turn: asyncio.Task[Any] | None = None
        self._outcome: asyncio.Task[InvalidInputError | None] | None = None

    @abstractmethod
    async def async_take_name(self, thing_name: str) -> None:
        """Let this dialog be the one that is about a thing. Raises AbortFlow."""

    @abstractmethod
    async def async_step_checked(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on when the thing can connect."""

    async def async_ask(
        self,
        form: Form,
        user_input: dict[str, Any] | None,
        entry: AwsIotJobsConfigEntry | None = None,
    ) -> ConfigFlowResult:
        """Ask for what a form asks for; of an entry, the rest is known."""
        if self._asking is not form:
            self._begin(form, entry)
        if user_input is not None:
            self._fault = None
            try:
                self.settings = await self._async_read(form, user_input, entry)
                self._stop_if_removed()
                await self.async_take_name(self.settings.thing_name)
            except InvalidInputError as fault:
                self._stop_if_removed()
                self._tell(fault)
            else:
                check = async_begin_check(self.hass, self.settings, entry)
                self._wait_for(check, if_ended="check_ended")
                return await self.async_step_check()
        return self._show(form, entry)

    async def async_step_check(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Connect as the thing, and show that it lasts."""
        assert self.settings is not None
        return self._show_progress(
            "check",
            then="checked",
            endpoint=self.settings.endpoint,
            thing_name=self.settings.thing_name,
        )

    @callback
    @override
    def async_remove(self) -> None:
        """End what a dialog that is closed, or left for another, still does."""
        self._removed = True
        if self._turn is not None:
            async_end(self._turn)

    def _stop_if_removed(self) -> None:
        """Go no further in a dialog that is gone: another one goes on. Raises AbortFlow.

        That other one is not to be ended by what this one was at.
        """
        if self._removed:
            raise AbortFlow("already_in_progress")

    def _begin(self, form: Form, entry: AwsIotJobsConfigEntry | None) -> None:
        self._asking = form
        self._fault = None
        if entry is None:
            self._entered = ThingForm({CONF_PORT: DEFAULT_PORT})
            return
        shown = _SHOWN & form.fields & entry.data.keys()
        self._entered = ThingForm(
            {field: entry.data[field] for field in shown}, entry.data[CONF_THING_NAME]
        )

    def _wait_for(self, turn: asyncio.Task[Any], *, if_ended: str) -> None:
        self._turn = turn
        # Home Assistant cancels what it waits for when the dialog ends. A turn is ended with
        # more care: it disconnects first.
        self._outcome = self.hass.async_create_task(
            async_shown(async_outcome(turn, if_ended=if_ended))
        )

    def _show_progress(
        self, step_id: str, then: str, **placeholders: str
    ) -> ConfigFlowResult:
        """Show that the work of a step lasts; then go on, or tell what is wrong."""
        assert self._outcome is not None
        assert self._asking is not None
        if not self._outcome.done():
            return self.async_show_progress(
                step_id=step_id,
                progress_action=step_id,
                progress_task=self._outcome,
                description_placeholders=placeholders,
            )
        if (fault := self._outcome.result()) is not None:
            self._tell(fault)
            then = self._asking.step_id
        return self.async_show_progress_done(next_step_id=then)

    async def _async_read(
        self,
        form: Form,
        user_input: dict[str, Any],
        entry: AwsIotJobsConfigEntry | None,
    ) -> ThingSettings:
        """Return what has been entered so far, over what an entry has.

        Raises InvalidInputError.
        """
        await self._entered.async_take(self.hass, form.flat(user_input), form.fields)
        known: dict[str, Any] = {}
        if entry is not None:
            store = SecretStore(self.hass, entry.data[CONF_THING_NAME])
            secrets = await store.async_load()
            known = known_beside(
                self._entered.texts, {**entry.data, **secrets}, form.fields
            )
        values = await async_read_input(self.hass, self._entered.values(), known)
        return ThingSettings.of(values)

    def _tell(self, fault: InvalidInputError) -> None:
        self._fault = fault
        self._entered.forget_files(fault.errors)

    def _show(
        self, form: Form, entry: AwsIotJobsConfigEntry | None, **placeholders: str
    ) -> ConfigFlowResult:
        placeholders["example_endpoint"] = EXAMPLE_ENDPOINT
        if entry is not None:
            placeholders["thing_name"] = entry.data[CONF_THING_NAME]
        return form.show(
            self,
            self._entered.texts,
            self._fault,
            **placeholders,
            **self._entered.file_names(),
        )
