"""Which steps may run in Home Assistant, and which actions jobs may perform, as options."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.components.diagnostics import (  # type: ignore[import-untyped]
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_ALLOWED_ACTIONS,
    CONF_FENCE_COMMANDS,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_HOME_ASSISTANT_STEPS,
    CONF_FENCE_PATHS,
    CONF_FENCE_UPLOAD_HOSTS,
    CONF_FENCE_USERS,
)
from custom_components.aws_iot_jobs.fence_options import (
    HOME_STEPS,
    fences_of,
    locked_down,
)
from custom_components.aws_iot_jobs.jobs.actions import AllowedAction
from custom_components.aws_iot_jobs.jobs.calls import ActionType
from custom_components.aws_iot_jobs.jobs.fences import Fence
from custom_components.aws_iot_jobs.options import inventory_options
from custom_components.aws_iot_jobs.steps.home import _MODULES
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData

from .conftest import ENDPOINT
from .dialog import enter_options, errors, suggested, words
from .fake_agent import FakeAgent

CHECK = ActionType.CHECK_HOME_ASSISTANT
DOOR = "lock.front_door"
UNLOCK = {"action": "lock.unlock", "entities": [DOOR], "data": {"code": "1234"}}


async def _set(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> Any:
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    return await enter_options(hass, flow, **options)


# Steps of Home Assistant


def _steps(agents: list[FakeAgent]) -> frozenset[ActionType] | None:
    """Return which steps are allowed now."""
    return agents[-1].settings.fences.home_assistant_steps


@pytest.mark.parametrize(
    ("names", "types"),
    [
        ([], None),
        (["no_step"], frozenset()),
        (["no_step", "create_backup"], frozenset({ActionType.CREATE_BACKUP})),
        (["step_of_a_later_version"], frozenset()),
        (list(HOME_STEPS), frozenset(HOME_STEPS.values())),
    ],
)
def test_which_steps_are_meant(
    names: list[str], types: frozenset[ActionType] | None
) -> None:
    """None that is chosen is any; what is not known allows nothing."""
    assert set(HOME_STEPS.values()) == _MODULES.keys()
    fences = fences_of({CONF_FENCE_HOME_ASSISTANT_STEPS: names})
    assert fences.home_assistant_steps == types
    assert fences.up == (() if types is None else (Fence.HOME_ASSISTANT_STEPS,))


@pytest.mark.parametrize(
    "older",
    [
        {CONF_FENCE_PATHS: True},
        {CONF_FENCE_HANDLERS: ["a.sh"]},
        {CONF_FENCE_USERS: ["nobody"]},
        {CONF_FENCE_UPLOAD_HOSTS: ["no_url"]},
        {
            key: value
            for key, value in locked_down(ENDPOINT).items()
            if key != CONF_FENCE_HOME_ASSISTANT_STEPS
        },
    ],
)
async def test_an_update_loosens_no_lock_down(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
    older: dict[str, Any],
) -> None:
    """Stored before there were such steps; the dialog shows what is in force, and keeps it."""
    stored = {**entry.options, **older, CONF_FENCE_COMMANDS: True}
    assert fences_of(stored).home_assistant_steps == frozenset({CHECK})
    hass.config_entries.async_update_entry(entry, options=stored)
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    shown = suggested(flow)
    assert shown[CONF_FENCE_HOME_ASSISTANT_STEPS] == ["check_home_assistant"]
    await _set(hass, entry, **shown)
    assert _steps(agents) == frozenset({CHECK})

    await _set(hass, entry, **shown | {CONF_FENCE_HOME_ASSISTANT_STEPS: []})
    assert _steps(agents) is None
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert suggested(flow)[CONF_FENCE_HOME_ASSISTANT_STEPS] == []
    await _set(hass, entry, fence_preset="open")
    assert CONF_FENCE_HOME_ASSISTANT_STEPS not in entry.options


def test_locked_down_leaves_checks() -> None:
    """They change nothing, and no action is allowed."""
    fences = fences_of(locked_down(ENDPOINT))
    assert {type_ for type_ in HOME_STEPS.values() if fences.allows(type_)} == {CHECK}
    assert fences.actions == ()


# Actions


async def test_actions_are_listed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
) -> None:
    """As they were entered; an empty field is as none, and a preset takes all away."""
    before = dict(entry.options)
    assert agent.settings.fences.actions == ()
    listed = [
        UNLOCK | {"entities": [DOOR, "lock.back_door", DOOR]},
        {"action": " light.turn_on ", "entities": [], "data": {}},
    ]
    await _set(hass, entry, allowed_actions=listed)
    assert entry.options[CONF_ALLOWED_ACTIONS] == [
        UNLOCK | {"entities": ["lock.back_door", DOOR]},
        {"action": "light.turn_on"},
    ]
    assert agents[-1].settings.fences.actions == (
        AllowedAction(
            action="lock.unlock",
            data={"code": "1234"},
            entities=frozenset({DOOR, "lock.back_door"}),
        ),
        AllowedAction(action="light.turn_on"),
    )
    for preset in ("locked_down", "open"):
        await _set(hass, entry, allowed_actions=listed, fence_preset=preset)
        assert not agents[-1].settings.fences.actions
    assert entry.options == before


@pytest.mark.parametrize(
    ("listed", "error", "says"),
    [
        ({"action": "light"}, "action_invalid", "light is not the name of an action."),
        (
            {"action": "shell_command.reboot"},
            "action_never_allowed",
            "shell_command.reboot is never allowed to jobs",
        ),
        (
            {"action": "homeassistant.restart", "data": {"safe_mode": True}},
            "action_never_allowed",
            "homeassistant.restart is never allowed to jobs, or not with this data.",
        ),
        (
            {"action": "lock.unlock"},
            "action_needs_entities",
            "lock.unlock can be allowed for named entities alone.",
        ),
        (
            {"action": "light.turn_on", "data": {"area_id": "kitchen"}},
            "action_data_has_target",
            "light.turn_on has data that says what it is for.",
        ),
        (
            {"action": "light.turn_on", "data": "brightness"},
            "action_data_invalid",
            "The data of light.turn_on is not made of keys and values.",
        ),
    ],
)
async def test_what_cannot_be_listed_is_told(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    listed: dict[str, Any],
    error: str,
    says: str,
) -> None:
    """At its field, with the action that is meant; nothing is stored."""
    before = dict(entry.options)
    result = await _set(hass, entry, allowed_actions=[UNLOCK, listed])
    assert errors(result) == {CONF_ALLOWED_ACTIONS: error}
    told = (await words(hass, result, "options"))[CONF_ALLOWED_ACTIONS]
    assert told.startswith(says)
    assert suggested(result)[CONF_ALLOWED_ACTIONS] == [UNLOCK, listed]
    assert entry.options == before


@pytest.mark.parametrize(
    "listed",
    [
        {"entities": [DOOR]},
        {"action": "lock.unlock", "entities": ["all"]},
        {"action": "lock.unlock", "target": {"entity_id": DOOR}},
    ],
)
async def test_the_form_has_its_own_rules(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent, listed: Any
) -> None:
    """What no page sends is not taken either."""
    with pytest.raises(InvalidData):
        await _set(hass, entry, allowed_actions=[listed])


async def test_how_many_are_listed_is_told(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """To whoever makes jobs, and to whoever looks for a fault; without the code of a lock."""
    result = await _set(hass, entry, allowed_actions=[UNLOCK])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found["allowed_actions"] == 1
    assert "1234" not in json.dumps(found)
    assert DOOR not in json.dumps(found)
    assert inventory_options(entry.options)["allowedActions"] == 1
