"""AWS IoT Jobs: makes a Home Assistant an AWS IoT thing that runs jobs."""

from pathlib import Path

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryError
from homeassistant.loader import async_get_integration

from .const import (
    CONF_CERTIFICATE,
    CONF_HANDLER_DIRECTORY,
    CONF_PRIVATE_KEY,
    CONF_THING_NAME,
    DOMAIN,
)
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .credentials import check_fit
from .errors import InvalidInputError
from .facts import async_get_facts
from .jobs.agent import Agent, AgentSettings
from .runner.local import LocalRunner
from .settings import ThingSettings
from .storage import (
    PrivateKeyStore,
    make_default_handler_directory,
    remove_thing_directory,
    thing_directory,
)

PLATFORMS = [Platform.BINARY_SENSOR, Platform.SENSOR]


async def async_setup_entry(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> bool:
    """Set up a thing. Its agent connects by itself, whenever AWS IoT can be reached."""
    settings = await _async_get_settings(hass, entry)
    integration = await async_get_integration(hass, DOMAIN)
    version = str(integration.version)
    directory = thing_directory(hass, settings.thing_name)
    agent = Agent(
        AgentSettings(
            connection=await settings.async_connection(hass),
            directory=directory,
            facts=await async_get_facts(
                hass, thing_name=settings.thing_name, agent_version=version
            ),
        ),
        LocalRunner(
            await _async_get_handler_directory(hass, entry), directory / "work"
        ),
    )
    entry.runtime_data = JobsCoordinator(hass, entry, agent, version=version)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.runtime_data.async_start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> bool:
    """Unload a thing, when the step that it runs has ended."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.async_stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
    """Remove what a thing has left behind: its private key, and the files of its jobs."""
    thing_name = entry.data[CONF_THING_NAME]
    await PrivateKeyStore(hass, thing_name).async_remove()
    await hass.async_add_executor_job(remove_thing_directory, hass, thing_name)


async def _async_get_settings(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry
) -> ThingSettings:
    """Return the settings of a thing. Raises ConfigEntryAuthFailed for unusable ones."""
    private_key = await PrivateKeyStore(hass, entry.data[CONF_THING_NAME]).async_load()
    if private_key is None:
        raise ConfigEntryAuthFailed(
            translation_domain=DOMAIN, translation_key="private_key_missing"
        )
    try:
        await hass.async_add_executor_job(
            check_fit, entry.data[CONF_CERTIFICATE], private_key
        )
    except (InvalidInputError, TypeError, ValueError) as err:
        raise ConfigEntryAuthFailed(
            translation_domain=DOMAIN, translation_key="credentials_unusable"
        ) from err
    return ThingSettings.of({**entry.data, CONF_PRIVATE_KEY: private_key})


async def _async_get_handler_directory(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry
) -> Path:
    """Return the handler directory of a thing. Raises ConfigEntryError if it cannot be."""
    directory = Path(entry.options[CONF_HANDLER_DIRECTORY])
    try:
        await hass.async_add_executor_job(
            make_default_handler_directory, hass, directory
        )
    except OSError as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="handler_directory_failed",
            translation_placeholders={
                "directory": str(directory),
                "reason": err.strerror or str(err),
            },
        ) from err
    return directory
