"""Whether a URL answers, be it one of Home Assistant's own web server."""

from typing import Final

import aiohttp
from yarl import URL

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .finding import LOOK_SECONDS, Finding

_NAME: Final = "url"
_ANY_ADDRESS: Final = ("0.0.0.0", "::")


async def async_look_at_url(hass: HomeAssistant, given: str) -> Finding:
    """Return how a URL answers; one below 400 is what has to be.

    Redirects are an answer, and not followed: they may lead out of the fences. Nothing of
    a body is read, and neither query nor login are told.
    """
    is_own = given.startswith("/")
    try:
        url = URL(f"{_own_server(hass)}{given}" if is_own else given)
        # One that names no host has no place for a login, either.
        shown = given.partition("?")[0] if is_own else str(_without_secrets(url))
    except ValueError:
        return Finding.not_held(_NAME, "it is none that can be asked")
    # Its own certificate is for the name that it has outside.
    session = async_get_clientsession(hass, verify_ssl=not is_own)
    timeout = aiohttp.ClientTimeout(total=LOOK_SECONDS)
    try:
        async with session.get(url, allow_redirects=False, timeout=timeout) as response:
            status = response.status
    except TimeoutError:
        found = f"{shown} has not answered within {LOOK_SECONDS:g} s"
        return Finding.not_held(_NAME, found)
    except aiohttp.ClientConnectorError as err:
        reason = err.strerror or str(err.os_error)
        return Finding.not_held(_NAME, f"{shown} cannot be reached: {reason}")
    except (aiohttp.ClientError, ValueError) as err:
        # The words of others may have all of the URL.
        return Finding.not_held(_NAME, f"{shown} does not answer: {type(err).__name__}")
    if status >= 400:
        found = f"{shown} has answered {status}, expected below 400"
        return Finding.not_held(_NAME, found)
    return Finding.held(_NAME, f"{shown} has answered {status}")


def _own_server(hass: HomeAssistant) -> str:
    """Return where Home Assistant's web server is, seen from here."""
    api = hass.config.api
    # The integration depends on it.
    assert api is not None
    host = "127.0.0.1" if api.host in _ANY_ADDRESS else api.host
    scheme = "https" if api.use_ssl else "http"
    return str(URL.build(scheme=scheme, host=host, port=api.port))


def _without_secrets(url: URL) -> URL:
    return url.with_query(None).with_fragment(None).with_user(None)
