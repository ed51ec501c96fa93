"""Renewing the certificate of a thing, and changing how it connects."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from typing import Any
from unittest.mock import AsyncMock

from cryptography.hazmat.primitives.serialization import load_pem_private_key
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import EndpointError
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER,
)
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_PORT, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from ..certificates import CertificateAuthority, Credentials, make_key
from .conftest import ENDPOINT, THING
from .dialog import Upload, choose, connection, errors, private_key, submit, suggested
from .fake_agent import FakeAgent


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


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
    result = await submit(hass, await connection(hass, entry), form)
    assert result["reason"] == "reconfigure_successful"
    check_connection.assert_awaited_once()
    assert not agent.lent
    await hass.async_block_till_done()


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
    result = await submit(hass, flow, files)
    assert errors(result) == {"base": "endpoint_unreachable"}

    check_connection.side_effect = None
    result = await submit(hass, result, files)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.data[CONF_CERTIFICATE] == renewed.certificate.decode()
    assert entry.data[CONF_ROOT_CA] == ca.certificate.decode()
    assert await private_key(hass, THING) == renewed.private_key
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
    result = await submit(
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
    flow = await connection(hass, entry)
    assert flow["step_id"] == "connection"
    assert suggested(flow) == {
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
    }
    form = {
        CONF_ENDPOINT: "other.example.com",
        CONF_PORT: 443,
    }
    check_connection.side_effect = EndpointError("nobody is there")
    result = await submit(hass, flow, form)
    assert errors(result) == {CONF_ENDPOINT: "endpoint_unreachable"}

    check_connection.side_effect = None
    result = await submit(hass, result, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.options == options
    assert entry.data[CONF_RUNNER] == {"kind": "local"}
    assert not agent.running.is_set()
    used = agents[-1].settings.connection
    assert (used.endpoint, used.port) == ("other.example.com", 443)
    assert used.certificate == credentials.certificate
    assert used.private_key == credentials.private_key


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
    result = await submit(hass, await connection(hass, entry), form)
    if not same_key:
        assert errors(result) == {CONF_PRIVATE_KEY: "private_key_mismatch"}
        form[CONF_PRIVATE_KEY] = await upload(renewed.private_key)
        result = await submit(hass, result, form)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data[CONF_CERTIFICATE] == renewed.certificate.decode()
    assert await private_key(hass, THING) == renewed.private_key


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
    result = await submit(hass, await connection(hass, entry), form)
    assert errors(result) == {CONF_PRIVATE_KEY: "private_key_missing"}
    form[CONF_PRIVATE_KEY] = await upload(credentials.private_key)
    result = await submit(hass, result, form)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("runner", "marked", "known"),
    [
        ({"kind": "local"}, "local", {}),
        ({"kind": "address", "url": "http://h:1"}, "address", {CONF_URL: "http://h:1"}),
        ({"kind": "app", "url": "http://h:1", "slug": "local_aws_iot_jobs"}, "app", {}),
    ],
)
async def test_present_choice(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    runner: dict[str, str],
    marked: str,
    known: dict[str, str],
) -> None:
    """The menu marks where handlers run now, and tells how the thing connects."""
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_RUNNER: runner}
    )
    menu = await entry.start_reconfigure_flow(hass)
    places = {"local", "address", "app"}
    marks = {place: "\u2713 " if place == marked else "" for place in places}
    assert menu["description_placeholders"] == {
        "thing_name": THING,
        "endpoint": ENDPOINT,
        "port": "8883",
        **{f"{place}_mark": mark for place, mark in marks.items()},
    }
    assert suggested(await choose(hass, menu, "address")) == known
