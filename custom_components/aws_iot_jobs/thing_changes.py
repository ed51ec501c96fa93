"""Noticing that something of a thing is another than before, over reloads, until it is gone."""

import asyncio
from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator


@callback
def async_find_thing(
    hass: HomeAssistant, device_id: str
) -> tuple[dr.DeviceEntry, AwsIotJobsConfigEntry] | None:
    """Return the device and the entry of a thing, loaded or not, while there is one."""
    device, entry = dr.async_get_device_and_config_entry_for_domain(
        hass, device_id, domain=DOMAIN, include_child_devices=False
    )
    return None if device is None or entry is None else (device, entry)


@callback
def async_coordinator(entry: AwsIotJobsConfigEntry) -> JobsCoordinator | None:
    """Return what runs the agent of an entry, while that is loaded."""
    return entry.runtime_data if entry.state is ConfigEntryState.LOADED else None


class ThingChanges:
    """For one who waits for changes of a thing, and looks what they are."""

    def __init__(
        self, hass: HomeAssistant, device_id: str, entry: AwsIotJobsConfigEntry
    ) -> None:
        """Notice changes from now on; what there is now is the first one."""
        self._hass = hass
        self._device_id = device_id
        self._entry = entry
        self._changed = asyncio.Event()
        self._changed.set()
        self._coordinator: JobsCoordinator | None = None
        self._ends_of_coordinator: list[CALLBACK_TYPE] = []
        self._ends: list[CALLBACK_TYPE] = [
            async_dispatcher_connect(
                hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._async_take_entry
            ),
            hass.bus.async_listen(
                dr.EVENT_DEVICE_REGISTRY_UPDATED,
                self._async_take_event,
                event_filter=self._async_is_device,
            ),
            hass.bus.async_listen(
                er.EVENT_ENTITY_REGISTRY_UPDATED,
                self._async_take_event,
                event_filter=self._async_is_entity,
            ),
        ]
        self._async_follow()

    @property
    def coordinator(self) -> JobsCoordinator | None:
        """What runs the agent now, if it does."""
        return self._coordinator

    async def wait(self) -> None:
        """Wait until something has changed since the last time."""
        await self._changed.wait()
        self._changed.clear()

    @callback
    def async_end(self) -> None:
        """Notice nothing any more."""
        self._async_leave()
        while self._ends:
            self._ends.pop()()

    @callback
    def _async_follow(self) -> None:
        """Follow the agent that there is now."""
        coordinator = async_coordinator(self._entry)
        if coordinator is self._coordinator:
            return
        self._async_leave()
        self._coordinator = coordinator
        if coordinator is not None:
            self._ends_of_coordinator = [
                coordinator.agent.subscribe(self._take),
                coordinator.agent.logs.subscribe(self._take),
                coordinator.watch.async_subscribe(self._changed.set),
                # Also where the agent has come to an end.
                coordinator.async_add_listener(self._changed.set),
            ]

    @callback
    def _async_leave(self) -> None:
        self._coordinator = None
        while self._ends_of_coordinator:
            self._ends_of_coordinator.pop()()

    def _take(self, _: object) -> None:
        self._changed.set()

    @callback
    def _async_take_entry(
        self, _: ConfigEntryChange, entry: AwsIotJobsConfigEntry
    ) -> None:
        if entry.entry_id == self._entry.entry_id:
            self._async_follow()
            self._changed.set()

    @callback
    def _async_take_event(self, _: Event[Any]) -> None:
        self._changed.set()

    @callback
    def _async_is_device(self, changed: Mapping[str, Any]) -> bool:
        return bool(changed["device_id"] == self._device_id)

    @callback
    def _async_is_entity(self, changed: Mapping[str, Any]) -> bool:
        """Tell whether an entity is one of the thing's; of one that is gone, it may be."""
        entity = er.async_get(self._hass).async_get(changed["entity_id"])
        return entity is None or entity.config_entry_id == self._entry.entry_id
