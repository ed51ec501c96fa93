"""What the card asks for: who may ask, what is answered, and what is told of changes."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import WebSocketGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.errors import EndpointError
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.const import (
    CONF_RUN_DOCUMENT,
    CONF_RUNNER,
    CONF_WINDOW_FROM,
    CONF_WINDOW_TO,
    DOMAIN,
)
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    ApprovalRequest,
    Hold,
    JobState,
    StepState,
    StepStatus,
)
from custom_components.aws_iot_jobs.jobs.plan import Plan, PlannedStep, StepKind
from custom_components.aws_iot_jobs.runner.client import (
    RunnerTokenError,
    RunnerUnreachableError,
)
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.auth.models import User
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util

from .conftest import THING
from .fake_agent import FakeAgent
from .page import Page

NOW = dt_util.utcnow()
URL = "https://bucket.s3.amazonaws.com/file"
RUNNING = JobState(
    key=ExecutionKey("update-7", 1, 1_700_000_000),
    steps=(
        StepState(
            name="Fetch",
            status=StepStatus.SUCCEEDED,
            started_at=NOW,
            ended_at=NOW + timedelta(seconds=2),
        ),
        StepState(name="Check", status=StepStatus.IN_PROGRESS, started_at=NOW),
        StepState(name="Restart"),
    ),
    started_at=NOW,
)
FAILED = replace(
    RUNNING,
    status=JobStatus.FAILED,
    steps=(
        RUNNING.steps[0],
        replace(
            RUNNING.steps[1],
            status=StepStatus.FAILED,
            reason="exit status 3",
            ended_at=NOW,
        ),
        replace(RUNNING.steps[2], status=StepStatus.SKIPPED),
    ),
    reason="step 2 of 3 'Check': exit status 3",
    ended_at=NOW + timedelta(seconds=5),
)
WAITING = JobState(
    key=ExecutionKey("update-8", 1),
    started_at=NOW,
    approval=ApprovalRequest(requested_at=NOW, expires_at=NOW + timedelta(hours=1)),
)

type _Pages = Callable[[User], Awaitable[Page]]


@pytest.fixture
def device_id(hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent) -> str:
    """Return the device of the thing, which is set up."""
    return _device(hass, entry).id


@pytest.fixture
async def page(hass_ws_client: WebSocketGenerator, agent: FakeAgent) -> Page:
    """Return the page of an administrator."""
    return Page(await hass_ws_client())


@pytest.fixture
def pages(hass: HomeAssistant, hass_ws_client: WebSocketGenerator) -> _Pages:
    """Return what opens the page of a user."""

    async def open_page(user: User) -> Page:
        token = await hass.auth.async_create_refresh_token(user, "https://page")
        return Page(
            await hass_ws_client(hass, hass.auth.async_create_access_token(token))
        )

    return open_page


@pytest.fixture
def nobody(hass: HomeAssistant) -> MockUser:
    """Return a user who may see nothing."""
    return MockUser(groups=[]).add_to_hass(hass)


def _device(hass: HomeAssistant, entry: MockConfigEntry) -> dr.DeviceEntry:
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier((DOMAIN, THING), entry.entry_id)
    assert device is not None
    return device


def _many(count: int) -> JobState:
    """Return a job of many steps that has not begun."""
    steps = tuple(StepState(name=f"Step {number}") for number in range(count))
    return replace(RUNNING, steps=steps)


def _step(job: JobState, place: int, status: StepStatus) -> JobState:
    steps = list(job.steps)
    steps[place] = replace(steps[place], status=status)
    return replace(job, steps=tuple(steps))


async def _until(
    page: Page, id_: int, met: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Return what is told next that meets a condition."""
    while not met(event := await page.event(id_)):
        pass
    return event


# Who may ask

