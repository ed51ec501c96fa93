"""Adding a thing through its dialog."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

from cryptography.x509 import load_pem_x509_certificate
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import (
    CredentialsError,
    DisconnectedError,
    EndpointError,
    NotAuthorizedError,
    NoTlsError,
    RequestTimeoutError,
    ServerCertificateError,
    ServerNameError,
    ServerValidityError,
    UnknownHostError,
)
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER,
    CONF_THING_NAME,
)
from custom_components.aws_iot_jobs.runner.inventory import list_handlers
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from ..broker import Broker
from ..certificates import CertificateAuthority, Credentials
from ..fake_jobs_service import FakeJobsService
from ..tls_servers import HOST, Server, behind_tls, say, tls_context
from .conftest import ENDPOINT, THING
from .dialog import (
    Form,
    Upload,
    add,
    choose,
    errors,
    private_key,
    submit,
    suggested,
    words,
)
from .fake_agent import FakeAgent

HANDLERS = Path(__file__).parents[2] / "handlers"


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


async def test_add(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """A thing is added when AWS IoT has been reached; its key is kept apart."""
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == THING
    assert result["data"] == {
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: credentials.certificate.decode(),
        CONF_ROOT_CA: ca.certificate.decode(),
        CONF_RUNNER: {"kind": "local"},
    }
    assert result["options"] == {
        CONF_HANDLER_DIRECTORY: hass.config.path("aws_iot_jobs", "handlers")
    }
    entry = result["result"]
    assert entry.unique_id == THING
    assert entry.state is ConfigEntryState.LOADED
    assert await private_key(hass, THING) == credentials.private_key
    (settings,) = check_connection.await_args_list[0].args
    assert settings.endpoint == ENDPOINT
    assert settings.thing_name == THING
    assert settings.private_key == credentials.private_key
    assert settings.root_ca == ca.certificate


async def test_add_without_root_ca(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """Without a root CA, the public authorities are trusted, and none is stored."""
    del form[CONF_ROOT_CA]
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert CONF_ROOT_CA not in result["data"]
    (settings,) = check_connection.await_args_list[0].args
    assert settings.root_ca is None


@pytest.mark.parametrize(
    ("field", "entered", "stored"),
    [
        (CONF_ENDPOINT, f" https://{ENDPOINT}/ ", ENDPOINT),
        (CONF_ENDPOINT, f"mqtts://{ENDPOINT}", ENDPOINT),
        (CONF_ENDPOINT, ENDPOINT.upper(), ENDPOINT),
        (CONF_ENDPOINT, "127.0.0.1", "127.0.0.1"),
        (CONF_THING_NAME, f" {THING} ", THING),
        (CONF_PORT, 443.0, 443),
    ],
)
async def test_forgiving_fields(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    field: str,
    entered: Any,
    stored: Any,
) -> None:
    """What comes along when an address or a name is copied does no harm."""
    result = await add(hass, flow, form | {field: entered})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][field] == stored


@pytest.mark.parametrize(
    ("field", "entered", "error"),
    [
        (CONF_ENDPOINT, "", "missing"),
        (CONF_ENDPOINT, f"{ENDPOINT}:8883", "invalid_endpoint"),
        (CONF_ENDPOINT, f"{ENDPOINT}/mqtt", "invalid_endpoint"),
        (CONF_ENDPOINT, "not a host", "invalid_endpoint"),
        (CONF_THING_NAME, "", "missing"),
        (CONF_PORT, 0, "invalid_port"),
        (CONF_PORT, 8883.5, "invalid_port"),
        (CONF_PORT, 65536, "invalid_port"),
        (CONF_THING_NAME, "my thing", "invalid_thing_name"),
        (CONF_THING_NAME, "../thing", "invalid_thing_name"),
        (CONF_THING_NAME, "a" * 129, "invalid_thing_name"),
        (CONF_CERTIFICATE, "0" * 32, "upload_again"),
    ],
)
async def test_malformed_fields(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    field: str,
    entered: str,
    error: str,
) -> None:
    """What cannot be is told at its field, and can be corrected."""
    result = await add(hass, flow, form | {field: entered})
    assert result["type"] is FlowResultType.FORM
    assert errors(result) == {field: error}
    assert field == CONF_CERTIFICATE or suggested(result)[field] == entered
    check_connection.assert_not_awaited()
    result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_all_fields_are_told_of_at_once(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
) -> None:
    """Nobody has to correct a form one field at a time."""
    garbage = await upload(b"garbage")
    wrong = {
        CONF_ENDPOINT: "not a host",
        CONF_CERTIFICATE: garbage,
        CONF_PRIVATE_KEY: garbage,
    }
    result = await add(hass, flow, form | wrong)
    assert errors(result) == {
        CONF_ENDPOINT: "invalid_endpoint",
        CONF_CERTIFICATE: "invalid_certificate",
        CONF_PRIVATE_KEY: "invalid_private_key",
    }
    assert "garbage" not in str(result)


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "error", "placeholder"),
    [
        (timedelta(days=-9), timedelta(days=-2), "certificate_expired", "expired"),
        (
            timedelta(days=2),
            timedelta(days=9),
            "certificate_not_yet_valid",
            "valid_from",
        ),
    ],
)
async def test_certificate_not_valid_today(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
    valid_from: timedelta,
    valid_until: timedelta,
    error: str,
    placeholder: str,
) -> None:
    """The dates are told, and the time that it is here: the clock may be wrong."""
    made = ca.device(THING, valid_from=valid_from, valid_until=valid_until)
    certificate = load_pem_x509_certificate(made.certificate)
    files = {
        CONF_CERTIFICATE: await upload(made.certificate),
        CONF_PRIVATE_KEY: await upload(made.private_key),
    }
    result = await add(hass, flow, form | files)
    assert errors(result) == {CONF_CERTIFICATE: error}
    date = {
        "expired": certificate.not_valid_after_utc,
        "valid_from": certificate.not_valid_before_utc,
    }[placeholder]
    told = await words(hass, result)
    assert f"{date:%Y-%m-%d %H:%M} UTC" in told[CONF_CERTIFICATE]
    assert "clock" in told[CONF_CERTIFICATE]
    check_connection.assert_not_awaited()
    result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("fault", "field", "error", "says"),
    [
        (
            EndpointError("localhost:1 cannot be reached: connection refused."),
            CONF_ENDPOINT,
            "endpoint_unreachable",
            "connection refused. ",
        ),
        (
            UnknownHostError("no address is known for x: name not known"),
            CONF_ENDPOINT,
            "endpoint_unknown",
            "no address is known for x",
        ),
        (
            NoTlsError("localhost:22 speaks SSH, not TLS"),
            CONF_PORT,
            "port_without_tls",
            "localhost:22 speaks SSH, not TLS. ",
        ),
        (
            ServerNameError("localhost shows a certificate for a.example"),
            CONF_ENDPOINT,
            "server_of_another_name",
            "a certificate for a.example",
        ),
        (
            ServerValidityError("localhost shows a certificate that expired"),
            CONF_ENDPOINT,
            "server_not_valid_now",
            "clock of this machine",
        ),
        (
            ServerCertificateError("localhost is not trusted: negotiation failed"),
            CONF_ROOT_CA,
            "server_not_trusted",
            "negotiation failed",
        ),
        (
            CredentialsError("localhost refused the certificate: closed"),
            CONF_CERTIFICATE,
            "certificate_refused",
            "refused the certificate: closed",
        ),
        (
            NotAuthorizedError("iot:Connect", [f"client/{THING}"]),
            CONF_THING_NAME,
            "connect_not_authorized",
            f"iot:Connect on client/{THING}",
        ),
        (
            NotAuthorizedError("iot:Subscribe", ["$aws/a", "$aws/b"]),
            "base",
            "not_authorized",
            "iot:Subscribe on $aws/a, $aws/b",
        ),
        (
            RequestTimeoutError("AWS IoT Jobs did not answer on $aws/a"),
            "base",
            "no_answer",
            "iot:Receive",
        ),
        (
            DisconnectedError("the connection was lost"),
            "base",
            "cannot_connect",
            "the connection was lost",
        ),
        (RuntimeError("a secret"), "base", "unknown", "log"),
    ],
)
async def test_connection_faults(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    fault: Exception,
    field: str,
    error: str,
    says: str,
) -> None:
    """What keeps AWS IoT from working is told in words, at the field that it concerns.

    The same form can be submitted again when the fault is gone.
    """
    check_connection.side_effect = fault
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.FORM
    assert errors(result) == {field: error}
    told = await words(hass, result)
    assert says in told[field]
    assert "a secret" not in told[field]
    check_connection.side_effect = None
    result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_add_twice(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """A thing has one entry, and does not disturb its own connection."""
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    check_connection.assert_not_awaited()


@pytest.mark.parametrize("relative", [False, True])
async def test_handler_directory(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    relative: bool,
) -> None:
    """Handlers may lie elsewhere; a relative path begins at the configuration folder.

    A folder that is not there is told at its field, and can be corrected.
    """
    menu = await submit(hass, flow, form)
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["local", "address"]
    local = await choose(hass, menu, "local")
    assert suggested(local) == {
        CONF_HANDLER_DIRECTORY: hass.config.path("aws_iot_jobs", "handlers")
    }
    directory = Path(hass.config.path("my-handlers"))
    given = {
        CONF_HANDLER_DIRECTORY: "my-handlers" if relative else str(directory),
        CONF_INSTALL_SAMPLES: False,
    }
    result = await submit(hass, local, given)
    assert errors(result) == {CONF_HANDLER_DIRECTORY: "not_a_directory"}
    directory.mkdir()
    result = await submit(hass, result, given)
    assert result["options"] == {CONF_HANDLER_DIRECTORY: str(directory)}
    assert not list(directory.iterdir())


async def test_sample_handlers(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """Sample handlers are installed so that they may run; what is there is kept.

    Where that is not possible, the form says why, and can be submitted again.
    """
    local = await choose(hass, await submit(hass, flow, form), "local")
    blocked = Path(hass.config.path("aws_iot_jobs"))
    blocked.write_text("in the way")
    result = await submit(hass, local, {CONF_INSTALL_SAMPLES: True})
    assert errors(result) == {CONF_INSTALL_SAMPLES: "samples_failed"}
    blocked.unlink()
    directory = blocked / "handlers"
    directory.mkdir(mode=0o700, parents=True)
    own = directory / "reboot.sh"
    own.write_text("my own")
    own.chmod(0o700)
    result = await submit(hass, result, {CONF_INSTALL_SAMPLES: True})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert own.read_text() == "my own"
    samples = {
        str(path.relative_to(HANDLERS))
        for path in HANDLERS.rglob("*")
        if path.is_file()
    }
    assert {"install-packages.sh", "lib/handler.sh"} <= samples
    handlers = list_handlers(directory)
    assert {handler.name for handler in handlers} == samples
    assert [handler.problem for handler in handlers] == [None] * len(samples)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Run a broker that enforces the minimal policy, with AWS IoT Jobs behind it."""
    async with (
        Broker(tmp_path / "broker") as broker,
        FakeJobsService(port=broker.port, tls_context=broker.service_tls_context()),
    ):
        yield broker


