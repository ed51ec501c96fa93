"""The examples of the documentation: each is tried in a Home Assistant with a thing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
import json
from pathlib import Path
import re
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from homeassistant.components.notify.const import NOTIFY_SERVICE_SCHEMA
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import entity_registry as er
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import parse_yaml

from ..broker import Broker
from ..fake_jobs_service import Execution, FakeJobsService
from ..jobs.documents import command_step, document
from .automations import REPOSITORY, automate, set_up_thing, until

THING = "my-home"
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^( *)```(yaml|json)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ENTITY = re.compile(r"\b(?:binary_sensor|button|event|sensor|switch)\.my_home_\w+")


@dataclass(frozen=True)
class Example:
    """An example: where it stands, what it is, and the JSON that is told to come of it."""

    page: str
    yaml: Any
    answer: Any = None

    @property
    def name(self) -> str:
        """What it is called."""
        return str(
            self.yaml.get("alias") or self.yaml.get("action") or next(iter(self.yaml))
        )


def _examples() -> Iterator[Example]:
    for page in PAGES:
        blocks = _BLOCK.findall(page.read_text("utf-8"))
        for (_, kind, text), (_, next_kind, next_text) in pairwise(
            [*blocks, 3 * ("",)]
        ):
            if kind == "yaml":
                answer = json.loads(next_text) if next_kind == "json" else None
                yield Example(_place(page), parse_yaml(text), answer)


def _place(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def _documents() -> Iterator[Any]:
    for page in PAGES:
        for _, kind, text in _BLOCK.findall(page.read_text("utf-8")):
            content = json.loads(text) if kind == "json" else {}
            if content.keys() & {"version", "operation"}:
                yield content


EXAMPLES = [*_examples()]
DOCUMENTS = [*_documents()]
AUTOMATIONS = [each for each in EXAMPLES if "triggers" in each.yaml]
ACTIONS = [each for each in EXAMPLES if "action" in each.yaml]
CARDS = [each for each in EXAMPLES if "custom:" in str(each.yaml.get("type"))]
VIEWS = [each for each in EXAMPLES if "sections" in each.yaml]
SETTINGS = [
    each for each in EXAMPLES if each not in AUTOMATIONS + ACTIONS + CARDS + VIEWS
]


def _name(example: Example) -> str:
    return f"{example.page}: {example.name}"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Run a broker of the thing that the examples are about."""
    async with Broker(tmp_path / "broker", (THING,)) as broker:
        yield broker


@pytest.fixture
def calls(hass: HomeAssistant) -> list[ServiceCall]:
    """Note what other integrations than this one are asked for by the examples."""
    calls = async_mock_service(hass, "notify", "notify", NOTIFY_SERVICE_SCHEMA)
    for domain, action in (("light", "turn_on"), ("homeassistant", "restart")):
        hass.services.async_register(domain, action, calls.append)
    hass.states.async_set("light.rack", "off")
    return calls  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Home:
    """A Home Assistant with a thing, which the examples are about."""

    hass: HomeAssistant
    broker: Broker
    service: FakeJobsService
    thing: MockConfigEntry

    def create_job(self, *commands: str, **fields: Any) -> Execution:
        """Create a job of commands in AWS; fields go into each step."""
        steps = (command_step(command, **fields) for command in commands)
        return self.service.create_job(document(*steps), thing_name=THING)

    async def shows(self, entity: str, state: str) -> None:
        """Wait until a sensor of the thing has a state."""
        entity_id = f"sensor.my_home_{entity}"
        await until(self.hass, lambda: self.hass.states.is_state(entity_id, state))


@pytest.fixture
async def home(hass: HomeAssistant, broker: Broker, service: FakeJobsService) -> Home:
    """Set the thing up."""
    options = {"run_document": True, "approval": "commands"}
    return Home(
        hass, broker, service, await set_up_thing(hass, broker, THING, **options)
    )


