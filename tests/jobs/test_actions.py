"""Which actions a job may perform: those that are listed, and some of them for nobody."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.jobs.actions import (
    AllowedAction,
    Fault,
    fault_of,
    is_never_allowed,
    problem_of,
    with_allowed_data,
)
from custom_components.aws_iot_jobs.jobs.calls import ActionCall
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.fences import (
    FencedOffError,
    Fences,
    read_document,
)

from .documents import document, handler_step, home_step

LIGHT = "light.turn_on"
UNLOCK = "lock.unlock"
DOOR, GARAGE, LAMP = "lock.front_door", "cover.garage", "light.kitchen"


def _call(
    action: str, *entities: str, data: Mapping[str, Any] | None = None, **target: str
) -> ActionCall:
    kinds: dict[str, tuple[str, ...]] = {kind: (id_,) for kind, id_ in target.items()}
    if entities:
        kinds["entity_id"] = entities
    return ActionCall(action=action, target=kinds, data=data or {})


def _allow(
    action: str, *entities: str, data: Mapping[str, Any] | None = None
) -> AllowedAction:
    return AllowedAction(
        action=action, data=data, entities=frozenset(entities) if entities else None
    )


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        (_call(LIGHT, LAMP), _allow(LIGHT)),
        (_call(LIGHT, "group.kitchen"), _allow(LIGHT)),
        (_call(LIGHT, area_id="kitchen"), _allow(LIGHT)),
        (_call(LIGHT, "all"), _allow(LIGHT)),
        (_call(LIGHT, LAMP), _allow(LIGHT, LAMP, "light.hall")),
        (_call(UNLOCK, DOOR, data={"code": "1"}), _allow(UNLOCK, DOOR)),
        (_call("homeassistant.turn_on", LAMP), _allow("homeassistant.turn_on", LAMP)),
        (_call("script.good_night"), _allow("script.good_night")),
        (_call("script.reload"), _allow("script.reload")),
        (_call("mqtt.publish", data={"topic": "a"}), _allow("mqtt.publish")),
        (_call("zha.permit", data={"duration": 1}), _allow("zha.permit")),
        (
            _call("homeassistant.update_entity", "sensor.a"),
            _allow("homeassistant.update_entity"),
        ),
        (_call(LIGHT, LAMP), _allow(LIGHT, data={"transition": 1})),
        (
            _call(LIGHT, LAMP, data={"transition": 1}),
            _allow(LIGHT, data={"transition": 1}),
        ),
        (_call("homeassistant.restart"), _allow("homeassistant.restart")),
    ],
)
def test_what_is_listed_is_allowed(call: ActionCall, allowed: AllowedAction) -> None:
    """And nothing is without a list."""
    assert fault_of(allowed) is None
    assert problem_of(call, [allowed]) is None
    assert problem_of(call, []) == (
        f"action '{call.action}' is not among those that are allowed to jobs on this "
        "Home Assistant"
    )


@pytest.mark.parametrize(
    ("call", "allowed", "says"),
    [
        (_call(LIGHT, LAMP), _allow("light.turn_off"), "is not among those"),
        (_call(LIGHT, LAMP), _allow(LIGHT, "light.hall"), "not for light.kitchen"),
        (_call(LIGHT, LAMP, "light.hall"), _allow(LIGHT, LAMP), "not for light.hall"),
        (_call(LIGHT, area_id="kitchen"), _allow(LIGHT, LAMP), "not for kitchen"),
        (_call(LIGHT, LAMP, label_id="x"), _allow(LIGHT, LAMP), "not for x"),
        (_call(LIGHT), _allow(LIGHT, LAMP), "not for no entity"),
        (_call(LIGHT, "all"), _allow(LIGHT, LAMP), "not for all"),
        (_call(LIGHT, LAMP.upper()), _allow(LIGHT, LAMP), "not for LIGHT.KITCHEN"),
        (
            _call(LIGHT, LAMP, data={"flash": "long"}),
            _allow(LIGHT, data={"transition": 1}),
            "with other data alone",
        ),
    ],
)
def test_what_is_not_as_listed_is_refused(
    call: ActionCall, allowed: AllowedAction, says: str
) -> None:
    """With what it is that is not allowed."""
    problem = problem_of(call, [allowed])
    assert problem is not None
    assert says in problem


@pytest.mark.parametrize(
    "call",
    [
        _call("zwave_js.set_value", DOOR),
        _call("zwave_js.set_value", DOOR.upper()),
        _call("zwave_js.set_value", f"{LAMP}, {DOOR}"),
        _call("zwave_js.set_value", f" {DOOR}"),
        _call("zwave_js.set_value", "all"),
        _call("zwave_js.set_value", "group.doors"),
        _call("zwave_js.set_value", "0123456789abcdef0123456789abcdef"),
        _call("zwave_js.set_value", device_id="a"),
        _call("zwave_js.set_value", area_id="a"),
        _call("zwave_js.set_value", floor_id="a"),
        _call("zwave_js.set_value", label_id="a"),
        _call("deconz.configure", data={"entity": DOOR, "field": "/state"}),
        _call("deconz.configure", data={"of": [{"x": f"{LAMP},{DOOR.upper()}"}]}),
        _call("deconz.configure", data={"x": {DOOR: {}}}),
        _call("my.own", "script.open_the_gate"),
        _call("my.own", "button.gate"),
    ],
)
def test_doors_are_allowed_by_their_name_alone(call: ActionCall) -> None:
    """In whatever way an action names one: what HA reads as one, counts as one."""
    assert problem_of(call, [_allow(call.action)]) is not None
    assert problem_of(_call(call.action, LAMP), [_allow(call.action)]) is None


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (_allow("light"), Fault.INVALID),
        (_allow("Light.turn_on"), Fault.INVALID),
        (_allow("light.turn_on\n"), Fault.INVALID),
        (_allow("shell_command.x"), Fault.NEVER_ALLOWED),
        (
            _allow("homeassistant.restart", data={"safe_mode": True}),
            Fault.NEVER_ALLOWED,
        ),
        (_allow(LIGHT, data={"entity_id": LAMP}), Fault.DATA_HAS_TARGET),
        (_allow("my.own", data={"device_id": "x"}), Fault.DATA_HAS_TARGET),
        (_allow(UNLOCK), Fault.NEEDS_ENTITIES),
        (_allow("homeassistant.turn_off"), Fault.NEEDS_ENTITIES),
        (_allow("script.turn_on"), Fault.NEEDS_ENTITIES),
        (_allow("update.install"), Fault.NEEDS_ENTITIES),
        (_allow("input_button.press"), Fault.NEEDS_ENTITIES),
        (_allow(UNLOCK, "all"), Fault.NEEDS_ENTITIES),
    ],
)
def test_what_cannot_be_listed_allows_nothing(
    entry: AllowedAction, fault: Fault
) -> None:
    """Even where something has put it into the list."""
    assert fault_of(entry) == fault
    targets: tuple[tuple[str, ...], ...] = ((), (LAMP,), (DOOR,), ("all",))
    for target in targets:
        assert problem_of(_call(entry.action, *target), [entry]) is not None


NEVER = (
    "shell_command.reboot",
    "command_line.reload",
    "python_script.exec",
    "pyscript.eval",
    "rest_command.post",
    "hassio.app_stdin",
    "hassio.addon_stdin",
    "hassio.restore_full",
    "hassio.restore_partial",
    "hassio.host_shutdown",
    "homeassistant.stop",
    "scene.apply",
    "scene.create",
    "group.set",
    "group.remove",
    "conversation.process",
    "google_assistant_sdk.send_text_command",
    "aws_iot_jobs.approve_job",
    "aws_iot_jobs.run_document",
)
ENTITIES = st.frozensets(
    st.sampled_from([DOOR, GARAGE, LAMP, "all", "group.doors", "script.a", ""])
)
DATA = st.none() | st.dictionaries(
    st.sampled_from(["entity_id", "code", "safe_mode", "command"]),
    st.sampled_from([DOOR, True, [DOOR], {}]),
)
KINDS = st.dictionaries(
    st.sampled_from(["entity_id", "device_id", "area_id", "floor_id", "label_id"]),
    st.lists(
        st.sampled_from([DOOR, GARAGE, LAMP, "all", "group.doors", DOOR.upper()])
    ).map(tuple),
)
DOOR_ACTIONS = (
    UNLOCK,
    "cover.open_cover",
    "alarm_control_panel.alarm_disarm",
    "valve.open_valve",
    "siren.turn_on",
    "button.press",
    "automation.trigger",
    "script.turn_on",
    "scene.turn_on",
    "update.install",
    "homeassistant.turn_on",
    "homeassistant.toggle",
)


@given(
    action=st.sampled_from(NEVER),
    target=KINDS,
    data=DATA,
    lists=st.lists(st.tuples(st.none() | ENTITIES, DATA)),
)
def test_what_is_never_allowed(
    action: str,
    target: Mapping[str, tuple[str, ...]],
    data: Mapping[str, Any] | None,
    lists: list[tuple[frozenset[str] | None, Mapping[str, Any] | None]],
) -> None:
    """Whatever the list says."""
    allowed = [
        AllowedAction(action=action, entities=entities, data=fixed)
        for entities, fixed in lists
    ]
    call = ActionCall(action=action, target=target, data=data or {})
    problem = problem_of(call, allowed)
    assert problem == f"action '{action}' is never allowed to jobs"


@given(
    action=st.sampled_from(DOOR_ACTIONS),
    target=KINDS,
    lists=st.lists(st.tuples(st.none() | ENTITIES, DATA)),
)
def test_doors_that_are_not_named_stay_closed(
    action: str,
    target: Mapping[str, tuple[str, ...]],
    lists: list[tuple[frozenset[str] | None, Mapping[str, Any] | None]],
) -> None:
    """What is allowed of these is for entities of which each stands in one entry."""
    allowed = [
        AllowedAction(action=action, entities=entities, data=fixed)
        for entities, fixed in lists
    ]
    if problem_of(ActionCall(action=action, target=target), allowed) is not None:
        return
    meant = {id_ for ids in target.values() for id_ in ids}
    assert meant
    assert meant == set(target["entity_id"])
    assert any(meant <= (entities or set()) for entities, _ in lists)


@given(value=st.sampled_from([True, False, "true", None, {}]), listed=st.booleans())
def test_never_into_safe_mode(value: Any, listed: bool) -> None:
    """There no custom integration is loaded: nobody would end the job."""
    data = {"safe_mode": value}
    assert is_never_allowed("homeassistant.restart", data)
    call = _call("homeassistant.restart", data=None if listed else data)
    entries = [
        _allow("homeassistant.restart", data=data),
        *([] if listed else [_allow("homeassistant.restart")]),
    ]
    assert problem_of(call, entries) is not None


def test_data_is_that_of_the_entry_that_allows() -> None:
    """The first one that does; where that has none, the job's stay."""
    any_data, slow = _allow(LIGHT), _allow(LIGHT, data={"transition": 9})
    call = _call(LIGHT, LAMP)
    assert with_allowed_data(call, [slow, any_data]).data == {"transition": 9}
    assert with_allowed_data(call, [any_data, slow]).data == {}
    named = _allow(LIGHT, "light.hall", data={"transition": 1})
    assert with_allowed_data(call, [named, slow]).data == {"transition": 9}
    own = _call(LIGHT, LAMP, data={"flash": "long"})
    assert with_allowed_data(own, [slow, any_data]).data == {"flash": "long"}


