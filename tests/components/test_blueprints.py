"""Blueprints: each is imported, made an automation, and does for people what it says."""

from collections.abc import AsyncIterator, Iterator
import logging
from pathlib import Path
from shutil import copytree
import time
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import DOMAIN
from homeassistant.components.blueprint.importer import fetch_blueprint_from_github_url
from homeassistant.components.persistent_notification import (
    _async_get_or_create_notifications,
)
from homeassistant.core import CoreState, HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.selector import selector
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import extract_inputs

from ..broker import Broker
from ..fake_jobs_service import Execution, FakeJobsService
from ..jobs.documents import command_step, document, handler_step
from .automations import REPOSITORY, automate, device_of, set_up_thing, until
from .phones import Phones, phones_of

FOLDER = REPOSITORY / "blueprints" / "automation" / "aws_iot_jobs"
BLUEPRINTS = sorted(path.name for path in FOLDER.glob("*.yaml"))

WAITING = "awaiting_approval"
ANY = {"entity_id": "all"}

AUTOMATION_LOGGERS = (
    "homeassistant.components.automation",
    "homeassistant.helpers.script",
    "homeassistant.helpers.template",
)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Run a broker of two things."""
    async with Broker(tmp_path / "broker", ("my-home", "my-shed")) as broker:
        yield broker


@pytest.fixture(autouse=True)
async def blueprints(hass: HomeAssistant) -> None:
    """Have all blueprints, as if they had been imported."""
    copytree(FOLDER, hass.config.path("blueprints", "automation", FOLDER.name))


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have nothing in the log that an automation, or a template in it, complains of."""
    yield
    complaints = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.WARNING
        and record.name.startswith(AUTOMATION_LOGGERS)
    ]
    assert complaints == []


def _use(name: str, **inputs: Any) -> dict[str, Any]:
    """Return an automation of a blueprint."""
    return {
        "alias": name,
        "use_blueprint": {"path": f"{FOLDER.name}/{name}.yaml", "input": inputs},
    }


def _fails() -> dict[str, Any]:
    """Return a document whose second step writes three lines and fails."""
    writes = "sh,-c,printf 'one\\ntwo\\nthree\\n'; exit 3"
    return document(command_step("echo,Hello"), command_step(writes))


def _greets() -> dict[str, Any]:
    return document(command_step("echo,Hello"))


def _notifications(hass: HomeAssistant) -> list[tuple[str | None, str]]:
    return [
        (each["title"], each["message"])
        for each in _async_get_or_create_notifications(hass).values()
    ]


def _last_job(hass: HomeAssistant) -> str | None:
    """Return the job whose end is shown."""
    state = hass.states.get("sensor.my_home_last_job_result")
    return None if state is None else state.attributes.get("job_id")


async def _waits(hass: HomeAssistant, job: Execution) -> None:
    """Wait until a job waits for approval."""
    name = job.thing_name.replace("-", "_")
    await until(
        hass,
        lambda: (
            hass.states.is_state(f"sensor.{name}_job_status", WAITING)
            and hass.states.is_state(f"sensor.{name}_current_job", job.job_id)
        ),
    )


# Whom they are offered to


@pytest.mark.parametrize("name", BLUEPRINTS)
async def test_import(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, name: str
) -> None:
    """The button of the documentation imports it, from where it says that it is."""
    path = FOLDER / name
    raw = f"https://raw.githubusercontent.com/aws-iot-jobs/home-assistant-aws-iot-jobs/main/{path.relative_to(REPOSITORY)}"
    aioclient_mock.get(raw, text=path.read_text())
    url = raw.replace("raw.githubusercontent.com", "github.com").replace(
        "/main/", "/blob/main/"
    )
    imported = await fetch_blueprint_from_github_url(hass, url)
    assert imported.suggested_filename == f"aws-iot-jobs/{path.stem}"
    blueprint = imported.blueprint
    assert blueprint.domain == "automation"
    assert blueprint.metadata["source_url"] == url
    assert blueprint.metadata["homeassistant"] == {"min_version": "2026.9.0"}
    assert blueprint.validate() is None
    documentation = (REPOSITORY / "docs" / "blueprints.md").read_text()
    button = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url="
    assert button + quote(url, safe="") in documentation
    assert blueprint.name.removeprefix("AWS IoT Jobs: ") in documentation.lower()


