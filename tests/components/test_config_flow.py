"""Adding a thing, renewing its certificate, changing its settings."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from io import BytesIO
from pathlib import Path
import tempfile
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificate
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

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
    CONF_DEFAULT_TIMEOUT,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_OUTAGE_ALLOWANCE,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER,
    CONF_THING_NAME,
    DOMAIN,
)
from custom_components.aws_iot_jobs.options import outage_seconds
from custom_components.aws_iot_jobs.runner.inventory import list_handlers
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component

from ..broker import Broker
from ..certificates import (
    CertificateAuthority,
    Credentials,
    key_pem,
    make_key,
    make_rsa_key,
)
from ..fake_jobs_service import FakeJobsService
from .conftest import ENDPOINT, THING
from .fake_agent import FakeAgent

HANDLERS = Path(__file__).parents[2] / "handlers"

type Upload = Callable[[bytes], Awaitable[str]]
type Form = dict[str, Any]


@pytest.fixture
async def upload(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Upload:
    """Upload files as the page does it; returns what a form calls them.

    Home Assistant keeps them in one folder of the machine, whoever else runs there.
    """
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(uploads))
    await async_setup_component(hass, "file_upload", {})
    client = await hass_client()

    async def upload(content: bytes) -> str:
        form = aiohttp.FormData()
        form.add_field("file", BytesIO(content), filename="file.pem")
        response = await client.post("/api/file_upload", data=form)
        assert response.status == 200
        file_id: str = (await response.json())["file_id"]
        return file_id

    return upload


@pytest.fixture
async def form(
    upload: Upload, ca: CertificateAuthority, credentials: Credentials
) -> Form:
    """Fill in the form for a thing: all is well."""
    return await _fill_in(upload, ca, credentials)


@pytest.fixture
async def form_again(
    upload: Upload, ca: CertificateAuthority, credentials: Credentials
) -> Form:
    """Fill in the same once more: files are uploaded for one dialog."""
    return await _fill_in(upload, ca, credentials)


async def _fill_in(
    upload: Upload, ca: CertificateAuthority, credentials: Credentials
) -> Form:
    return {
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: await upload(credentials.certificate),
        CONF_PRIVATE_KEY: await upload(credentials.private_key),
        CONF_ROOT_CA: await upload(ca.certificate),
    }


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


@pytest.fixture
async def flow(hass: HomeAssistant) -> ConfigFlowResult:
    """Begin to add a thing."""
    return await _begin(hass)


async def _begin(hass: HomeAssistant) -> ConfigFlowResult:
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert flow["type"] is FlowResultType.FORM
    assert flow["step_id"] == "user"
    assert not flow["errors"]
    return flow


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
    result = await _add(hass, flow, form)
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
    assert await _private_key(hass) == credentials.private_key
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
    result = await _add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert CONF_ROOT_CA not in result["data"]
    (settings,) = check_connection.await_args_list[0].args
    assert settings.root_ca is None


async def test_add_with_rsa_key_and_der_files(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """DER will do as well as PEM, and becomes PEM."""
    key = make_rsa_key()
    made = ca.device(THING, key=key)
    certificate = load_pem_x509_certificate(made.certificate)
    form[CONF_CERTIFICATE] = await upload(certificate.public_bytes(Encoding.DER))
    form[CONF_PRIVATE_KEY] = await upload(
        key.private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
    )
    result = await _add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_CERTIFICATE] == made.certificate.decode()
    assert await _private_key(hass) == made.private_key


async def test_certificate_file_with_more_in_it(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """A chain is kept; a private key beside it does not get into the entry."""
    chain = credentials.certificate + ca.certificate
    form[CONF_CERTIFICATE] = await upload(credentials.private_key + chain)
    result = await _add(hass, flow, form)
    assert result["data"][CONF_CERTIFICATE] == chain.decode()


async def test_files_as_other_tools_write_them(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """All in one file of PowerShell, the authority first; of two keys, the one that fits."""
    chain = credentials.certificate + ca.certificate
    keys = key_pem(make_key()) + credentials.private_key
    everything = (keys + ca.certificate + b"\n" + credentials.certificate).decode()
    written = everything.replace("\n", "\r\n").encode("utf-16")
    form[CONF_CERTIFICATE] = await upload(written)
    form[CONF_PRIVATE_KEY] = await upload(written)
    form[CONF_ROOT_CA] = await upload(b"\n" + ca.certificate.replace(b"\n", b"\n\n"))
    result = await _add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_CERTIFICATE] == chain.decode()
    assert result["data"][CONF_ROOT_CA] == ca.certificate.decode()
    assert await _private_key(hass) == credentials.private_key


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
    result = await _add(hass, flow, form | {field: entered})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][field] == stored


@pytest.mark.parametrize(
    ("field", "entered", "error"),
    [
        (CONF_ENDPOINT, "", "invalid_endpoint"),
        (CONF_ENDPOINT, f"{ENDPOINT}:8883", "invalid_endpoint"),
        (CONF_ENDPOINT, f"{ENDPOINT}/mqtt", "invalid_endpoint"),
        (CONF_ENDPOINT, "not a host", "invalid_endpoint"),
        (CONF_THING_NAME, "", "invalid_thing_name"),
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
    result = await _add(hass, flow, form | {field: entered})
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error}
    assert field == CONF_CERTIFICATE or _suggested(result)[field] == entered
    check_connection.assert_not_awaited()
    result = await _add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("field", "content", "error"),
    [
        (CONF_CERTIFICATE, b"not a certificate", "invalid_certificate"),
        (CONF_CERTIFICATE, b"-----BEGIN CERTIFICATE-----\n", "file_damaged"),
        (CONF_CERTIFICATE, b"", "file_empty"),
        pytest.param(
            CONF_CERTIFICATE, b" " * 1024 * 1025, "file_too_large", id="too large"
        ),
        (CONF_CERTIFICATE, key_pem(make_key()), "file_is_private_key"),
        (CONF_PRIVATE_KEY, b"not a key", "invalid_private_key"),
        (CONF_PRIVATE_KEY, b"-----BEGIN PRIVATE KEY-----\n", "file_damaged"),
        (
            CONF_PRIVATE_KEY,
            key_pem(make_key(), password=b"password"),
            "private_key_encrypted",
        ),
        (
            CONF_PRIVATE_KEY,
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "private_key_unsupported",
        ),
        (CONF_PRIVATE_KEY, key_pem(make_key()), "private_key_mismatch"),
        (CONF_ROOT_CA, b"not a certificate", "invalid_root_ca"),
    ],
)
async def test_unusable_files(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    field: str,
    content: bytes,
    error: str,
) -> None:
    """What is wrong with a file is told at its field; the good files stay."""
    result = await _add(hass, flow, form | {field: await upload(content)})
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error}
    # What is shown again is what the form had: names of uploads, never their content.
    assert _suggested(result).items() <= form.items()
    assert field not in _suggested(result)
    check_connection.assert_not_awaited()
    result = await _add(hass, result, form)
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
    result = await _add(hass, flow, form | wrong)
    assert result["errors"] == {
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
    result = await _add(hass, flow, form | files)
    assert result["errors"] == {CONF_CERTIFICATE: error}
    date = {
        "expired": certificate.not_valid_after_utc,
        "valid_from": certificate.not_valid_before_utc,
    }[placeholder]
    words = await _words(hass, result)
    assert f"{date:%Y-%m-%d %H:%M} UTC" in words[CONF_CERTIFICATE]
    assert "clock" in words[CONF_CERTIFICATE]
    check_connection.assert_not_awaited()
    result = await _add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("fault", "field", "error", "told"),
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
    told: str,
) -> None:
    """What keeps AWS IoT from working is told in words, at the field that it concerns.

    The same form can be submitted again when the fault is gone.
    """
    check_connection.side_effect = fault
    result = await _add(hass, flow, form)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error}
    words = await _words(hass, result)
    assert told in words[field]
    assert "a secret" not in words[field]
    check_connection.side_effect = None
    result = await _add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_agent_leaves_its_name_to_the_check(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """The thing's own agent is not connected while new settings are checked."""

    async def check(_: Any) -> None:
        assert agent.lent

    check_connection.side_effect = check
    form = {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883}
    result = await _submit(hass, await _connection(hass, entry), form)
    assert result["reason"] == "reconfigure_successful"
    check_connection.assert_awaited_once()
    assert not agent.lent
    await hass.async_block_till_done()


