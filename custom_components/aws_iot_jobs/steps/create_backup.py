"""The step that makes a backup, as Home Assistant's own page does, and may send it away.

A mark in the backup itself tells the next attempt, after a restart, which one it has made:
names are used again. It is on record before the backup begins.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
import json
import logging
from typing import Any, Final, override
import uuid

from aiohasupervisor import SupervisorError

from homeassistant.components.backup import (
    BackupConfig,
    CreateBackupEvent,
    Folder,
    ManagerBackup,
    async_get_manager,
)
from homeassistant.components.backup.manager import (
    BackupManager,
    BackupManagerState,
    ManagerStateEvent,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.hassio import is_hassio
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..jobs.calls import BackupCall
from ..jobs.home_steps import Attempt, StepFailedError
from . import backup_upload, upload
from .step import PROCESS_ID, HomeStep
from .supervisor_jobs import async_backup_ended

_LOGGER = logging.getLogger(__name__)

_MARK: Final = f"{DOMAIN}.backup"
"""Under what the mark stands in the metadata of a backup."""
_SETTINGS: Final = "Settings > System > Backups"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A backup that was asked for: by which process, for which agents.

    `mark` is in it, and `made` its id once it is complete.
    """

    name: str
    agents: tuple[str, ...]
    mark: str
    process: str = PROCESS_ID
    made: str = ""

    @classmethod
    def of(cls, known: Any) -> _Asked:
        """Return what an attempt before has kept."""
        return cls(**{**known, "agents": tuple(known["agents"])})


class CreateBackup(HomeStep[BackupCall]):
    """Makes a backup, once, whatever happens meanwhile."""

    @override
    async def problem(self, call: BackupCall) -> str | None:
        """Return why it would fail before there is a backup."""
        try:
            return _problem(call, _manager(self._hass))
        except StepFailedError as err:
            return str(err)

    @override
    async def run(self, call: BackupCall, attempt: Attempt) -> None:
        """Make it, or go on with the one that an attempt before has asked for."""
        if (problem := upload.problem_of(call.upload_url)) is not None:
            raise StepFailedError(problem)
        manager = _manager(self._hass)
        await _until_idle(manager, attempt)
        backup, asked = None, None
        if attempt.known is not None:
            asked = _Asked.of(attempt.known)
            backup = await self._find(manager, asked, attempt)
        if asked is None or backup is None:
            asked = await self._ask(call, attempt, manager)
            backup = await self._make(call, attempt, manager, asked)
        if asked.made != backup.backup_id:
            await attempt.keep(asdict(replace(asked, made=backup.backup_id)))
        attempt.goes_on = f"the backup {asked.name!r} is kept"
        size = max(status.size for status in backup.agents.values())
        attempt.write(f"Name: {asked.name}")
        attempt.write(f"Backup: {backup.backup_id}")
        attempt.write(f"Size: {size} bytes")
        if call.upload_url:
            await backup_upload.send(
                self._hass, manager, backup, call.upload_url, attempt
            )
        result = {
            "name": asked.name,
            "backup_id": backup.backup_id,
            "size": size,
            "agents": list(asked.agents),
        }
        attempt.write(json.dumps(result, ensure_ascii=False))

    async def _ask(
        self, call: BackupCall, attempt: Attempt, manager: BackupManager
    ) -> _Asked:
        """Have on record what is asked for, if it can be."""
        if (problem := _problem(call, manager)) is not None:
            raise StepFailedError(problem)
        at = dt_util.now().strftime("%Y-%m-%d %H.%M.%S")
        asked = _Asked(
            name=call.name or f"AWS IoT job {attempt.key.job_id} {at}",
            agents=_agents(call, manager),
            mark=uuid.uuid4().hex,
        )
        await attempt.keep(asdict(asked))
        # Somebody may have begun a backup meanwhile.
        await _until_idle(manager, attempt)
        return asked

    async def _make(
        self, call: BackupCall, attempt: Attempt, manager: BackupManager, asked: _Asked
    ) -> ManagerBackup:
        """Make a backup; return it when it is complete.

        One that has begun is not stopped: Home Assistant's manager would not come to itself.
        """
        attempt.goes_on = f"the backup {asked.name!r} goes on in Home Assistant"
        unsubscribe = manager.async_subscribe_events(_stages(attempt))
        making = self._hass.async_create_task(
            _create(manager, call, asked), f"{DOMAIN} create backup"
        )
        try:
            problem = await asyncio.shield(making)
        finally:
            unsubscribe()
        attempt.goes_on = ""
        if problem is not None:
            raise StepFailedError(f"the backup {asked.name!r} has failed: {problem}")
        backups, _ = await manager.async_get_backups()
        backup = _marked(backups, asked)
        failures = _failures(backup, asked)
        if backup is None or failures:
            raise StepFailedError(
                f"the backup {asked.name!r} is not complete: {'; '.join(failures)}"
            )
        return backup

    async def _find(
        self, manager: BackupManager, asked: _Asked, attempt: Attempt
    ) -> ManagerBackup | None:
        """Return the backup of an attempt before, if it is there and complete."""
        if asked.process != PROCESS_ID and is_hassio(self._hass):
            # Supervisor has gone on with it.
            await async_backup_ended(self._hass)
        backups, _ = await manager.async_get_backups()
        if (backup := _marked(backups, asked)) is None:
            if asked.made:
                attempt.write(f"The backup {asked.made} is gone: it is made again")
            return None
        if backup.backup_id == asked.made or (
            not _failures(backup, asked) and _is_whole(manager, backup)
        ):
            attempt.write("The attempt before has made the backup")
            return backup
        attempt.write(
            f"The backup {asked.name!r} ({backup.backup_id}) of the attempt before may be "
            "incomplete: it is made again"
        )
        return None


