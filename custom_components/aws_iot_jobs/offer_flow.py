"""The steps that offer to enrol this home with the bundle that the app has found."""

from abc import abstractmethod
import logging
from typing import Any, Final, override

from homeassistant.config_entries import ConfigFlowResult

from .claim_flow import ClaimSteps
from .config_forms import CLAIM
from .errors import InvalidInputError
from .places.runners import client_of
from .runner.client import RunnerAddress, RunnerError
from .uploads import UploadedFile

_LOGGER = logging.getLogger(__name__)

BUNDLE_NAME: Final = "aws_iot_jobs.json"
"""What a bundle is called that the app looks for, in its folder share."""


class OfferSteps(ClaimSteps):
    """An offer that takes one choice, where the app has a bundle with all that it takes.

    Without that choice nothing is done: whoever can write to the folder share can leave a
    bundle there, and so decide who this home takes jobs from. A bundle that cannot be used
    as it is fills in the form of a claim, which tells what is wrong.
    """

    def __init__(self) -> None:
        """Begin without an app."""
        super().__init__()
        self.app_address: RunnerAddress | None = None

    @abstractmethod
    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Begin with what is offered, or without."""

    async def async_offer(self) -> ConfigFlowResult | None:
        """Offer to enrol with the bundle that is there now, if that is possible."""
        if self.app_address is None:
            return None
        self._begin(CLAIM, None)
        try:
            content = await client_of(
                self.hass, self.app_address, thing_name=""
            ).bundle()
        except RunnerError as err:
            _LOGGER.warning("The app does not tell whether there is a bundle: %s", err)
            return None
        if content is None:
            return None
        try:
            await self._entered.async_fill(
                self.hass, UploadedFile(BUNDLE_NAME, content), CLAIM.fields
            )
            request = await self._async_request()
        except InvalidInputError as fault:
            _LOGGER.warning(
                "The bundle %s in the folder share cannot be used as it is: %s",
                BUNDLE_NAME,
                fault,
            )
            self._tell(fault)
            return None
        return self.async_show_menu(
            step_id="offer",
            menu_options=["enrol_home", "claim", "certificate"],
            description_placeholders={
                "file": BUNDLE_NAME,
                "endpoint": request.endpoint,
                "template": request.template,
            },
        )

    async def async_step_offer(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Look again, when the dialog is opened again."""
        return await self.async_step_user()

    async def async_step_enrol_home(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Enrol with the bundle that was offered."""
        return await self.async_enrol()
