"""Service actions: who may ask what of which thing, and what it answers."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
import re
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import CONF_RUN_DOCUMENT, DOMAIN
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.services import _ACTIONS
from homeassistant.core import Context, HomeAssistant, SupportsResponse
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict

from ..fake_jobs_service import FakeJobsService
from ..jobs.documents import command_step, document, handler_step
from .conftest import THING
from .fake_agent import FakeAgent
from .test_metadata import ROOT, _json

WAITS = "sleep,30"


async def _act(
    hass: HomeAssistant, action: str, user: MockUser | None = None, **data: Any
) -> Any:
    """Call an action of the integration; return its response, if it has one."""
    responds = hass.services.supports_response(DOMAIN, action)
    return await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        return_response=responds is SupportsResponse.ONLY,
        context=Context(user_id=user.id) if user else None,
    )


def _greeting() -> dict[str, Any]:
    return document(command_step("echo,Hello"))


# Whom an action is aimed at


async def test_aimed_at_a_device(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """By itself, or as the target of an action, which is a list."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, THING), entry.entry_id
    )
    assert device is not None
    await _act(hass, "check_for_jobs", device_id=device.id)
    await _act(hass, "check_for_jobs", device_id=[device.id])
    await _act(hass, "check_for_jobs", config_entry_id=entry.entry_id)
    await _act(hass, "check_for_jobs")
    assert agent.checks == 4


async def test_aimed_at_nothing(hass: HomeAssistant, agent: FakeAgent) -> None:
    """No such device, no such entry."""
    with pytest.raises(ServiceValidationError, match="not found"):
        await _act(hass, "check_for_jobs", device_id="none")
    with pytest.raises(ServiceValidationError, match="not found"):
        await _act(hass, "check_for_jobs", config_entry_id="none")
    assert agent.checks == 0


