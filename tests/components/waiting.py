"""Waiting for what Home Assistant shows."""

import asyncio
from collections.abc import Callable

from homeassistant.const import MATCH_ALL
from homeassistant.core import Event, HomeAssistant, callback

from ..fake_jobs_service import Execution


async def until(
    hass: HomeAssistant, condition: Callable[[], bool], *, seconds: float = 20
) -> None:
    """Wait until a condition holds that changes with what happens."""
    changed = asyncio.Event()

    @callback
    def look(_: Event) -> None:
        changed.set()

    unsubscribe = hass.bus.async_listen(MATCH_ALL, look)
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                changed.clear()
                await changed.wait()
    finally:
        unsubscribe()


async def until_shown(
    hass: HomeAssistant, job: Execution, *, seconds: float = 20
) -> None:
    """Wait until the end of a job is shown."""

    def is_shown() -> bool:
        found = hass.states.get("sensor.thing_1_last_job_result")
        return found is not None and found.attributes.get("job_id") == job.job_id

    await until(hass, is_shown, seconds=seconds)
