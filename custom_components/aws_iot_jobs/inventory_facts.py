"""What of a Home Assistant goes into its inventory, and where it is found."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
import logging
import shutil
from typing import Any, Final

from homeassistant.components.backup.const import DATA_MANAGER
from homeassistant.components.hassio import HassioNotReadyError, get_info, get_os_info
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.hassio import is_hassio
from homeassistant.helpers.system_info import async_get_system_info
from homeassistant.util import dt as dt_util

from .inventory_content import UpdateKind

_LOGGER = logging.getLogger(__name__)

_MEBIBYTE: Final = 1024 * 1024
_SUPERVISORS: Final = {
    "home_assistant_core_version_latest": UpdateKind.CORE,
    "home_assistant_os_version_latest": UpdateKind.OS,
    "home_assistant_supervisor_version_latest": UpdateKind.SUPERVISOR,
}
"""The update entities of the Supervisor's own parts, by their unique ids."""


async def async_get_versions(hass: HomeAssistant) -> dict[str, str]:
    """Return the versions of Home Assistant's parts that there are."""
    system = await async_get_system_info(hass)
    found: dict[str, Any] = {"core": system["version"]}
    if is_hassio(hass):
        with suppress(HassioNotReadyError):
            found["supervisor"] = get_info(hass).get("supervisor")
        with suppress(HassioNotReadyError):
            found["os"] = get_os_info(hass).get("version")
    return {name: str(version) for name, version in found.items() if version}


@callback
def async_get_board(hass: HomeAssistant) -> str | None:
    """Return the board that Home Assistant OS runs on."""
    if not is_hassio(hass):
        return None
    with suppress(HassioNotReadyError):
        return get_os_info(hass).get("board")
    return None


@callback
def async_get_pending_updates(hass: HomeAssistant) -> dict[UpdateKind, str | int]:
    """Return the updates that wait, but for those that somebody skips."""
    pending: dict[UpdateKind, str | int] = {}
    for kind, state in _updates(hass):
        if state.state != "on":
            continue
        if kind in _SUPERVISORS.values():
            pending[kind] = str(state.attributes.get("latest_version"))
        else:
            pending[kind] = int(pending.get(kind, 0)) + 1
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


async def async_get_free_disk(hass: HomeAssistant) -> int | None:
    """Return how much of the disk with the configuration is free, in MiB."""
    try:
        usage = await hass.async_add_executor_job(
            shutil.disk_usage, hass.config.config_dir
        )
    except OSError as err:
        _LOGGER.debug("The free space of the disk is not known: %s", err)
        return None
    return usage.free // _MEBIBYTE


async def async_get_last_backup(hass: HomeAssistant) -> datetime | None:
    """Return when the newest backup was made that Home Assistant knows of."""
    if (manager := hass.data.get(DATA_MANAGER)) is None:
        return None
    backups, _ = await manager.async_get_backups()
    made = (dt_util.parse_datetime(backup.date) for backup in backups.values())
    return max((at for at in made if at is not None), default=None)
