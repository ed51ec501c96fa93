"""Activity: a line for the start of each job, and one for its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components.logbook.const import (
    LOGBOOK_ENTRY_ICON,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .job_events import EVENT_JOB
from .jobs.events import JobEventType


@dataclass(frozen=True, slots=True)
class _Deed:
    """What a job has done, or what was done to it, and the icon of that."""

    words: str
    icon: str
    auxiliary: str = ""


_DEEDS: Final[Mapping[str, _Deed]] = {
    JobEventType.STARTED: _Deed("started", "mdi:clipboard-play-outline"),
    JobEventType.SUCCEEDED: _Deed("succeeded", "mdi:clipboard-check-outline"),
    JobEventType.FAILED: _Deed("failed", "mdi:clipboard-alert-outline"),
    JobEventType.REJECTED: _Deed("rejected", "mdi:clipboard-alert-outline", "was "),
    JobEventType.TIMED_OUT: _Deed("timed out", "mdi:clipboard-alert-outline"),
    JobEventType.CANCELED: _Deed("canceled", "mdi:clipboard-remove-outline", "was "),
    JobEventType.REMOVED: _Deed("removed", "mdi:clipboard-remove-outline", "was "),
}


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
            LOGBOOK_ENTRY_ICON: _DEEDS[event.data["type"]].icon,
            LOGBOOK_ENTRY_NAME: name,
            LOGBOOK_ENTRY_MESSAGE: sentence(event.data),
        }

    async_describe_event(DOMAIN, EVENT_JOB, describe)


def sentence(data: Mapping[str, Any]) -> str:
    """Return what has happened to a job, in words, with the reason if there is one."""
    deed = _DEEDS[data["type"]]
    reason: str = data["reason"]
    if reason.startswith(deed.words):
        told = reason
    else:
        told = f"{deed.words}: {reason}" if reason else deed.words
    return f"Job {data['job_id']} {deed.auxiliary}{told}"
