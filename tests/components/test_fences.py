"""Fences are chosen in the dialogs of Home Assistant, and changed nowhere else."""

import ast
from collections.abc import Mapping
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.components.diagnostics import (  # type: ignore[import-untyped]
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]
    ClientSessionGenerator,
    WebSocketGenerator,
)
import voluptuous as vol

from custom_components import aws_iot_jobs
from custom_components.aws_iot_jobs.const import (
    CONF_FENCE_COMMANDS,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_PATHS,
    CONF_FENCE_PRESET,
    CONF_FENCE_UPLOAD_HOSTS,
    CONF_FENCE_USERS,
    CONF_RUN_DOCUMENT,
    DOMAIN,
)
from custom_components.aws_iot_jobs.fence_options import (
    LOCKED_DOWN_HANDLERS,
    fences_of,
    locked_down,
)
from custom_components.aws_iot_jobs.jobs.fences import (
    NO_USER,
    OPEN,
    Fence,
    Fences,
    host_allowed,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component

from ..fake_jobs_service import FakeJobsService
from .conftest import ENDPOINT, THING
from .dialog import errors, in_sections, suggested, words
from .fake_agent import FakeAgent
from .waiting import until

COMMAND = {
    "version": "1.0",
    "steps": [
        {
            "action": {
                "name": "n",
                "type": "runCommand",
                "input": {"command": "true"},
            }
        }
    ],
}
S3 = "s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("options", "fences"),
    [
        ({}, OPEN),
        ({CONF_FENCE_COMMANDS: True}, Fences(commands=True)),
        ({CONF_FENCE_PATHS: True}, Fences(paths=True)),
        ({CONF_FENCE_HANDLERS: ["a.sh"]}, Fences(handlers=frozenset({"a.sh"}))),
        ({CONF_FENCE_USERS: ["nobody"]}, Fences(users=frozenset({"nobody"}))),
        (
            {CONF_FENCE_USERS: ["no_user", "nobody"]},
            Fences(users=frozenset({NO_USER, "nobody"})),
        ),
        ({CONF_FENCE_UPLOAD_HOSTS: ["no_url"]}, Fences(upload_hosts=frozenset())),
        ({CONF_FENCE_HANDLERS: [], CONF_FENCE_USERS: []}, OPEN),
    ],
)
def test_what_options_mean(options: Mapping[str, Any], fences: Fences) -> None:
    """A list without anything allows everything."""
    assert fences_of(options) == fences