COMMANDS: dict[str, dict[str, Any]] = {
    "jobs/subscribe": {},
    "jobs/plan": {},
    "history": {},
    "log/read": {"job_id": "update-7", "execution_number": 1},
    "log/subscribe": {"job_id": "update-7", "execution_number": 1},
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_who_may_not_read_is_refused(
    pages: _Pages, nobody: MockUser, agent: FakeAgent, device_id: str, command: str
) -> None:
    """Whatever is asked for."""
    agent.push(AgentState(job=RUNNING))
    page = await pages(nobody)
    refused = await page.refused(command, device_id=device_id, **COMMANDS[command])
    assert refused == "unauthorized"


@pytest.mark.parametrize("command", COMMANDS)
async def test_what_is_no_thing_is_not_found(
    hass: HomeAssistant, page: Page, command: str
) -> None:
    """No device, or one of somebody else."""
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("other", "1")}
    )
    for device_id in ("none", device.id):
        refused = await page.refused(command, device_id=device_id, **COMMANDS[command])
        assert refused == "not_found"


async def test_what_a_user_may_do_is_told(
    hass: HomeAssistant,
    pages: _Pages,
    page: Page,
    hass_read_only_user: MockUser,
    entry: MockConfigEntry,
    device_id: str,
) -> None:
    """So that no button is shown that leads to nothing."""
    options = {**entry.options, CONF_RUN_DOCUMENT: True}
    hass.config_entries.async_update_entry(entry, options=options)
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    thing = (await page.event(id_))["thing"]
    assert thing["may"] == {"control": True, "administer": True}
    assert thing["run_document"] is True
    other = await pages(hass_read_only_user)
    id_ = await other.follow("jobs/subscribe", device_id=device_id)
    thing = (await other.event(id_))["thing"]
    assert thing["may"] == {"control": False, "administer": False}
    assert thing["run_document"] is False


async def test_a_plan_is_for_administrators(
    pages: _Pages,
    page: Page,
    hass_read_only_user: MockUser,
    agent: FakeAgent,
    device_id: str,
) -> None:
    """Its commands may hold secrets; it is in the language that is asked for."""
    step = PlannedStep(
        step="Check",
        step_index=1,
        kind=StepKind.COMMAND,
        command=("echo", "Hello"),
        path="/bin/echo",
    )
    agent.plan = Plan(unmet_condition="os is unknown, not 'linux'", steps=(step,))
    agent.push(AgentState(job=WAITING))
    plan = await page.get(
        "jobs/plan", device_id=device_id, job_id="update-8", language="de"
    )
    assert plan["steps"][0]["command"] == ["echo", "Hello"]
    assert plan["steps"][0]["kind"] == "command"
    assert plan["unmet_condition"] == "os ist unbekannt, nicht 'linux'"
    other = await pages(hass_read_only_user)
    assert await other.refused("jobs/plan", device_id=device_id) == "unauthorized"


@pytest.mark.parametrize("job", [{}, {"job_id": "update-8"}])
async def test_no_job_waits(
    page: Page, agent: FakeAgent, device_id: str, job: dict[str, str]
) -> None:
    """The error says so in words."""
    agent.idle = True
    answer = await page.ask("jobs/plan", device_id=device_id, language="de", **job)
    assert answer["error"]["code"] == "not_found"
    assert THING in answer["error"]["message"]
    assert "waits" not in answer["error"]["message"]


# What is told


