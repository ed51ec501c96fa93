"""What Supervisor does in the background, and goes on with when Home Assistant restarts."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from homeassistant.components.hassio import get_supervisor_client
from homeassistant.components.hassio.const import EVENT_SUPERVISOR_EVENT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect

_BACKUP_JOBS: Final = ("backup_manager_full_backup", "backup_manager_partial_backup")


async def async_backup_ended(hass: HomeAssistant) -> None:
    """Wait until Supervisor makes no backup. Raises SupervisorError."""
    ended: set[str] = set()
    changed = asyncio.Event()

    @callback
    def take(event: Mapping[str, Any]) -> None:
        job = event.get("data") or {}
        if event.get("event") == "job" and job.get("done"):
            ended.add(UUID(job["uuid"]).hex)
            changed.set()

    unsubscribe = async_dispatcher_connect(hass, EVENT_SUPERVISOR_EVENT, take)
    try:
        info = await get_supervisor_client(hass).jobs.info()
        running = {
            job.uuid.hex
            for job in info.jobs
            if job.name in _BACKUP_JOBS and not job.done
        }
        while running - ended:
            changed.clear()
            await changed.wait()
    finally:
        unsubscribe()