async def test_aimed_twice(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """One thing is meant, in one way."""
    aims: list[dict[str, Any]] = [
        {"device_id": "a", "config_entry_id": "b"},
        {"device_id": ["a", "b"]},
        {"device_id": []},
    ]
    for aim in aims:
        with pytest.raises(probatio.Invalid):
            await _act(hass, "check_for_jobs", **aim)
    assert agent.checks == 0


async def test_aimed_at_one_of_two(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Then it must be said at which."""
    MockConfigEntry(domain=DOMAIN, title="thing-2").add_to_hass(hass)
    with pytest.raises(ServiceValidationError, match="multiple"):
        await _act(hass, "check_for_jobs")
    await _act(hass, "check_for_jobs", config_entry_id=entry.entry_id)
    assert agent.checks == 1


async def test_thing_that_is_not_loaded(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """The actions stay, and say so."""
    assert await hass.config_entries.async_unload(entry.entry_id)
    for action in _ACTIONS:
        fields: dict[str, Any] = {"document": {}} if "document" in action.name else {}
        with pytest.raises(ServiceValidationError, match="not loaded"):
            await _act(hass, action.name, config_entry_id=entry.entry_id, **fields)


async def test_agent_that_has_ended(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """It can be asked for nothing that would never come."""
    hass.config_entries.async_update_entry(entry, options={CONF_RUN_DOCUMENT: True})
    agent.fail(RuntimeError("broken"))
    await hass.async_block_till_done(wait_background_tasks=True)
    with pytest.raises(HomeAssistantError, match="does not run any more"):
        await _act(hass, "check_for_jobs")
    with pytest.raises(HomeAssistantError, match="does not run any more"):
        await _act(hass, "run_document", document=_greeting())


# Who may


@pytest.fixture
async def resident(hass: HomeAssistant) -> MockUser:
    """Return a user who is no administrator."""
    group = await hass.auth.async_get_group("system-users")
    return MockUser(groups=[group]).add_to_hass(hass)


CONTROL = ["check_for_jobs", "stop_job"]
READ = ["get_job_log", "get_jobs"]
ADMIN = ["approve_job", "check_document", "reject_job", "run_document"]


def _fields(action: str) -> dict[str, Any]:
    return {"document": _greeting()} if "document" in action else {}


def test_permissions() -> None:
    """Each action is of one of these kinds."""
    assert {action.name for action in _ACTIONS} == {*CONTROL, *READ, *ADMIN}


@pytest.mark.parametrize("action", [*CONTROL, *ADMIN])
async def test_who_only_looks(
    hass: HomeAssistant,
    agent: FakeAgent,
    hass_read_only_user: MockUser,
    action: str,
) -> None:
    """May do nothing that changes something."""
    with pytest.raises(Unauthorized):
        await _act(hass, action, hass_read_only_user, **_fields(action))
    assert agent.asked == []


async def test_who_only_looks_may_see(
    hass: HomeAssistant, agent: FakeAgent, hass_read_only_user: MockUser
) -> None:
    """What has been."""
    assert await _act(hass, "get_jobs", hass_read_only_user) == {"jobs": []}


async def test_who_lives_here(
    hass: HomeAssistant, agent: FakeAgent, resident: MockUser
) -> None:
    """May stop what runs, and not decide on what a job may do to the machine."""
    await _act(hass, "stop_job", resident)
    assert agent.asked == [("stop_job", None)]
    for action in ADMIN:
        with pytest.raises(Unauthorized):
            await _act(hass, action, resident, **_fields(action))


async def test_who_may_control_something_else(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """May do nothing here; with an entity of the thing, it is another matter."""
    user = MockUser().add_to_hass(hass)
    user.mock_policy({"entities": {"entity_ids": {"light.kitchen": True}}})
    with pytest.raises(Unauthorized):
        await _act(hass, "stop_job", user)
    entity_id = "sensor.thing_1_job_status"
    user.mock_policy({"entities": {"entity_ids": {entity_id: True}}})
    await _act(hass, "stop_job", user)
    assert agent.asked == [("stop_job", None)]


async def test_who_is_nobody(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A user who is gone may nothing."""
    with pytest.raises(UnknownUser):
        await _act(hass, "get_jobs", MockUser(id="gone"))


# What it does, with a real agent


async def _set_up(hass: HomeAssistant, thing: MockConfigEntry, **options: Any) -> None:
    hass.config_entries.async_update_entry(thing, options={**thing.options, **options})
    assert await hass.config_entries.async_setup(thing.entry_id)


async def _until(
    entry: MockConfigEntry, condition: Callable[[AgentState], object]
) -> None:
    """Wait until what is known of a thing meets a condition."""
    changed = asyncio.Event()
    remove = entry.runtime_data.async_add_listener(changed.set)
    async with asyncio.timeout(20):
        while not condition(entry.runtime_data.data):
            changed.clear()
            await changed.wait()
    remove()


async def _waits(entry: MockConfigEntry) -> None:
    """Wait until a job waits for approval."""
    await _until(entry, lambda state: state.job and state.job.approval)


async def test_approve(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """The job that is meant runs, and no other; a second time there is none."""
    await _set_up(hass, thing, approval="every_job")
    job = service.create_job(_greeting())
    await _waits(thing)
    with pytest.raises(ServiceValidationError, match="job other does not wait"):
        await _act(hass, "approve_job", job_id="other")
    await _act(hass, "approve_job", job_id=job.job_id)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    with pytest.raises(ServiceValidationError, match=f"No job waits .* on {THING}"):
        await _act(hass, "approve_job")


async def test_reject(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """AWS is told why."""
    await _set_up(hass, thing, approval="every_job")
    job = service.create_job(_greeting())
    await _waits(thing)
    with pytest.raises(ServiceValidationError, match="job other does not wait"):
        await _act(hass, "reject_job", job_id="other")
    await _act(hass, "reject_job", reason="guests are here")
    await service.ended(job)
    assert job.status == "REJECTED"
    assert "guests are here" in job.status_details["reason"]
    with pytest.raises(ServiceValidationError, match="No job waits"):
        await _act(hass, "reject_job")


async def test_stop(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """The job that runs fails."""
    await _set_up(hass, thing)
    with pytest.raises(ServiceValidationError, match="No job runs"):
        await _act(hass, "stop_job")
    job = service.create_job(document(command_step(WAITS)))
    await _until(thing, lambda state: state.job and state.job.current_index == 0)
    with pytest.raises(ServiceValidationError, match="job other does not run"):
        await _act(hass, "stop_job", job_id="other")
    await _act(hass, "stop_job", job_id=job.job_id)
    await service.ended(job)
    assert job.status == "FAILED"


async def test_history(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """The newest first, with what each step came to, and no more than asked for."""
    await _set_up(hass, thing)
    jobs = [
        service.create_job(document(command_step("true"), command_step(second)))
        for second in ("true", "false")
    ]
    for job in jobs:
        await service.ended(job)
    last = jobs[-1].job_id
    await _until(
        thing, lambda state: state.last_job and state.last_job.key.job_id == last
    )
    told = (await _act(hass, "get_jobs"))["jobs"]
    assert [job["job_id"] for job in told] == [jobs[1].job_id, jobs[0].job_id]
    assert [job["status"] for job in told] == ["failed", "succeeded"]
    assert told[0]["reason"] == "step 2 of 2 'false': exit status 1"
    assert [step["status"] for step in told[0]["steps"]] == ["succeeded", "failed"]
    assert [step["step_index"] for step in told[0]["steps"]] == [1, 2]
    assert told[0]["duration"] >= told[0]["steps"][0]["duration"] >= 0
    assert told[0]["started_at"] < told[0]["ended_at"]
    assert (await _act(hass, "get_jobs", limit=1))["jobs"] == told[:1]


async def test_log(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """All steps, or one; all lines, or the last ones; with their times, or without."""
    await _set_up(hass, thing)
    with pytest.raises(ServiceValidationError, match="has had no job yet"):
        await _act(hass, "get_job_log")
    job = service.create_job(
        document(command_step("printf,1\\n2\\n"), command_step("printf,3\\n4\\n"))
    )
    await service.ended(job)
    await _until(thing, lambda state: state.last_job and not state.job)
    log = await _act(hass, "get_job_log", timestamps=False)
    first, second = (f"Step {number} of 2: printf" for number in (1, 2))
    assert log["job_id"] == job.job_id
    assert log["status"] == "succeeded"
    assert [step["log"] for step in log["steps"]] == ["1\n2", "3\n4"]
    assert [step["dropped_bytes"] for step in log["steps"]] == [0, 0]
    lines = log["log"].splitlines()
    assert lines[0].startswith(first)
    assert lines[3].startswith(second)
    assert (lines[1:3], lines[4:]) == (["1", "2"], ["3", "4"])
    tail = await _act(hass, "get_job_log", tail=3, timestamps=False)
    assert [step["log"] for step in tail["steps"]] == ["2", "3\n4"]
    one = await _act(hass, "get_job_log", job_id=job.job_id, step=1)
    (step,) = one["steps"]
    assert step["step_index"] == 1
    at, text = step["log"].splitlines()[0].split()
    assert text == "1"
    assert abs(dt_util.utcnow() - datetime.fromisoformat(at)) < timedelta(minutes=1)
    with pytest.raises(ServiceValidationError, match="has no step 3"):
        await _act(hass, "get_job_log", step=3)
    with pytest.raises(ServiceValidationError, match="Nothing is known of the job x"):
        await _act(hass, "get_job_log", job_id="x")
    with pytest.raises(ServiceValidationError, match="Nothing is known"):
        await _act(hass, "get_job_log", job_id=job.job_id, execution_number=9)


async def test_check_document(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    broker: Any,
    tmp_path: Path,
) -> None:
    """What would run is told; nothing is."""
    await _set_up(hass, thing)
    handlers = Path(hass.config.path("aws_iot_jobs", "handlers"))
    file = handlers / "touch.sh"
    file.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    file.chmod(0o700)
    given = document(
        handler_step("touch.sh", "x", timeoutSeconds=5),
        command_step("true", runAsUser="no-such-user"),
    )
    plan = await _act(hass, "check_document", document=given)
    assert plan | {"steps": []} == {
        "valid": True,
        "problem": None,
        "conditions_met": True,
        "unmet_condition": None,
        "unchecked": None,
        "steps": [],
    }
    touch, true = plan["steps"]
    assert touch.pop("acts_as_root") in (True, False)
    assert touch == {
        "step": "touch.sh",
        "step_index": 1,
        "kind": "handler",
        "command": [str(file), "", "x"],
        "path": str(file),
        "run_as_user": "",
        "timeout": 5,
        "problem": None,
    }
    assert true["problem"] == "there is no user 'no-such-user' on this system"
    assert not (tmp_path / "ran").exists()
    as_text = await _act(hass, "check_document", document='{"version": "1.0"}')
    assert (as_text["valid"], as_text["problem"]) == (False, "steps: required")


@pytest.mark.parametrize("given", ["{", {"version": object()}, {"a": float("nan")}])
async def test_document_that_is_not_json(
    hass: HomeAssistant, agent: FakeAgent, given: Any
) -> None:
    """Templates and YAML make things that no job document can have."""
    with pytest.raises(ServiceValidationError, match="is not JSON"):
        await _act(hass, "check_document", document=given)


async def test_run_document(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """It is a job like any other, and AWS knows nothing of it."""
    await _set_up(hass, thing, run_document=True)
    job = await _act(hass, "run_document", document=_greeting())
    assert job["job_id"].startswith("local-")
    assert job["status"] == "succeeded"
    assert [step["status"] for step in job["steps"]] == ["succeeded"]
    assert (await _act(hass, "get_jobs"))["jobs"] == [job]
    failed = await _act(hass, "run_document", document=document(command_step("false")))
    assert failed["status"] == "failed"
    assert failed["reason"] == "step 1 of 1 'false': exit status 1"
    invalid = await _act(hass, "run_document", document={})
    assert invalid["status"] == "rejected"


async def test_run_document_is_off(hass: HomeAssistant, agent: FakeAgent) -> None:
    """Unless somebody has switched it on."""
    with pytest.raises(ServiceValidationError, match="Switch that on in its options"):
        await _act(hass, "run_document", document=_greeting())


async def test_thing_is_unloaded_while_a_document_runs(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """Whoever waits is told."""
    await _set_up(hass, thing, run_document=True)
    running = hass.async_create_task(
        _act(hass, "run_document", document=document(command_step(WAITS)))
    )
    await _until(thing, lambda state: state.job and state.job.current_index == 0)
    assert await hass.config_entries.async_unload(thing.entry_id)
    with pytest.raises(HomeAssistantError, match="does not run any more"):
        await running


# The files beside the code


def test_actions_are_described() -> None:
    """Each action and each of its fields has a selector, a text and the action an icon."""
    selectors = load_yaml_dict(str(ROOT / "services.yaml"))
    words = _json("translations/en.json")["services"]
    icons = _json("icons.json")["services"]
    names = {action.name for action in _ACTIONS}
    assert selectors.keys() == words.keys() == icons.keys() == names
    for action in _ACTIONS:
        fields = {"device_id", "config_entry_id", *map(str, action.fields)}
        assert selectors[action.name]["fields"].keys() == fields
        assert words[action.name]["fields"].keys() == fields


@pytest.mark.timeout(120)
async def test_log_of_a_flood(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """Of 10 MB, the beginning and the end of each step, and how much is missing."""
    await _set_up(hass, thing)
    steps = [
        command_step(f"seq,-f,step {number} line %.0f,1,200000", name=f"flood {number}")
        for number in range(1, 4)
    ]
    await service.ended(service.create_job(document(*steps)), within=60)
    await _until(thing, lambda state: state.last_job and not state.job)
    log = await _act(hass, "get_job_log", timestamps=False)
    written = sum(len(f"step 1 line {line}\n") for line in range(1, 200_001))
    assert 3 * written > 10_000_000
    assert len(log["log"]) < 2 * 1024 * 1024
    for number, step in enumerate(log["steps"], start=1):
        lines = step["log"].splitlines()
        assert lines[0] == f"step {number} line 1"
        assert lines[-1] == f"step {number} line 200000"
        remarks = re.findall(
            r"\[([0-9,]+) bytes of output are left out here]", step["log"]
        )
        dropped = sum(int(remark.replace(",", "")) for remark in remarks)
        assert dropped == step["dropped_bytes"] > 0
        assert len(step["log"]) + step["dropped_bytes"] >= written
