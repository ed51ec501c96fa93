"""Fences as options of a thing: how they are stored, and the preset "locked down".

Only a person changes options, in the dialogs of Home Assistant: nothing that a job can
reach writes them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from .aws_iot.regions import region_of, s3_hosts
from .const import (
    CONF_ALLOWED_ACTIONS,
    CONF_FENCE_COMMANDS,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_HOME_ASSISTANT_STEPS,
    CONF_FENCE_PATHS,
    CONF_FENCE_UPLOAD_HOSTS,
    CONF_FENCE_USERS,
)
from .errors import InvalidInputError
from .jobs.actions import AllowedAction, Fault, fault_of
from .jobs.calls import HOME_STEP_TYPES, ActionType
from .jobs.fences import NO_USER, Fences
from .jobs.hosts import ANY_SUBDOMAIN, host_pattern

STEPS_WITHOUT_USER: Final = "no_user"
"""Stands among the users for steps that name none."""
NO_URL: Final = "no_url"
"""Stands for no host at all: a list without anything allows everything."""
NO_STEP: Final = "no_step"
"""Stands for no step of Home Assistant at all."""

HOME_STEPS: Final[Mapping[str, ActionType]] = {
    type_.name.lower(): type_ for type_ in HOME_STEP_TYPES
}
"""The types of steps that run in Home Assistant, as options have them."""
_CHECK: Final = ActionType.CHECK_HOME_ASSISTANT.name.lower()

LOCKED_DOWN_HANDLERS: Final = (
    "health-check.sh",
    "verify-packages-installed.sh",
    "verify-packages-removed.sh",
)
"""The sample handlers that change nothing, whatever they are given."""

OPEN_OPTIONS: Final[Mapping[str, Any]] = {
    CONF_FENCE_COMMANDS: False,
    CONF_FENCE_PATHS: False,
    CONF_FENCE_HANDLERS: [],
    CONF_FENCE_USERS: [],
    CONF_FENCE_UPLOAD_HOSTS: [],
    CONF_FENCE_HOME_ASSISTANT_STEPS: [],
    CONF_ALLOWED_ACTIONS: [],
}
"""No fence is up, and no action is allowed."""
_BESIDE_COMMANDS: Final = (
    CONF_FENCE_PATHS,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_USERS,
    CONF_FENCE_UPLOAD_HOSTS,
)


class FencePreset(StrEnum):
    """What all fences can be set to at once."""

    CUSTOM = "custom"
    LOCKED_DOWN = "locked_down"
    OPEN = "open"


def fences_of(options: Mapping[str, Any]) -> Fences:
    """Return the fences that the options of a thing mean."""
    found = {**OPEN_OPTIONS, **in_force(options)}
    return Fences(
        commands=bool(found[CONF_FENCE_COMMANDS]),
        paths=bool(found[CONF_FENCE_PATHS]),
        handlers=_only(found[CONF_FENCE_HANDLERS]),
        users=_only(found[CONF_FENCE_USERS], {STEPS_WITHOUT_USER: NO_USER}),
        upload_hosts=_only(found[CONF_FENCE_UPLOAD_HOSTS], {NO_URL: None}),
        home_assistant_steps=_types(found[CONF_FENCE_HOME_ASSISTANT_STEPS]),
        actions=tuple(map(_allowed_action, found[CONF_ALLOWED_ACTIONS])),
    )


def in_force(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return options with what they mean where they say nothing of the steps.

    Who had locked a thing down before there were steps of Home Assistant did not mean to
    let jobs do those: not where commands are refused, and something else as well.
    """
    if CONF_FENCE_HOME_ASSISTANT_STEPS in options:
        return options
    if options.get(CONF_FENCE_COMMANDS) and any(map(options.get, _BESIDE_COMMANDS)):
        return {**options, CONF_FENCE_HOME_ASSISTANT_STEPS: [_CHECK]}
    return options