async def _allow_commands(home: Home) -> None:
    options = {**home.thing.options, "approval": "never"}
    home.hass.config_entries.async_update_entry(home.thing, options=options)
    assert await home.hass.config_entries.async_reload(home.thing.entry_id)
    await until(home.hass, lambda: home.thing.runtime_data.data.connected)


# All of them


@pytest.mark.parametrize("page", PAGES, ids=_place)
async def test_entities(hass: HomeAssistant, home: Home, page: Path) -> None:
    """A thing called my-home has each entity that a page names."""
    registry = er.async_get(hass)
    named = set(_ENTITY.findall(page.read_text("utf-8")))
    assert {each for each in named if registry.async_get(each) is None} == set()


def test_each_example_is_tried() -> None:
    """Each has something that makes it happen, and each of these has an example."""
    assert {each.name for each in AUTOMATIONS} == _HAPPENS.keys()
    assert {each.name for each in ACTIONS} == _BEFORE.keys()
    assert {each.page for each in CARDS} == {"README.md", "docs/card.md"}
    assert {each.page for each in VIEWS} == {"docs/dashboard.md"}
    assert {each.name for each in SETTINGS} == {"logbook", "lovelace"}


# Job documents


@pytest.mark.parametrize("content", DOCUMENTS)
def test_document(content: Any) -> None:
    """It can be understood, and has a name for each step."""
    steps = parse_job_document(content).all_steps
    assert steps
    assert all(step.name for step in steps)


# Automations


async def _job_fails(home: Home) -> str:
    await _allow_commands(home)
    home.create_job("sh,-c,exit 3")
    return "exit status 3"


async def _connection_is_lost(home: Home) -> str:
    await home.broker.stop()
    connected = "binary_sensor.my_home_connected"
    await until(home.hass, lambda: home.hass.states.is_state(connected, "off"))
    async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(hours=1, seconds=1))
    return "cannot reach"


async def _coordinator_is_flashed(home: Home) -> str:
    await _allow_commands(home)
    home.create_job("true", name="Flash-Coordinator")
    return "light.rack"


async def _it_is_three(home: Home) -> str:
    now = dt_util.now()
    three = now.replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(days=1)
    async_fire_time_changed(home.hass, three)
    return "restart"


_HAPPENS: dict[str, Callable[[Home], Awaitable[str]]] = {
    "Report a failed job": _job_fails,
    "Tell me when a job has failed": _job_fails,
    "Report a lost connection to AWS IoT": _connection_is_lost,
    "Light up while the coordinator is flashed": _coordinator_is_flashed,
    "Restart at night, but not in the middle of a job": _it_is_three,
}
"""What triggers an automation; returns what the call tells that it then makes."""


@pytest.mark.parametrize("example", AUTOMATIONS, ids=_name)
async def test_automation(
    hass: HomeAssistant,
    home: Home,
    calls: list[ServiceCall],
    caplog: pytest.LogCaptureFixture,
    example: Example,
) -> None:
    """What it waits for happens, and it does what it is for, once."""
    await automate(hass, example.yaml)
    told = await _HAPPENS[example.name](home)
    await until(hass, lambda: calls)
    await until(hass, lambda: not _automation(hass).attributes["current"])
    (call,) = calls
    assert told in f"{call.service} {call.data}"
    assert "Error" not in caplog.text
    assert "Template variable warning" not in caplog.text


def _automation(hass: HomeAssistant) -> Any:
    (state,) = hass.states.async_all("automation")
    return state


# Actions


async def _nothing(_: Home) -> None:
    pass


async def _job_waits(home: Home) -> None:
    home.create_job("echo,Hello")
    await home.shows("job_status", "awaiting_approval")


async def _job_runs(home: Home) -> None:
    await _allow_commands(home)
    home.create_job("sleep,60")
    await home.shows("progress", "0")


async def _job_has_failed(home: Home) -> None:
    await _allow_commands(home)
    home.create_job("echo,wrote 4 MB", "sh,-c,echo no answer; exit 3")
    await home.shows("last_job_result", "failed")


