"""What an update is of, and which update entity that has.

Entities are found by what their integrations call them: their ids can be anything, and an
action for one that does not exist succeeds without a word.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from awesomeversion import AwesomeVersion, AwesomeVersionException
from yarl import URL

from homeassistant.components.update import (
    DOMAIN as UPDATE_DOMAIN,
    UpdateEntityFeature,
    UpdateEntityStateAttribute,
)
from homeassistant.const import EntityStateAttribute
from homeassistant.core import HomeAssistant, State, callback, split_entity_id
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.hassio import is_hassio

from ..jobs.calls import HACS, UpdateCall
from ..jobs.home_steps import StepFailedError

_HASSIO: Final = "hassio"
_HACS_PLATFORM: Final = "hacs"
_ENTITY_ID: Final = f"{UPDATE_DOMAIN}."
_OF_APP: Final = "_version_latest"
"""What the unique id of an app's update entity ends with, after the app's slug."""


class Kind(StrEnum):
    """What is updated, as far as it makes a difference."""

    CORE = "core"
    OS = "os"
    SUPERVISOR = "supervisor"
    APP = "app"
    HACS = "hacs"
    OTHER = "other"


_OWN_PARTS: Final = {
    Kind.CORE: ("Home Assistant Core", "home_assistant_core_version_latest"),
    Kind.OS: ("Home Assistant Operating System", "home_assistant_os_version_latest"),
    Kind.SUPERVISOR: (
        "Home Assistant Supervisor",
        "home_assistant_supervisor_version_latest",
    ),
}
"""The names of Home Assistant's own parts, and the unique ids of their update entities."""


class NotThereYetError(StepFailedError):
    """An update entity is known, and tells nothing. It may later: these entities."""

    def __init__(self, message: str, *entity_ids: str) -> None:
        """Take the message, and the entities to wait for."""
        super().__init__(message)
        self.entity_ids = entity_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is updated, how it is called, and its update entity."""

    kind: Kind
    name: str
    entity_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an update entity tells: the versions, how far an update is, what it can do."""

    installed: str
    latest: str
    in_progress: bool
    percent: float | None
    features: UpdateEntityFeature

    @classmethod
    def of(cls, state: State | None) -> Self | None:
        """Return what a state tells; None where it does not know the versions."""
        said = {} if state is None else state.attributes
        installed = said.get(UpdateEntityStateAttribute.INSTALLED_VERSION)
        latest = said.get(UpdateEntityStateAttribute.LATEST_VERSION)
        if installed is None or latest is None:
            return None
        return cls(
            installed=str(installed),
            latest=str(latest),
            # As the action has it, which refuses where it is anything but False.
            in_progress=said.get(UpdateEntityStateAttribute.IN_PROGRESS) is not False,
            percent=said.get(UpdateEntityStateAttribute.UPDATE_PERCENTAGE),
            features=UpdateEntityFeature(
                said.get(EntityStateAttribute.SUPPORTED_FEATURES, 0)
            ),
        )


@callback
def async_find(hass: HomeAssistant, what: str) -> Target:
    """Return what a document means.

    Raises StepFailedError where there is none, and NotThereYetError where it may come.
    """
    if what.startswith(HACS):
        return _find_repository(hass, what.removeprefix(HACS).strip())
    if what.startswith(_ENTITY_ID):
        return _find_entity(hass, what)
    return _find_part(hass, what)


@callback
def async_get_offer(hass: HomeAssistant, target: Target) -> Offer:
    """Return what an update entity tells. Raises NotThereYetError if that is nothing."""
    if (offer := Offer.of(hass.states.get(target.entity_id))) is None:
        raise NotThereYetError(
            f"{target.name} cannot be updated: its update entity {target.entity_id} is "
            "unavailable, or does not know the versions",
            target.entity_id,
        )
    return offer


def wanted_version(call: UpdateCall, target: Target, offer: Offer) -> str:
    """Return the version that a document wants. Raises StepFailedError if it cannot be had."""
    if UpdateEntityFeature.INSTALL not in offer.features:
        raise StepFailedError(
            f"{target.name} cannot be updated from Home Assistant: {target.entity_id} tells "
            "of updates, and installs none"
        )
    if call.backup and UpdateEntityFeature.BACKUP not in offer.features:
        raise StepFailedError(
            f"{target.entity_id} makes no backup before its update: use a createBackup step"
        )
    if not call.version:
        return (
            offer.latest
            if _is_newer(offer.latest, offer.installed)
            else offer.installed
        )
    if call.version in (offer.latest, offer.installed):
        return call.version
    if UpdateEntityFeature.SPECIFIC_VERSION not in offer.features:
        raise StepFailedError(
            f"{target.name} can be updated to its latest version alone, which is "
            f"{offer.latest}, not to {call.version}"
        )
    return call.version


