"""Checks of settings that dialogs wait for: one of a thing at a time.

A check connects with the thing's name, which one client alone can do.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .coordinator import AwsIotJobsConfigEntry
from .settings import ThingSettings
from .turns import async_begin
from .validation import async_check_settings


@callback
def async_begin_check(
    hass: HomeAssistant,
    settings: ThingSettings,
    entry: AwsIotJobsConfigEntry | None = None,
) -> asyncio.Task[None]:
    """Begin to check settings. Other checks of the same thing are ended before.

    The agent of an `entry` leaves the thing's name to the check meanwhile.
    """

    async def check() -> None:
        async with _name_lent(entry):
            await async_check_settings(hass, settings)

    return async_begin(hass, f"{settings.thing_name} check", check)


def _name_lent(
    entry: AwsIotJobsConfigEntry | None,
) -> AbstractAsyncContextManager[None]:
    """Have the agent of an entry leave the thing's name to a check meanwhile."""
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return nullcontext()
    lent: AbstractAsyncContextManager[None] = entry.runtime_data.disconnected()
    return lent
