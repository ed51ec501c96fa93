"""Checks of settings that dialogs wait for: one of a thing at a time.

A check connects with the thing's name, which one client alone can do. A dialog that is left
in the middle of one, by a page reload for instance, checks on, and nobody waits for it: the
next check of the same thing takes its place.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .errors import InvalidInputError
from .settings import ThingSettings
from .validation import async_check_settings

type Check = asyncio.Task[None]

_CHECKS: HassKey[dict[str, set[Check]]] = HassKey(f"{DOMAIN}_checks")


@callback
def async_begin_check(
    hass: HomeAssistant,
    settings: ThingSettings,
    entry: AwsIotJobsConfigEntry | None = None,
) -> Check:
    """Begin to check settings. Other checks of the same thing are ended before.

    The agent of an `entry` leaves the thing's name to the check meanwhile.
    """
    running = hass.data.setdefault(_CHECKS, {}).setdefault(settings.thing_name, set())
    check = hass.async_create_background_task(
        _async_check(hass, settings, entry, tuple(running)),
        f"{DOMAIN} {settings.thing_name} check",
        eager_start=False,
    )
    running.add(check)
    check.add_done_callback(running.discard)
    return check


@callback
def async_end_check(check: Check) -> None:
    """End a check. It disconnects before it has ended, and is not disturbed in that."""
    if not check.cancelling():
        check.cancel()


async def async_outcome(check: Check) -> InvalidInputError | None:
    """Wait for a check; return what is wrong, also that it was ended by another."""
    try:
        await asyncio.wait((check,))
    except asyncio.CancelledError:
        async_end_check(check)
        raise
    if check.cancelled():
        return InvalidInputError({"base": "check_ended"})
    try:
        check.result()
    except InvalidInputError as fault:
        return fault
    return None


async def _async_check(
    hass: HomeAssistant,
    settings: ThingSettings,
    entry: AwsIotJobsConfigEntry | None,
    others: tuple[Check, ...],
) -> None:
    if others:
        for other in others:
            async_end_check(other)
        await asyncio.wait(others)
    async with _name_lent(entry):
        await async_check_settings(hass, settings)


def _name_lent(
    entry: AwsIotJobsConfigEntry | None,
) -> AbstractAsyncContextManager[None]:
    """Have the agent of an entry leave the thing's name to a check meanwhile."""
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return nullcontext()
    lent: AbstractAsyncContextManager[None] = entry.runtime_data.disconnected()
    return lent
