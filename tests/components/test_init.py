"""Setting a thing up, unloading it, removing it."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from pathlib import Path
import stat
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import (
    CredentialsError,
    EndpointError,
)
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_HANDLER_DIRECTORY,
    CONF_ROOT_CA,
    DOMAIN,
)
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import (
    EVENT_HOMEASSISTANT_FINAL_WRITE,
    EVENT_HOMEASSISTANT_STOP,
    STATE_UNAVAILABLE,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.entity_component import async_update_entity
from homeassistant.loader import async_get_integration

from ..certificates import CertificateAuthority, Credentials
from .conftest import ENDPOINT, THING
from .fake_agent import FakeAgent

STATUS = "sensor.thing_1_job_status"


async def test_agent_gets_what_the_entry_has(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """The agent connects as the thing, and knows the facts of this Home Assistant."""
    assert entry.state is ConfigEntryState.LOADED
    connection = agent.settings.connection
    assert (connection.endpoint, connection.port) == (ENDPOINT, 8883)
    assert connection.thing_name == THING
    assert connection.certificate == credentials.certificate
    assert connection.private_key == credentials.private_key
    assert connection.root_ca == ca.certificate
    version = str((await async_get_integration(hass, DOMAIN)).version)
    assert agent.settings.facts["thingName"] == {THING}
    assert agent.settings.facts["agentVersion"] == {version}
    assert "linux" in agent.settings.facts["operatingSystem"]


async def test_default_root_ca(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    entry_data: dict[str, Any],
    agents: list[FakeAgent],
) -> None:
    """Without a root CA, it is left to the connection whom to trust."""
    del entry_data[CONF_ROOT_CA]
    hass.config_entries.async_update_entry(entry, data=entry_data)
    await hass.config_entries.async_setup(entry.entry_id)
    assert agents[-1].settings.connection.root_ca is None


async def test_device(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """A thing is a device, with the version of the integration."""
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert isinstance(device, dr.DeviceEntry)
    assert device.name == THING
    assert device.entry_type is dr.DeviceEntryType.SERVICE
    assert device.identifiers == {(DOMAIN, THING)}
    integration = await async_get_integration(hass, DOMAIN)
    assert device.sw_version == str(integration.version)


async def test_default_handler_directory_is_made(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """The default handler directory is there after set-up, for its owner alone."""
    directory = Path(hass.config.path("aws_iot_jobs", "handlers"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_handler_directory_of_the_user_is_left_alone(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    tmp_path: Path,
) -> None:
    """Another handler directory is not made: its absence is for jobs to tell."""
    hass.config_entries.async_update_entry(
        entry, options={CONF_HANDLER_DIRECTORY: str(tmp_path / "absent")}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert not (tmp_path / "absent").exists()


async def test_handler_directory_cannot_be_made(
    hass: HomeAssistant, entry: MockConfigEntry, agents: list[FakeAgent]
) -> None:
    """Where the default handler directory cannot be made, the entry says so."""
    Path(hass.config.path("aws_iot_jobs")).write_text("in the way")
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.reason is not None
    assert "handlers cannot be made: " in entry.reason
    assert not agents


async def test_unload_waits_for_the_running_step(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Unloading ends the agent, and lasts as long as that takes."""
    agent.may_end.clear()
    unloading = hass.async_create_task(
        hass.config_entries.async_unload(entry.entry_id), eager_start=True
    )
    await agent.stopping.wait()
    assert agent.running.is_set()
    assert not unloading.done()
    agent.may_end.set()
    assert await unloading
    assert not agent.running.is_set()
    assert entry.state is ConfigEntryState.NOT_LOADED


async def test_reload(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
) -> None:
    """After a reload a new agent runs, and the old one does not."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert len(agents) == 2
    assert not agent.running.is_set()
    await agents[-1].running.wait()


async def test_stop_of_home_assistant_waits_for_the_running_step(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """Home Assistant stops when the agent has ended, and cancels it once only."""
    agent.may_end.clear()
    told = asyncio.Event()
    running_at_the_end: list[bool] = []

    @callback
    def stop(_: Event) -> None:
        told.set()

    @callback
    def final_write(_: Event) -> None:
        running_at_the_end.append(agent.running.is_set())

    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop)
    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_FINAL_WRITE, final_write)
    stopping = asyncio.create_task(hass.async_stop())
    await told.wait()
    await agent.stopping.wait()
    assert agent.running.is_set()
    agent.may_end.set()
    await stopping
    assert running_at_the_end == [False]


async def test_removal(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """With its entry go the thing's private key and files, but not the handlers."""
    directory = Path(hass.config.path("aws_iot_jobs", "things", THING))
    assert agent.settings.directory == directory
    (directory / "work").mkdir(parents=True)
    assert f"aws_iot_jobs.{THING}" in hass_storage
    await hass.config_entries.async_remove(entry.entry_id)
    assert not agent.running.is_set()
    assert f"aws_iot_jobs.{THING}" not in hass_storage
    assert not directory.exists()
    assert Path(hass.config.path("aws_iot_jobs", "handlers")).is_dir()


async def test_private_key_is_not_in_the_entry(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Config entries can be read by everybody on the machine."""
    assert "PRIVATE KEY" not in str(entry.as_dict())


async def test_private_key_lost(
    hass: HomeAssistant, entry: MockConfigEntry, agents: list[FakeAgent]
) -> None:
    """Without its private key, a thing asks for another one."""
    await SecretStore(hass, THING).async_remove()
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.reason == "The private key is lost"
    assert list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))
    assert not agents


@pytest.mark.parametrize("certificate", ["another", "garbage"])
async def test_unusable_certificate(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    entry_data: dict[str, Any],
    ca: CertificateAuthority,
    agents: list[FakeAgent],
    certificate: str,
) -> None:
    """A certificate that the key does not fit, or that is none, is asked for again."""
    if certificate == "another":
        certificate = ca.device(THING).certificate.decode()
    hass.config_entries.async_update_entry(
        entry, data=entry_data | {CONF_CERTIFICATE: certificate}
    )
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.reason == "The certificate and the private key cannot be used"
    assert list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))
    assert not agents


async def test_agent_ends_for_its_credentials(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """An agent that cannot use its certificate makes the entry ask for another."""
    agent.fail(CredentialsError("cannot be used"))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert _state(hass) == STATE_UNAVAILABLE
    assert list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_agent_fails(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When an agent fails, the log says why and the entities are unavailable."""
    agent.fail(OSError("no space left"))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert "The agent of thing-1 has failed" in caplog.text
    assert "no space left" in caplog.text
    assert _state(hass) == STATE_UNAVAILABLE
    await async_update_entity(hass, STATUS)
    assert _state(hass) == STATE_UNAVAILABLE
    assert not list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))


async def test_refused_certificate(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """A certificate that AWS IoT keeps refusing is asked for, until it is accepted."""
    refused = CredentialsError("refused")
    for state in (
        AgentState(error=refused),
        AgentState(error=EndpointError("no network")),
        AgentState(error=refused),
    ):
        agent.push(state)
    await hass.async_block_till_done()
    assert not list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))
    agent.push(AgentState(error=CredentialsError("refused")))
    await hass.async_block_till_done()
    assert list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))
    agent.push(AgentState(connected=True))
    await hass.async_block_till_done()
    assert not list(entry.async_get_active_flows(hass, {SOURCE_REAUTH}))


def _state(hass: HomeAssistant) -> str:
    state = hass.states.get(STATUS)
    assert state is not None
    return state.state
