"""Around backups: while one is made, no step begins to change what it reads."""

from datetime import datetime, timedelta
import logging
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .jobs.model import Hold

_LOGGER = logging.getLogger(__name__)

LIMIT: Final = timedelta(hours=3)
"""How long jobs wait at most: who makes a backup may be gone without a word."""

_CANCEL_LIMIT: HassKey[CALLBACK_TYPE] = HassKey(f"{DOMAIN}_backup")
"""What ends the waiting for the end of a backup. It is there while one is made."""


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Let no step begin, and no job; a step that runs goes on to its end."""

    @callback
    def give_up(_: datetime) -> None:
        _LOGGER.warning("A backup has not ended after %s; jobs go on", LIMIT)
        _async_end(hass)

    _async_end(hass)
    hass.data[_CANCEL_LIMIT] = async_call_later(hass, LIMIT, give_up)
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        entry.runtime_data.agent.hold(Hold.BACKUP)


async def async_post_backup(hass: HomeAssistant) -> None:
    """Let jobs go on."""
    _async_end(hass)


@callback
def async_is_in_backup(hass: HomeAssistant) -> bool:
    """Tell whether a backup is being made: a thing that is set up now has to wait, too."""
    return _CANCEL_LIMIT in hass.data


@callback
def _async_end(hass: HomeAssistant) -> None:
    if (cancel_limit := hass.data.pop(_CANCEL_LIMIT, None)) is None:
        return
    cancel_limit()
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        entry.runtime_data.agent.release(Hold.BACKUP)
