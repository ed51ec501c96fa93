"""The step that makes a backup, where Supervisor makes it."""

from collections.abc import AsyncIterator
import json
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.jobs.calls import BackupCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps import create_backup
from custom_components.aws_iot_jobs.steps.create_backup import CreateBackup
from homeassistant.components.backup import async_get_manager
from homeassistant.components.hassio.const import DATA_COMPONENT, EVENT_SUPERVISOR_EVENT
from homeassistant.components.hassio.handler import HassIO
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component

from .attempts import Trial
from .bucket import Bucket
from .supervisor_backups import CONTENT, SupervisorBackups


@pytest.fixture
async def supervisor(hass: HomeAssistant) -> AsyncIterator[SupervisorBackups]:
    """Have a Supervisor, and the backups of Home Assistant with it."""
    async with SupervisorBackups() as supervisor:
        hass.data[DATA_COMPONENT] = HassIO(
            hass.loop, async_get_clientsession(hass), supervisor.host
        )
        hass.config.components.add("hassio")
        assert await async_setup_component(hass, "backup", {})
        await hass.async_block_till_done()
        yield supervisor


@pytest.fixture
def step(
    hass: HomeAssistant, entry: MockConfigEntry, supervisor: SupervisorBackups
) -> CreateBackup:
    """Return what does the step."""
    return CreateBackup(hass, entry)


async def test_all_apps(step: CreateBackup, supervisor: SupervisorBackups) -> None:
    """Without settings it is what Home Assistant recommends, and it stays there."""
    trial = Trial(BackupCall(name="Nightly", include_database=False))
    await step.run(BackupCall(name="Nightly", include_database=False), trial)
    [asked] = supervisor.asked
    assert asked["addons"] == "ALL"
    assert asked["name"] == "Nightly"
    assert asked["location"] == [".local"]
    assert asked["homeassistant_exclude_database"]
    assert json.loads(trial.lines[-1]) == {
        "name": "Nightly",
        "backup_id": next(iter(supervisor.backups)),
        "size": len(CONTENT),
        "agents": ["hassio.local"],
    }


async def test_as_the_settings_say_and_sent(
    hass: HomeAssistant,
    step: CreateBackup,
    supervisor: SupervisorBackups,
    bucket: Bucket,
) -> None:
    """The apps and folders of the automatic backups; Supervisor gives what is sent."""
    settings: Any = {
        "agent_ids": ["hassio.local"],
        "include_addons": ["core_mosquitto"],
        "include_folders": ["share"],
        "password": "a long password",
    }
    async_get_manager(hass).config.update(create_backup=settings)
    call = BackupCall(upload_url=bucket.url("home.tar"))
    await step.run(call, Trial(call))
    [asked] = supervisor.asked
    assert asked["addons"] == ["core_mosquitto"]
    assert set(asked["folders"]) == {"share", "ssl"}
    assert asked["password"] == "a long password"
    assert bucket.uploads == {"home.tar": CONTENT}


async def test_it_goes_on_while_home_assistant_restarts(
    hass: HomeAssistant, step: CreateBackup, supervisor: SupervisorBackups
) -> None:
    """Its end is waited for, and it is not made again."""
    call = BackupCall(name="Nightly")
    trial = Trial(call)
    await step.run(call, trial)
    supervisor.backups.clear()
    job = supervisor.begin()
    again = Trial(call, known=trial.kept[0])
    with patch.object(create_backup, "PROCESS_ID", "another"):
        running = hass.async_create_task(step.run(call, again))
        await supervisor.looked.wait()
        supervisor.end(job, supervisor.asked[0])
        event = {"event": "job", "data": {"uuid": job["uuid"], "done": True}}
        async_dispatcher_send(hass, EVENT_SUPERVISOR_EVENT, event)
        await running
    assert len(supervisor.asked) == 1
    assert json.loads(again.lines[-1])["backup_id"] == job["reference"]


async def test_supervisor_does_not_answer(
    hass: HomeAssistant, step: CreateBackup, supervisor: SupervisorBackups
) -> None:
    """It is told as what it is."""
    await supervisor.__aexit__()
    with pytest.raises(StepFailedError, match="has failed: Error creating"):
        await step.run(BackupCall(name="Nightly"), Trial(BackupCall(name="Nightly")))
