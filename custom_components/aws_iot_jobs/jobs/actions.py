"""Which actions of Home Assistant a job may perform: those that its owner has listed.

Some are never allowed, whoever lists them: what runs programs or texts of the caller's, what
undoes or ends Home Assistant, what changes what a name stands for, and what would let a job
decide on jobs. What opens a door, or runs what does, is allowed for entities that are named,
and for no area, device or label.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
import re
from typing import Any, Final

from .calls import ACTION_NAME, TARGETS, ActionCall
from .reasons import Reason

_NEVER_DOMAINS: Final = frozenset(
    {
        "aws_iot_jobs",
        "command_line",
        "pyscript",
        "python_script",
        "rest_command",
        "shell_command",
    }
)
_NEVER: Final = frozenset(
    {
        "androidtv.adb_command",
        # Whoever talks to Home Assistant reaches all that it exposes.
        "conversation.process",
        # A group stands for what is in it when an action is performed.
        "group.remove",
        "group.set",
        "hassio.addon_stdin",
        "hassio.app_stdin",
        # Nobody would start it again.
        "hassio.host_shutdown",
        "homeassistant.stop",
        # These give any state to any entity, a lock among them.
        "scene.apply",
        "scene.create",
    }
)
_NEVER_PREFIXES: Final = ("hassio.restore_",)
# To an assistant elsewhere, that is.
_NEVER_NAMES: Final = frozenset({"send_text_command"})

_DOOR_DOMAINS: Final = frozenset(
    {
        "alarm_control_panel",
        "automation",
        "button",
        "cover",
        "input_button",
        "lock",
        "scene",
        "script",
        "siren",
        "update",
        "valve",
    }
)
"""What opens doors, and what may run anything that does."""
_OF_ANY_DOMAIN: Final = frozenset(
    {"homeassistant.toggle", "homeassistant.turn_off", "homeassistant.turn_on"}
)
_OF_ALL_SCRIPTS: Final = frozenset({"toggle", "turn_off", "turn_on"})
_RELOAD: Final = "reload"

_OTHER_ENTITY_DOMAINS: Final = frozenset(
    {
        "calendar",
        "camera",
        "climate",
        "counter",
        "date",
        "datetime",
        "fan",
        "humidifier",
        "image",
        "input_boolean",
        "input_datetime",
        "input_number",
        "input_select",
        "input_text",
        "lawn_mower",
        "light",
        "media_player",
        "notify",
        "number",
        "remote",
        "select",
        "switch",
        "text",
        "time",
        "timer",
        "todo",
        "tts",
        "vacuum",
        "water_heater",
        "weather",
    }
)
"""Their actions reach entities of their own domain alone, whatever their target is."""
ENTITY_DOMAINS: Final = _DOOR_DOMAINS | _OTHER_ENTITY_DOMAINS

ENTITY_ID: Final = "entity_id"
ALL: Final = "all"
GROUP: Final = "group"
_ID: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedAction:
    """An action that jobs may perform.

    With this data alone, and for these entities alone; None stands for any.
    """

    action: str
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    entities: frozenset[str] | None = None


class Fault(StrEnum):
    """Why an action cannot be allowed as it is listed."""

    INVALID = "invalid"
    NEVER_ALLOWED = "never_allowed"
    DATA_HAS_TARGET = "data_has_target"
    NEEDS_ENTITIES = "needs_entities"


def fault_of(entry: AllowedAction) -> Fault | None:
    """Return why an action cannot be allowed as it is listed: then it allows nothing."""
    if not ACTION_NAME.fullmatch(entry.action):
        return Fault.INVALID
    if is_never_allowed(entry.action, entry.data):
        return Fault.NEVER_ALLOWED
    if entry.data is not None and not entry.data.keys().isdisjoint(TARGETS):
        return Fault.DATA_HAS_TARGET
    if entry.entities is None:
        return Fault.NEEDS_ENTITIES if needs_entities(entry.action) else None
    return None if all(map(_ID.fullmatch, entry.entities)) else Fault.NEEDS_ENTITIES


def is_never_allowed(action: str, data: Mapping[str, Any] | None = None) -> bool:
    """Tell whether no list can allow an action, with its data."""
    domain, _, name = action.partition(".")
    if domain in _NEVER_DOMAINS or name in _NEVER_NAMES or action in _NEVER:
        return True
    if action.startswith(_NEVER_PREFIXES):
        return True
    # In safe mode no custom integration is loaded: nobody would end the job.
    return action == "homeassistant.restart" and "safe_mode" in (data or {})


def needs_entities(action: str) -> bool:
    """Tell whether an action can be allowed for named entities alone."""
    domain, _, name = action.partition(".")
    if domain == "script":
        # Each script is an action of its own, too.
        return name in _OF_ALL_SCRIPTS
    if name == _RELOAD:
        return False
    return domain in _DOOR_DOMAINS or action in _OF_ANY_DOMAIN


def problem_of(call: ActionCall, allowed: Iterable[AllowedAction]) -> str | None:
    """Return why an action is not allowed; None where it is."""
    return next(_problems(call, allowed), None)


def with_allowed_data(call: ActionCall, allowed: Iterable[AllowedAction]) -> ActionCall:
    """Return an action that is allowed, with the data that it is allowed with."""
    for entry in _entries(call, allowed):
        if _why_not(call, entry) is None:
            return call if entry.data is None else replace(call, data=entry.data)
    return call


def _entries(
    call: ActionCall, allowed: Iterable[AllowedAction]
) -> Iterator[AllowedAction]:
    for entry in allowed:
        if entry.action == call.action and fault_of(entry) is None:
            yield entry


def _problems(call: ActionCall, allowed: Iterable[AllowedAction]) -> Iterator[str]:
    found = repr(call.action)
    if is_never_allowed(call.action, call.data):
        yield Reason.ACTION_NEVER_ALLOWED.text(found=found)
    problems = [_why_not(call, entry) for entry in _entries(call, allowed)]
    if not problems:
        yield Reason.ACTION_NOT_ALLOWED.text(found=found)
    # One that allows it is enough.
    if None not in problems:
        yield from filter(None, problems)


def _why_not(call: ActionCall, entry: AllowedAction) -> str | None:
    if others := _others(call, entry.entities):
        return Reason.ACTION_NOT_FOR_TARGET.text(
            found=repr(call.action), target=", ".join(others)
        )
    if entry.data is not None and call.data and dict(call.data) != dict(entry.data):
        return Reason.ACTION_WITH_OTHER_DATA.text(found=repr(call.action))
    return None


def _others(call: ActionCall, named: frozenset[str] | None) -> list[str]:
    """Return what an action is for that is not allowed, where these entities are named."""
    if named is None and call.action.partition(".")[0] in _OTHER_ENTITY_DOMAINS:
        return []
    if named is not None and not any(call.target.values()):
        return ["no entity"]
    others = [
        id_
        for kind, ids in call.target.items()
        for id_ in ids
        if kind != ENTITY_ID or not _is_meant(id_, named)
    ]
    mentioned = (id_ for id_ in _ids_in(call.data) if _may_be_door(id_))
    return others + [id_ for id_ in mentioned if id_ not in (named or ())]


def _is_meant(id_: str, named: frozenset[str] | None) -> bool:
    if named is not None:
        return id_ in named
    # Home Assistant reads "LOCK.DOOR" and "light.a, lock.b" as well.
    return bool(_ID.fullmatch(id_)) and not _may_be_door(id_)


def _may_be_door(id_: str) -> bool:
    domain = id_.partition(".")[0]
    return domain in _DOOR_DOMAINS or domain == GROUP


def _ids_in(value: Any) -> Iterator[str]:
    """Yield what stands in data as an entity, or as several with commas between them."""
    match value:
        case str():
            words = (word.strip().lower() for word in value.split(","))
            yield from filter(_ID.fullmatch, words)
        case Mapping():
            for key, item in value.items():
                yield from _ids_in(key)
                yield from _ids_in(item)
        case list() | tuple():
            for item in value:
                yield from _ids_in(item)
