"""The steps that enrol this home with a claim, while the dialog shows that it lasts."""

import asyncio
from types import ModuleType
from typing import TYPE_CHECKING, Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers import instance_id
from homeassistant.helpers.importlib import async_import_module

from .config_forms import CLAIM
from .const import CONF_ENDPOINT, CONF_TEMPLATE
from .errors import InvalidInputError
from .settings import ThingSettings
from .thing_flow import ThingSteps

if TYPE_CHECKING:
    from .aws_iot.enrolment import EnrolmentRequest


class ClaimSteps(ThingSteps):
    """A form for a claim, the enrolment, and the form again as long as that fails.

    It goes on in the step `checked`, as with a certificate that there was: an enrolment
    has tried the connection.
    """

    def __init__(self) -> None:
        """Begin without an enrolment."""
        super().__init__()
        self._enrolment: asyncio.Task[ThingSettings] | None = None

    async def async_step_claim(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the claim, and for what goes with it."""
        if self._asking is not CLAIM:
            self._begin(CLAIM, None)
        if user_input is not None:
            self._fault = None
            try:
                await self._entered.async_take(
                    self.hass, CLAIM.flat(user_input), CLAIM.fields
                )
            except InvalidInputError as fault:
                self._stop_if_removed()
                self._tell(fault)
            else:
                return await self.async_enrol()
        return await self._async_show_claim()

    async def async_enrol(self) -> ConfigFlowResult:
        """Begin to enrol with what has been entered, or ask for what is wrong with it."""
        enrolments = await self._async_enrolments()
        try:
            request = await self._async_request()
        except InvalidInputError as fault:
            self._stop_if_removed()
            self._tell(fault)
            return await self._async_show_claim()
        self._stop_if_removed()
        enrolment = enrolments.async_begin_enrolment(self.hass, request)
        self._enrolment = enrolment
        self._wait_for(enrolment, if_ended="enrolment_ended")
        return await self.async_step_enrol()

    async def async_step_enrol(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Enrol, and show that it lasts."""
        return self._show_progress(
            "enrol",
            then="enrolled",
            endpoint=self._entered.texts[CONF_ENDPOINT],
            template=self._entered.texts[CONF_TEMPLATE],
        )

    async def async_step_enrolled(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on with the thing that this home is now."""
        assert self._enrolment is not None
        self.settings = self._enrolment.result()
        await self.async_take_name(self.settings.thing_name)
        return await self.async_step_checked()

    async def _async_enrolments(self) -> ModuleType:
        """Return what it takes to enrol: it is loaded when somebody does."""
        return await async_import_module(self.hass, f"{__package__}.enrolments")

    async def _async_request(self) -> EnrolmentRequest:
        """Return what has been entered. Raises InvalidInputError."""
        enrolments = await self._async_enrolments()
        request: EnrolmentRequest = await enrolments.async_read_request(
            self.hass, self._entered.values()
        )
        return request

    async def _async_show_claim(self) -> ConfigFlowResult:
        serial_number = await instance_id.async_get(self.hass)
        return self._show(CLAIM, None, serial_number=serial_number)