async def test_at_first_everything_is_told(
    hass: HomeAssistant, page: Page, agent: FakeAgent, device_id: str
) -> None:
    """The thing, the job under way with its steps, those that have ended."""
    agent.history.ended = [FAILED]
    agent.push(AgentState(connected=True, job=RUNNING, last_job=FAILED))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    told = await page.event(id_)
    assert told.keys() == {"now", "thing", "job", "steps", "history"}
    entities = told["thing"].pop("entities")
    assert entities["job_status"] == "sensor.thing_1_job_status"
    assert entities["take_jobs"] == "switch.thing_1_take_jobs"
    # What is off by default is not there.
    assert "current_step" not in entities
    assert told["thing"] == {
        "device_id": device_id,
        "name": THING,
        "thing_name": THING,
        "entry_id": hass.config_entries.async_entries(DOMAIN)[0].entry_id,
        "state": "loaded",
        "connected": True,
        "error": None,
        "disconnected_since": None,
        "next_try_at": None,
        "runner": {"kind": "local", "address": None, "problem": None},
        "holds": [],
        "next_window": None,
        "waiting": None,
        "window": None,
        "storage_problem": None,
        "run_document": False,
        "may": {"control": True, "administer": True},
    }
    job = told["job"]
    assert job["job_id"] == "update-7"
    assert job["queued_at"] == 1_700_000_000
    assert job["status"] == "in_progress"
    assert [step["status"] for step in job["steps"]] == [
        "succeeded",
        "in_progress",
        "pending",
    ]
    assert job["steps"][0]["duration"] == 2
    assert job["advice"] is job["failed_step"] is job["step_reason"] is None
    (ended,) = told["history"]
    assert ended["status"] == "failed"
    assert ended["failed_step"] == 2
    assert ended["step_reason"] == "exit status 3"
    assert ended["advice"] == {"kind": "exit_status", "subject": None}
    assert [step["exit_status"] for step in ended["steps"]] == [None, 3, None]


async def test_then_only_changes_are_told(
    page: Page, agent: FakeAgent, device_id: str
) -> None:
    """Of two hundred steps the one that has changed; at its end the job is in the history."""
    agent.push(AgentState(connected=True))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    assert (await page.event(id_))["job"] is None
    job = _many(200)
    agent.push(AgentState(connected=True, job=job))
    told = await page.event(id_)
    assert told.keys() == {"now", "job"}
    assert len(told["job"]["steps"]) == 200
    job = _step(job, 7, StepStatus.IN_PROGRESS)
    agent.push(AgentState(connected=True, job=job))
    told = await page.event(id_)
    assert told.keys() == {"now", "steps"}
    (step,) = told["steps"]
    assert (step["step_index"], step["status"]) == (8, "in_progress")
    ended = replace(job, status=JobStatus.SUCCEEDED, ended_at=NOW)
    agent.history.ended = [ended]
    agent.push(AgentState(connected=True, last_job=ended))
    told = await page.event(id_)
    assert told.keys() == {"now", "job", "history"}
    assert told["job"] is None
    assert told["history"][0]["status"] == "succeeded"
    agent.push(AgentState(connected=False, error=EndpointError("gone"), last_job=ended))
    told = await page.event(id_)
    assert told.keys() == {"now", "thing"}
    assert told["thing"]["error"] == "gone"


async def test_how_far_a_step_is_is_told(
    page: Page, agent: FakeAgent, device_id: str
) -> None:
    """While it runs, where it is known."""
    done, checks, restarts = RUNNING.steps
    agent.push(AgentState(job=RUNNING))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    told = await page.event(id_)
    assert [step["percent"] for step in told["job"]["steps"]] == [None, None, None]
    steps = (done, replace(checks, percent=40), restarts)
    agent.push(AgentState(job=replace(RUNNING, steps=steps)))
    told = await page.event(id_)
    assert told.keys() == {"now", "steps"}
    assert [step["percent"] for step in told["steps"]] == [40]


async def test_what_is_quick_is_told_together(
    hass: HomeAssistant, page: Page, agent: FakeAgent, device_id: str
) -> None:
    """At most ten messages a second, and the last state always."""
    job = _many(200)
    agent.push(AgentState(job=job))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    await page.event(id_)
    begun = hass.loop.time()
    for place in range(200):
        for status in (StepStatus.IN_PROGRESS, StepStatus.SUCCEEDED):
            job = _step(job, place, status)
            agent.push(AgentState(job=job))
            await asyncio.sleep(0.001)
    seen: dict[int, str] = {}
    messages = 0
    while set(seen.values()) != {"succeeded"} or len(seen) < 200:
        messages += 1
        told = await page.event(id_)
        assert told.keys() == {"now", "steps"}
        seen |= {step["step_index"]: step["status"] for step in told["steps"]}
    assert messages <= (hass.loop.time() - begun) * 10 + 1


