"""Which actions of Home Assistant a job may perform: those that its owner has listed.

Some are never allowed, whoever lists them: what runs programs or texts of the caller's, what
undoes or ends Home Assistant, and what would let a job decide on jobs. What opens a door, or
runs what does, is allowed for entities that are named, and for no area, device or label.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .calls import ActionCall
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
        # Whoever talks to Home Assistant reaches all that it exposes.
        "conversation.process",
        "hassio.addon_stdin",
        "hassio.app_stdin",
        "homeassistant.stop",
        # These give any state to any entity, a lock among them.
        "scene.apply",
        "scene.create",
    }
)
_NEVER_PREFIXES: Final = ("hassio.restore_",)

_PER_ENTITY_DOMAINS: Final = frozenset(
    {
        "alarm_control_panel",
        "automation",
        "button",
        "cover",
        "lock",
        "scene",
        "script",
        "siren",
        "update",
        "valve",
    }
)
# These do it to entities of any domain.
_PER_ENTITY: Final = frozenset(
    {"homeassistant.toggle", "homeassistant.turn_off", "homeassistant.turn_on"}
)
_OF_ALL_SCRIPTS: Final = frozenset({"reload", "toggle", "turn_off", "turn_on"})
_RELOAD: Final = "reload"
ENTITY_ID: Final = "entity_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedAction:
    """An action that jobs may perform.

    With this data alone, and for these entities alone; None stands for any.
    """

    action: str
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    entities: frozenset[str] | None = None


def is_never_allowed(action: str, data: Mapping[str, Any] | None = None) -> bool:
    """Tell whether no list can allow an action, with its data."""
    domain, _, _ = action.partition(".")
    if domain in _NEVER_DOMAINS or action in _NEVER:
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
        return name in _OF_ALL_SCRIPTS - {_RELOAD}
    if name == _RELOAD:
        return False
    return domain in _PER_ENTITY_DOMAINS or action in _PER_ENTITY


def problem_of(call: ActionCall, allowed: Iterable[AllowedAction]) -> str | None:
    """Return why an action is not allowed; None where it is."""
    return next(_problems(call, tuple(allowed)), None)


def with_allowed_data(call: ActionCall, allowed: Iterable[AllowedAction]) -> ActionCall:
    """Return an action that is allowed, with the data that it is allowed with."""
    for entry in allowed:
        if _why_not(call, entry) is None and entry.data is not None:
            return replace(call, data=entry.data)
    return call


def _problems(call: ActionCall, allowed: tuple[AllowedAction, ...]) -> Iterator[str]:
    found = repr(call.action)
    if is_never_allowed(call.action, call.data):
        yield Reason.ACTION_NEVER_ALLOWED.text(found=found)
    entries = [entry for entry in allowed if entry.action == call.action]
    if not entries:
        yield Reason.ACTION_NOT_ALLOWED.text(found=found)
    problems = [_why_not(call, entry) for entry in entries]
    # One that allows it is enough.
    if None not in problems:
        yield from filter(None, problems)


def _why_not(call: ActionCall, entry: AllowedAction) -> str | None:
    if entry.action != call.action:
        return Reason.ACTION_NOT_ALLOWED.text(found=repr(call.action))
    named = entry.entities
    if named is None and (needs_entities(call.action) or _is_for_doors(call)):
        named = frozenset()
    if named is not None and (others := _others(call, named)):
        return Reason.ACTION_NOT_FOR_TARGET.text(
            found=repr(call.action), target=", ".join(others)
        )
    if entry.data is not None and call.data and dict(call.data) != dict(entry.data):
        return Reason.ACTION_WITH_OTHER_DATA.text(found=repr(call.action))
    return None


def _is_for_doors(call: ActionCall) -> bool:
    """Tell whether it names an entity that has to be allowed by its name."""
    ids = call.target.get(ENTITY_ID, ())
    return any(id_.partition(".")[0] in _PER_ENTITY_DOMAINS for id_ in ids)


def _others(call: ActionCall, named: frozenset[str]) -> list[str]:
    """Return what an action is for beside the entities that are named."""
    if not any(call.target.values()):
        return ["no entity"]
    return [
        id_
        for kind, ids in call.target.items()
        for id_ in ids
        if kind != ENTITY_ID or id_ not in named
    ]
