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
from .reasons import async_template, async_translate_reason


@dataclass(frozen=True, slots=True)
class _Deed:
    """What has become of a job: its icon, and the words that a reason may have for it.

    A reason that begins with these makes the sentence that has the key `sentence`.
    """

    icon: str
    words: str | None = None
    sentence: str = "activity_was"


_DEEDS: Final[Mapping[str, _Deed]] = {
    JobEventType.STARTED: _Deed("mdi:clipboard-play-outline"),
    JobEventType.SUCCEEDED: _Deed("mdi:clipboard-check-outline"),
    JobEventType.FAILED: _Deed("mdi:clipboard-alert-outline"),
    JobEventType.REJECTED: _Deed("mdi:clipboard-alert-outline", "rejected"),
    JobEventType.TIMED_OUT: _Deed(
        "mdi:clipboard-alert-outline", "timed out", "activity_has"
    ),
    JobEventType.CANCELED: _Deed("mdi:clipboard-remove-outline", "canceled"),
    JobEventType.REMOVED: _Deed("mdi:clipboard-remove-outline", "removed"),
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
            LOGBOOK_ENTRY_MESSAGE: async_sentence(hass, event.data),
        }

    async_describe_event(DOMAIN, EVENT_JOB, describe)


@callback
def async_sentence(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return what has happened to a job, in words, with the reason if there is one."""
    deed = _DEEDS[data["type"]]
    reason: str = data["reason"]
    told = {"job_id": data["job_id"], "reason": async_translate_reason(hass, reason)}
    if deed.words is not None and reason.startswith(deed.words):
        return async_template(hass, deed.sentence).format(**told)
    what = async_template(hass, f"activity_{data['type']}").format(**told)
    if not reason:
        return what
    return async_template(hass, "activity_because").format(what=what, **told)
