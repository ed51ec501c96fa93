"""What an inventory says: versions that can be compared, and what has changed enough.

docs/inventory.md has each field. Nothing in it names a person, a place or an entity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from awesomeversion import AwesomeVersion

from homeassistant.helpers.typing import UNDEFINED, UndefinedType

from .const import Weekday
from .jobs.approval import ApprovalPolicy
from .jobs.calls import ActionType
from .jobs.fences import OPEN, Fence, Fences
from .jobs.window import MaintenanceWindow

_FENCES: Final = {
    Fence.COMMANDS: "commands",
    Fence.PATHS: "paths",
    Fence.HANDLERS: "handlers",
    Fence.USERS: "users",
    Fence.UPLOAD_HOSTS: "uploadHosts",
    Fence.HOME_ASSISTANT_STEPS: "homeAssistantSteps",
}

_MAX_PART: Final = 99
_STEADY_PART: Final = 0.1
"""What part of a disk's free space may come and go without being told."""


class UpdateKind(StrEnum):
    """What an update that waits is of."""

    CORE = "core"
    OS = "os"
    SUPERVISOR = "supervisor"
    APPS = "apps"
    HACS = "hacs"
    OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What Home Assistant runs on; UNDEFINED is what is not known at present.

    `versions` are those that are known, by what they are of; None where there is no such
    thing.
    """

    versions: Mapping[str, str | None]
    architecture: str
    installation_type: str | UndefinedType = UNDEFINED
    board: str | UndefinedType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is to be told of a home; UNDEFINED is what is not known at present.

    `versions` are of what does not belong to the system. `pending_updates` are those that
    are known: of core, os and supervisor the version that waits, of others how many wait,
    and None where none does. `free_disk` is in MiB. `verifies` is whether there is a key that
    signs jobs.
    """

    system: System
    versions: Mapping[str, str | None]
    handlers_run: str
    pending_updates: Mapping[UpdateKind, str | int | None]
    last_backup: datetime | UndefinedType | None
    free_disk: int | UndefinedType
    approval: ApprovalPolicy = ApprovalPolicy.NEVER
    window: MaintenanceWindow | None = None
    held: bool = False
    options: Mapping[str, bool | int | None] = field(default_factory=dict)
    fences: Fences = OPEN
    verifies: bool = False


def version_number(version: str) -> int | None:
    """Return a version as a number by which versions are sorted; None where it has none.

    It is major · 10,000 + minor · 100 + patch: 20261004 for 2026.10.4. One before a release
    is below all of that release: 2026.10.0b3 is 20260999.
    """
    found = AwesomeVersion(version)
    if not found.valid or not version[:1].isdigit():
        return None
    major, minor, patch = (found.section(index) for index in range(3))
    number = major * 10_000 + min(minor, _MAX_PART) * 100 + min(patch, _MAX_PART)
    is_release = not (found.alpha or found.beta or found.dev or found.release_candidate)
    return number if is_release else number - 1


def describe(inventory: Inventory, *, now: datetime) -> dict[str, Any]:
    """Return an inventory as it is reported; `now` is the local time, for ages in days.

    A field is None where there is nothing to tell: so the shadow forgets it. It is left out
    where it is not known at present: so the shadow keeps it, and no home leaves a dynamic
    group, to come back and get its jobs again, because Home Assistant was restarted.
    """
    system = inventory.system
    fields = {
        **_versions({**system.versions, **inventory.versions}),
        "installationType": system.installation_type,
        "architecture": system.architecture,
        "board": system.board,
        "handlersRun": inventory.handlers_run,
        "pendingUpdates": {
            kind.value: number for kind, number in inventory.pending_updates.items()
        },
        **_last_backup(inventory.last_backup, now),
        "freeDiskMiB": inventory.free_disk,
        "capabilities": _capabilities(inventory),
        "options": dict(inventory.options),
        "approval": inventory.approval.value,
        "window": _window(inventory.window),
        "held": inventory.held,
        "fences": {
            name: fence in inventory.fences.up for fence, name in _FENCES.items()
        },
    }
    return {name: told for name, told in fields.items() if told is not UNDEFINED}


def steady(amount: int, told: int | UndefinedType) -> int:
    """Return an amount, or the one that was told where they are about the same."""
    if told is not UNDEFINED and abs(amount - told) <= told * _STEADY_PART:
        return told
    return amount


def _versions(versions: Mapping[str, str | None]) -> dict[str, str | int | None]:
    """Return each version as text and as a number."""
    told: dict[str, str | int | None] = {}
    for name, version in versions.items():
        told[name] = version
        told[f"{name}Number"] = None if version is None else version_number(version)
    return told


def _last_backup(
    made: datetime | UndefinedType | None, now: datetime
) -> dict[str, int | None]:
    """Return the day of the last backup, and its age, which changes but once a day.

    A query for an age does not find a home that has none: hence `hasBackup`.
    """
    if made is UNDEFINED:
        return {}
    if made is None:
        return {"hasBackup": False, "lastBackupDay": None, "lastBackupAgeDays": None}
    day = made.astimezone(now.tzinfo).date()
    return {
        "hasBackup": True,
        "lastBackupDay": _number_of_day(day),
        "lastBackupAgeDays": max(0, (now.date() - day).days),
    }


def _number_of_day(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _capabilities(inventory: Inventory) -> dict[str, bool]:
    """Return which types of steps there are, and whether they are let run here."""
    allowed = {type_.value: inventory.fences.allows(type_) for type_ in ActionType}
    return allowed | {ActionType.SIGNED.value: inventory.verifies}


def _window(window: MaintenanceWindow | None) -> dict[str, Any] | None:
    if window is None:
        return None
    weekdays = list(Weekday)
    return {
        "from": window.begin.isoformat("minutes"),
        "to": window.end.isoformat("minutes"),
        "days": " ".join(weekdays[day] for day in sorted(window.days)),
    }
