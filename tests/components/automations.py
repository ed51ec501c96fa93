"""Automations on real things: what sets them up, and waits for what they do."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_RUNNER,
    CONF_THING_NAME,
    DOMAIN,
)
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.const import CONF_PORT, MATCH_ALL
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component

from ..broker import Broker

REPOSITORY = Path(__file__).parents[2]


async def set_up_thing(
    hass: HomeAssistant, broker: Broker, name: str, **options: Any
) -> MockConfigEntry:
    """Set a thing of a broker up, and wait until it is connected."""
    settings = broker.settings(name)
    assert settings.root_ca is not None
    await SecretStore(hass, name).async_update(
        {CONF_PRIVATE_KEY: settings.private_key.decode()}
    )
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=name,
        unique_id=name,
        data={
            CONF_ENDPOINT: settings.endpoint,
            CONF_PORT: settings.port,
            CONF_THING_NAME: name,
            CONF_CERTIFICATE: settings.certificate.decode(),
            CONF_ROOT_CA: settings.root_ca.decode(),
            CONF_RUNNER: {"kind": "local"},
        },
        options={
            CONF_HANDLER_DIRECTORY: hass.config.path("aws_iot_jobs", "handlers"),
            **options,
        },
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(hass, lambda: entry.runtime_data.data.connected)
    return entry


def device_of(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """Return the device of a thing."""
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return device.id


async def automate(hass: HomeAssistant, *automations: dict[str, Any]) -> None:
    """Have automations, each of them in use, and what Home Assistant always has."""
    assert await async_setup_component(hass, "persistent_notification", {})
    assert await async_setup_component(
        hass, "automation", {"automation": list(automations)}
    )
    states = hass.states.async_all("automation")
    assert [state.state for state in states] == ["on"] * len(automations)


async def until(
    hass: HomeAssistant, condition: Callable[[], object], within: float = 20
) -> None:
    """Wait until something holds that changes with what happens in Home Assistant."""
    changed = asyncio.Event()

    @callback
    def look(_: Event) -> None:
        changed.set()

    unsubscribe = hass.bus.async_listen(MATCH_ALL, look)
    try:
        async with asyncio.timeout(within):
            while not condition():
                changed.clear()
                await changed.wait()
    finally:
        unsubscribe()