async def test_add_twice(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """A thing has one entry, and does not disturb its own connection."""
    result = await _add(hass, flow, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    check_connection.assert_not_awaited()


async def test_page_reload_in_mid_dialog(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """A dialog that nobody can open again does not keep the name of its thing."""
    left = await _submit(hass, flow, form)
    assert left["type"] is FlowResultType.MENU
    result = await _add(hass, await _begin(hass), form_again)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    with pytest.raises(UnknownFlow):
        await _choose(hass, left, "local")
    assert not hass.config_entries.flow.async_progress()


class SlowCheck:
    """A check of a connection that lasts until it is told to end, or is ended.

    `begun` and `ended` count them; two at a time are not possible with one thing name.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.begun = self.ended = 0
        self.answer = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self, _: Any) -> None:
        """Check."""
        assert self.begun == self.ended
        self.begun += 1
        self._changed.set()
        try:
            await self.answer.wait()
        finally:
            # To disconnect takes a moment.
            await asyncio.sleep(0.05)
            self.ended += 1
            self._changed.set()

    async def until(self, *, begun: int, ended: int) -> None:
        """Wait for these counts."""
        async with asyncio.timeout(5):
            while (self.begun, self.ended) != (begun, ended):
                self._changed.clear()
                await self._changed.wait()


async def test_page_reload_in_mid_check(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """A check that nobody waits for gives the name of its thing to the next dialog's."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    left = hass.async_create_task(_submit(hass, flow, form))
    await check.until(begun=1, ended=0)
    again = hass.async_create_task(_submit(hass, await _begin(hass), form_again))
    await check.until(begun=2, ended=1)
    with pytest.raises(UnknownFlow):
        await left
    check.answer.set()
    assert (await again)["type"] is FlowResultType.MENU
    assert check.ended == 2


async def test_form_that_is_submitted_twice(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """The second submission of a form counts, as after a page reload in a repair."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    first = hass.async_create_task(_submit(hass, flow, form))
    await check.until(begun=1, ended=0)
    second = hass.async_create_task(_submit(hass, flow, form))
    result = await first
    assert result["errors"] == {"base": "check_ended"}
    assert "Another dialog" in (await _words(hass, result))["base"]
    check.answer.set()
    result = await second
    assert result["type"] is FlowResultType.MENU
    local = await _choose(hass, result, "local")
    result = await _submit(hass, local, {CONF_INSTALL_SAMPLES: False})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_dialog_that_is_closed_in_mid_check(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """No connection is left behind."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    left = hass.async_create_task(_submit(hass, flow, form))
    await check.until(begun=1, ended=0)
    hass.config_entries.flow.async_abort(flow["flow_id"])
    with pytest.raises(UnknownFlow):
        await left
    assert check.ended == 1


async def test_page_reload_while_reconfiguring(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """The next dialog ends the one before, whose check does not keep the agent away."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    form = {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883}
    left = hass.async_create_task(_submit(hass, await _connection(hass, entry), form))
    await check.until(begun=1, ended=0)
    lent = [agent.lent]
    again = await _connection(hass, entry)
    with pytest.raises(UnknownFlow):
        await left
    assert [*lent, agent.lent] == [True, False]
    assert len(hass.config_entries.flow.async_progress()) == 1
    check.answer.set()
    assert (await _submit(hass, again, form))["reason"] == "reconfigure_successful"
    assert not hass.config_entries.flow.async_progress()
    await hass.async_block_till_done()


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
    menu = await _submit(hass, flow, form)
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["local", "address"]
    local = await _choose(hass, menu, "local")
    assert _suggested(local) == {
        CONF_HANDLER_DIRECTORY: hass.config.path("aws_iot_jobs", "handlers")
    }
    directory = Path(hass.config.path("my-handlers"))
    given = {
        CONF_HANDLER_DIRECTORY: "my-handlers" if relative else str(directory),
        CONF_INSTALL_SAMPLES: False,
    }
    result = await _submit(hass, local, given)
    assert result["errors"] == {CONF_HANDLER_DIRECTORY: "not_a_directory"}
    directory.mkdir()
    result = await _submit(hass, result, given)
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
    local = await _choose(hass, await _submit(hass, flow, form), "local")
    blocked = Path(hass.config.path("aws_iot_jobs"))
    blocked.write_text("in the way")
    result = await _submit(hass, local, {CONF_INSTALL_SAMPLES: True})
    assert result["errors"] == {CONF_INSTALL_SAMPLES: "samples_failed"}
    blocked.unlink()
    directory = blocked / "handlers"
    directory.mkdir(mode=0o700, parents=True)
    own = directory / "reboot.sh"
    own.write_text("my own")
    own.chmod(0o700)
    result = await _submit(hass, result, {CONF_INSTALL_SAMPLES: True})
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


async def test_reauth(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """A new certificate and key replace the old ones, and are used at once."""
    renewed = ca.device(THING)
    files = {
        CONF_CERTIFICATE: await upload(renewed.certificate),
        CONF_PRIVATE_KEY: await upload(renewed.private_key),
    }
    flow = await entry.start_reauth_flow(hass)
    assert flow["step_id"] == "reauth_confirm"
    assert flow["description_placeholders"]["thing_name"] == THING

    # This form has no field for an endpoint: what is wrong with it is told all the same.
    check_connection.side_effect = EndpointError("nobody is there")
    result = await _submit(hass, flow, files)
    assert result["errors"] == {"base": "endpoint_unreachable"}

    check_connection.side_effect = None
    result = await _submit(hass, result, files)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.data[CONF_CERTIFICATE] == renewed.certificate.decode()
    assert entry.data[CONF_ROOT_CA] == ca.certificate.decode()
    assert await _private_key(hass) == renewed.private_key
    assert not agent.running.is_set()
    assert agents[-1].settings.connection.private_key == renewed.private_key


async def test_reauth_with_another_root_ca(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """The authority of the endpoint may change along with the certificate."""
    authority = CertificateAuthority().certificate
    flow = await entry.start_reauth_flow(hass)
    result = await _submit(
        hass,
        flow,
        {
            CONF_CERTIFICATE: await upload(credentials.certificate),
            CONF_PRIVATE_KEY: await upload(credentials.private_key),
            CONF_ROOT_CA: await upload(authority),
        },
    )
    assert result["reason"] == "reauth_successful"
    assert entry.data[CONF_ROOT_CA] == authority.decode()
    await hass.async_block_till_done()


async def test_reconfigure(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
    credentials: Credentials,
) -> None:
    """Endpoint and port change; certificate, key and handlers stay."""
    options = dict(entry.options)
    flow = await _connection(hass, entry)
    assert flow["step_id"] == "connection"
    assert _suggested(flow) == {
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
    }
    form = {
        CONF_ENDPOINT: "other.example.com",
        CONF_PORT: 443,
    }
    check_connection.side_effect = EndpointError("nobody is there")
    result = await _submit(hass, flow, form)
    assert result["errors"] == {CONF_ENDPOINT: "endpoint_unreachable"}

    check_connection.side_effect = None
    result = await _submit(hass, result, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.options == options
    assert entry.data[CONF_RUNNER] == {"kind": "local"}
    assert not agent.running.is_set()
    connection = agents[-1].settings.connection
    assert (connection.endpoint, connection.port) == ("other.example.com", 443)
    assert connection.certificate == credentials.certificate
    assert connection.private_key == credentials.private_key


@pytest.mark.parametrize("same_key", [True, False])
async def test_reconfigure_certificate_alone(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    upload: Upload,
    ca: CertificateAuthority,
    credentials: Credentials,
    same_key: bool,
) -> None:
    """A new certificate for the same key will do; for another one, that is needed too."""
    key = load_pem_private_key(credentials.private_key, None)
    renewed = ca.device(THING, key=key if same_key else make_key())  # type: ignore[arg-type]
    form = {
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
        CONF_CERTIFICATE: await upload(renewed.certificate),
    }
    result = await _submit(hass, await _connection(hass, entry), form)
    if not same_key:
        assert result["errors"] == {CONF_PRIVATE_KEY: "private_key_mismatch"}
        form[CONF_PRIVATE_KEY] = await upload(renewed.private_key)
        result = await _submit(hass, result, form)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data[CONF_CERTIFICATE] == renewed.certificate.decode()
    assert await _private_key(hass) == renewed.private_key


async def test_reconfigure_without_stored_key(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """A private key that is lost must be uploaded again."""
    await SecretStore(hass, THING).async_remove()
    form = {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883}
    result = await _submit(hass, await _connection(hass, entry), form)
    assert result["errors"] == {CONF_PRIVATE_KEY: "private_key_missing"}
    form[CONF_PRIVATE_KEY] = await upload(credentials.private_key)
    result = await _submit(hass, result, form)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_options(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
) -> None:
    """Another handler directory is used at once; an empty field means the default one."""
    directory = Path(hass.config.path("my-handlers"))
    default = entry.options[CONF_HANDLER_DIRECTORY]
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert flow["type"] is FlowResultType.FORM
    assert _suggested(flow) == {CONF_HANDLER_DIRECTORY: default}

    form = {CONF_HANDLER_DIRECTORY: str(directory)}
    result = await hass.config_entries.options.async_configure(flow["flow_id"], form)
    assert result["errors"] == {CONF_HANDLER_DIRECTORY: "not_a_directory"}
    assert result["description_placeholders"] == {"directory": str(directory)}
    assert form.items() <= _suggested(result).items()

    directory.mkdir()
    result = await hass.config_entries.options.async_configure(flow["flow_id"], form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == form
    assert len(agents) == 2

    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {})
    await hass.async_block_till_done()
    assert entry.options == {CONF_HANDLER_DIRECTORY: default}


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [({"minutes": 10}, 600), ({"hours": 1, "minutes": 0, "seconds": 5}, 3605)],
)
async def test_default_timeout(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
    duration: dict[str, float],
    seconds: float,
) -> None:
    """Steps may be given a time that they may take; zero takes it back."""
    assert agent.settings.default_timeout is None
    for given, wanted in ((duration, seconds), ({"hours": 0, "minutes": 0}, None)):
        flow = await hass.config_entries.options.async_init(entry.entry_id)
        result = await hass.config_entries.options.async_configure(
            flow["flow_id"], {CONF_DEFAULT_TIMEOUT: given}
        )
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        assert agents[-1].settings.default_timeout == wanted


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ({"minutes": 0}, 0),
        ({"hours": 2, "minutes": 0, "seconds": 1}, 7201),
        ({"days": 7}, 604800),
    ],
)
async def test_outage_allowance(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    duration: dict[str, float],
    seconds: float,
) -> None:
    """AWS waits for half an hour unless something else is said, which can be none at all."""
    assert outage_seconds(entry.options) == 1800
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert flow["data_schema"] is not None
    assert flow["data_schema"]({})[CONF_OUTAGE_ALLOWANCE] == {"minutes": 30}
    result = await hass.config_entries.options.async_configure(
        flow["flow_id"], {CONF_OUTAGE_ALLOWANCE: duration}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert outage_seconds(entry.options) == seconds
    await hass.async_block_till_done()

    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert _suggested(flow)[CONF_OUTAGE_ALLOWANCE] == duration
    await hass.config_entries.options.async_configure(flow["flow_id"], {})
    assert outage_seconds(entry.options) == 1800
    await hass.async_block_till_done()


async def test_outage_allowance_that_aws_does_not_know(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """More than AWS's longest timer is told at its field."""
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    too_long = {CONF_OUTAGE_ALLOWANCE: {"days": 7, "seconds": 1}}
    result = await hass.config_entries.options.async_configure(
        flow["flow_id"], too_long
    )
    assert result["errors"] == {CONF_OUTAGE_ALLOWANCE: "outage_allowance_too_long"}
    assert _suggested(result)[CONF_OUTAGE_ALLOWANCE] == {"days": 7, "seconds": 1}


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
    result = await _add(hass, flow, form)
    assert result["errors"] == {CONF_ENDPOINT: "endpoint_unreachable"}

    form[CONF_PORT] = settings.port
    other = await upload(CertificateAuthority("Another CA").certificate)
    result = await _add(hass, result, form | {CONF_ROOT_CA: other})
    assert result["errors"] == {CONF_ROOT_CA: "server_not_trusted"}
    words = await _words(hass, result)
    assert "signed by Test CA, which is not trusted here" in words[CONF_ROOT_CA]

    result = await _add(hass, result, form | {CONF_THING_NAME: "thing-2"})
    assert result["errors"] == {"base": "not_authorized"}
    words = await _words(hass, result)
    assert "iot:Subscribe on $aws/things/thing-2/jobs/start-next" in words["base"]

    result = await _add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await broker.logged(f"Client {THING} disconnected")


async def _submit(
    hass: HomeAssistant, flow: ConfigFlowResult, form: Mapping[str, Any]
) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], dict(form))
    if result["type"] is FlowResultType.CREATE_ENTRY:
        await hass.async_block_till_done()
    return result


async def _add(
    hass: HomeAssistant, flow: ConfigFlowResult, form: Mapping[str, Any]
) -> ConfigFlowResult:
    """Submit the form of a thing; when all is well, run handlers here."""
    result = await _submit(hass, flow, form)
    if result["type"] is not FlowResultType.MENU:
        return result
    local = await _choose(hass, result, "local")
    return await _submit(hass, local, {CONF_INSTALL_SAMPLES: False})


async def _choose(
    hass: HomeAssistant, menu: ConfigFlowResult, step_id: str
) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": step_id}
    )


async def _connection(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Begin to change how a thing connects."""
    menu = await entry.start_reconfigure_flow(hass)
    assert menu["type"] is FlowResultType.MENU
    return await _choose(hass, menu, "connection")


async def _private_key(hass: HomeAssistant) -> bytes | None:
    stored = (await SecretStore(hass, THING).async_load()).get(CONF_PRIVATE_KEY)
    return None if stored is None else stored.encode()


def _suggested(form: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form are filled in with."""
    assert form["data_schema"] is not None
    return {
        str(key): key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }


async def _words(hass: HomeAssistant, form: ConfigFlowResult) -> dict[str, str]:
    """Return the errors of a form as a user reads them, by field."""
    translations = await async_get_translations(hass, "en", "config", [DOMAIN])
    placeholders = form["description_placeholders"] or {}
    return {
        field: translations[f"component.{DOMAIN}.config.error.{error}"].format(
            **placeholders
        )
        for field, error in (form["errors"] or {}).items()
    }
