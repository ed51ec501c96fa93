"""Whether what a user enters works: each field, all together, and with AWS IoT."""

from collections.abc import Mapping
import logging
from pathlib import Path
import re
from typing import Any

from yarl import URL

from homeassistant.const import CONF_PORT, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .aws_iot.check import check_connection
from .aws_iot.errors import (
    AwsIotError,
    CredentialsError,
    EndpointError,
    NotAuthorizedError,
    NoTlsError,
    RequestTimeoutError,
    ServerCertificateError,
    ServerNameError,
    ServerValidityError,
    UnknownHostError,
)
from .const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER_TOKEN,
    CONF_THING_NAME,
)
from .credentials import READERS, check_fit, check_validity, pair_up
from .errors import InvalidInputError
from .places.runners import async_ask
from .runner.client import (
    RunnerAddress,
    RunnerError,
    RunnerInfo,
    RunnerTokenError,
    RunnerUnreachableError,
    RunnerVersionError,
)
from .settings import ThingSettings
from .storage import default_handler_directory
from .uploads import Uploads

_LOGGER = logging.getLogger(__name__)

_SCHEME = re.compile(r"[a-z0-9]+://", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

_CONNECTION_FAULTS: tuple[tuple[type[AwsIotError], str, str], ...] = (
    (UnknownHostError, CONF_ENDPOINT, "endpoint_unknown"),
    (NoTlsError, CONF_PORT, "port_without_tls"),
    (EndpointError, CONF_ENDPOINT, "endpoint_unreachable"),
    (ServerNameError, CONF_ENDPOINT, "server_of_another_name"),
    (ServerValidityError, CONF_ENDPOINT, "server_not_valid_now"),
    (ServerCertificateError, CONF_ROOT_CA, "server_not_trusted"),
    (CredentialsError, CONF_CERTIFICATE, "certificate_refused"),
    (RequestTimeoutError, "base", "no_answer"),
    (AwsIotError, "base", "cannot_connect"),
)
"""Which field a fault of the connection is told at, and how."""

_RUNNER_FAULTS: tuple[tuple[type[RunnerError], str, str], ...] = (
    (RunnerTokenError, CONF_RUNNER_TOKEN, "runner_token_refused"),
    (RunnerVersionError, CONF_URL, "runner_version"),
    (RunnerUnreachableError, CONF_URL, "runner_unreachable"),
    (RunnerError, "base", "runner_unusable"),
)
"""Which field a fault of a runner is told at, and how."""


async def async_read_input(
    hass: HomeAssistant,
    user_input: Mapping[str, Any],
    uploads: Uploads,
    known: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the values of a form, each well-formed, over those that are `known`.

    Raises InvalidInputError for all fields at once.
    """
    values = dict(known)
    faults: list[InvalidInputError] = []
    for field, value in user_input.items():
        try:
            values[field] = await _async_read_field(hass, field, value, uploads)
        except InvalidInputError as fault:
            faults.append(fault)
    if CONF_PRIVATE_KEY not in {**values, **user_input}:
        faults.append(InvalidInputError({CONF_PRIVATE_KEY: "private_key_missing"}))
    if faults:
        raise InvalidInputError.of(faults)
    (
        values[CONF_CERTIFICATE],
        values[CONF_PRIVATE_KEY],
    ) = await hass.async_add_executor_job(
        pair_up, values[CONF_CERTIFICATE], values[CONF_PRIVATE_KEY]
    )
    return values


async def async_check_settings(hass: HomeAssistant, settings: ThingSettings) -> None:
    """Check that settings fit together, and that AWS IoT Jobs can be used with them.

    Raises InvalidInputError.
    """
    await hass.async_add_executor_job(
        check_fit, settings.certificate, settings.private_key
    )
    await hass.async_add_executor_job(
        check_validity, settings.certificate, dt_util.utcnow()
    )
    try:
        await check_connection(settings.connection())
    except NotAuthorizedError as err:
        raise _not_authorized(err, settings.thing_name) from err
    except AwsIotError as err:
        raise _connection_fault(err) from err
    except Exception as err:
        _LOGGER.exception("Unexpected exception")
        raise InvalidInputError({"base": "unknown"}) from err


async def async_read_handler_directory(hass: HomeAssistant, text: str) -> str:
    """Return the handler directory that a user means; nothing means the default one.

    The default one is made when it is needed. Raises InvalidInputError when another one
    is not there.
    """
    default = default_handler_directory(hass)
    path = Path(hass.config.path(text.strip())) if text.strip() else default
    exists, usable = await hass.async_add_executor_job(
        lambda: (path.exists(), path.is_dir())
    )
    if not usable and (exists or path != default):
        raise InvalidInputError(
            {CONF_HANDLER_DIRECTORY: "not_a_directory"}, directory=str(path)
        )
    return str(path)


async def async_check_runner(hass: HomeAssistant, address: RunnerAddress) -> RunnerInfo:
    """Check that a runner can be used; return what it says of itself.

    Raises InvalidInputError.
    """
    try:
        return await async_ask(hass, address)
    except RunnerError as err:
        field, key = next(
            (field, key) for kind, field, key in _RUNNER_FAULTS if isinstance(err, kind)
        )
        raise InvalidInputError({field: key}, reason=str(err).rstrip(".")) from err


def read_runner_url(text: str) -> str:
    """Return the address of a runner; HTTP is meant where it does not say.

    Raises InvalidInputError.
    """
    given = text.strip()
    try:
        url = URL(given if _SCHEME.match(given) else f"http://{given}")
        usable = url.scheme in {"http", "https"} and url.host and url.port
    except ValueError:
        usable = None
    if not usable or url.user or url.password or url.query_string or url.fragment:
        raise InvalidInputError({CONF_URL: "invalid_runner_url"})
    return str(url).rstrip("/")


def read_endpoint(text: str) -> str:
    """Return the host name in what may have been copied with more around it.

    Raises InvalidInputError.
    """
    host = _SCHEME.sub("", text.strip(), count=1).rstrip("/.")
    if not _HOST.fullmatch(host):
        raise InvalidInputError({CONF_ENDPOINT: "invalid_endpoint"})
    return host.lower()


def read_thing_name(text: str) -> str:
    """Return a thing name as AWS IoT takes it. Raises InvalidInputError."""
    name = text.strip()
    if not _THING_NAME.fullmatch(name):
        raise InvalidInputError({CONF_THING_NAME: "invalid_thing_name"})
    return name


async def _async_read_field(
    hass: HomeAssistant, field: str, value: Any, uploads: Uploads
) -> Any:
    if field in READERS:
        content = await uploads.async_read(hass, value)
        if content is None:
            raise InvalidInputError({field: "upload_again"})
        return await hass.async_add_executor_job(READERS[field], content)
    if field == CONF_ENDPOINT:
        return read_endpoint(value)
    if field == CONF_THING_NAME:
        return read_thing_name(value)
    return value


def _not_authorized(err: NotAuthorizedError, thing_name: str) -> InvalidInputError:
    """Say what the policy lacks; a connection is refused for a thing that it is not for."""
    if err.action == "iot:Connect":
        return InvalidInputError(
            {CONF_THING_NAME: "connect_not_authorized"}, thing_name=thing_name
        )
    return InvalidInputError(
        {"base": "not_authorized"},
        action=err.action,
        resources=", ".join(err.resources),
    )


def _connection_fault(err: AwsIotError) -> InvalidInputError:
    field, key = next(
        (field, key) for kind, field, key in _CONNECTION_FAULTS if isinstance(err, kind)
    )
    return InvalidInputError({field: key}, reason=str(err).rstrip("."))
