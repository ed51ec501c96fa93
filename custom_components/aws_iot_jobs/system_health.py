"""System health: what stands on one page about all things together."""

from collections.abc import Callable
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .coordinator import JobsCoordinator

_FINE = "ok"


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Say what there is to be told."""
    register.async_register_info(
        async_get_health, f"/config/integrations/integration/{DOMAIN}"
    )


async def async_get_health(hass: HomeAssistant) -> dict[str, Any]:
    """Return how things are: how many, how many of them are connected, what is wrong."""
    entries = hass.config_entries.async_entries(DOMAIN, include_disabled=False)
    loaded = hass.config_entries.async_loaded_entries(DOMAIN)
    coordinators: list[JobsCoordinator] = [entry.runtime_data for entry in loaded]
    connected = sum(coordinator.data.connected for coordinator in coordinators)
    return {
        "version": str((await async_get_integration(hass, DOMAIN)).version),
        "things": len(entries),
        "connected": f"{connected}/{len(entries)}",
        "runner": _of_each(coordinators, _runner),
        "journal": _of_each(coordinators, _journal),
        "inventory": _of_each(coordinators, _inventory),
    }


def _of_each(
    coordinators: list[JobsCoordinator], tell: Callable[[JobsCoordinator], str]
) -> str:
    return "; ".join(f"{each.name}: {tell(each)}" for each in coordinators) or _FINE


def _runner(coordinator: JobsCoordinator) -> str:
    watch = coordinator.watch
    return f"{watch.settings.kind}, {watch.problem or _FINE}"


def _journal(coordinator: JobsCoordinator) -> str:
    state = coordinator.data
    if state.storage_problem is not None:
        return state.storage_problem
    if state.journal_set_aside is not None:
        return f"damaged, set aside as {state.journal_set_aside}"
    return _FINE


def _inventory(coordinator: JobsCoordinator) -> str:
    return coordinator.inventory_status