async def test_what_hinders_is_told(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    page: Page,
    agent: FakeAgent,
    device_id: str,
) -> None:
    """Since when AWS is away, when it is tried again, what holds, and the window."""
    options = {CONF_WINDOW_FROM: "02:00:00", CONF_WINDOW_TO: "05:00:00"}
    hass.config_entries.async_update_entry(entry, options={**entry.options, **options})
    agent.push(
        AgentState(
            error=EndpointError("cannot be reached"),
            disconnected_since=NOW,
            next_try_at=NOW + timedelta(seconds=40),
            holds=frozenset({Hold.WINDOW, Hold.SWITCHED_OFF}),
            next_window=NOW + timedelta(hours=1),
            waiting=JobState(
                key=ExecutionKey("job-7", 1, 1_764_000_000),
                status=JobStatus.QUEUED,
                steps=(StepState(name="Fetch"),),
            ),
            storage_problem="/config: No space left on device",
        )
    )
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    thing = (await page.event(id_))["thing"]
    assert thing["connected"] is False
    assert thing["error"] == "cannot be reached"
    assert thing["disconnected_since"] == NOW.isoformat()
    assert thing["next_try_at"] == (NOW + timedelta(seconds=40)).isoformat()
    assert thing["holds"] == ["switched_off", "window"]
    assert thing["next_window"] == (NOW + timedelta(hours=1)).isoformat()
    assert thing["window"] == {"start": "02:00:00", "end": "05:00:00"}
    assert thing["waiting"] == {
        "job_id": "job-7",
        "execution_number": 1,
        "queued_at": 1_764_000_000,
        "steps": ["Fetch"],
        "problem": None,
    }
    assert thing["storage_problem"] == "/config: No space left on device"


@pytest.mark.parametrize(
    ("problem", "kind", "title", "message"),
    [
        (
            RunnerUnreachableError("runner.lan does not answer"),
            "unreachable",
            "The runner of thing-1 does not answer",
            (
                "runner.lan does not answer. Jobs wait until it is back. Start it again, "
                "or change in the settings of the thing where handlers run."
            ),
        ),
        (
            RunnerTokenError("wrong token"),
            "token_refused",
            "The runner does not accept the token of thing-1",
            (
                "wrong token. Jobs wait. Reconfigure the thing, and enter the token that "
                "the runner has now."
            ),
        ),
    ],
)
async def test_a_runner_that_is_gone_is_told_of(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    page: Page,
    device_id: str,
    problem: Exception,
    kind: str,
    title: str,
    message: str,
) -> None:
    """In the words of its repair issue, and in the user's language."""
    runner = {"kind": "address", "url": "http://runner.lan:8099"}
    data = {**entry.data, CONF_RUNNER: runner}
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    german = await page.follow("jobs/subscribe", device_id=device_id, language="de")
    hass.config_entries.async_update_entry(entry, data=data)
    told = await _until(
        page, id_, lambda told: told["thing"]["runner"]["kind"] == "remote"
    )
    assert told["thing"]["runner"] == {
        "kind": "remote",
        "address": "runner.lan:8099",
        "problem": None,
    }
    watch = entry.runtime_data.watch
    watch.async_take_problem(problem)
    told = await page.event(id_)
    assert told["thing"]["runner"]["problem"] == {
        "kind": kind,
        "title": title,
        "message": message,
    }
    told = await _until(page, german, lambda told: told["thing"]["runner"]["problem"])
    assert told["thing"]["runner"]["problem"]["title"] != title
    watch.async_take_problem(None)
    assert (await page.event(id_))["thing"]["runner"]["problem"] is None


