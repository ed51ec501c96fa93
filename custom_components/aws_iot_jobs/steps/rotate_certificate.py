"""The step that gives a thing another certificate."""

from typing import Any, Final, override

from ..const import CONF_CERTIFICATE, CONF_ROTATION_TEMPLATE
from ..jobs.calls import RotateCall
from ..jobs.home_steps import Attempt, StepFailedError
from ..rotation import RotationError, async_rotate, fingerprint
from .step import HomeStep

_NO_TEMPLATE: Final = (
    "the step names no template, and this thing has not been enrolled by one: "
    "give the name of the rotation template"
)


class RotateCertificate(HomeStep[RotateCall]):
    """Gets a certificate for a new key, uses it, and has the old one deactivated."""

    @override
    async def before(self, call: RotateCall) -> Any:
        """Return which certificate is to be replaced."""
        return fingerprint(self._entry.data[CONF_CERTIFICATE])

    @override
    async def problem(self, call: RotateCall) -> str | None:
        """Tell where no template is known."""
        return None if self._template(call) else _NO_TEMPLATE

    @override
    async def run(self, call: RotateCall, attempt: Attempt) -> None:
        """Do what is left to do of it: what has been done is kept with the certificate."""
        if not (template := self._template(call)):
            raise StepFailedError(_NO_TEMPLATE)
        replaces = attempt.known

        def tell(line: str) -> None:
            attempt.write(line)
            if fingerprint(self._entry.data[CONF_CERTIFICATE]) != replaces:
                attempt.goes_on = "the thing uses its new certificate"

        try:
            await async_rotate(
                self._hass, self._entry, template, replaces=replaces, tell=tell
            )
        except RotationError as err:
            raise StepFailedError(str(err)) from err

    def _template(self, call: RotateCall) -> str:
        known: str = self._entry.data.get(CONF_ROTATION_TEMPLATE, "")
        return call.template or known


STEP: Final = RotateCertificate