@pytest.mark.parametrize(
    ("endpoint", "allowed", "refused"),
    [
        (
            ENDPOINT,
            (f"https://{S3}/b/k", f"https://b.{S3}/k?X-Amz-Signature=a"),
            ("https://b.s3.us-east-1.amazonaws.com/k", "https://b.s3.amazonaws.com/k"),
        ),
        (
            "a-ats.iot.us-east-1.amazonaws.com",
            (
                "https://b.s3.us-east-1.amazonaws.com/k",
                "https://b.s3.dualstack.us-east-1.amazonaws.com/k",
                "https://s3.amazonaws.com/b/k",
            ),
            (f"https://{S3}/b/k",),
        ),
        (
            "a.ats.iot.cn-north-1.amazonaws.com.cn",
            ("https://b.s3.cn-north-1.amazonaws.com.cn/k",),
            ("https://b.s3.cn-north-1.amazonaws.com/k",),
        ),
        (
            "a-ats.iot-fips.us-gov-west-1.amazonaws.com",
            ("https://b.s3.us-gov-west-1.amazonaws.com/k",),
            (f"https://{S3}/b/k",),
        ),
        ("iot.example.com", (), (f"https://{S3}/b/k", "https://iot.example.com/")),
    ],
)
def test_locked_down_is_all_of_them(
    endpoint: str, allowed: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    """Files go to and come from Amazon S3 in the thing's own region, if that is known."""
    fences = fences_of(locked_down(endpoint))
    assert fences.up == tuple(Fence)
    assert fences.users == frozenset({NO_USER})
    for url in allowed:
        assert host_allowed(url, fences)
    for url in refused:
        assert not host_allowed(url, fences)


def test_handlers_of_locked_down_are_samples() -> None:
    """It names files that there are."""
    handlers = Path(aws_iot_jobs.__file__).parents[2] / "handlers"
    for name in LOCKED_DOWN_HANDLERS:
        assert (handlers / name).is_file()


# The options


async def _set(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> Any:
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        flow["flow_id"], in_sections(flow, options)
    )
    await hass.async_block_till_done()
    return result


async def test_presets_in_the_options(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
) -> None:
    """Each sets all fences at once, whatever else the form says; then one can be moved."""
    before = dict(entry.options)
    await _set(hass, entry, fence_preset="locked_down", fence_commands=False)
    assert entry.options == before | locked_down(ENDPOINT)
    assert agents[-1].settings.fences == fences_of(locked_down(ENDPOINT))

    flow = await hass.config_entries.options.async_init(entry.entry_id)
    shown = suggested(flow)
    assert CONF_FENCE_PRESET not in shown
    assert shown == entry.options
    mine = {CONF_FENCE_HANDLERS: [" mine.sh ", "mine.sh", "", "health-check.sh"]}
    result = await hass.config_entries.options.async_configure(
        flow["flow_id"], in_sections(flow, shown | mine)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert agents[-1].settings.fences.handlers == frozenset(
        {"mine.sh", "health-check.sh"}
    )
    assert agents[-1].settings.fences.up == tuple(Fence)

    await _set(hass, entry, **shown, fence_preset="open")
    assert entry.options == before
    assert agents[-1].settings.fences == OPEN


@pytest.mark.parametrize(
    "host",
    ["https://example.com", "example.com/x", "example.com:443", "bücher.example"],
)
async def test_what_is_no_host_is_told(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent, host: str
) -> None:
    """At its field, with the one that is meant; nothing is stored."""
    before = dict(entry.options)
    hosts = ["Example.com.", host]
    result = await _set(hass, entry, **{CONF_FENCE_UPLOAD_HOSTS: hosts})
    assert errors(result) == {CONF_FENCE_UPLOAD_HOSTS: "upload_host_invalid"}
    told = (await words(hass, result, "options"))[CONF_FENCE_UPLOAD_HOSTS]
    assert told.startswith(f"{host} is not")
    assert entry.options == before
    await _set(hass, entry, **{CONF_FENCE_UPLOAD_HOSTS: ["Example.com.", "no_url"]})
    assert entry.options[CONF_FENCE_UPLOAD_HOSTS] == ["example.com", "no_url"]


async def test_diagnostics_tell_which_are_up(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """By name."""
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found["fences"] == []
    options = {CONF_FENCE_PATHS: True, CONF_FENCE_UPLOAD_HOSTS: ["no_url"]}
    await _set(hass, entry, **options)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found["fences"] == ["paths", "upload_hosts"]


# Nothing else changes them


WISHES = {
    "options": {},
    "fences": [],
    CONF_FENCE_PRESET: "open",
    CONF_FENCE_COMMANDS: False,
    CONF_FENCE_PATHS: False,
    CONF_FENCE_HANDLERS: [],
    CONF_FENCE_USERS: [],
    CONF_FENCE_UPLOAD_HOSTS: [],
    "settings": {"fences": {"commands": False}},
}
"""What a job would say to bring them down."""


@pytest.fixture
async def fenced(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> MockConfigEntry:
    """Set a thing up that is locked down, with its real agent."""
    options = {**thing.options, **locked_down(ENDPOINT), CONF_RUN_DOCUMENT: True}
    hass.config_entries.async_update_entry(thing, options=options)
    assert await async_setup_component(hass, "homeassistant", {})
    assert await hass.config_entries.async_setup(thing.entry_id)
    await service.until(lambda: bool(service.requests))
    return thing


async def _rejects(service: FakeJobsService, **more: Any) -> None:
    job = service.create_job(COMMAND | more)
    await service.ended(job)
    assert job.status == "REJECTED"
    assert job.status_details["reason"].endswith('(fence "commands")')


@pytest.mark.usefixtures("all_entities")
async def test_no_entity_action_or_command_changes_a_fence(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    fenced: MockConfigEntry,
    service: FakeJobsService,
) -> None:
    """All there are, called with all that could be meant to bring them down."""
    options = dict(fenced.options)
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), fenced.entry_id)
    entities = er.async_entries_for_config_entry(er.async_get(hass), fenced.entry_id)
    assert {entity.domain for entity in entities} >= {"switch", "button"}
    domains = {entity.domain for entity in entities} | {DOMAIN}
    ours: dict[str, Any] = {
        "device_id": [device.id],
        "document": COMMAND | WISHES,
        "job_id": "x",
    }
    targets: list[dict[str, Any]] = [
        {"entity_id": [entity.entity_id]} for entity in entities
    ]
    called = 0
    for domain in domains:
        for name, action in hass.services.async_services_for_domain(domain).items():
            for wanted in (ours, ours | WISHES, *targets):
                with contextlib.suppress(HomeAssistantError, vol.Invalid):
                    await hass.services.async_call(
                        domain,
                        name,
                        wanted,
                        blocking=True,
                        return_response=action.supports_response.value == "only",
                    )
                    called += 1
    assert called > len(entities)

    client = await hass_ws_client(hass)
    commands = [name for name in hass.data["websocket_api"] if DOMAIN in name]
    assert commands
    for name in commands:
        for message in (
            {"entry_id": fenced.entry_id, "config_entry_id": fenced.entry_id},
            {"device_id": device.id} | WISHES,
            {"device_id": device.id, "document": COMMAND | WISHES},
        ):
            await client.send_json_auto_id({"type": name, **message})
            await client.receive_json()
    await hass.async_block_till_done()
    assert fenced.options == options

    await hass.services.async_call(
        "switch", "turn_on", {"entity_id": f"switch.{_id(entities)}"}, blocking=True
    )
    await _rejects(service, **WISHES)


def _id(entities: list[er.RegistryEntry]) -> str:
    (switch,) = (each for each in entities if each.domain == "switch")
    return switch.entity_id.partition(".")[2]


async def test_no_file_that_is_read_changes_a_fence(
    hass: HomeAssistant, fenced: MockConfigEntry, service: FakeJobsService
) -> None:
    """What a job can leave in the folders of the thing and of handlers, and restarts."""
    options = dict(fenced.options)
    await _rejects(service, **WISHES)
    agent = fenced.runtime_data.agent
    await until(hass, lambda: agent.state.last_job is not None)
    assert await hass.config_entries.async_unload(fenced.entry_id)
    folder = Path(hass.config.path(DOMAIN))
    written = await hass.async_add_executor_job(_wish_in_all_files, folder)
    assert {"journal", "history"} <= {Path(name).stem for name in written}
    assert await hass.config_entries.async_setup(fenced.entry_id)
    assert fenced.options == options
    await _rejects(service)


def _wish_in_all_files(folder: Path) -> list[str]:
    """Write wishes into all files that there are, and some that could be."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    things, handlers = folder / "things" / THING, folder / "handlers"
    for parent in (folder, things, things / "work", handlers):
        parent.mkdir(exist_ok=True)
        files += (
            parent / name
            for name in ("options.json", "fences.json", "settings.json", "bundle.json")
        )
    for path in files:
        path.write_text(json.dumps(WISHES) + "\n")
    return [path.name for path in files]


def test_options_are_written_by_the_dialogs_alone() -> None:
    """No other code of the integration hands options to Home Assistant."""
    root = Path(aws_iot_jobs.__file__).parent
    writers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("async_")
        and any(word.arg == "options" for word in node.keywords)
    }
    assert writers == {"config_flow.py"}
    creators = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "OptionsFlow" in path.read_text()
    }
    assert creators == {"config_flow.py", "options_flow.py"}
