"""Enrolling a home from afar: by the dialog of its Home Assistant, with a claim bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from typing import Any

import aiohttp

from stack.client import Client, RequestError
from stack.config_flow import ConfigFlowError, Entry, Upload, add_integration
from stack.integration import DOMAIN
from stack.websocket import CommandError

from .command import EnrollmentError

LASTS_SECONDS = 900
"""How long the dialog may be at something: an app is installed in a few minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant, and how its dialog is answered.

    `place` is where its handlers are to run and `fences` whether jobs are locked down, by
    the names of the dialog's steps; None is what the dialog offers first.
    """

    url: str
    token: str = field(repr=False)
    place: str | None = None
    fences: str | None = None


def with_parameters(bundle: str, parameters: Mapping[str, str]) -> str:
    """Return a claim bundle with parameters over its own. Raises EnrollmentError."""
    try:
        found = json.loads(bundle)
        found["parameters"] = {**found.get("parameters", {}), **parameters}
    except (ValueError, TypeError, AttributeError) as err:
        raise EnrollmentError(f"this is no claim bundle: {err}") from None
    return json.dumps(found)


async def enroll(home: Home, bundle: str) -> Entry:
    """Enrol a home with a claim bundle; return the entry that it has for its thing.

    Raises EnrollmentError in words for who has called.
    """
    client = Client(home.url)
    client.token = home.token
    try:
        await _check(client, home)
        return await _add(client, home, bundle)
    except RequestError as err:
        raise EnrollmentError(_refusal(home, err)) from None
    except (CommandError, aiohttp.ClientError, OSError) as err:
        raise EnrollmentError(f"{home.url} does not answer: {err}") from None
    finally:
        await client.close()


async def _add(client: Client, home: Home, bundle: str) -> Entry:
    choices = {"claim"} | {each for each in (home.place, home.fences) if each}
    fields: Mapping[str, Any] = {"bundle": Upload("claim-bundle.json", bundle)}
    try:
        return await add_integration(
            client, DOMAIN, fields, choices, progress_seconds=LASTS_SECONDS
        )
    except ConfigFlowError as err:
        raise EnrollmentError(f"{home.url}: {err}") from None
    except TimeoutError:
        raise EnrollmentError(
            f"{home.url}: the dialog has not come to an end in {LASTS_SECONDS} s"
        ) from None


async def _check(client: Client, home: Home) -> None:
    """Check that the login is good, and that what is chosen is offered there."""
    config = await client.request("GET", "/api/config")
    supervised = "hassio" in config["components"]
    if home.place == "app" and not supervised:
        raise EnrollmentError(
            f"{home.url} has no Supervisor, so it has no apps: choose --place local"
        )


def _refusal(home: Home, error: RequestError) -> str:
    if error.status == 401:
        return f"{home.url} does not accept the token, or it is not an administrator's"
    if error.status == 404:
        return (
            f"{home.url} has no integration AWS IoT Jobs: install it there, restart, and"
            f" try again ({error})"
        )
    return f"{home.url}: {error}"
