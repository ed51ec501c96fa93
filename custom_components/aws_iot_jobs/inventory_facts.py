"""What of a Home Assistant goes into its inventory, and where it is found."""

from collections.abc import Iterator
from datetime import datetime
import logging
import platform
import shutil
from typing import Final

from homeassistant.components.backup.const import DATA_MANAGER
from homeassistant.components.hassio import HassioNotReadyError, get_info, get_os_info
from homeassistant.const import (
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    __version__ as core_version,
)
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.hassio import is_hassio
from homeassistant.helpers.system_info import async_get_system_info
from homeassistant.helpers.typing import UNDEFINED, UndefinedType
from homeassistant.util import dt as dt_util

from .inventory_content import System, UpdateKind

_LOGGER = logging.getLogger(__name__)

_MEBIBYTE: Final = 1024 * 1024
_SUPERVISORS: Final = {
    "home_assistant_core_version_latest": UpdateKind.CORE,
    "home_assistant_os_version_latest": UpdateKind.OS,
    "home_assistant_supervisor_version_latest": UpdateKind.SUPERVISOR,
}
"""The update entities of the Supervisor's own parts, by their unique ids."""
_UNKNOWN: Final = frozenset({STATE_UNAVAILABLE, STATE_UNKNOWN})


async def async_get_system(hass: HomeAssistant) -> System:
    """Return what Home Assistant runs on, as far as the Supervisor has told it yet."""
    versions: dict[str, str | None] = {"core": core_version}
    board: str | None = None
    if is_hassio(hass):
        try:
            supervisor, operating_system = get_info(hass), get_os_info(hass)
        except HassioNotReadyError:
            # Without it, Home Assistant takes each for one without its operating system.
            return System(
                versions=versions, architecture=platform.machine(), board=UNDEFINED
            )
        versions["supervisor"] = supervisor.get("supervisor")
        versions["os"] = operating_system.get("version")
        board = operating_system.get("board")
    else:
        versions |= {"supervisor": None, "os": None}
    found = await async_get_system_info(hass)
    return System(
        versions=versions,
        architecture=found["arch"],
        installation_type=found["installation_type"],
        board=board,
    )


@callback
def async_get_pending_updates(
    hass: HomeAssistant,
) -> dict[UpdateKind, str | int | None]:
    """Return the updates that wait, but for those that somebody skips.

    A kind of which nothing tells at present whether there is one is not among them.
    """
    pending: dict[UpdateKind, str | int | None] = dict.fromkeys(UpdateKind)
    updates = list(_updates(hass))
    known = {kind for kind, state in updates if state.state not in _UNKNOWN}
    for kind in {kind for kind, _ in updates} - known:
        del pending[kind]
    for kind, state in updates:
        if state.state != STATE_ON:
            continue
        if kind in _SUPERVISORS.values():
            pending[kind] = str(state.attributes.get("latest_version"))
        else:
            pending[kind] = int(pending[kind] or 0) + 1
    return pending


def _updates(hass: HomeAssistant) -> Iterator[tuple[UpdateKind, State]]:
    """Yield the states of update entities, and what each is of."""
    registry = er.async_get(hass)
    for state in hass.states.async_all("update"):
        entry = registry.async_get(state.entity_id)
        match None if entry is None else entry.platform:
            case "hassio":
                assert entry is not None
                yield _SUPERVISORS.get(entry.unique_id, UpdateKind.APPS), state
            case "hacs":
                yield UpdateKind.HACS, state
            case _:
                yield UpdateKind.OTHERS, state


async def async_get_free_disk(hass: HomeAssistant) -> int | UndefinedType:
    """Return how much of the disk with the configuration is free, in MiB."""
    try:
        usage = await hass.async_add_executor_job(
            shutil.disk_usage, hass.config.config_dir
        )
    except OSError as err:
        _LOGGER.debug("The free space of the disk is not known: %s", err)
        return UNDEFINED
    return usage.free // _MEBIBYTE


async def async_get_last_backup(
    hass: HomeAssistant,
) -> datetime | UndefinedType | None:
    """Return when the newest backup was made that Home Assistant knows of."""
    if (manager := hass.data.get(DATA_MANAGER)) is None:
        return None
    backups, silent = await manager.async_get_backups()
    made = (dt_util.parse_datetime(backup.date) for backup in backups.values())
    return max(
        (dt_util.as_utc(at) for at in made if at is not None),
        default=UNDEFINED if silent else None,
    )
