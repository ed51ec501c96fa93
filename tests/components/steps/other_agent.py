"""A place for backups that is not this machine, as another integration brings it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, override

from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockModule,
    mock_integration,
    mock_platform,
)

from homeassistant.components.backup import (
    AgentBackup,
    BackupAgent,
    BackupAgentError,
    BackupNotFound,
    OnProgressCallback,
)
from homeassistant.core import HomeAssistant

OTHER = "other.cloud"


class OtherAgent(BackupAgent):
    """Keeps backups in memory; `fails` says with what it takes none."""

    domain = "other"
    name = "cloud"
    unique_id = "cloud"

    def __init__(self) -> None:
        """Begin empty."""
        self.backups: dict[str, tuple[AgentBackup, bytes]] = {}
        self.fails = ""

    @override
    async def async_upload_backup(
        self,
        *,
        open_stream: Callable[[], Coroutine[Any, Any, AsyncIterator[bytes]]],
        backup: AgentBackup,
        on_progress: OnProgressCallback,
        **kwargs: Any,
    ) -> None:
        """Take a backup."""
        if self.fails:
            raise BackupAgentError(self.fails)
        content = b"".join([chunk async for chunk in await open_stream()])
        self.backups[backup.backup_id] = (backup, content)

    @override
    async def async_download_backup(
        self, backup_id: str, **kwargs: Any
    ) -> AsyncIterator[bytes]:
        """Give a backup, in pieces."""
        _, content = self.backups[backup_id]

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 4096):
                yield content[start : start + 4096]

        return pieces()

    @override
    async def async_list_backups(self, **kwargs: Any) -> list[AgentBackup]:
        """List them."""
        return [backup for backup, _ in self.backups.values()]

    @override
    async def async_get_backup(self, backup_id: str, **kwargs: Any) -> AgentBackup:
        """Return what is known of one."""
        if backup_id not in self.backups:
            raise BackupNotFound(backup_id)
        return self.backups[backup_id][0]

    @override
    async def async_delete_backup(self, backup_id: str, **kwargs: Any) -> None:
        """Forget one."""
        self.backups.pop(backup_id, None)


class OtherPlatform:
    """The backup platform of that integration, which has its say before a backup, too.

    A backup waits before its first byte while a test has cleared `may_begin`.
    """

    def __init__(self, agent: OtherAgent) -> None:
        """Bring an agent."""

        self.agent = agent
        self.asked = asyncio.Event()
        self.may_begin = asyncio.Event()
        self.may_begin.set()

    async def async_get_backup_agents(
        self, hass: HomeAssistant, **kwargs: Any
    ) -> list[BackupAgent]:
        """Return it."""
        return [self.agent]

    async def async_pre_backup(self, hass: HomeAssistant) -> None:
        """Wait until the backup may begin."""
        self.asked.set()
        await self.may_begin.wait()

    async def async_post_backup(self, hass: HomeAssistant) -> None:
        """Do nothing."""


def add_other_agent(hass: HomeAssistant) -> OtherPlatform:
    """Have that integration, before backups are set up."""
    platform = OtherPlatform(OtherAgent())
    mock_integration(hass, MockModule("other"))
    mock_platform(hass, "other.backup", platform)
    hass.config.components.add("other")
    return platform
