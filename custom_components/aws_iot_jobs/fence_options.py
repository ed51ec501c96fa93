"""Fences as options of a thing: how they are stored, and the preset "locked down".

Only a person changes options, in the dialogs of Home Assistant: nothing that a job can
reach writes them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from .aws_iot.regions import region_of, s3_hosts
from .const import (
    CONF_FENCE_COMMANDS,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_PATHS,
    CONF_FENCE_UPLOAD_HOSTS,
    CONF_FENCE_USERS,
)
from .errors import InvalidInputError
from .jobs.fences import NO_USER, Fences
from .jobs.hosts import ANY_SUBDOMAIN, host_pattern

STEPS_WITHOUT_USER: Final = "no_user"
"""Stands among the users for steps that name none."""
NO_URL: Final = "no_url"
"""Stands for no host at all: a list without anything allows everything."""

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
}
"""No fence is up."""


class FencePreset(StrEnum):
    """What all fences can be set to at once."""

    CUSTOM = "custom"
    LOCKED_DOWN = "locked_down"
    OPEN = "open"


def fences_of(options: Mapping[str, Any]) -> Fences:
    """Return the fences that the options of a thing mean."""
    found = {**OPEN_OPTIONS, **options}
    return Fences(
        commands=bool(found[CONF_FENCE_COMMANDS]),
        paths=bool(found[CONF_FENCE_PATHS]),
        handlers=_only(found[CONF_FENCE_HANDLERS]),
        users=_only(found[CONF_FENCE_USERS], {STEPS_WITHOUT_USER: NO_USER}),
        upload_hosts=_only(found[CONF_FENCE_UPLOAD_HOSTS], {NO_URL: None}),
    )


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
    }


def preset_options(preset: str, endpoint: str) -> Mapping[str, Any]:
    """Return the options that a preset sets, for a thing of this endpoint."""
    match FencePreset(preset):
        case FencePreset.LOCKED_DOWN:
            return locked_down(endpoint)
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


def _only(
    names: list[str], meant: Mapping[str, str | None] | None = None
) -> frozenset[str] | None:
    """Return the names that are allowed, None for any; some mean something else, or none."""
    if not names:
        return None
    found = ((meant or {}).get(name, name) for name in names)
    return frozenset(name for name in found if name is not None)
