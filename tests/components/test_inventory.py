"""The inventory, as it is reported: when, what, and what comes of a refusal."""

import asyncio
from dataclasses import replace
from datetime import timedelta
import logging
import re
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.components.diagnostics import (  # type: ignore[import-untyped]
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs import inventory
from custom_components.aws_iot_jobs.aws_iot.errors import (
    ConnectError,
    DisconnectedError,
    NotAuthorizedError,
)
from custom_components.aws_iot_jobs.const import CONF_INVENTORY, DOMAIN
from custom_components.aws_iot_jobs.inventory import INTERVAL_SECONDS, RESPITE
from custom_components.aws_iot_jobs.jobs.model import AgentState
from homeassistant.components.backup.const import DATA_MANAGER
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED, __version__ as core_version
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING
from .fake_agent import FakeAgent

TOPIC = f"$aws/things/{THING}/shadow/name/home-assistant/update"
REFUSAL = NotAuthorizedError("iot:Publish", [TOPIC])


@pytest.fixture
def entry(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Have its owner want an inventory."""
    options = {**entry.options, CONF_INVENTORY: True}
    hass.config_entries.async_update_entry(entry, options=options)
    return entry


@pytest.fixture
def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Any:
    """Let time pass."""

    async def let_pass(seconds: float = INTERVAL_SECONDS + 1) -> None:
        freezer.tick(timedelta(seconds=seconds))
        async_fire_time_changed(hass)
        await settle(hass)

    return let_pass


async def settle(hass: HomeAssistant) -> None:
    """Wait until what is to be reported now has been."""
    await hass.async_block_till_done()
    while reporting := [
        task
        for task in asyncio.all_tasks()
        if task.get_name().startswith(("debouncer", f"{DOMAIN} backups"))
    ]:
        await asyncio.wait(reporting)
        await hass.async_block_till_done()


async def connect(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Have the agent connect, for the first time or again."""
    agent.push(replace(agent.state, connected=False))
    agent.push(replace(agent.state, connected=True))
    await settle(hass)


async def restart(
    hass: HomeAssistant, entry: MockConfigEntry, agents: list[FakeAgent]
) -> FakeAgent:
    """Set the thing up again, connected; return its agent."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connect(hass, agents[-1])
    return agents[-1]


def reported(agent: FakeAgent) -> list[dict[str, Any]]:
    """Return what was reported so far."""
    assert {topic for topic, _ in agent.published} <= {TOPIC}
    return [message["state"]["reported"] for _, message in agent.published]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of the inventory to whoever reads the log."""
    return [
        it.getMessage()
        for it in caplog.records
        if it.name == inventory.__name__ and it.levelno == logging.WARNING
    ]


async def test_nothing_is_told_unless_it_is_wanted(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent, later: Any
) -> None:
    """It is off until somebody switches it on; then what was told is taken back."""
    await connect(hass, agent)
    assert len(reported(agent)) == 1
    options = dict(entry.options) | {CONF_INVENTORY: False}
    hass.config_entries.async_update_entry(entry, options=options)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert reported(agent)[1:] == [None]


async def test_by_default_nothing_is_told(
    hass: HomeAssistant, entry: MockConfigEntry, agents: list[FakeAgent]
) -> None:
    """Not even that there would be something."""
    hass.config_entries.async_update_entry(
        entry,
        options={
            key: value for key, value in entry.options.items() if key != CONF_INVENTORY
        },
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await connect(hass, agents[-1])
    assert reported(agents[-1]) == []


async def test_it_is_told_with_each_connection(
    hass: HomeAssistant, agent: FakeAgent, later: Any
) -> None:
    """Whole, though nothing has changed: the shadow may be another one."""
    await connect(hass, agent)
    await later()
    await connect(hass, agent)
    await later()
    first, second = reported(agent)
    assert first == second
    assert first["core"] == core_version
    assert first["installationType"].startswith(("Home Assistant", "Unsupported"))
    assert first["handlersRun"] == "local"
    assert first["held"] is False


async def test_changes_are_told_once_a_minute_at_most(
    hass: HomeAssistant, agent: FakeAgent, later: Any
) -> None:
    """Of several, the last state is told, and of what is not news nothing."""
    registry = er.async_get(hass)
    core = registry.async_get_or_create(
        "update", "hassio", "home_assistant_core_version_latest"
    ).entity_id
    app = registry.async_get_or_create("update", "hassio", "ssh_version_latest")
    hacs = registry.async_get_or_create("update", "hacs", "1234")
    await connect(hass, agent)
    hass.states.async_set(core, "on", {"latest_version": "2026.11.0"})
    hass.states.async_set(app.entity_id, "on", {"latest_version": "2"})
    hass.states.async_set(hacs.entity_id, "on", {"latest_version": "3"})
    hass.states.async_set("update.lamp", "on", {"latest_version": "4"})
    await settle(hass)
    hass.states.async_set(core, "on", {"latest_version": "2026.11.1"})
    await settle(hass)
    assert len(reported(agent)) == 1
    await later()
    first, second = reported(agent)
    assert set(first["pendingUpdates"].values()) == {None}
    assert second["pendingUpdates"] == {
        "core": "2026.11.1",
        "os": None,
        "supervisor": None,
        "apps": 1,
        "hacs": 1,
        "others": 1,
    }
    assert len(reported(agent)) == 2
    hass.states.async_set("light.lamp", "on")
    await later()
    assert len(reported(agent)) == 2


async def test_what_cannot_be_told_at_present_stays(
    hass: HomeAssistant, agent: FakeAgent, later: Any
) -> None:
    """While the Supervisor is away, no home leaves the group of those with an update."""
    core = (
        er.async_get(hass)
        .async_get_or_create("update", "hassio", "home_assistant_core_version_latest")
        .entity_id
    )
    hass.states.async_set(core, "on", {"latest_version": "2026.11.0"})
    await connect(hass, agent)
    hass.states.async_set(core, "unavailable")
    await later()
    assert len(reported(agent)) == 1
    await connect(hass, agent)
    await later()
    assert "core" not in reported(agent)[1]["pendingUpdates"]
    hass.states.async_set(core, "off")
    await later()
    assert reported(agent)[2]["pendingUpdates"]["core"] is None


async def test_nothing_is_told_before_home_assistant_has_started(
    hass: HomeAssistant, entry: MockConfigEntry, agents: list[FakeAgent]
) -> None:
    """It would say that no update waits, as long as nothing tells of one."""
    hass.set_state(CoreState.starting)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await connect(hass, agents[-1])
    assert reported(agents[-1]) == []
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await settle(hass)
    assert len(reported(agents[-1])) == 1


async def test_the_last_backup_is_told(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    later: Any,
) -> None:
    """When it has been made, and again after a restart."""
    assert await async_setup_component(hass, "backup", {})
    assert await hass.config_entries.async_setup(entry.entry_id)
    agent = agents[-1]
    await connect(hass, agent)
    await later()
    assert reported(agent)[-1]["lastBackupAgeDays"] is None
    manager = hass.data[DATA_MANAGER]
    await manager.async_create_backup(
        agent_ids=list(manager.local_backup_agents),
        extra_metadata=None,
        include_addons=None,
        include_all_addons=False,
        include_database=False,
        include_folders=None,
        include_homeassistant=True,
        name="test",
        password=None,
    )
    await settle(hass)
    await later()
    assert reported(agent)[-1]["lastBackupAgeDays"] == 0
    agent = await restart(hass, entry, agents)
    await later()
    assert reported(agent)[-1]["lastBackupAgeDays"] == 0
    assert None not in [it.get("lastBackupAgeDays", 0) for it in reported(agent)]


async def test_the_switch_is_told(
    hass: HomeAssistant, agent: FakeAgent, later: Any
) -> None:
    """Whether jobs are taken here at all."""
    await connect(hass, agent)
    await agent.take_jobs(takes=False)
    await later()
    assert [it["held"] for it in reported(agent)] == [False, True]


async def test_nothing_names_anybody(hass: HomeAssistant, agent: FakeAgent) -> None:
    """No name of the home, no place, no entity."""
    hass.config.location_name = "Villa Kunterbunt"
    hass.states.async_set("update.kitchen_lamp", "on", {"latest_version": "1"})
    await connect(hass, agent)
    told = str(agent.published)
    for secret in ("Kunterbunt", "kitchen", str(hass.config.latitude)):
        assert secret not in told


@pytest.fixture
def diagnosed(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> Any:
    """Return what diagnostics say of the inventory."""

    async def diagnose() -> str:
        found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
        told: str = found["inventory"]
        return told

    return diagnose


async def test_a_refusal_is_told_once_and_tried_with_the_next_connection(
    hass: HomeAssistant,
    diagnosed: Any,
    agent: FakeAgent,
    later: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The policy may have got the statement meanwhile."""
    agent.publish_problem = REFUSAL
    await connect(hass, agent)
    await agent.take_jobs(takes=False)
    await later()
    assert len(reported(agent)) == 1
    assert re.fullmatch(
        r"refused since \d{4}-\S+: the policy does not allow .*", await diagnosed()
    )
    await connect(hass, agent)
    await later()
    assert len(reported(agent)) == 2
    [told] = warnings(caplog)
    assert "statement Inventory" in told
    agent.publish_problem = None
    await connect(hass, agent)
    await later()
    assert len(reported(agent)) == 3
    assert await diagnosed() == "on"


async def test_a_connection_that_ends_with_each_report_is_left_alone(
    hass: HomeAssistant,
    agent: FakeAgent,
    later: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """AWS may end it over what the policy does not allow: jobs are worth more."""
    agent.publish_problem = DisconnectedError("lost")
    for _ in range(4):
        await connect(hass, agent)
        await later()
    assert len(reported(agent)) == 2
    assert "the connection ended with each report" in caplog.text
    await later(RESPITE.total_seconds())
    await connect(hass, agent)
    assert len(reported(agent)) == 3


async def test_what_aws_has_not_got_is_told_again(
    hass: HomeAssistant, agent: FakeAgent, later: Any
) -> None:
    """With the same connection, where it has not ended."""
    agent.publish_problem = ConnectError("quota exceeded")
    await connect(hass, agent)
    agent.publish_problem = None
    await later()
    await later()
    assert len(reported(agent)) == 2


async def test_what_is_taken_back_stays_so(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A report that was being made meanwhile does not come after that."""
    asked, may_tell = asyncio.Event(), asyncio.Event()

    async def tell_slowly(_: HomeAssistant) -> int:
        asked.set()
        await may_tell.wait()
        return 1000

    with patch.object(inventory, "async_get_free_disk", tell_slowly):
        agent.push(replace(agent.state, connected=True))
        await asked.wait()
        options = dict(entry.options) | {CONF_INVENTORY: False}
        hass.config_entries.async_update_entry(entry, options=options)
        assert await hass.config_entries.async_unload(entry.entry_id)
        may_tell.set()
        await settle(hass)
    assert reported(agent) == [None]
    assert "Traceback" not in caplog.text


async def test_nothing_is_told_after_the_end(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent, later: Any
) -> None:
    """A thing that is unloaded says nothing any more."""
    await connect(hass, agent)
    assert await hass.config_entries.async_unload(entry.entry_id)
    hass.states.async_set("update.lamp", "on", {"latest_version": "4"})
    await later()
    agent.push(AgentState(connected=True))
    await later()
    assert len(reported(agent)) == 1


@pytest.fixture
def short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next report come soon."""
    monkeypatch.setattr(inventory, "INTERVAL_SECONDS", 0.1)


@pytest.mark.usefixtures("short_minute")
async def test_under_the_minimal_policy_jobs_go_on(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    broker: Broker,
    service: FakeJobsService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refused, it is said once; tried with the next connection, and jobs run as ever."""
    denied = f"Denied PUBLISH from {THING} .*{re.escape(TOPIC)}"
    step = {"name": "Only", "type": "runCommand", "input": {"command": "true"}}
    document = {"version": "1.0", "steps": [{"action": step}]}
    assert await hass.config_entries.async_setup(thing.entry_id)
    await broker.logged(denied)
    job = service.create_job(document)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert broker.published_by(THING).count(TOPIC) == 1
    async with thing.runtime_data.disconnected():
        pass
    await broker.logged(denied, count=2)
    job = service.create_job(document)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert len(warnings(caplog)) == 1
    assert not any("shadow" in it for it in broker.subscribed_by(THING))