def said_plainly(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options that are entered now so that they say of the steps what they mean."""
    if in_force(options) is options:
        return dict(options)
    return {**options, CONF_FENCE_HOME_ASSISTANT_STEPS: []}


def locked_down(endpoint: str) -> dict[str, Any]:
    """Return the options that leave to jobs what harms nothing.

    Files may come from and go to Amazon S3 in the region of the thing's endpoint; where
    that does not say its region, nowhere.
    """
    region = region_of(endpoint)
    hosts = () if region is None else s3_hosts(region)
    return {
        CONF_FENCE_COMMANDS: True,
        CONF_FENCE_PATHS: True,
        CONF_FENCE_HANDLERS: list(LOCKED_DOWN_HANDLERS),
        CONF_FENCE_USERS: [STEPS_WITHOUT_USER],
        CONF_FENCE_UPLOAD_HOSTS: [
            pattern for host in hosts for pattern in (host, f"{ANY_SUBDOMAIN}{host}")
        ]
        or [NO_URL],
        CONF_FENCE_HOME_ASSISTANT_STEPS: [_CHECK],
    }


def preset_options(preset: str, endpoint: str) -> Mapping[str, Any]:
    """Return the options that a preset sets, for a thing of this endpoint."""
    match FencePreset(preset):
        case FencePreset.LOCKED_DOWN:
            return {**OPEN_OPTIONS, **locked_down(endpoint)}
        case FencePreset.OPEN:
            return OPEN_OPTIONS
        case FencePreset.CUSTOM:
            return {}


def read_names(entered: list[str]) -> list[str]:
    """Return names as they are stored: each once, without spaces around it."""
    return list(dict.fromkeys(filter(None, map(str.strip, entered))))


def read_hosts(entered: list[str]) -> list[str]:
    """Return hosts as they are stored. Raises InvalidInputError."""
    hosts: list[str] = []
    for name in read_names(entered):
        try:
            hosts.append(name if name == NO_URL else host_pattern(name))
        except ValueError:
            raise InvalidInputError(
                {CONF_FENCE_UPLOAD_HOSTS: "upload_host_invalid"}, host=name
            ) from None
    return read_names(hosts)


def read_actions(entered: Any) -> list[dict[str, Any]]:
    """Return actions that jobs may perform, as they are stored. Raises InvalidInputError."""
    return [_read_action(each) for each in entered]


def _read_action(entered: Mapping[str, Any]) -> dict[str, Any]:
    action: dict[str, Any] = {"action": str(entered.get("action", "")).strip()}
    if entities := entered.get("entities"):
        action["entities"] = sorted(set(entities))
    if data := entered.get("data"):
        action["data"] = data
    if data and not isinstance(data, dict):
        error = "action_data_invalid"
    elif (fault := fault_of(_allowed_action(action))) is not None:
        error = _FAULTS[fault]
    else:
        return action
    raise InvalidInputError({CONF_ALLOWED_ACTIONS: error}, action=action["action"])


_FAULTS: Final[Mapping[Fault, str]] = {
    Fault.INVALID: "action_invalid",
    Fault.NEVER_ALLOWED: "action_never_allowed",
    Fault.DATA_HAS_TARGET: "action_data_has_target",
    Fault.NEEDS_ENTITIES: "action_needs_entities",
}


def _allowed_action(stored: Mapping[str, Any]) -> AllowedAction:
    entities = stored.get("entities")
    return AllowedAction(
        action=stored["action"],
        data=stored.get("data"),
        entities=None if entities is None else frozenset(entities),
    )


def _types(names: list[str]) -> frozenset[ActionType] | None:
    """Return the types of steps that are allowed, None for any."""
    if not names:
        return None
    return frozenset(HOME_STEPS[name] for name in names if name in HOME_STEPS)


def _only(
    names: list[str], meant: Mapping[str, str | None] | None = None
) -> frozenset[str] | None:
    """Return the names that are allowed, None for any; some mean something else, or none."""
    if not names:
        return None
    found = ((meant or {}).get(name, name) for name in names)
    return frozenset(name for name in found if name is not None)
