"""Telling a card of the jobs of a thing: all that there is, then what changes."""

import asyncio
from collections.abc import Callable
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType, JsonValueType

from .aws_iot.model import ExecutionKey
from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .jobs.changes import changed_steps
from .jobs.model import JobState
from .reasons import async_load_language
from .shown import Viewer, async_shown_job, async_shown_step, async_shown_thing
from .thing_changes import ThingChanges, async_find_thing

MAX_HISTORY: Final = 20
MIN_SECONDS: Final = 0.1
"""How long what changes is gathered after something was told."""


class FollowedJobs:
    """What one card is told of one thing, until either is gone."""

    def __init__(
        self,
        hass: HomeAssistant,
        viewer: Viewer,
        device: dr.DeviceEntry,
        entry: AwsIotJobsConfigEntry,
        send: Callable[[JsonObjectType], None],
    ) -> None:
        """Begin to tell; `send` is given what has changed, at first everything."""
        self._hass = hass
        self._viewer = viewer
        self._device_id = device.id
        self._send = send
        self._thing: JsonObjectType | None = None
        self._job: JobState | None = None
        self._history: tuple[JobState, ...] | None = None
        self._ended: dict[ExecutionKey, tuple[JobState, JsonObjectType]] = {}
        self._changes = ThingChanges(hass, device.id, entry)
        self._task = hass.async_create_background_task(
            self._async_tell(),
            f"{DOMAIN} {entry.title} jobs for a card",
            # The answer to the command comes first.
            eager_start=False,
        )

    @callback
    def async_end(self) -> None:
        """Tell nothing any more."""
        self._task.cancel()
        self._changes.async_end()

    async def _async_tell(self) -> None:
        """Tell what changes, and the last of it always, until the thing is gone."""
        try:
            await async_load_language(self._hass, self._viewer.language)
            while True:
                await self._changes.wait()
                found = async_find_thing(self._hass, self._device_id)
                if found is None:
                    self._tell({"thing": {**(self._thing or {}), "state": "removed"}})
                    return
                if message := await self._async_message(*found):
                    self._tell(message)
                await asyncio.sleep(MIN_SECONDS)
        finally:
            self._changes.async_end()

    def _tell(self, message: JsonObjectType) -> None:
        self._send({"now": dt_util.utcnow().isoformat(), **message})

    async def _async_message(
        self, device: dr.DeviceEntry, entry: AwsIotJobsConfigEntry
    ) -> JsonObjectType:
        """Return what has changed since the last message."""
        thing = async_shown_thing(self._hass, self._viewer, device, entry)
        message: JsonObjectType = {}
        if thing != self._thing:
            self._thing = message["thing"] = thing
        if (coordinator := self._changes.coordinator) is not None:
            agent = coordinator.agent
            job, history = agent.state.job, agent.history.jobs(MAX_HISTORY)
        else:
            # What ran when it was unloaded is not known to have ended.
            job, history = self._job, self._history or ()
        is_first = self._history is None
        message |= self._async_job_changes(job, is_first=is_first)
        if history != self._history:
            self._history = history
            message["history"] = await self._async_shown_history(history)
        return message

    @callback
    def _async_job_changes(
        self, job: JobState | None, *, is_first: bool
    ) -> JsonObjectType:
        """Return what has changed of the job under way."""
        before, self._job = self._job, job
        if job is before and not is_first:
            return {}
        if job is None:
            return {"job": None, "steps": []} if is_first else {"job": None}
        places = None if before is None else changed_steps(before, job)
        if places is None:
            shown = async_shown_job(self._hass, self._viewer, job)
            return {"job": shown, "steps": []} if is_first else {"job": shown}
        steps: list[JsonValueType] = [
            async_shown_step(self._hass, self._viewer, place + 1, job.steps[place])
            for place in places
        ]
        return {"steps": steps} if steps else {}

    async def _async_shown_history(
        self, history: tuple[JobState, ...]
    ) -> list[JsonValueType]:
        """Return jobs that have ended; each is made once, and nobody waits for all."""
        known, self._ended = self._ended, {}
        for job in history:
            shown = known.get(job.key)
            if shown is None or shown[0] != job:
                shown = job, async_shown_job(self._hass, self._viewer, job)
                await asyncio.sleep(0)
            self._ended[job.key] = shown
        return [shown for _, shown in self._ended.values()]