# In a document


def _document(**given: Any) -> dict[str, Any]:
    return document(
        handler_step("a.sh"),
        home_step("callAction", input={"action": LIGHT} | given),
    )


def test_a_document_is_refused_as_a_whole() -> None:
    """Its first step is as good as any, and does not run either."""
    with pytest.raises(FencedOffError) as refusal:
        read_document(_document(), Fences())
    assert str(refusal.value) == (
        "steps[1].action.input.action: action 'light.turn_on' is not among those that "
        "are allowed to jobs on this Home Assistant"
    )
    fences = Fences(actions=(_allow(LIGHT, data={"transition": 9}),))
    call = read_document(_document(target={"entity_id": LAMP}), fences).steps[1].call
    assert isinstance(call, ActionCall)
    assert call.data == {"transition": 9}
    assert call.target == {"entity_id": (LAMP,)}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"data": {"filename": "/media/{{ states('lock.front_door') }}"}},
            "input.data: must hold no template, for none is rendered: ",
        ),
        ({"data": {"a": [{"{% x %}": 1}]}}, "must hold no template"),
        ({"data": {"a": ["{# x #}"]}}, "must hold no template"),
        ({"data": {"entity_id": DOOR}}, "'entity_id' belongs in target"),
        ({"target": {"entity": DOOR}}, "unknown key 'entity'"),
        ({"action": "light.turn_on.x"}, "must be an action such as"),
        ({"action": "LIGHT.turn_on"}, "must be an action such as"),
        ({"entity_id": DOOR}, "unknown key 'entity_id'"),
    ],
)
def test_what_no_document_may_say(given: dict[str, Any], says: str) -> None:
    """Whatever the list has."""
    with pytest.raises(InvalidJobDocumentError, match=r"^steps\[1\]") as refusal:
        read_document(_document(**given), Fences(actions=(_allow(LIGHT),)))
    assert says in str(refusal.value)


def test_data_is_not_nested_for_ever() -> None:
    """It is looked through, whatever it is."""
    data: Any = "{{ x }}"
    for _ in range(5000):
        data = [data]
    with pytest.raises(InvalidJobDocumentError, match="20 levels deep"):
        read_document(_document(data={"a": data}), Fences(actions=(_allow(LIGHT),)))