async def test_add_for_real(
    hass: HomeAssistant, flow: ConfigFlowResult, broker: Broker, upload: Upload
) -> None:
    """The check passes with the minimal policy, and leaves nothing behind.

    A wrong port, a broker that is not trusted and a name that the certificate's policy is
    not for are told before, in the same dialog.
    """
    settings = broker.settings(THING)
    assert settings.root_ca is not None
    form = {
        CONF_ENDPOINT: settings.endpoint,
        CONF_PORT: 1,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: await upload(settings.certificate),
        CONF_PRIVATE_KEY: await upload(settings.private_key),
        CONF_ROOT_CA: await upload(settings.root_ca),
    }
    result = await add(hass, flow, form)
    assert errors(result) == {CONF_ENDPOINT: "endpoint_unreachable"}

    form[CONF_PORT] = settings.port
    other = await upload(CertificateAuthority("Another CA").certificate)
    result = await add(hass, result, form | {CONF_ROOT_CA: other})
    assert errors(result) == {CONF_ROOT_CA: "server_not_trusted"}
    told = await words(hass, result)
    assert "signed by Test CA, which is not trusted here" in told[CONF_ROOT_CA]

    result = await add(hass, result, form | {CONF_THING_NAME: "thing-2"})
    assert errors(result) == {"base": "not_authorized"}
    told = await words(hass, result)
    assert "iot:Subscribe on $aws/things/thing-2/jobs/start-next" in told["base"]

    result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await broker.logged(f"Client {THING} disconnected")