async def test_reasons_are_in_the_language_of_the_user(
    hass: HomeAssistant, page: Page, agent: FakeAgent, device_id: str
) -> None:
    """Another one than that of Home Assistant; what is no language is as good as none."""
    agent.history.ended = [FAILED]
    agent.push(AgentState(last_job=FAILED))
    for language, reason in (
        ("de", "Schritt 2 von 3 'Check': Exit-Status 3"),
        ("../de", FAILED.reason),
        ("eo", FAILED.reason),
    ):
        id_ = await page.follow(
            "jobs/subscribe", device_id=device_id, language=language
        )
        (job,) = (await page.event(id_))["history"]
        assert job["reason"] == reason
        answer = await page.get("history", device_id=device_id, language=language)
        assert answer == {"jobs": [job]}
    hass.config.language = "de"
    answer = await page.get("history", device_id=device_id)
    assert answer["jobs"][0]["step_reason"] == "Exit-Status 3"


async def test_no_secret_is_told(page: Page, agent: FakeAgent, device_id: str) -> None:
    """What lets anybody download a file stays here."""
    secret = f"{URL}?X-Amz-Signature=secret"
    steps = (
        StepState(name=secret, status=StepStatus.FAILED, reason=f"cannot get {secret}"),
    )
    job = replace(FAILED, steps=steps, reason=f"cannot get {secret}")
    agent.history.ended = [job]
    agent.push(AgentState(job=replace(job, status=JobStatus.IN_PROGRESS)))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    told = await page.event(id_)
    assert told["history"][0]["reason"] == f"cannot get {URL}"
    assert told["history"][0]["step_reason"] == f"cannot get {URL}"
    assert told["job"]["steps"][0]["step"] == URL
    assert "secret" not in str(told)


async def test_a_job_that_waits_is_told_without_its_plan(
    page: Page, agent: FakeAgent, device_id: str
) -> None:
    """Since when, and until when; then that it was approved."""
    agent.push(AgentState(job=WAITING))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    job = (await page.event(id_))["job"]
    assert job["status"] == "awaiting_approval"
    assert job["queued_at"] is None
    assert job["approval"] == {
        "requested_at": NOW.isoformat(),
        "expires_at": (NOW + timedelta(hours=1)).isoformat(),
    }
    agent.push(AgentState(job=replace(WAITING, approval=None, approved_at=NOW)))
    job = (await page.event(id_))["job"]
    assert job["status"] == "in_progress"
    assert job["approved_at"] == NOW.isoformat()


async def test_the_last_twenty_are_told(
    page: Page, agent: FakeAgent, device_id: str
) -> None:
    """More of them only to who asks."""
    agent.history.ended = [
        replace(FAILED, key=ExecutionKey(f"update-{number}", 1)) for number in range(30)
    ]
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    assert len((await page.event(id_))["history"]) == 20
    for data, count in (({}, 20), ({"limit": 3}, 3), ({"limit": 100}, 30)):
        answer = await page.get("history", device_id=device_id, **data)
        assert [job["job_id"] for job in answer["jobs"]] == [
            f"update-{number}" for number in range(count)
        ]
    refused = await page.refused("history", device_id=device_id, limit=0)
    assert refused == "invalid_format"


# While it goes on


async def test_it_goes_on_over_a_reload(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    page: Page,
    agents: list[FakeAgent],
    device_id: str,
) -> None:
    """The card says so meanwhile, and what there is then is told again where it is news."""
    agents[-1].push(AgentState(connected=True, job=RUNNING))
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    assert (await page.event(id_))["thing"]["state"] == "loaded"
    assert await hass.config_entries.async_unload(entry.entry_id)
    told = await page.event(id_)
    assert told.keys() == {"now", "thing"}
    assert told["thing"]["state"] == "not_loaded"
    assert told["thing"]["runner"]["kind"] == "local"
    for command, data in COMMANDS.items():
        if command != "jobs/subscribe":
            refused = await page.refused(command, device_id=device_id, **data)
            assert refused == "not_loaded"
    assert await hass.config_entries.async_setup(entry.entry_id)
    told = await page.event(id_)
    assert told["thing"]["state"] == "loaded"
    agents[-1].push(AgentState(connected=True, job=FAILED))
    told = await _until(page, id_, lambda told: told.get("job") is not None)
    assert told["job"]["status"] == "failed"