def _is_newer(version: str, other: str) -> bool:
    try:
        return AwesomeVersion(version) > AwesomeVersion(other)
    except AwesomeVersionException:
        # As update entities have it: another one is a newer one.
        return version != other


def _find_part(hass: HomeAssistant, what: str) -> Target:
    """Find one of Home Assistant's own parts, or an app: the Supervisor has them all."""
    kind = Kind(what) if what in _OWN_PARTS else Kind.APP
    if not is_hassio(hass):
        raise StepFailedError(_WITHOUT_SUPERVISOR[kind].format(what=what))
    name, unique_id = _OWN_PARTS.get(kind, (f"app {what}", f"{what}{_OF_APP}"))
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id(UPDATE_DOMAIN, _HASSIO, unique_id)
    if entity_id is None:
        raise StepFailedError(_MISSING.get(kind, _MISSING_APP).format(what=what))
    return _enabled(registry, Target(kind=kind, name=name, entity_id=entity_id))


def _find_entity(hass: HomeAssistant, entity_id: str) -> Target:
    """Find an entity by its id; one of Home Assistant's own parts is that part."""
    registry = er.async_get(hass)
    entry = registry.async_get(entity_id)
    if entry is None and hass.states.get(entity_id) is None:
        raise StepFailedError(f"there is no update entity {entity_id}")
    kind, name = Kind.OTHER, entity_id
    match entry:
        case er.RegistryEntry(platform="hassio", unique_id=unique_id):
            kind, name = Kind.APP, f"app {unique_id.removesuffix(_OF_APP)}"
            for own, (own_name, own_id) in _OWN_PARTS.items():
                if unique_id == own_id:
                    kind, name = own, own_name
        case er.RegistryEntry(platform="hacs"):
            kind = Kind.HACS
    return _enabled(registry, Target(kind=kind, name=name, entity_id=entity_id))


def _find_repository(hass: HomeAssistant, repository: str) -> Target:
    """Find what HACS has installed by its repository, which its entity has in a URL."""
    registry = er.async_get(hass)
    silent: list[str] = []
    for entry in _entries(registry, lambda entry: entry.platform == _HACS_PLATFORM):
        target = Target(
            kind=Kind.HACS, name=f"{HACS}{repository}", entity_id=entry.entity_id
        )
        state = hass.states.get(entry.entity_id)
        if entry.unique_id == repository or _repository_of(state) == repository.lower():
            return _enabled(registry, target)
        if not entry.disabled and Offer.of(state) is None:
            silent.append(entry.entity_id)
    problem = f"HACS has no update entity that is enabled of a repository {repository}"
    if silent:
        raise NotThereYetError(f"{problem}; {', '.join(silent)} tell nothing", *silent)
    raise StepFailedError(problem)


def _repository_of(state: State | None) -> str:
    """Return the repository in the URL of what a state offers, as owner/repository."""
    said = "" if state is None else state.attributes.get("release_url") or ""
    return "/".join(URL(str(said)).parts[1:3]).lower()


def _entries(
    registry: er.EntityRegistry, is_one: Callable[[er.RegistryEntry], bool]
) -> Iterator[er.RegistryEntry]:
    """Yield the update entities that are known of."""
    for entry in registry.entities.values():
        if split_entity_id(entry.entity_id)[0] == UPDATE_DOMAIN and is_one(entry):
            yield entry


def _enabled(registry: er.EntityRegistry, target: Target) -> Target:
    entry = registry.async_get(target.entity_id)
    if entry is not None and entry.disabled:
        raise StepFailedError(
            f"{target.name} cannot be updated: its update entity {target.entity_id} is "
            "disabled; enable it in Home Assistant"
        )
    return target


_WITHOUT_SUPERVISOR: Final = {
    Kind.CORE: (
        "Home Assistant Core cannot be updated from inside, as there is no Supervisor here: "
        "pull the image of the new version and create the container anew, on the machine "
        "that it runs on"
    ),
    Kind.OS: (
        "there is no Home Assistant Operating System here: update the system of the machine "
        "by a handler, or on the machine itself"
    ),
    Kind.SUPERVISOR: "there is no Supervisor here that could be updated",
    Kind.APP: (
        'there is no app "{what}" here, as there is no Supervisor; an update entity goes by '
        'its id, what HACS has installed by "hacs:" and its repository'
    ),
}
_MISSING: Final = {
    Kind.CORE: "the Supervisor has no update entity of Home Assistant Core",
    Kind.OS: (
        "there is no Home Assistant Operating System here: the Supervisor runs on another "
        "system, which it does not update"
    ),
    Kind.SUPERVISOR: "the Supervisor has no update entity of its own",
}
_MISSING_APP: Final = 'there is no app "{what}" here: the slug of an app is the end of the address of its page'