async def test_port_without_tls(
    hass: HomeAssistant, flow: ConfigFlowResult, form: Form
) -> None:
    """A port of something else is told of at once, where it is entered."""
    async with Server(say(b"SSH-2.0-OpenSSH_10.0\r\n")) as server:
        wrong = {CONF_ENDPOINT: HOST, CONF_PORT: server.port}
        async with asyncio.timeout(5):
            result = await add(hass, flow, form | wrong)
    assert errors(result) == {CONF_PORT: "port_without_tls"}
    told = await words(hass, result)
    assert "speaks SSH, not TLS" in told[CONF_PORT]


@pytest.mark.parametrize("thing_days", [(-9, -2), (-1, 9), (2, 9)])
async def test_clock_that_is_wrong(
    hass: HomeAssistant,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    tmp_path: Path,
    ca: CertificateAuthority,
    thing_days: tuple[int, int],
) -> None:
    """Where the server's certificate is not valid yet, it is the clock, not a certificate."""
    shown = ca.server(HOST, valid_from=timedelta(days=2), valid_until=timedelta(days=9))
    begins, ends = (timedelta(days=days) for days in thing_days)
    made = ca.device(THING, valid_from=begins, valid_until=ends)
    context = tls_context(tmp_path, shown, clients=ca)
    async with Server(behind_tls(context)) as server:
        given = {
            CONF_ENDPOINT: HOST,
            CONF_PORT: server.port,
            CONF_CERTIFICATE: await upload(made.certificate),
            CONF_PRIVATE_KEY: await upload(made.private_key),
        }
        result = await add(hass, flow, form | given)
    assert errors(result) == {"base": "clock_wrong"}
    told = await words(hass, result)
    assert "shows a certificate that is valid from" in told["base"]
