"""What a user is told to mend, and what mends it."""

import asyncio
from datetime import timedelta
import errno
import os
from pathlib import Path
import pwd
import re
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import TakenOverError
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.const import DOMAIN
from custom_components.aws_iot_jobs.issues import Issue
from custom_components.aws_iot_jobs.jobs.model import AgentState, JobState
from custom_components.aws_iot_jobs.runner.client import RunnerUnreachableError
from homeassistant.components.hassio.const import EVENT_SUPERVISOR_EVENT
from homeassistant.config_entries import ConfigEntryDisabler, OperationNotAllowed
from homeassistant.core import HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.entity_component import async_update_entity
from homeassistant.loader import async_get_integration

from .conftest import THING
from .fake_agent import FakeAgent
from .repairs import confirm, gone, issues, open_repair, set_up_repairs, shown

CONNECTED = AgentState(connected=True)
TAKEN_OVER = AgentState(error=TakenOverError(THING))


async def test_disk_that_is_full(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """What is in the way is told while it is, and not longer."""
    problem = "/config/aws_iot_jobs/things/thing-1: No space left on device"
    agent.push(AgentState(connected=True, storage_problem=problem))
    (issue,) = issues(hass)
    assert issue.translation_key == "storage"
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["problem"] == problem
    agent.push(AgentState(connected=True))
    assert not issues(hass)
    agent.push(AgentState(connected=True, storage_problem=problem))
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not issues(hass)


async def test_journal_set_aside(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """A damaged journal is told of, with the place where it is now, until that is read."""
    await set_up_repairs(hass)
    agent.push(AgentState(journal_set_aside=Path("/config/journal.corrupt")))
    (issue,) = issues(hass)
    assert issue.translation_key == "journal_set_aside"
    assert issue.is_persistent
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert issues(hass)

    client = await hass_client()
    form = await open_repair(client, issue)
    assert form["description_placeholders"]["path"] == "/config/journal.corrupt"
    assert (await confirm(client, form))["type"] == "create_entry"
    assert not issues(hass)


async def test_journal_is_told_of_once(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, agent: FakeAgent
) -> None:
    """What a user has taken note of does not come back with the next state."""
    await set_up_repairs(hass)
    path = Path("/config/journal.corrupt")
    agent.push(AgentState(journal_set_aside=path))
    client = await hass_client()
    await confirm(client, await open_repair(client, issues(hass)[0]))
    agent.push(AgentState(journal_set_aside=path, connected=True))
    assert not issues(hass)


async def test_another_client_uses_the_name(
    hass: HomeAssistant, agent: FakeAgent, freezer: FrozenDateTimeFactory
) -> None:
    """A fight is told of while it lasts: short connections do not end it."""

    async def wait(seconds: float) -> None:
        freezer.tick(timedelta(seconds=seconds))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()

    agent.push(TAKEN_OVER)
    (issue,) = issues(hass)
    assert issue.translation_key == "taken_over"
    assert issue.translation_placeholders == {"thing_name": THING}
    agent.push(CONNECTED)
    await wait(50)
    agent.push(TAKEN_OVER)
    agent.push(CONNECTED)
    await wait(50)
    assert issues(hass)
    await wait(15)
    assert not issues(hass)
    await wait(100)
    agent.push(TAKEN_OVER)
    assert issues(hass)


async def test_name_is_left_to_the_other_client(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """A click disables the thing here, and ends the fight."""
    await set_up_repairs(hass)
    agent.push(TAKEN_OVER)
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    assert not agent.stopping.is_set()
    assert (await confirm(client, form))["type"] == "create_entry"
    assert agent.stopping.is_set()
    assert entry.disabled_by is ConfigEntryDisabler.USER
    assert not issues(hass)


async def test_thing_that_cannot_be_disabled(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """Where Home Assistant refuses, it says why, and the notice stays."""
    await set_up_repairs(hass)
    agent.push(TAKEN_OVER)
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    with patch.object(
        hass.config_entries,
        "async_set_disabled_by",
        side_effect=OperationNotAllowed("it is being set up"),
    ):
        form = await confirm(client, form)
    assert form["errors"] == {"base": "not_disabled"}
    assert form["description_placeholders"]["reason"] == "it is being set up"
    assert issues(hass)


async def test_each_notice_leads_to_what_to_do(hass: HomeAssistant) -> None:
    """Learn more opens the part of the documentation that is about the notice."""
    integration = await async_get_integration(hass, DOMAIN)
    assert integration.documentation
    page = Path(__file__).parents[2] / "docs" / "repairs.md"
    headings = re.findall("^## (.*)$", page.read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    expected = {
        f"{integration.documentation}/blob/main/docs/repairs.md#{anchor}"
        for anchor in anchors
    }
    assert {issue.learn_more_url for issue in Issue} == expected


async def test_nothing_is_told_of_a_thing_that_is_gone(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """What is known of the connection goes with the thing's unloading, all with its entry."""
    agent.push(TAKEN_OVER)
    agent.push(AgentState(connected=True, journal_set_aside=Path("/config/journal")))
    await hass.config_entries.async_unload(entry.entry_id)
    assert [issue.translation_key for issue in issues(hass)] == ["journal_set_aside"]
    await hass.config_entries.async_remove(entry.entry_id)
    assert not issues(hass)


@pytest.mark.parametrize(
    ("event", "retries"),
    [
        (
            {
                "event": "supervisor_update",
                "update_key": "network",
                "data": {"host_internet": True},
            },
            1,
        ),
        (
            {
                "event": "supervisor_update",
                "update_key": "network",
                "data": {"host_internet": False},
            },
            0,
        ),
        ({"event": "job", "data": {}}, 0),
    ],
)
async def test_network_is_back(
    hass: HomeAssistant, agent: FakeAgent, event: dict[str, Any], retries: int
) -> None:
    """When Supervisor says that the host is online, the agent connects at once."""
    async_dispatcher_send(hass, EVENT_SUPERVISOR_EVENT, event)
    await hass.async_block_till_done()
    assert agent.retries == retries


async def test_handler_that_may_not_run(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """Handlers with a wrong mode are named, as soon as they are looked at, and mended."""
    await set_up_repairs(hass)
    directory = Path(hass.config.path("aws_iot_jobs", "handlers"))
    handler = directory / "hello.sh"
    handler.write_text("#!/bin/sh\n")
    handler.chmod(0o755)
    assert not issues(hass)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    (issue,) = await shown(hass)
    assert issue.translation_key == "handler_permissions"
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["handlers"] == "hello.sh"
    assert "755" in issue.translation_placeholders["problem"]

    client = await hass_client()
    form = await open_repair(client, issue)
    assert (await confirm(client, form))["type"] == "create_entry"
    assert handler.stat().st_mode & 0o777 == 0o700
    assert not issues(hass)


async def test_handlers_are_looked_at_after_a_job(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """A job that fails because of a handler is when somebody wants to know."""
    directory = Path(hass.config.path("aws_iot_jobs", "handlers"))
    for number in range(12):
        handler = directory / f"handler-{number:02}.sh"
        handler.touch(mode=0o644)
    job = JobState(key=ExecutionKey("job-1", 1), status=JobStatus.FAILED)
    agent.push(AgentState(last_job=job))
    (issue,) = await shown(hass)
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["handlers"].endswith("handler-09.sh, +2")


async def test_mended_by_hand(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """A repair that is not needed any more goes away by itself."""
    handler = Path(hass.config.path("aws_iot_jobs", "handlers", "hello.sh"))
    handler.touch(mode=0o644)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    await shown(hass)
    handler.chmod(0o700)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    await gone(hass)


async def test_handler_that_cannot_be_mended(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """What the click does not mend is told, and can be tried again."""
    await set_up_repairs(hass)
    directory = Path(hass.config.path("aws_iot_jobs", "handlers"))
    outside = directory.parent / "outside.sh"
    outside.touch(mode=0o700)
    (directory / "link.sh").symlink_to(outside)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    await shown(hass)
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    form = await confirm(client, form)
    assert form["errors"] == {"base": "permissions_not_set"}
    assert "link.sh" in form["description_placeholders"]["reason"]
    (directory / "link.sh").unlink()
    assert (await confirm(client, form))["type"] == "create_entry"
    assert not issues(hass)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_handlers_of_others_are_left_to_a_person(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """A click mends what is ours, and says of the rest whose it is and what to do."""
    await set_up_repairs(hass)
    directory = Path(hass.config.path("aws_iot_jobs", "handlers"))
    ours = directory / "ours.sh"
    foreign = [directory / f"foreign-{number:02}.sh" for number in range(12)]
    for handler in (ours, *foreign):
        handler.touch(mode=0o755)
    nobody = pwd.getpwnam("nobody")
    for handler in foreign:
        os.chown(handler, nobody.pw_uid, nobody.pw_gid)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    await shown(hass)
    client = await hass_client()
    form = await confirm(client, await open_repair(client, issues(hass)[0]))
    assert form["errors"] == {"base": "files_left"}
    reason = form["description_placeholders"]["reason"]
    assert f"{foreign[3]} belongs to nobody, not to root" in reason
    assert reason.endswith("; +2")
    assert ours.stat().st_mode & 0o777 == 0o700
    assert {handler.stat().st_uid for handler in foreign} == {nobody.pw_uid}
    assert issues(hass)

    for handler in foreign[1:]:
        handler.unlink()
    os.chown(foreign[0], 0, 0)
    assert (await confirm(client, form))["type"] == "create_entry"
    assert foreign[0].stat().st_mode & 0o777 == 0o700
    assert not issues(hass)


async def test_newer_fault_of_handlers_outlasts_a_repair_that_looks_at_an_older_one(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """What was found after the look of a repair is told, and not taken for mended."""
    await set_up_repairs(hass)
    watch = entry.runtime_data.watch
    answers: list[asyncio.Future[dict[str, str | None]]]
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]
    looks = iter(answers)
    asked = asyncio.Event()

    async def handlers() -> dict[str, str | None]:
        look = next(looks)
        asked.set()
        return await look

    handler = Path(hass.config.path("aws_iot_jobs", "handlers", "hello.sh"))
    handler.touch(mode=0o644)
    await watch.async_look()
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    with patch.object(watch.place, "async_handlers", handlers):
        confirming = hass.async_create_task(confirm(client, form))
        await asked.wait()
        looking = hass.async_create_task(watch.async_look(), eager_start=True)
        answers[1].set_result({"new.sh": "its mode is 777"})
        await looking
        answers[0].set_result({"hello.sh": None})
        form = await confirming
    assert form["errors"] == {"base": "permissions_not_set"}
    assert form["description_placeholders"]["reason"] == "its mode is 777"
    (issue,) = issues(hass)
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["handlers"] == "new.sh"
    assert (await confirm(client, form))["type"] == "create_entry"
    assert not issues(hass)


async def test_runner_that_goes_away_in_a_repair(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """Where nobody can say whether it is mended, it is not said to be."""
    await set_up_repairs(hass)
    watch = entry.runtime_data.watch
    handler = Path(hass.config.path("aws_iot_jobs", "handlers", "hello.sh"))
    handler.touch(mode=0o644)
    await watch.async_look()
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    gone_away = RunnerUnreachableError("nobody answers")
    with patch.object(watch.place, "async_handlers", side_effect=gone_away):
        form = await confirm(client, form)
    assert form["errors"] == {"base": "permissions_not_set"}
    assert form["description_placeholders"]["reason"] == "nobody answers"
    assert issues(hass)


async def test_permissions_that_cannot_be_set(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """Where the system refuses, as on a disk that is read-only, the reason is told."""
    await set_up_repairs(hass)
    handler = Path(hass.config.path("aws_iot_jobs", "handlers", "hello.sh"))
    handler.touch(mode=0o644)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    await shown(hass)
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    refused = OSError(errno.EROFS, "Read-only file system", str(handler))
    with patch(
        "custom_components.aws_iot_jobs.places.runners.fix_permissions",
        side_effect=refused,
    ):
        form = await confirm(client, form)
    assert form["errors"] == {"base": "permissions_not_set"}
    reason = form["description_placeholders"]["reason"]
    assert reason == f"{handler}: Read-only file system"
    assert issues(hass)
    assert (await confirm(client, form))["type"] == "create_entry"
    assert not issues(hass)


async def test_thing_that_is_not_set_up(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """A dialog that was open when its thing went away says so."""
    await set_up_repairs(hass)
    handler = Path(hass.config.path("aws_iot_jobs", "handlers", "hello.sh"))
    handler.touch(mode=0o644)
    await async_update_entity(hass, "sensor.thing_1_current_job")
    await shown(hass)
    client = await hass_client()
    form = await open_repair(client, issues(hass)[0])
    await hass.config_entries.async_unload(entry.entry_id)
    answer = await confirm(client, form)
    assert (answer["type"], answer["reason"]) == ("abort", "not_loaded")