_BEFORE: dict[str, Callable[[Home], Awaitable[None]]] = {
    "aws_iot_jobs.approve_job": _job_waits,
    "aws_iot_jobs.reject_job": _job_waits,
    "aws_iot_jobs.stop_job": _job_runs,
    "aws_iot_jobs.check_for_jobs": _nothing,
    "aws_iot_jobs.get_jobs": _job_has_failed,
    "aws_iot_jobs.get_job_log": _job_has_failed,
    "aws_iot_jobs.check_document": _nothing,
    "aws_iot_jobs.run_document": _nothing,
}
"""What an action is asked for in."""

_ENDS = {
    "aws_iot_jobs.approve_job": ("SUCCEEDED", ""),
    "aws_iot_jobs.reject_job": ("REJECTED", "Not while we have guests"),
    "aws_iot_jobs.stop_job": ("FAILED", "stopped in Home Assistant"),
}
"""How the job ends by it in AWS."""


@pytest.mark.parametrize("example", ACTIONS, ids=_name)
async def test_action(hass: HomeAssistant, home: Home, example: Example) -> None:
    """It does what it is for, and answers in the form that is shown."""
    await _BEFORE[example.name](home)
    answer = await _run(hass, example.yaml)
    if example.answer is not None:
        assert _form(answer) == _form(example.answer)
    if example.name in _ENDS:
        (job,) = home.service.executions
        await home.service.ended(job)
        status, reason = _ENDS[example.name]
        assert job.status == status
        assert reason in job.status_details["reason"]


async def _run(hass: HomeAssistant, action: dict[str, Any]) -> Any:
    """Run an action in a script, and return what it answers."""
    sequence: list[dict[str, Any]] = [action]
    if (answer := action.get("response_variable")) is not None:
        sequence.append({"stop": "done", "response_variable": answer})
    scripts = {"example": {"sequence": sequence}}
    assert await async_setup_component(hass, "script", {"script": scripts})
    return await hass.services.async_call(
        "script", "example", blocking=True, return_response=answer is not None
    )


def _form(answer: Any) -> Any:
    """Return the keys of an answer, and those of the first in each list."""
    if isinstance(answer, dict):
        return {key: _form(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [_form(value) for value in answer[:1]]
    return None


# Dashboards


@pytest.mark.parametrize("example", CARDS + VIEWS, ids=_name)
def test_cards(example: Example) -> None:
    """The cards are this one, or Home Assistant's own, and this one has such options."""
    page = (REPOSITORY / "docs" / "card.md").read_text("utf-8")
    options = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    cards = [
        each
        for each in _mappings(example.yaml)
        if str(each.get("type")).startswith("custom:")
    ]
    assert cards
    for card in cards:
        assert card["type"] == "custom:aws-iot-jobs-card"
        assert card.keys() - {"type"} <= options


@pytest.mark.parametrize("example", VIEWS, ids=_name)
async def test_view(hass: HomeAssistant, home: Home, example: Example) -> None:
    """The entities that it shows are on without any doing, and its buttons can be used."""
    await _job_runs(home)
    parts = [*_mappings(example.yaml)]
    shown = {
        entity
        for part in parts
        for key in ("entity", "entity_id")
        if (entity := part.get(key)) is not None
    }
    assert shown
    assert {entity for entity in shown if hass.states.get(entity) is None} == set()
    buttons = [part for part in parts if part.get("action") == "perform-action"]
    assert buttons
    for button in buttons:
        domain, _, action = button["perform_action"].partition(".")
        await hass.services.async_call(
            domain, action, button.get("data", {}), blocking=True
        )


def _mappings(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield each mapping of a tree, from its root."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from _mappings(each)


# Settings of Home Assistant


@pytest.mark.parametrize("example", SETTINGS, ids=_name)
async def test_settings(hass: HomeAssistant, example: Example) -> None:
    """The integration that they are for takes them."""
    ((domain, settings),) = example.yaml.items()
    integration = await async_get_integration(hass, domain)
    component = await integration.async_get_component()
    checked = component.CONFIG_SCHEMA(example.yaml)
    assert checked[domain].keys() >= settings.keys()
