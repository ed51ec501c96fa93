"""Waiting until Home Assistant has started."""

import asyncio

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.start import async_at_started

from ..jobs.home_steps import Attempt

_STILL_STARTS = "Home Assistant is still starting"


async def async_until_started(hass: HomeAssistant) -> None:
    """Wait until all of Home Assistant is set up: a job may come while it starts."""
    started = asyncio.Event()

    @callback
    def note(_: HomeAssistant) -> None:
        started.set()

    cancel = async_at_started(hass, note)
    try:
        await started.wait()
    finally:
        cancel()


async def async_begin_when_started(hass: HomeAssistant, attempt: Attempt) -> None:
    """Wait for it in an attempt, which tells of that if its time is over meanwhile."""
    attempt.goes_on = _STILL_STARTS
    await async_until_started(hass)
    attempt.goes_on = ""
