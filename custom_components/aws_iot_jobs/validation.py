"""Whether what a user enters works: each field, all together, and with AWS IoT."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
import logging
from pathlib import Path
import re
from typing import Any, Final

from yarl import URL

from homeassistant.const import CONF_PORT, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .aws_iot.check import check_connection
from .aws_iot.endpoint import look_at_endpoint
from .aws_iot.errors import (
    AwsIotError,
    ClockError,
    CredentialsError,
    EndpointError,
    NotAuthorizedError,
    NoTlsError,
    ProxyLoginError,
    ProxyRefusalError,
    ProxyTlsError,
    ProxyUnreachableError,
    RequestTimeoutError,
    ServerCertificateError,
    ServerNameError,
    ServerValidityError,
    UnknownHostError,
    UnknownProxyError,
)
from .const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_PARAMETERS,
    CONF_PRIVATE_KEY,
    CONF_PROXY_HOST,
    CONF_PROXY_PASSWORD,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
    CONF_ROOT_CA,
    CONF_RUNNER_TOKEN,
    CONF_TEMPLATE,
    CONF_THING_NAME,
)
from .credentials import READERS, check_fit, check_validity, pair_up
from .errors import InvalidInputError
from .parameters import read_parameters
from .places.runners import async_ask
from .places.samples import install_samples
from .proxy_fields import read_proxy_user
from .runner.client import (
    RunnerAddress,
    RunnerError,
    RunnerInfo,
    RunnerTokenError,
    RunnerUnreachableError,
    RunnerVersionError,
)
from .settings import ThingSettings
from .storage import default_handler_directory, make_default_handler_directory

_LOGGER = logging.getLogger(__name__)

_SCHEME = re.compile(r"[a-z0-9]+://", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)
_TEMPLATE = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

_NEEDED: Final = (CONF_ENDPOINT, CONF_THING_NAME, CONF_CERTIFICATE, CONF_PRIVATE_KEY)

_CONNECTION_FAULTS: tuple[tuple[type[AwsIotError], str, str], ...] = (
    (UnknownProxyError, CONF_PROXY_HOST, "proxy_unknown"),
    (ProxyUnreachableError, CONF_PROXY_HOST, "proxy_unreachable"),
    (ProxyLoginError, CONF_PROXY_USER, "proxy_login_refused"),
    (ProxyRefusalError, CONF_PORT, "proxy_refuses"),
    (ProxyTlsError, CONF_PROXY_HOST, "proxy_opens_tls"),
    (UnknownHostError, CONF_ENDPOINT, "endpoint_unknown"),
    (NoTlsError, CONF_PORT, "port_without_tls"),
    (EndpointError, CONF_ENDPOINT, "endpoint_unreachable"),
    (ServerNameError, CONF_ENDPOINT, "server_of_another_name"),
    (ClockError, "base", "clock_wrong"),
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
    entered: Mapping[str, Any],
    known: Mapping[str, Any],
    needed: Iterable[str] = _NEEDED,
) -> dict[str, Any]:
    """Return what was entered, each well-formed, over what is `known`.

    Files are bytes. Certificate and private key are among what is `needed`. Raises InvalidInputError for all fields at once.
    """
    values = dict(known)
    faults: list[InvalidInputError] = []
    for field, value in entered.items():
        try:
            values[field] = await _async_read_field(hass, field, value)
        except InvalidInputError as fault:
            faults.append(fault)
    faults += (
        _missing(field, known)
        for field in needed
        if entered.get(field) in {None, ""} and not known.get(field)
    )
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
    try:
        await _async_check_validity(hass, settings)
        await check_connection(settings.connection())
    except NotAuthorizedError as err:
        raise _not_authorized(err, settings.thing_name) from err
    except AwsIotError as err:
        raise connection_fault(err) from err
    except InvalidInputError:
        raise
    except Exception as err:
        _LOGGER.exception("Unexpected exception")
        raise InvalidInputError({"base": "unknown"}) from err


def connection_fault(err: AwsIotError) -> InvalidInputError:
    """Say what is wrong with a connection, at the field that it is about."""
    field, key = next(
        (field, key) for kind, field, key in _CONNECTION_FAULTS if isinstance(err, kind)
    )
    return InvalidInputError({field: key}, reason=str(err).rstrip("."))


async def _async_check_validity(hass: HomeAssistant, settings: ThingSettings) -> None:
    """Check that the thing's certificate is valid now.

    Where neither it nor the certificate of the server is, the clock is wrong. Raises
    InvalidInputError, ClockError.
    """
    try:
        await hass.async_add_executor_job(
            check_validity, settings.certificate, dt_util.utcnow()
        )
    except InvalidInputError:
        try:
            await look_at_endpoint(settings.connection())
        except ServerValidityError as err:
            raise ClockError(str(err)) from err
        except Exception:
            _LOGGER.debug("The clock cannot be compared", exc_info=True)
        raise


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


async def async_install_samples(hass: HomeAssistant, directory: Path) -> None:
    """Put the sample handlers into a directory. Raises InvalidInputError."""

    def install() -> None:
        make_default_handler_directory(hass, directory)
        install_samples(directory)

    try:
        await hass.async_add_executor_job(install)
    except OSError as err:
        raise InvalidInputError(
            {CONF_INSTALL_SAMPLES: "samples_failed"},
            directory=str(directory),
            reason=err.strerror or str(err),
        ) from err


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


def read_port(value: float, field: str = CONF_PORT) -> int:
    """Return a port. Raises InvalidInputError."""
    port = int(value)
    if port != value or not 0 < port < 65536:
        raise InvalidInputError({field: "invalid_port"})
    return port


def read_proxy_host(text: str) -> str:
    """Return the host name of a proxy; nothing means that there is none.

    Raises InvalidInputError.
    """
    host = re.sub(r"^http://", "", text.strip(), flags=re.IGNORECASE).rstrip("/.")
    if host and not _HOST.fullmatch(host):
        raise InvalidInputError({CONF_PROXY_HOST: "invalid_proxy_host"})
    return host.lower()


def read_thing_name(text: str) -> str:
    """Return a thing name as AWS IoT takes it. Raises InvalidInputError."""
    name = text.strip()
    if not _THING_NAME.fullmatch(name):
        raise InvalidInputError({CONF_THING_NAME: "invalid_thing_name"})
    return name


def read_template(text: str) -> str:
    """Return the name of a provisioning template, also of its ARN. Raises InvalidInputError."""
    name = text.strip().rpartition(":provisioningtemplate/")[2]
    if not _TEMPLATE.fullmatch(name):
        raise InvalidInputError({CONF_TEMPLATE: "invalid_template"})
    return name


async def _async_read_field(hass: HomeAssistant, field: str, value: Any) -> Any:
    if field in READERS:
        return await hass.async_add_executor_job(READERS[field], value)
    return _TEXT_READERS[field](value)


_TEXT_READERS: Mapping[str, Callable[[Any], Any]] = {
    CONF_ENDPOINT: read_endpoint,
    CONF_PORT: read_port,
    CONF_PROXY_HOST: read_proxy_host,
    CONF_PROXY_PORT: partial(read_port, field=CONF_PROXY_PORT),
    CONF_PROXY_USER: read_proxy_user,
    CONF_PROXY_PASSWORD: str,
    CONF_THING_NAME: read_thing_name,
    CONF_TEMPLATE: read_template,
    CONF_PARAMETERS: read_parameters,
}
"""What reads the other fields."""


def _missing(field: str, known: Mapping[str, Any]) -> InvalidInputError:
    """Say that a field is needed; of a thing that is known, the key has got lost."""
    lost = known and field == CONF_PRIVATE_KEY
    return InvalidInputError({field: "private_key_missing" if lost else "missing"})


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
