"""Activity: a line for the start of each job, and one for its end."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from homeassistant.components.logbook.const import (
    LOGBOOK_ENTRY_ENTITY_ID,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .job_events import EVENT_JOB
from .jobs.events import JobEventType

_DEEDS: Final = {
    JobEventType.STARTED: ("", "started"),
    JobEventType.SUCCEEDED: ("", "succeeded"),
    JobEventType.FAILED: ("", "failed"),
    JobEventType.REJECTED: ("was ", "rejected"),
    JobEventType.TIMED_OUT: ("", "timed out"),
    JobEventType.CANCELED: ("was ", "canceled"),
    JobEventType.REMOVED: ("was ", "removed"),
}
"""What the job has done, or what was done to it."""


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[
        [str, str, Callable[[Event], dict[str, str | None]]], None
    ],
) -> None:
    """Have the events of jobs described."""
    devices = dr.async_get(hass)

    @callback
    def describe(event: Event) -> dict[str, str | None]:
        device = devices.async_get(event.data[ATTR_DEVICE_ID] or "")
        name = "" if device is None else device.name_by_user or device.name
        return {
            LOGBOOK_ENTRY_NAME: name,
            LOGBOOK_ENTRY_MESSAGE: sentence(event.data),
            LOGBOOK_ENTRY_ENTITY_ID: event.data[ATTR_ENTITY_ID],
        }

    async_describe_event(DOMAIN, EVENT_JOB, describe)


def sentence(data: Mapping[str, Any]) -> str:
    """Return what has happened to a job, in words, with the reason if there is one."""
    auxiliary, deed = _DEEDS[JobEventType(data["type"])]
    reason: str = data["reason"]
    if reason.startswith(deed):
        told = reason
    else:
        told = f"{deed}: {reason}" if reason else deed
    return f"Job {data['job_id']} {auxiliary}{told}"
