"""Whose jobs are run, as options of a thing: the public keys, and whether others run, too."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import probatio

from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    BooleanSelector,
    FileSelector,
    FileSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
)

from .const import CONF_ONLY_SIGNED, CONF_SIGNING_KEY_FILE, CONF_SIGNING_KEYS
from .errors import InvalidInputError
from .jobs.signed import ANYBODY, Trust
from .pem import decode
from .signing_keys import (
    MAX_KEYS,
    KeyRing,
    SigningKey,
    UnusableKeyError,
    read_signing_keys,
)
from .uploads import async_take_upload

_FILE: Final = FileSelector(
    FileSelectorConfig(accept=".pem,.pub,application/x-pem-file")
)


def trust_of(options: Mapping[str, Any]) -> Trust:
    """Return whose documents are run, by the options of a thing."""
    if not (pems := options.get(CONF_SIGNING_KEYS)):
        return ANYBODY
    return Trust(
        verifier=KeyRing(pems), only_signed=bool(options.get(CONF_ONLY_SIGNED, False))
    )


def stored_keys(options: Mapping[str, Any]) -> tuple[SigningKey, ...]:
    """Return the public keys that the options of a thing have."""
    return tuple(
        key
        for pem in options.get(CONF_SIGNING_KEYS, ())
        for key in read_signing_keys(pem)
    )


def signing_fields(keys: Iterable[SigningKey]) -> dict[probatio.Marker, Any]:
    """Return the fields of a form that shows these keys, to be kept or taken away."""
    ids = [key.id for key in keys]
    return {
        probatio.Optional(CONF_SIGNING_KEY_FILE): _FILE,
        probatio.Optional(CONF_SIGNING_KEYS, default=ids): SelectSelector(
            SelectSelectorConfig(options=ids, multiple=True)
        ),
        probatio.Optional(CONF_ONLY_SIGNED, default=False): BooleanSelector(),
    }


async def async_read_key_file(
    hass: HomeAssistant, upload_id: str
) -> tuple[SigningKey, ...]:
    """Return the public keys of a file that was uploaded. Raises InvalidInputError."""
    uploaded = await async_take_upload(hass, upload_id)
    if uploaded is None:
        raise InvalidInputError({CONF_SIGNING_KEY_FILE: "upload_again"})
    try:
        return read_signing_keys(decode(uploaded.content))
    except UnusableKeyError as err:
        raise InvalidInputError(
            {CONF_SIGNING_KEY_FILE: str(err)}, file=uploaded.shown_name
        ) from err


def read_signing(
    entered: Mapping[str, Any], keys: Iterable[SigningKey]
) -> dict[str, Any]:
    """Return what is stored of keys, those that were not taken away. Raises InvalidInputError."""
    only_signed = bool(entered.get(CONF_ONLY_SIGNED, False))
    pems = [key.pem for key in keys]
    if only_signed and not pems:
        raise InvalidInputError({CONF_ONLY_SIGNED: "only_signed_without_keys"})
    if len(pems) > MAX_KEYS:
        raise InvalidInputError(
            {CONF_SIGNING_KEY_FILE: "too_many_signing_keys"}, max_keys=str(MAX_KEYS)
        )
    options: dict[str, Any] = {CONF_SIGNING_KEYS: pems} if pems else {}
    return options | ({CONF_ONLY_SIGNED: True} if only_signed else {})