async def test_it_goes_on_over_a_set_up_that_fails(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    page: Page,
    device_id: str,
) -> None:
    """It may be subscribed to then, too."""
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    await page.event(id_)
    secrets = SecretStore(hass, THING)
    known = await secrets.async_load()
    await secrets.async_remove()
    assert not await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert (await page.event(id_))["thing"]["state"] == "not_loaded"
    later = await page.follow("jobs/subscribe", device_id=device_id)
    told = await page.event(later)
    assert told.keys() == {"now", "thing", "job", "steps", "history"}
    assert told["thing"]["state"] == "not_loaded"
    await secrets.async_update(known)
    assert await hass.config_entries.async_reload(entry.entry_id)
    for each in (id_, later):
        assert (await page.event(each))["thing"]["state"] == "loaded"


async def test_an_agent_that_has_failed_is_not_running(
    page: Page, agent: FakeAgent, device_id: str
) -> None:
    """Though its entry is still loaded."""
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    await page.event(id_)
    agent.fail(RuntimeError("a defect"))
    assert (await page.event(id_))["thing"]["state"] == "not_loaded"


async def test_it_ends_with_the_device(
    hass: HomeAssistant, entry: MockConfigEntry, page: Page, device_id: str
) -> None:
    """The last that is told is that the thing is gone."""
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    await page.event(id_)
    await hass.config_entries.async_remove(entry.entry_id)
    told = await _until(page, id_, lambda told: told["thing"]["state"] == "removed")
    assert told["thing"]["name"] == THING
    await hass.async_block_till_done(wait_background_tasks=True)
    assert await page.events(id_) == []
    await page.unfollow(id_)


async def test_other_names_are_told(
    hass: HomeAssistant, page: Page, device_id: str
) -> None:
    """Of the device, and of its entities."""
    id_ = await page.follow("jobs/subscribe", device_id=device_id)
    await page.event(id_)
    dr.async_get(hass).async_update_device(device_id, name_by_user="Cellar")
    assert (await page.event(id_))["thing"]["name"] == "Cellar"
    er.async_get(hass).async_update_entity(
        "switch.thing_1_take_jobs", new_entity_id="switch.jobs"
    )
    told = await page.event(id_)
    assert told["thing"]["entities"]["take_jobs"] == "switch.jobs"


@pytest.mark.parametrize("how", ["unsubscribe", "close"])
async def test_nothing_is_left_of_it(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    agent: FakeAgent,
    device_id: str,
    how: str,
) -> None:
    """Nobody listens any more, and no task runs."""
    agent.push(AgentState(job=RUNNING))
    page = Page(await hass_ws_client())
    await page.events(0)
    listeners, tasks = _listeners(hass, agent), _tasks()
    jobs = await page.follow("jobs/subscribe", device_id=device_id)
    await page.event(jobs)
    log = await page.follow(
        "log/subscribe", device_id=device_id, **COMMANDS["log/read"]
    )
    await page.events(log)
    assert _listeners(hass, agent) != listeners
    if how == "unsubscribe":
        await page.unfollow(jobs)
        await page.unfollow(log)
    else:
        await page.client.close()
    async with asyncio.timeout(10):
        while _tasks() != tasks or _listeners(hass, agent) != listeners:
            await asyncio.sleep(0.01)


def _listeners(hass: HomeAssistant, agent: FakeAgent) -> tuple[Any, ...]:
    bus = hass.bus.async_listeners()
    registries = (dr.EVENT_DEVICE_REGISTRY_UPDATED, er.EVENT_ENTITY_REGISTRY_UPDATED)
    return len(agent._listeners), [bus.get(name) for name in registries]


def _tasks() -> set[str]:
    return {
        task.get_name()
        for task in asyncio.all_tasks()
        if task.get_name().endswith("for a card")
    }
