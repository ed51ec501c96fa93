"""The user as whom jobs perform actions of Home Assistant.

Activity names it as who did it. It is no administrator and cannot log in: what only
administrators may do, no job does by an action, whatever is listed.
"""

import asyncio
from typing import Final

from homeassistant.auth.const import GROUP_ID_USER
from homeassistant.auth.models import User
from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN

NAME: Final = "AWS IoT Jobs"

_LOCK: HassKey[asyncio.Lock] = HassKey(f"{DOMAIN}_user")


async def async_get_job_user(hass: HomeAssistant) -> User:
    """Return the user; it is made when an action is performed for the first time."""
    async with hass.data.setdefault(_LOCK, asyncio.Lock()):
        for user in await _async_find(hass):
            return user
        return await hass.auth.async_create_system_user(
            NAME, group_ids=[GROUP_ID_USER], local_only=True
        )


async def async_remove_job_user(hass: HomeAssistant) -> None:
    """Remove the user, if there is one."""
    for user in await _async_find(hass):
        await hass.auth.async_remove_user(user)


async def _async_find(hass: HomeAssistant) -> list[User]:
    return [
        user
        for user in await hass.auth.async_get_users()
        if user.system_generated and user.name == NAME
    ]
