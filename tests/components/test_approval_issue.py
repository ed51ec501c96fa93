"""A job that waits for approval, as the page of repairs shows it and decides on it."""

import asyncio
from typing import Any
from unittest.mock import patch

from aiohttp.test_utils import TestClient
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import CONF_APPROVAL, DOMAIN
from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.plan import Plan
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from ..fake_jobs_service import Execution, FakeJobsService
from .repairs import gone, issues, set_up_repairs, shown

_PATH = "/api/repairs/issues/fix"


@pytest.fixture
async def client(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, thing: MockConfigEntry
) -> TestClient[Any, Any]:
    """Set up a thing whose jobs all wait, and return what the page talks with."""
    await set_up_repairs(hass)
    options = {**thing.options, CONF_APPROVAL: ApprovalPolicy.EVERY_JOB.value}
    hass.config_entries.async_update_entry(thing, options=options)
    assert await hass.config_entries.async_setup(thing.entry_id)
    client: TestClient[Any, Any] = await hass_client()
    return client


def _job(service: FakeJobsService, command: str = "echo,Hello") -> Execution:
    source = {"command": command}
    action = {"name": "Greet", "type": "runCommand", "input": source}
    return service.create_job({"version": "1.0", "steps": [{"action": action}]})


async def _post(client: TestClient[Any, Any], path: str, body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status == 200, await response.text()
    return await response.json()


async def _open(client: TestClient[Any, Any], issue: ir.IssueEntry) -> Any:
    """Open the dialog of an issue; returns its menu."""
    wanted = {"handler": DOMAIN, "issue_id": issue.issue_id}
    menu = await _post(client, _PATH, wanted)
    assert (menu["type"], menu["step_id"]) == ("menu", "init")
    return menu


async def _choose(client: TestClient[Any, Any], menu: Any, choice: str) -> Any:
    assert choice in menu["menu_options"]
    path = f"{_PATH}/{menu['flow_id']}"
    return await _post(client, path, {"next_step_id": choice})


async def _reject(client: TestClient[Any, Any], menu: Any, **answer: str) -> Any:
    form = await _choose(client, menu, "reject")
    assert form["step_id"] == "reject"
    return await _post(client, f"{_PATH}/{menu['flow_id']}", answer)


async def test_approved(
    hass: HomeAssistant, client: TestClient[Any, Any], service: FakeJobsService
) -> None:
    """It says what the job would do, and one click has it done."""
    job = _job(service)
    (issue,) = await shown(hass)
    assert issue.translation_key == "approval"
    menu = await _open(client, issue)
    told = menu["description_placeholders"]
    assert told["job_id"] == job.job_id
    assert "1. `Greet`: command from AWS `echo Hello`" in told["steps"]
    assert (await _choose(client, menu, "approve"))["type"] == "create_entry"
    assert not issues(hass)
    await service.ended(job)
    assert job.status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"reason": "not tonight"}, "rejected in Home Assistant: not tonight"),
        ({}, "rejected in Home Assistant"),
    ],
)
async def test_rejected(
    hass: HomeAssistant,
    client: TestClient[Any, Any],
    service: FakeJobsService,
    answer: dict[str, str],
    reason: str,
) -> None:
    """AWS is told why, if somebody says so."""
    job = _job(service)
    (issue,) = await shown(hass)
    menu = await _open(client, issue)
    assert (await _reject(client, menu, **answer))["type"] == "create_entry"
    assert not issues(hass)
    await service.ended(job)
    assert (job.status, job.status_details["reason"]) == ("REJECTED", reason)


async def test_wait_that_ends_elsewhere(
    hass: HomeAssistant, client: TestClient[Any, Any], service: FakeJobsService
) -> None:
    """A cancel at AWS takes the notice away; an open dialog decides nothing then."""
    job = _job(service)
    (issue,) = await shown(hass)
    menu = await _open(client, issue)
    service.end(job, "CANCELED")
    await gone(hass)
    answer = await _choose(client, menu, "approve")
    assert (answer["type"], answer["reason"]) == ("abort", "not_waiting")


async def test_dialog_decides_on_what_it_shows(
    hass: HomeAssistant, client: TestClient[Any, Any], service: FakeJobsService
) -> None:
    """The next job is not approved by a dialog that was opened for the one before it."""
    job = _job(service)
    (issue,) = await shown(hass)
    stale = await _open(client, issue)
    service.end(job, "CANCELED")
    await gone(hass)
    other = _job(service, "echo,Other")
    (issue,) = await shown(hass)
    answer = await _choose(client, stale, "approve")
    assert (answer["type"], answer["reason"]) == ("abort", "not_waiting")
    answer = await _reject(client, await _open(client, issue))
    assert answer["type"] == "create_entry"
    await service.ended(other)
    assert other.status == "REJECTED"


async def test_restart(
    hass: HomeAssistant,
    client: TestClient[Any, Any],
    thing: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """It is asked again after a restart, and not while the thing is not set up."""
    job = _job(service)
    (issue,) = await shown(hass)
    menu = await _open(client, issue)
    assert await hass.config_entries.async_unload(thing.entry_id)
    assert not issues(hass)
    answer = await _choose(client, menu, "approve")
    assert (answer["type"], answer["reason"]) == ("abort", "not_loaded")
    assert await hass.config_entries.async_setup(thing.entry_id)
    (issue,) = await shown(hass)
    await _choose(client, await _open(client, issue), "approve")
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_steps_that_are_told_too_late(
    hass: HomeAssistant, client: TestClient[Any, Any], service: FakeJobsService
) -> None:
    """What a slow runner says of a job does not take the place of what it says of the next."""
    asked, may_answer = asyncio.Event(), asyncio.Event()
    quickly = Agent.plan_of_waiting

    async def slowly(agent: Agent, job_id: str | None = None) -> Plan:
        if asked.is_set():
            return await quickly(agent, job_id)
        asked.set()
        await may_answer.wait()
        return Plan()

    with patch.object(Agent, "plan_of_waiting", slowly):
        job = _job(service)
        await asked.wait()
        service.end(job, "CANCELED")
        other = _job(service)
        (issue,) = await shown(hass)
        may_answer.set()
        await hass.async_block_till_done(wait_background_tasks=False)
    assert issues(hass) == [issue]
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["job_id"] == other.job_id
    assert "echo Hello" in issue.translation_placeholders["steps"]
