"""Sending a backup that was made to a presigned URL: encrypted, or not at all."""

from collections.abc import AsyncIterator
import tempfile
from typing import BinaryIO

from homeassistant.components.backup import BackupAgent, LocalBackupAgent, ManagerBackup
from homeassistant.components.backup.manager import BackupManager
from homeassistant.components.hassio.const import DOMAIN as HASSIO_DOMAIN
from homeassistant.core import HomeAssistant

from ..jobs.home_steps import Attempt, StepFailedError
from . import upload


async def send(
    hass: HomeAssistant,
    manager: BackupManager,
    backup: ManagerBackup,
    url: str,
    attempt: Attempt,
) -> None:
    """Send a backup from the agent that is nearest to it. Raises StepFailedError."""
    agent = _agent(manager, backup)
    if isinstance(agent, LocalBackupAgent):
        path = agent.get_backup_path(backup.backup_id)
        with await hass.async_add_executor_job(path.open, "rb") as file:
            await upload.send_file(hass, url, file, attempt.progress)
    else:
        chunks = await agent.async_download_backup(backup.backup_id)
        if agent.domain == HASSIO_DOMAIN:
            size = backup.agents[agent.agent_id].size
            await upload.send(hass, url, chunks, size, attempt.progress)
        else:
            await _send_by_file(hass, url, chunks, attempt)
    attempt.write(f"Sent to {upload.host_of(url)}")


def _agent(manager: BackupManager, backup: ManagerBackup) -> BackupAgent:
    """Return who has the backup, encrypted."""
    agents = [
        manager.backup_agents[agent_id]
        for agent_id, status in backup.agents.items()
        if status.protected and agent_id in manager.backup_agents
    ]
    if not agents:
        raise StepFailedError("the backup is not encrypted: it was not sent")
    return min(agents, key=_distance)


def _distance(agent: BackupAgent) -> int:
    if isinstance(agent, LocalBackupAgent):
        return 0
    return 1 if agent.domain == HASSIO_DOMAIN else 2


async def _send_by_file(
    hass: HomeAssistant, url: str, chunks: AsyncIterator[bytes], attempt: Attempt
) -> None:
    """Send what an agent has: how large it is, is only known when all of it has come.

    The size that it tells is an upper bound. The file has no name: it is gone with the
    process, however that ends. The folder for temporary files may be memory.
    """

    def opened() -> BinaryIO:
        return tempfile.TemporaryFile(dir=hass.config.config_dir)

    with await hass.async_add_executor_job(opened) as file:
        async for chunk in chunks:
            await hass.async_add_executor_job(file.write, chunk)
        await upload.send_file(hass, url, file, attempt.progress)
