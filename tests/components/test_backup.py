"""Jobs wait while Home Assistant makes a backup."""

import asyncio
from datetime import timedelta
import os
from pathlib import Path
import tarfile
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    MockModule,
    async_fire_time_changed,
    mock_integration,
    mock_platform,
)

from custom_components.aws_iot_jobs.backup import (
    LIMIT,
    async_post_backup,
    async_pre_backup,
)
from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.model import AgentState, Hold, StepStatus
from homeassistant.components.backup.const import DATA_MANAGER
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from ..fake_jobs_service import FakeJobsService


class SlowPlatform:
    """Another integration that has something to do before a backup: it takes its time."""

    def __init__(self) -> None:
        """Begin without a backup."""
        self.asked = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def async_pre_backup(self, hass: HomeAssistant) -> None:
        """Wait until a test lets the backup go on."""
        self.asked.set()
        await self.may_go_on.wait()

    async def async_post_backup(self, hass: HomeAssistant) -> None:
        """Do nothing."""


@pytest.fixture
async def slow(hass: HomeAssistant) -> SlowPlatform:
    """Set up backups, with another integration that takes part in them."""
    platform = SlowPlatform()
    mock_integration(hass, MockModule("slow"))
    mock_platform(hass, "slow.backup", platform)
    hass.config.components.add("slow")
    assert await async_setup_component(hass, "backup", {})
    await hass.async_block_till_done()
    return platform


async def _make_backup(hass: HomeAssistant) -> Path:
    """Make a backup, as its page does; return its file."""
    manager = hass.data[DATA_MANAGER]
    [agent_id] = manager.local_backup_agents
    made = await manager.async_create_backup(
        agent_ids=[agent_id],
        extra_metadata=None,
        include_addons=None,
        include_all_addons=False,
        include_database=False,
        include_folders=None,
        include_homeassistant=True,
        name="test",
        password=None,
    )
    assert made
    agent = manager.local_backup_agents[agent_id]
    await hass.async_block_till_done()
    [backup] = await agent.async_list_backups()
    path: Path = agent.get_backup_path(backup.backup_id)
    return path


async def test_steps_wait_for_the_end_of_a_backup(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    slow: SlowPlatform,
    tmp_path: Path,
) -> None:
    """The step that runs when it begins goes on, and the next one begins after it."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    agent: Agent = thing.runtime_data.agent
    first_ended = _until(agent, lambda state: _status(state, 0) is StepStatus.SUCCEEDED)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job = service.create_job(
        {
            "version": "1.0",
            "steps": [_step("First", f"cat {fifo}"), _step("Second", "true")],
        }
    )
    opened = await asyncio.to_thread(fifo.open, "w")
    making = hass.async_create_task(_make_backup(hass))
    await slow.asked.wait()
    assert Hold.BACKUP in agent.state.holds
    await asyncio.to_thread(opened.close)
    await first_ended
    slow.may_go_on.set()
    backup = await making
    assert await asyncio.to_thread(tarfile.is_tarfile, backup)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    await _until(agent, lambda state: state.last_job is not None)
    assert agent.state.last_job is not None
    second = agent.state.last_job.steps[1]
    assert second.started_at is not None
    made_at = dt_util.utc_from_timestamp(backup.stat().st_mtime)
    assert second.started_at > made_at


async def test_no_job_is_asked_for_in_a_backup(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    slow: SlowPlatform,
) -> None:
    """A job that comes meanwhile stays queued, even if the thing is set up again."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    making = hass.async_create_task(_make_backup(hass))
    await slow.asked.wait()
    job = service.create_job({"version": "1.0", "steps": [_step("Only", "true")]})
    assert await hass.config_entries.async_reload(thing.entry_id)
    agent: Agent = thing.runtime_data.agent
    await _until(agent, lambda state: state.connected)
    assert agent.state.holds == {Hold.BACKUP}
    assert job.status == "QUEUED"
    slow.may_go_on.set()
    await making
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert not agent.state.holds


async def test_backup_that_never_ends(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Jobs do not wait for ever for somebody who is gone; a late end does no harm."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    agent: Agent = thing.runtime_data.agent
    await async_pre_backup(hass)
    freezer.tick(LIMIT / 2)
    async_fire_time_changed(hass)
    # Supervisor was restarted, and begins once more.
    await async_pre_backup(hass)
    freezer.tick(LIMIT - timedelta(seconds=1))
    async_fire_time_changed(hass)
    assert agent.state.holds == {Hold.BACKUP}
    freezer.tick(2)
    async_fire_time_changed(hass)
    assert not agent.state.holds
    await async_post_backup(hass)
    assert not agent.state.holds


def _step(name: str, command: str) -> dict[str, Any]:
    source = {"command": f"sh,-c,{command}"}
    return {"action": {"name": name, "type": "runCommand", "input": source}}


def _status(state: AgentState, index: int) -> StepStatus | None:
    """Return the status of a step of the job that runs."""
    return state.job.steps[index].status if state.job and state.job.steps else None


def _until(agent: Agent, wanted: Any) -> asyncio.Future[None]:
    """Return what is done when an agent is in a wanted state."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def look(state: AgentState) -> None:
        if wanted(state) and not future.done():
            future.set_result(None)

    agent.subscribe(look)
    look(agent.state)
    return future
