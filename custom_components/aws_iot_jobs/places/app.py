"""The app that runs handlers, as Supervisor knows it: finding, installing, starting it."""

import asyncio
from collections.abc import Mapping
import logging
import re
from typing import Any, Final

from aiohasupervisor.models import StoreAddRepository

from homeassistant.components.hassio import (
    AddonError,
    AddonManager,
    AddonState,
    SupervisorError,
    get_supervisor_client,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from ..const import CONF_RUNNER, CONF_RUNNER_TOKEN, CONF_THING_NAME, DOMAIN
from ..coordinator import AwsIotJobsConfigEntry
from ..runner.client import RunnerAddress, RunnerTokenError, RunnerUnreachableError
from ..storage import SecretStore
from .runners import RunnerKind, RunnerSettings, async_ask

_LOGGER = logging.getLogger(__name__)

REPOSITORY: Final = "https://github.com/aws-iot-jobs/home-assistant-aws-iot-jobs"
PAIRING_SECONDS: Final = 120
"""How long a started app may take to tell where it is, and to answer there."""
PAIRING_POLL_SECONDS: Final = 1.0

_NAME = "AWS IoT Jobs"
_LOG = "Supervisor's log tells more"
# A repository goes by the hash of its address, which has more than one spelling.
_SLUG = re.compile(r"(?:[0-9a-f]{8}|local)_aws_iot_jobs")
_MANAGERS: HassKey[dict[str, AddonManager]] = HassKey(f"{DOMAIN}_app_managers")


class AppError(AddonError):
    """The app cannot be used. The message is for people."""


def is_app(slug: str) -> bool:
    """Tell whether an app is the one that runs handlers."""
    return _SLUG.fullmatch(slug) is not None


@callback
def async_get_manager(hass: HomeAssistant, slug: str) -> AddonManager:
    """Return what manages the app of that slug."""
    managers = hass.data.setdefault(_MANAGERS, {})
    if slug not in managers:
        managers[slug] = AddonManager(hass, _LOGGER, _NAME, slug)
    return managers[slug]


async def async_find_slug(hass: HomeAssistant) -> str:
    """Return the slug of the app: of the one that is installed, or can be.

    Its repository is added to the app store when it is not there. Raises AppError.
    """
    client = get_supervisor_client(hass)
    try:
        installed = [app.slug for app in await client.addons.list()]
        if slug := _first_app(installed):
            return slug
        if slug := _first_app([app.slug for app in await client.store.addons_list()]):
            return slug
        await client.store.add_repository(StoreAddRepository(repository=REPOSITORY))
        if slug := _first_app([app.slug for app in await client.store.addons_list()]):
            return slug
    except SupervisorError as err:
        raise _told(f"Supervisor cannot look for the {_NAME} app: {_LOG}", err) from err
    raise AppError(f"The {_NAME} app is not in its repository")


async def async_get_state(manager: AddonManager) -> AddonState:
    """Return whether the app is installed, and whether it runs. Raises AppError."""
    try:
        return (await manager.async_get_addon_info()).state
    except AddonError as err:
        raise _told(
            f"Supervisor does not tell of the {_NAME} app: {_LOG}", err
        ) from err


async def async_install_app(manager: AddonManager) -> None:
    """Install the app. Raises AppError.

    That goes on when nobody waits for it any more: another dialog may find it, and wait.
    """
    try:
        await asyncio.shield(manager.async_schedule_install_addon())
    except AddonError as err:
        raise _told(f"Supervisor cannot install the {_NAME} app: {_LOG}", err) from err


async def async_start_app(hass: HomeAssistant, manager: AddonManager) -> RunnerSettings:
    """Start an app that is installed, unless it runs, and wait until it can be used.

    Raises AppError, or RunnerError for an app that cannot be used as it is.
    """
    if await async_get_state(manager) is not AddonState.RUNNING:
        try:
            # It goes on when nobody waits for it any more: another dialog may.
            await asyncio.shield(manager.async_schedule_start_addon())
        except AddonError as err:
            raise _told(
                f"Supervisor cannot start the {_NAME} app: {_LOG}", err
            ) from err
    try:
        async with asyncio.timeout(PAIRING_SECONDS):
            return await _async_pairing(hass, manager)
    except TimeoutError as err:
        raise AppError(
            f"The {_NAME} app does not answer within {PAIRING_SECONDS} s"
        ) from err


def address_of(config: Mapping[str, Any]) -> RunnerAddress:
    """Return where an app is, as it told Supervisor. Raises KeyError."""
    return RunnerAddress(
        url=f"http://{config['host']}:{config['port']}", token=str(config["token"])
    )


async def async_follow(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, address: RunnerAddress
) -> None:
    """Have an entry use its app where that is now, with the token that it has now."""
    store = SecretStore(hass, entry.data[CONF_THING_NAME])
    known = RunnerSettings.of(entry.data, await store.async_load())
    if known.address != address:
        await store.async_update({CONF_RUNNER_TOKEN: address.token})
        runner = known.at(address).as_entry_data()
        hass.config_entries.async_update_entry(
            entry, data={**entry.data, CONF_RUNNER: runner}
        )
        hass.config_entries.async_schedule_reload(entry.entry_id)
    elif entry.state is ConfigEntryState.LOADED:
        await entry.runtime_data.watch.async_look()


async def _async_pairing(hass: HomeAssistant, manager: AddonManager) -> RunnerSettings:
    """Wait until an app has said where it is, and answers there."""
    while True:
        try:
            address = address_of(await manager.async_get_addon_discovery_info())
            info = await async_ask(hass, address)
        except (
            AddonError,
            KeyError,
            RunnerTokenError,
            RunnerUnreachableError,
        ) as err:
            # What it has told may be of an earlier life.
            _LOGGER.debug("The app is not ready yet: %s", err)
        else:
            app = RunnerSettings(kind=RunnerKind.APP, slug=manager.addon_slug)
            return app.at(address, info)
        await asyncio.sleep(PAIRING_POLL_SECONDS)


def _told(words: str, err: Exception) -> AppError:
    """Return an error in words; those of Supervisor are for the log."""
    _LOGGER.debug("%s (%s)", words, err)
    return AppError(words)


def _first_app(slugs: list[str]) -> str | None:
    return next((slug for slug in sorted(slugs) if is_app(slug)), None)
