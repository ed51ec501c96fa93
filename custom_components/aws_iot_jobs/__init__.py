"""AWS IoT Jobs: makes a Home Assistant an AWS IoT thing that runs jobs."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.typing import ConfigType
from homeassistant.loader import async_get_integration

from .approval_issue import ApprovalIssue
from .aws_iot.mqtt import release_threads
from .backup import async_is_in_backup
from .const import (
    CONF_CERTIFICATE,
    CONF_HANDLER_DIRECTORY,
    CONF_INVENTORY,
    CONF_PRIVATE_KEY,
    CONF_ROTATION,
    CONF_THING_NAME,
    DOMAIN,
)
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .credentials import check_fit
from .device import async_get_device_info
from .errors import InvalidInputError
from .expiry import async_watch_expiry
from .facts import async_get_facts
from .frontend import CardView, async_offer_card, async_withdraw_card
from .issues import Issue, ThingIssues
from .job_events import async_fire_events
from .jobs.agent import Agent
from .jobs.journal import Journal
from .jobs.model import Hold
from .options import agent_settings
from .places.runners import (
    LocalPlace,
    Place,
    RemotePlace,
    RunnerKind,
    RunnerSettings,
    async_leave,
    client_of,
)
from .places.watch import RunnerWatch
from .reasons import async_follow_language
from .services import async_setup_services
from .settings import ThingSettings
from .steps.home import StepsHere
from .storage import (
    SecretStore,
    make_default_handler_directory,
    remove_thing_directory,
    thing_directory,
)
from .websocket import async_setup_websocket

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SENSOR,
    Platform.SWITCH,
]

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what all things share."""
    async_setup_services(hass)
    async_follow_language(hass)
    async_setup_websocket(hass)
    hass.http.register_view(CardView)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> bool:
    """Set up a thing. Its agent connects by itself, whenever AWS IoT can be reached."""
    thing_name = entry.data[CONF_THING_NAME]
    secrets = await SecretStore(hass, thing_name).async_load()
    try_first = None
    if secrets.get(CONF_ROTATION):
        rotation = await async_import_module(hass, f"{__package__}.rotation")
        rotation.async_recall(hass, entry, secrets)
        try_first = partial(rotation.async_try_first, hass, entry)
    settings = await _async_get_settings(hass, entry, secrets)
    integration = await async_get_integration(hass, DOMAIN)
    version = str(integration.version)
    runner = RunnerSettings.of(entry.data, secrets)
    issues = ThingIssues(hass, entry)
    watch = RunnerWatch(hass, entry, runner, issues)
    place = await _async_get_place(hass, entry, watch)
    agent = Agent(
        agent_settings(
            entry.options,
            connection=settings.connection(),
            directory=thing_directory(hass, thing_name),
            facts=await async_get_facts(
                hass, runner, thing_name=thing_name, agent_version=version
            ),
            home=StepsHere(hass, entry),
            agent_version=version,
        ),
        place.runner,
    )
    if async_is_in_backup(hass):
        agent.hold(Hold.BACKUP)
    # What there was before is no news to entities that begin with it.
    await agent.load()
    entry.runtime_data = JobsCoordinator(
        hass,
        entry,
        agent,
        device_info=await async_get_device_info(hass, entry, runner, version=version),
        version=version,
        issues=issues,
        watch=watch,
    )
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(async_fire_events(hass, entry, agent))
    watch.async_start(place)
    async_watch_expiry(hass, entry, issues)
    ApprovalIssue(hass, entry, agent, issues).async_start()
    if entry.options.get(CONF_INVENTORY):
        # Most homes report none, and do not load what it takes.
        inventory = await async_import_module(hass, f"{__package__}.inventory")
        entry.runtime_data.inventory = inventory.InventoryReport(hass, entry)
        entry.runtime_data.inventory.async_start()
    entry.runtime_data.async_start(try_first)
    await async_offer_card(hass)
    entry.async_create_task(hass, _async_forget_enrolment(hass, entry))
    return True


async def _async_forget_enrolment(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry
) -> None:
    """Forget the enrolment that a thing comes from. No start has to wait for that."""
    store = await async_import_module(hass, f"{__package__}.enrolment_store")
    await store.async_forget_when_saved(hass, entry)


async def async_unload_entry(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> bool:
    """Unload a thing, when the step that it runs here has ended.

    A step that runs elsewhere goes on, unless handlers run somewhere else from now on.
    """
    coordinator = entry.runtime_data
    if coordinator.inventory is not None:
        await coordinator.inventory.async_end()
    # First, for its entities have to tell of a job that ends just now.
    await coordinator.async_stop()
    if not coordinator.watch.settings.is_same_runner(RunnerSettings.of(entry.data, {})):
        await coordinator.async_leave_runner()
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if not hass.config_entries.async_loaded_entries(DOMAIN):
        release_threads()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
    """Remove what a thing has left behind: its secrets, and the files of its jobs.

    A step that runs elsewhere is ended there, too.
    """
    thing_name = entry.data[CONF_THING_NAME]
    ThingIssues(hass, entry).async_clear(*Issue)
    await _async_leave_runner(hass, entry)
    await SecretStore(hass, thing_name).async_remove()
    store = await async_import_module(hass, f"{__package__}.enrolment_store")
    await store.PendingEnrolmentStore(hass).async_forget(entry)
    await hass.async_add_executor_job(remove_thing_directory, hass, thing_name)
    if not hass.config_entries.async_entries(DOMAIN, include_ignore=False):
        await async_withdraw_card(hass)
        user = await async_import_module(hass, f"{__package__}.job_user")
        await user.async_remove_job_user(hass)


async def _async_leave_runner(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry
) -> None:
    """Have a runner elsewhere forget the job that the thing was at, if it answers."""
    thing_name = entry.data[CONF_THING_NAME]
    secrets = await SecretStore(hass, thing_name).async_load()
    runner = RunnerSettings.of(entry.data, secrets)
    if runner.kind is RunnerKind.LOCAL:
        return
    with suppress(OSError):
        journal = await Journal(thing_directory(hass, thing_name)).load()
        if (record := journal.record) is not None:
            client = client_of(hass, runner.address, thing_name=thing_name)
            await async_leave(client, record.key)


async def _async_get_settings(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, secrets: Mapping[str, str]
) -> ThingSettings:
    """Return the settings of a thing. Raises ConfigEntryAuthFailed for unusable ones."""
    private_key = secrets.get(CONF_PRIVATE_KEY)
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
    return ThingSettings.of({**entry.data, **secrets})


async def _async_get_place(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, watch: RunnerWatch
) -> Place:
    """Return where the handlers of a thing run."""
    thing_name = entry.data[CONF_THING_NAME]
    if watch.settings.kind is RunnerKind.LOCAL:
        directory = await _async_get_handler_directory(hass, entry)
        work_directory = thing_directory(hass, thing_name) / "work"
        return LocalPlace(hass, directory, work_directory)
    return RemotePlace(
        hass,
        watch.settings.address,
        thing_name=thing_name,
        on_problem=watch.async_take_problem,
    )


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