STEP = CreateBackup


def _manager(hass: HomeAssistant) -> BackupManager:
    try:
        return async_get_manager(hass)
    except HomeAssistantError:
        raise StepFailedError(
            'Home Assistant has no backups: "default_config:" or "backup:" is missing in '
            "its configuration.yaml"
        ) from None


def _agents(call: BackupCall, manager: BackupManager) -> tuple[str, ...]:
    """Return where a backup goes: where it is told to, else as automatic ones, else here."""
    local = "hassio.local" if is_hassio(manager.hass) else "backup.local"
    automatic = manager.config.data.create_backup.agent_ids
    return tuple(dict.fromkeys(call.agents or automatic or (local,)))


def _problem(call: BackupCall, manager: BackupManager) -> str | None:
    """Return why a backup cannot be asked for."""
    if (problem := upload.problem_of(call.upload_url)) is not None:
        return problem
    if set(call.name) & set("/\\"):
        return f"the name {call.name!r} of the backup has a slash, and is to be a file"
    agents, config = _agents(call, manager), manager.config
    for agent in agents:
        if agent not in manager.backup_agents:
            known = ", ".join(sorted(manager.backup_agents)) or "none"
            return f"there is no backup agent {agent!r}; there are: {known}"
    if not call.upload_url:
        return None
    if not config.data.create_backup.password:
        return (
            "only an encrypted backup may leave the home, and there is no encryption key: "
            f"set up automatic backups in {_SETTINGS}"
        )
    if not any(_encrypts(config, agent) for agent in agents):
        return (
            "only an encrypted backup may leave the home, and encryption is off for "
            f"{', '.join(agents)}: turn it on in {_SETTINGS}"
        )
    return None


def _encrypts(config: BackupConfig, agent: str) -> bool:
    settings = config.data.agents.get(agent)
    return settings is None or settings.protected


async def _until_idle(manager: BackupManager, attempt: Attempt) -> None:
    """Wait for the end of what somebody else does with backups, and of the start."""
    changed = asyncio.Event()
    unsubscribe = manager.async_subscribe_events(lambda _: changed.set())
    try:
        if not _is_idle(manager):
            attempt.write(
                f"Waiting: Home Assistant's backups are busy ({manager.state})"
            )
        while not _is_idle(manager):
            changed.clear()
            await changed.wait()
    finally:
        unsubscribe()


def _is_idle(manager: BackupManager) -> bool:
    return manager.state is BackupManagerState.IDLE


def _stages(attempt: Attempt) -> Callable[[ManagerStateEvent], None]:
    """Return what writes each stage of a backup once it begins."""
    written: set[str] = set()

    @callback
    def take(event: ManagerStateEvent) -> None:
        if isinstance(event, CreateBackupEvent) and event.stage is not None:
            if event.stage not in written:
                written.add(event.stage)
                attempt.write(f"Stage: {event.stage}")

    return take


async def _create(
    manager: BackupManager, call: BackupCall, asked: _Asked
) -> Exception | None:
    """Create a backup, to its end; return why it has failed.

    What is in it beside Home Assistant is as in the automatic backups. Where there are no
    such, it is what Home Assistant recommends: all apps.
    """
    settings = manager.config.data.create_backup
    addons: list[str] | None = None
    all_addons, folders = is_hassio(manager.hass), list[Folder]()
    if settings.agent_ids:
        addons, all_addons = settings.include_addons, settings.include_all_addons
        folders = settings.include_folders or []
    try:
        await manager.async_create_backup(
            agent_ids=list(asked.agents),
            extra_metadata={_MARK: asked.mark},
            include_addons=addons,
            include_all_addons=all_addons,
            include_database=call.include_database,
            include_folders=folders or None,
            include_homeassistant=True,
            name=asked.name,
            password=settings.password,
        )
    except (HomeAssistantError, SupervisorError) as err:
        # Also where the job has ended meanwhile.
        _LOGGER.warning("The backup %s has failed: %s", asked.name, err)
        return err
    return None


def _marked(backups: dict[str, ManagerBackup], asked: _Asked) -> ManagerBackup | None:
    """Return the backup that was asked for."""
    for backup in backups.values():
        if backup.extra_metadata.get(_MARK) == asked.mark:
            return backup
    return None


def _failures(backup: ManagerBackup | None, asked: _Asked) -> list[str]:
    """Return what of a backup is missing, or where."""
    there = set() if backup is None else set(backup.agents) - {*backup.failed_agent_ids}
    failures = [
        f"{agent} has not taken it (why is in Home Assistant's log)"
        for agent in asked.agents
        if agent not in there
    ]
    if backup is not None:
        failures += [f"the app {addon.slug} failed" for addon in backup.failed_addons]
        failures += [f"the folder {folder} failed" for folder in backup.failed_folders]
    return failures


def _is_whole(manager: BackupManager, backup: ManagerBackup) -> bool:
    """Tell whether a backup is known to be whole.

    Home Assistant writes one straight to where it stays, and lists it before it has ended.
    Other agents list what they have whole.
    """
    return manager.known_backups.get(backup.backup_id) is not None or not any(
        agent in manager.local_backup_agents for agent in backup.agents
    )
