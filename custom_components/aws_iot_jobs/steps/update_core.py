"""Updating Home Assistant Core: what asks for it does not live to see its end.

Supervisor replaces the container in which this runs. It looks at the new one, and goes back
to the old one where that does not serve its pages, of which it tells Home Assistant nothing
but by the version that runs.
"""

import asyncio
from collections import deque
from contextlib import suppress
import logging
from pathlib import Path
from typing import Final, override

from aiohasupervisor import SupervisorError
from aiohasupervisor.models import ContextType, IssueType

from homeassistant.components.hassio import get_supervisor_client
from homeassistant.const import __version__ as core_version

from ..jobs.home_steps import StepFailedError
from ..jobs.redact import without_signatures
from .update_entity import READY_SECONDS, Asked, Update
from .update_targets import Offer

_LOGGER = logging.getLogger(__name__)

ROLLBACK_LOG: Final = "home-assistant-rollback.log"
"""Where Supervisor copies the log of a version that it has gone back from."""
_LOG_LINES: Final = 20


class CoreUpdate(Update):
    """An update of Home Assistant Core."""

    @override
    async def _run(self, asked: Asked | None) -> None:
        if asked is None:
            asked = await self._begin(rollback=await self._rollback())
            if asked is None:
                return
        elif core_version == asked.wanted or not asked.is_of_this_process:
            await self._until_settled()
            if core_version != asked.wanted:
                raise StepFailedError(await self._why_not(asked))
            self._tell_end(asked, core_version)
            return
        await self._install(asked)
        # The end of this process comes now.
        await asyncio.Event().wait()

    async def _until_settled(self) -> None:
        """Wait until Supervisor is done: it looks at what it has started, and may go back.

        Where it does not answer, the version that runs has to be enough.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                await self._until(lambda _: True)
            await self._until_idle()

    @override
    async def _installed(self, offer: Offer) -> str:
        """Return the version that runs: Supervisor's view of it is minutes old at times."""
        return core_version

    async def _why_not(self, asked: Asked) -> str:
        """Return why another version runs than the one that was asked for."""
        lines = await self._hass.async_add_executor_job(
            _end_of, Path(self._hass.config.path(ROLLBACK_LOG)), asked.at
        )
        for line in lines:
            self._attempt.write(without_signatures(line))
        wanted = f"{self._target.name} {asked.wanted}"
        if lines or await self._rollback() not in ("", asked.rollback):
            told = f"; the output ends with its log ({ROLLBACK_LOG})" if lines else ""
            return (
                f"Supervisor rolled back to {core_version}, as {wanted} did not start as "
                f"it should{told}"
            )
        return (
            f"Home Assistant runs {core_version} after a restart, not {asked.wanted}: "
            "Supervisor rolled back, or the update was interrupted; Supervisor's log says "
            "which"
        )

    async def _rollback(self) -> str:
        """Return what names the update of Core that Supervisor has undone last, if any."""
        client = get_supervisor_client(self._hass)
        try:
            issues = (await client.resolution.info()).issues
        except SupervisorError as err:
            _LOGGER.debug("The issues of Supervisor are not known: %s", err)
            return ""
        return next(
            (
                issue.uuid.hex
                for issue in issues
                if issue.type == IssueType.UPDATE_ROLLBACK
                and issue.context == ContextType.CORE
            ),
            "",
        )


def _end_of(log: Path, asked_at: float) -> list[str]:
    """Return the last lines of a log, if it was written since."""
    try:
        if log.stat().st_mtime < asked_at:
            return []
        with log.open(encoding="utf-8", errors="replace") as lines:
            return [line.rstrip("\n") for line in deque(lines, _LOG_LINES)]
    except OSError as err:
        _LOGGER.debug("%s: %s", log, err)
        return []
