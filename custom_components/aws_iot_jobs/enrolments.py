"""Enrolments with a claim that dialogs wait for: one at a time.

What is entered becomes a request, and what comes of it the settings of a thing.
"""

import asyncio
from collections.abc import Mapping
import logging
from typing import Any, Final

from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import instance_id
from homeassistant.util import dt as dt_util

from .aws_iot.enrolment import EnrolmentRequest, enrol
from .aws_iot.enrolment_errors import (
    ClaimRefusedError,
    EnrolmentError,
    NotConnectedError,
)
from .const import (
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ENDPOINT,
    CONF_PARAMETERS,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_TEMPLATE,
)
from .credentials import check_validity
from .enrolment_store import PendingEnrolmentStore
from .errors import InvalidInputError
from .proxy_fields import proxy_of
from .settings import ThingSettings
from .turns import async_begin
from .validation import async_read_input, connection_fault

_LOGGER = logging.getLogger(__name__)

SERIAL_NUMBER: Final = "SerialNumber"
"""The parameter that tells one home from another, in AWS's examples and in our stack."""

ROTATION: Final = "-rotation"
"""What the name of our stack's template for rotation ends in, beside that for enrolment."""

_NEEDED = (CONF_ENDPOINT, CONF_TEMPLATE, CONF_CERTIFICATE, CONF_PRIVATE_KEY)
_AS_OF_A_THING = {
    CONF_CLAIM_CERTIFICATE: CONF_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY: CONF_PRIVATE_KEY,
}
_AS_OF_A_CLAIM = {field: claims for claims, field in _AS_OF_A_THING.items()}


async def async_read_request(
    hass: HomeAssistant, entered: Mapping[str, Any]
) -> EnrolmentRequest:
    """Return the request that was entered. Raises InvalidInputError for all fields at once.

    The serial number is that of this Home Assistant, unless another one is entered.
    Parameters without a value are left out.
    """
    renamed = {
        _AS_OF_A_THING.get(field, field): value for field, value in entered.items()
    }
    try:
        values = await async_read_input(hass, renamed, {}, _NEEDED)
    except InvalidInputError as fault:
        raise fault.renamed(_AS_OF_A_CLAIM) from fault
    parameters = {SERIAL_NUMBER: await instance_id.async_get(hass)} | values.get(
        CONF_PARAMETERS, {}
    )
    root_ca = values.get(CONF_ROOT_CA)
    return EnrolmentRequest(
        endpoint=values[CONF_ENDPOINT],
        port=values[CONF_PORT],
        template=values[CONF_TEMPLATE],
        claim_certificate=values[CONF_CERTIFICATE].encode(),
        claim_private_key=values[CONF_PRIVATE_KEY].encode(),
        parameters={name: value for name, value in parameters.items() if value},
        root_ca=None if root_ca is None else root_ca.encode(),
        proxy=proxy_of(values),
    )


@callback
def async_begin_enrolment(
    hass: HomeAssistant, request: EnrolmentRequest
) -> asyncio.Task[ThingSettings]:
    """Begin to enrol; another enrolment is ended before.

    How far it has come is kept, and the next one goes on with it.
    """
    return async_begin(hass, "enrolment", lambda: _async_enrol(hass, request))


async def _async_enrol(hass: HomeAssistant, request: EnrolmentRequest) -> ThingSettings:
    """Enrol, and return what the thing connects with. Raises InvalidInputError."""
    try:
        settings = await enrol(request, PendingEnrolmentStore(hass))
    except EnrolmentError as err:
        raise await _async_fault(hass, request, err) from err
    except OSError as err:
        raise InvalidInputError(
            {"base": "enrolment_not_kept"}, reason=err.strerror or str(err)
        ) from err
    except Exception as err:
        _LOGGER.exception("Unexpected exception")
        raise InvalidInputError({"base": "unknown"}) from err
    return ThingSettings(
        endpoint=settings.endpoint,
        port=settings.port,
        thing_name=settings.thing_name,
        certificate=settings.certificate.decode(),
        private_key=settings.private_key.decode(),
        root_ca=None if settings.root_ca is None else settings.root_ca.decode(),
        rotation_template=f"{request.template}{ROTATION}",
        proxy=settings.proxy,
    )


async def _async_fault(
    hass: HomeAssistant, request: EnrolmentRequest, err: EnrolmentError
) -> InvalidInputError:
    """Say what is in the way, at the field that it is about."""
    if isinstance(err, NotConnectedError):
        return connection_fault(err.error)
    if isinstance(err, ClaimRefusedError):
        try:
            await hass.async_add_executor_job(
                check_validity, request.claim_certificate.decode(), dt_util.utcnow()
            )
        except InvalidInputError as fault:
            return fault.renamed(_AS_OF_A_CLAIM)
    told = {name: words.rstrip(".") for name, words in err.placeholders.items()}
    return InvalidInputError({err.field: err.key}, **told)
