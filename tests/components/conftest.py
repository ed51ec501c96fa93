"""A Home Assistant with this integration, and what a thing needs."""

from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
import tempfile
from typing import Any
from unittest.mock import AsyncMock, PropertyMock, patch

import aiohttp
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]
import pytest_socket

from custom_components.aws_iot_jobs import progress
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER,
    CONF_THING_NAME,
    DOMAIN,
)
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.runner.model import Runner
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store
from homeassistant.setup import async_setup_component

from ..broker import Broker
from ..certificates import CertificateAuthority, Credentials
from ..fake_jobs_service import FakeJobsService
from .dialog import Form, Upload, begin
from .fake_agent import FakeAgent

THING = "thing-1"
ENDPOINT = "account-ats.iot.eu-central-1.amazonaws.com"

_REAL_STORE = {
    name: getattr(Store, name)
    for name in ("_async_load", "_async_write_data", "async_remove")
}


@pytest.fixture(autouse=True)
def nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no page that has to show something."""
    monkeypatch.setattr(progress, "SHOWN_SECONDS", 0)


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give each Home Assistant a configuration folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture
def database() -> None:
    """Have none. A module that needs one overrides this: it comes before Home Assistant."""


@pytest.fixture(autouse=True)
def integration_in_reach(
    database: None, enable_custom_integrations: None, socket_enabled: None
) -> None:
    """Let Home Assistant find this integration, and connect to loopback alone."""
    pytest_socket.socket_allow_hosts(
        ["127.0.0.1", "localhost", "::1"], allow_unix_socket=True
    )


@pytest.fixture
def storage_on_disk(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> Iterator[Path]:
    """Have Home Assistant store to disk, which it does not do in other tests."""
    # Undone before the other tests' way, which is below.
    with pytest.MonkeyPatch.context() as patched:
        for name, method in _REAL_STORE.items():
            patched.setattr(Store, name, method)
        yield Path(hass.config.path(".storage"))


@pytest.fixture
def all_entities() -> Iterator[None]:
    """Have all entities, those too that are off by default."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        PropertyMock(return_value=True),
    ):
        yield


@pytest.fixture(scope="session")
def ca() -> CertificateAuthority:
    """Make a certificate authority."""
    return CertificateAuthority()


@pytest.fixture(scope="session")
def credentials(ca: CertificateAuthority) -> Credentials:
    """Make the certificate and key of a thing."""
    return ca.device(THING)


@pytest.fixture
def check_connection() -> Iterator[AsyncMock]:
    """Answer for AWS IoT, when settings are checked: all is well."""
    with patch(
        "custom_components.aws_iot_jobs.validation.check_connection"
    ) as check_connection:
        yield check_connection


@pytest.fixture
def agents() -> Iterator[list[FakeAgent]]:
    """Run agents that do nothing by themselves; the last one made is the last one here."""
    made: list[FakeAgent] = []

    def make(settings: AgentSettings, runner: Runner) -> FakeAgent:
        made.append(FakeAgent(settings, runner))
        return made[-1]

    with patch("custom_components.aws_iot_jobs.Agent", make):
        yield made


@pytest.fixture
def entry_data(ca: CertificateAuthority, credentials: Credentials) -> dict[str, Any]:
    """Return what the entry of a thing has."""
    return {
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: credentials.certificate.decode(),
        CONF_ROOT_CA: ca.certificate.decode(),
        CONF_RUNNER: {"kind": "local"},
    }


@pytest.fixture
async def entry(
    hass: HomeAssistant, entry_data: dict[str, Any], credentials: Credentials
) -> MockConfigEntry:
    """Return the entry of a thing, added and not set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=THING,
        unique_id=THING,
        data=entry_data,
        options={CONF_HANDLER_DIRECTORY: hass.config.path("aws_iot_jobs", "handlers")},
    )
    entry.add_to_hass(hass)
    await SecretStore(hass, THING).async_update(
        {CONF_PRIVATE_KEY: credentials.private_key.decode()}
    )
    return entry


@pytest.fixture
async def agent(
    hass: HomeAssistant, entry: MockConfigEntry, agents: list[FakeAgent]
) -> FakeAgent:
    """Set a thing up, and return its agent, which runs."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await agents[-1].running.wait()
    return agents[-1]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Run a broker that enforces the minimal policy."""
    async with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
async def service(broker: Broker) -> AsyncIterator[FakeJobsService]:
    """Run AWS IoT Jobs behind the broker."""
    async with FakeJobsService(
        port=broker.port, tls_context=broker.service_tls_context()
    ) as service:
        yield service


@pytest.fixture
async def thing(
    hass: HomeAssistant, entry: MockConfigEntry, broker: Broker
) -> MockConfigEntry:
    """Return the entry of a thing of the broker."""
    settings = broker.settings(THING)
    assert settings.root_ca is not None
    await SecretStore(hass, THING).async_update(
        {CONF_PRIVATE_KEY: settings.private_key.decode()}
    )
    data = {
        CONF_ENDPOINT: settings.endpoint,
        CONF_PORT: settings.port,
        CONF_THING_NAME: settings.thing_name,
        CONF_CERTIFICATE: settings.certificate.decode(),
        CONF_ROOT_CA: settings.root_ca.decode(),
        CONF_RUNNER: {"kind": "local"},
    }
    hass.config_entries.async_update_entry(entry, data=data)
    return entry


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
    # As Home Assistant's own server: what is set up later is served, too.
    monkeypatch.setattr(hass.http.app.router, "freeze", lambda: None)
    client = await hass_client()

    async def upload(content: bytes, name: str = "file.pem") -> str:
        form = aiohttp.FormData()
        form.add_field("file", BytesIO(content), filename=name)
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
        CONF_CERTIFICATE: await upload(credentials.certificate, "thing.cert.pem"),
        CONF_PRIVATE_KEY: await upload(credentials.private_key, "thing.private.key"),
        CONF_ROOT_CA: await upload(ca.certificate, "root-ca.pem"),
    }


@pytest.fixture
async def flow(hass: HomeAssistant) -> ConfigFlowResult:
    """Begin to add a thing."""
    return await begin(hass)