@pytest.mark.parametrize("name", BLUEPRINTS)
async def test_form(hass: HomeAssistant, name: str) -> None:
    """Each thing that is asked for is used, and has a name and a way to choose it."""
    assert await async_setup_component(hass, "automation", {})
    blueprints = hass.data["automation_blueprints"]
    blueprint = await blueprints.async_get_blueprint(f"{FOLDER.name}/{name}")
    assert blueprint.inputs.keys() == extract_inputs(blueprint.data)
    for each in blueprint.inputs.values():
        assert each["name"]
        choice = probatio.Schema(selector(each["selector"]))
        if "default" in each:
            assert choice(each["default"]) is not None


# Tell me when a job has failed


async def test_job_failed(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """Each of several is told, with the reason and the end of its log; no other is."""
    thing = await set_up_thing(hass, broker, "my-home")
    await automate(hass, _use("job_failed", thing=device_of(hass, thing), lines=2))
    jobs = [
        service.create_job(it, thing_name="my-home")
        for it in (_fails(), _greets(), {"version": "2"}, _fails())
    ]
    for job in jobs:
        await service.ended(job)
    await until(hass, lambda: len(_notifications(hass)) == 3)
    (first, rejected, last) = _notifications(hass)
    assert first[0] == "my-home: a job failed"
    assert first[1].startswith("Job job-1 failed: step 2 of 2 ")
    summary, log = first[1].split("\n\n")
    assert summary.endswith(": exit status 3")
    assert log.startswith("    Step 2 of 2: ")
    assert log.endswith("\n    two\n    three")
    assert rejected[0] == "my-home: a job was rejected"
    assert rejected[1].startswith("Job job-3 was rejected: invalid job document: ")
    assert last[1].startswith("Job job-4 failed")


async def test_job_failed_in_my_way(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """What tells is anybody's choice, and the log may be left out."""
    thing = await set_up_thing(hass, broker, "my-home")
    told: list[dict[str, Any]] = []
    hass.services.async_register("notify", "mum", lambda call: told.append(call.data))
    tell = {
        "action": "notify.mum",
        "data": {"title": "{{ title }}", "message": "{{ message }}"},
    }
    inputs = {"thing": device_of(hass, thing), "lines": 0, "tell": [tell]}
    await automate(hass, _use("job_failed", **inputs))
    service.create_job(_fails(), thing_name="my-home")
    await until(hass, lambda: told)
    assert told[0]["message"].endswith("exit status 3")
    assert not _notifications(hass)


# Ask on my phone


@pytest.fixture
async def phones(
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    hass_admin_user: MockUser,
) -> AsyncIterator[Phones]:
    """Have phones, and somebody who owns them."""
    anna = {"id": "anna", "name": "Anna", "user_id": hass_admin_user.id}
    assert await async_setup_component(hass, "person", {"person": [anna]})
    # What has a page of its own, must have it before the first page is asked for.
    for domain in ("mobile_app", "repairs", DOMAIN):
        assert await async_setup_component(hass, domain, {})
    async with phones_of(hass, await hass_client_no_auth()) as phones:
        yield phones


def _asks(hass: HomeAssistant, thing: MockConfigEntry, *phones: Any) -> dict[str, Any]:
    devices = [phone.device_id for phone in phones]
    return _use("ask_on_phone", thing=device_of(hass, thing), phones=devices)


async def test_approve_on_phone(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """All phones ask, one answers, and none asks any more."""
    anna = await phones.add("Anna's phone", hass_admin_user)
    ben = await phones.add("Ben", hass_admin_user)
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    await automate(hass, _asks(hass, thing, anna, ben))
    job = service.create_job(_fails(), thing_name="my-home")
    await until(hass, lambda: anna.shown and ben.shown)
    assert ben.questions() == ["job-1 waits for approval. Tap to see what it does."]
    assert job.status == "IN_PROGRESS"
    await ben.tap("Approve")
    await service.ended(job)
    assert job.status == "FAILED"
    await until(hass, lambda: not (anna.shown or ben.shown))
    assert len(anna.pushed) == 2


async def test_reject_on_phone(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """AWS is told who has rejected it."""
    anna = await phones.add("Anna's phone", hass_admin_user)
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    await automate(hass, _asks(hass, thing, anna))
    job = service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: anna.shown)
    assert anna.questions() == ["job-1 waits for approval. Tap to see what it does."]
    await anna.tap("Reject")
    await service.ended(job)
    assert job.status == "REJECTED"
    reason = "rejected in Home Assistant: by Anna on the phone"
    assert job.status_details["reason"] == reason
    await until(hass, lambda: not anna.shown)


async def test_decided_elsewhere(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """The question goes away; jobs that nobody asks about are pushed to nobody."""
    anna = await phones.add("Anna", hass_admin_user)
    thing = await set_up_thing(hass, broker, "my-home", approval="commands")
    await automate(hass, _asks(hass, thing, anna))
    canceled = service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: anna.shown)
    service.end(canceled, "CANCELED")
    await until(hass, lambda: not anna.shown)
    approved = service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: anna.shown)
    await hass.services.async_call(DOMAIN, "approve_job", {}, blocking=True)
    await service.ended(approved)
    await until(hass, lambda: not anna.shown)
    unasked = service.create_job(
        document(handler_step("none.sh")), thing_name="my-home"
    )
    await service.ended(unasked)
    await until(hass, lambda: _last_job(hass) == unasked.job_id)
    await hass.async_block_till_done()
    assert len(anna.pushed) == 4


async def test_answer_that_is_late(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """It counts neither for the next job nor for another execution of the same one."""
    anna = await phones.add("Anna", hass_admin_user)
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    await automate(hass, _asks(hass, thing, anna))
    first = service.create_job(_greets(), thing_name="my-home", job_id="update")
    await until(hass, lambda: anna.shown)
    (question,) = anna.shown.values()
    service.end(first, "CANCELED")
    await until(hass, lambda: not anna.shown)
    for job_id in ("other", "update"):
        job = service.create_job(_greets(), thing_name="my-home", job_id=job_id)
        await until(hass, lambda: anna.shown)
        anna.pushed.clear()
        await anna.tap("Approve", question)
        # The old question is taken away once more, and nothing else happens.
        await until(hass, lambda: anna.pushed)
        await hass.async_block_till_done()
        assert job.status == "IN_PROGRESS"
        assert hass.states.is_state("sensor.my_home_job_status", WAITING)
        await anna.tap("Reject")
        await service.ended(job)
        assert job.status == "REJECTED"
        await until(hass, lambda: not anna.shown)


async def test_things_that_ask_together(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """The answer goes to the thing that was asked about, though the job is called the same."""
    anna = await phones.add("Anna", hass_admin_user)
    home = await set_up_thing(hass, broker, "my-home", approval="every_job")
    shed = await set_up_thing(hass, broker, "my-shed", approval="every_job")
    asks = [_asks(hass, thing, anna) for thing in (home, shed)]
    await automate(hass, *asks)
    jobs = [
        service.create_job(_greets(), thing_name=name, job_id="update")
        for name in ("my-home", "my-shed")
    ]
    await until(hass, lambda: len(anna.shown) == 2)
    (question,) = (push for push in anna.shown.values() if "my-shed" in push["title"])
    await anna.tap("Approve", question)
    await service.ended(jobs[1])
    await until(hass, lambda: len(anna.shown) == 1)
    assert jobs[0].status == "IN_PROGRESS"
    await anna.tap("Reject")
    await service.ended(jobs[0])
    assert [job.status for job in jobs] == ["REJECTED", "SUCCEEDED"]


async def test_answer_after_a_reload(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """What was asked before is answered after it, and asked once."""
    anna = await phones.add("Anna", hass_admin_user)
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    await automate(hass, _asks(hass, thing, anna))
    job = service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: anna.shown)
    assert await hass.config_entries.async_reload(thing.entry_id)
    await hass.services.async_call("automation", "turn_off", ANY, blocking=True)
    await hass.services.async_call("automation", "turn_on", ANY, blocking=True)
    await _waits(hass, job)
    assert len(anna.pushed) == 1
    await anna.tap("Approve")
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    await until(hass, lambda: not anna.shown)


async def test_phone_that_is_gone(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    phones: Phones,
    hass_admin_user: MockUser,
) -> None:
    """The others are asked all the same."""
    lost = await phones.add("Lost", hass_admin_user)
    off = await phones.add("Off", hass_admin_user)
    anna = await phones.add("Anna", hass_admin_user)
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    await automate(hass, _asks(hass, thing, lost, off, anna))
    phones.lose(off)
    await phones.remove(lost)
    service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: anna.shown)


# Approve when nobody is home


PEOPLE = ["person.anna", "person.ben"]
NOBODY_HOME = "automation.approve_nobody_home"


def _approves(
    hass: HomeAssistant, thing: MockConfigEntry, **pause: int
) -> dict[str, Any]:
    inputs = {"thing": device_of(hass, thing), "people": PEOPLE, "pause": pause}
    return _use("approve_nobody_home", **inputs)


def _are(hass: HomeAssistant, anna: str, ben: str) -> None:
    hass.states.async_set("person.anna", anna)
    hass.states.async_set("person.ben", ben)


def _runs(hass: HomeAssistant, automation: str) -> bool:
    """Tell whether an automation is at its actions."""
    state = hass.states.get(automation)
    assert state is not None
    return bool(state.attributes["current"])


def _has_run(hass: HomeAssistant, automation: str) -> bool:
    """Tell whether an automation was triggered, and has ended."""
    state = hass.states.get(automation)
    assert state is not None
    return bool(state.attributes["last_triggered"]) and not state.attributes["current"]


async def test_nobody_is_home(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """A job that arrives then is approved after the wait, and not before."""
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    _are(hass, "not_home", "Work")
    await automate(hass, _approves(hass, thing, seconds=1))
    asked_at = time.monotonic()
    job = service.create_job(_greets(), thing_name="my-home")
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert time.monotonic() - asked_at > 1


@pytest.mark.parametrize(
    ("anna", "ben"),
    [("home", "not_home"), ("not_home", "unknown"), ("unavailable", "Work")],
)
async def test_somebody_may_be_home(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService, anna: str, ben: str
) -> None:
    """A job waits until all are known to be away."""
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    _are(hass, anna, ben)
    await automate(hass, _approves(hass, thing, seconds=0))
    job = service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: _has_run(hass, NOBODY_HOME))
    assert hass.states.is_state("sensor.my_home_job_status", WAITING)
    _are(hass, "not_home", "not_home")
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_somebody_comes_back(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """In time, and decides."""
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    _are(hass, "not_home", "not_home")
    await automate(hass, _approves(hass, thing, seconds=1))
    job = service.create_job(_greets(), thing_name="my-home")
    await until(hass, lambda: _runs(hass, NOBODY_HOME))
    _are(hass, "home", "not_home")
    await until(hass, lambda: not _runs(hass, NOBODY_HOME))
    assert hass.states.is_state("sensor.my_home_job_status", WAITING)
    await hass.services.async_call(DOMAIN, "reject_job", {}, blocking=True)
    await service.ended(job)
    assert job.status == "REJECTED"


async def test_nobody_is_asked(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """Without people, nobody is known to be away."""
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    automation = _approves(hass, thing, seconds=0)
    automation["use_blueprint"]["input"]["people"] = []
    await automate(hass, automation)
    job = service.create_job(_greets(), thing_name="my-home")
    await _waits(hass, job)
    await until(hass, lambda: _has_run(hass, NOBODY_HOME))
    assert hass.states.is_state("sensor.my_home_job_status", WAITING)


async def test_nobody_is_home_after_a_start(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """A job that has waited since before is approved."""
    thing = await set_up_thing(hass, broker, "my-home", approval="every_job")
    job = service.create_job(_greets(), thing_name="my-home")
    await _waits(hass, job)
    _are(hass, "not_home", "not_home")
    hass.set_state(CoreState.not_running)
    await automate(hass, _approves(hass, thing, seconds=0))
    await hass.async_start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"


# Hold jobs while guests are here


TAKE_JOBS = "switch.my_home_take_jobs"
GUESTS = "input_boolean.guests"


async def _set_guests(hass: HomeAssistant, *, here: bool) -> None:
    action = "turn_on" if here else "turn_off"
    await hass.services.async_call(
        "input_boolean", action, {"entity_id": GUESTS}, blocking=True
    )


@pytest.fixture
async def guests(hass: HomeAssistant) -> None:
    """Have a switch that somebody turns on for guests."""
    assert await async_setup_component(
        hass, "input_boolean", {"input_boolean": {"guests": None}}
    )


HOLDS = _use("hold_for_guests", take_jobs=TAKE_JOBS, guests=GUESTS)


@pytest.mark.usefixtures("guests")
async def test_hold(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """A job that comes meanwhile waits in AWS, and runs when they are gone."""
    await set_up_thing(hass, broker, "my-home")
    await automate(hass, HOLDS)
    await _set_guests(hass, here=True)
    await until(hass, lambda: hass.states.is_state(TAKE_JOBS, "off"))
    job = service.create_job(_greets(), thing_name="my-home")
    await _set_guests(hass, here=False)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert hass.states.is_state(TAKE_JOBS, "on")


@pytest.mark.usefixtures("guests")
@pytest.mark.parametrize("here", [True, False])
async def test_hold_after_a_start(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService, here: bool
) -> None:
    """What was switched while Home Assistant did not run counts at once."""
    await set_up_thing(hass, broker, "my-home")
    await hass.services.async_call(
        "switch", f"turn_{'on' if here else 'off'}", {"entity_id": TAKE_JOBS}, True
    )
    await _set_guests(hass, here=here)
    hass.set_state(CoreState.not_running)
    await automate(hass, HOLDS)
    await hass.async_start()
    await until(hass, lambda: hass.states.is_state(TAKE_JOBS, "off" if here else "on"))


@pytest.mark.usefixtures("guests")
async def test_hold_thing_that_is_set_up_later(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """What was switched while the thing was not there counts when it is."""
    thing = await set_up_thing(hass, broker, "my-home")
    await automate(hass, HOLDS)
    assert await hass.config_entries.async_unload(thing.entry_id)
    await _set_guests(hass, here=True)
    assert await hass.config_entries.async_setup(thing.entry_id)
    await until(hass, lambda: hass.states.is_state(TAKE_JOBS, "off"))


@pytest.mark.usefixtures("guests")
async def test_hold_from_the_beginning(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """An automation that is made while guests are here holds jobs at once."""
    await set_up_thing(hass, broker, "my-home")
    await _set_guests(hass, here=True)
    await automate(hass)
    with patch(
        "homeassistant.config.load_yaml_config_file",
        return_value={"automation": [HOLDS]},
    ):
        await hass.services.async_call("automation", "reload", blocking=True)
    await until(hass, lambda: hass.states.is_state(TAKE_JOBS, "off"))


# Retry a check


RETRY = "automation.retry_check"


def _retries(
    hass: HomeAssistant, thing: MockConfigEntry, **inputs: Any
) -> dict[str, Any]:
    inputs = {"thing": device_of(hass, thing), "pause": {"seconds": 0}} | inputs
    return _use("retry_check", **inputs)


def _put_check(hass: HomeAssistant, succeeds_at: int) -> Path:
    """Put the handler there that checks; return what it counts its tries in."""
    handlers = Path(hass.config.path("aws_iot_jobs", "handlers"))
    tries = handlers.parent / "tries"
    handler = handlers / "check.sh"
    handler.write_text(
        f"#!/bin/sh\necho tried >> {tries}\ntest $(wc -l < {tries}) -ge {succeeds_at}\n"
    )
    handler.chmod(0o700)
    return tries


async def test_retry_until_it_succeeds(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """A check that fails is tried again; one that has succeeded is not."""
    thing = await set_up_thing(hass, broker, "my-home", run_document=True)
    tries = _put_check(hass, succeeds_at=3)
    await automate(hass, _retries(hass, thing))
    service.create_job(_fails(), thing_name="my-home")
    await until(hass, lambda: _notifications(hass))
    assert _notifications(hass) == [
        (
            "my-home has recovered",
            "The check succeeded at attempt 3 after job job-1 had failed.",
        )
    ]
    await until(hass, lambda: not _runs(hass, RETRY))
    assert tries.read_text() == 3 * "tried\n"


async def test_retry_in_vain(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """It ends, and that its own documents fail does not start it anew."""
    thing = await set_up_thing(hass, broker, "my-home", run_document=True)
    tries = _put_check(hass, succeeds_at=100)
    await automate(hass, _retries(hass, thing, times=2))
    service.create_job(_fails(), thing_name="my-home")
    await until(hass, lambda: _notifications(hass))
    assert _notifications(hass) == [
        (
            "my-home has not recovered",
            "The check failed 2 times after job job-1 had failed.",
        )
    ]
    await until(hass, lambda: not _runs(hass, RETRY))
    assert tries.read_text() == 2 * "tried\n"


async def test_retry_that_may_not_be(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the option off, a person learns that nothing has recovered."""
    thing = await set_up_thing(hass, broker, "my-home")
    await automate(hass, _retries(hass, thing, times=2))
    service.create_job(_fails(), thing_name="my-home")
    await until(hass, lambda: _notifications(hass))
    assert _notifications(hass)[0][0] == "my-home has not recovered"
    assert "Documents may not be run on my-home without AWS" in caplog.text
    caplog.clear()


async def test_retry_an_action(
    hass: HomeAssistant,
    broker: Broker,
    service: FakeJobsService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Anything can be tried, and tell that it has succeeded; after some jobs alone."""
    thing = await set_up_thing(hass, broker, "my-home")
    tried: list[dict[str, Any]] = []

    async def power_on(call: ServiceCall) -> None:
        tried.append(dict(call.data))
        if len(tried) == 1:
            raise HomeAssistantError("not yet")
        hass.states.async_set("switch.pump", "on")

    hass.services.async_register("pump", "power_on", power_on)
    attempt = {"action": "pump.power_on", "data": {"after": "{{ failed_job }}"}}
    pumps = {"condition": "state", "entity_id": "switch.pump", "state": "on"}
    hass.states.async_set("switch.pump", "off")
    inputs = {"attempt": [attempt], "succeeded": [pumps], "jobs": "pump-"}
    await automate(hass, _retries(hass, thing, **inputs))
    for job_id in ("other-1", "pump-1"):
        job = service.create_job(_fails(), thing_name="my-home", job_id=job_id)
        await service.ended(job)
    await until(hass, lambda: _notifications(hass))
    assert _notifications(hass)[0][0] == "my-home has recovered"
    assert tried == 2 * [{"after": "pump-1"}]
    assert "not yet" in caplog.text
    caplog.clear()


async def test_no_retry_of_what_was_rejected(
    hass: HomeAssistant, broker: Broker, service: FakeJobsService
) -> None:
    """Somebody, or the document itself, is the reason."""
    thing = await set_up_thing(hass, broker, "my-home", run_document=True)
    tries = _put_check(hass, succeeds_at=1)
    await automate(hass, _retries(hass, thing))
    for job_document in ({"version": "2"}, _fails()):
        job = service.create_job(job_document, thing_name="my-home")
        await service.ended(job)
    await until(hass, lambda: _notifications(hass))
    ((_, message),) = _notifications(hass)
    assert "after job job-2" in message
    assert tries.read_text() == "tried\n"
