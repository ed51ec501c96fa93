"""Updating the operating system: it is installed beside the one that runs, then booted.

The bootloader goes back to the old one where the new one does not start. So the version
that runs decides, and whether the host has been booted since.
"""

import asyncio
from dataclasses import asdict, replace
import logging
from typing import Final, override

from aiohasupervisor import SupervisorError
from aiohasupervisor.models import OSInfo

from homeassistant.components.hassio import get_supervisor_client
from homeassistant.exceptions import HomeAssistantError

from ..jobs.home_steps import StepFailedError
from ..runner import system
from .update_entity import Asked, Update
from .update_targets import Offer

_LOGGER = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 5
_SUPERVISORS_JOB: Final = "os_manager_update"


class OsUpdate(Update):
    """An update of the operating system, with the reboot that it needs."""

    @override
    async def _run(self, asked: Asked | None) -> None:
        if asked is None:
            asked = await self._begin(boot=system.boot_id())
            if asked is None:
                return
        elif await self._is_in_use(asked):
            self._tell_end(asked, asked.wanted)
            return
        await self._install_beside(asked)
        await self._reboot(asked)

    @override
    async def _installed(self, offer: Offer) -> str:
        """Return the version that runs: the entity has the one that waits for a reboot."""
        try:
            version = (await self._info()).version
        except SupervisorError as err:
            raise StepFailedError(f"Supervisor does not answer: {err}") from err
        return version or offer.installed

    async def _is_in_use(self, asked: Asked) -> bool:
        """Tell whether it runs. Raises StepFailedError where the old one has come back."""
        info = await self._info_in_time()
        if info.version == asked.wanted:
            return True
        if asked.reboot and asked.boot != system.boot_id():
            raise StepFailedError(
                f"{self._target.name} is at {info.version} after the reboot, not at "
                f"{asked.wanted}: the new version did not start, and the host went back to "
                "the other slot"
            )
        return False

    async def _install_beside(self, asked: Asked) -> None:
        await self._until_supervisor_is_idle()
        if (await self._info_in_time()).version_pending == asked.wanted:
            return
        await self._install(asked)
        pending = (await self._info_in_time()).version_pending
        if pending != asked.wanted:
            raise StepFailedError(
                f"{self._target.name} {asked.wanted} is not installed after its update: "
                f"{pending or 'no version'} waits for a reboot"
            )

    async def _reboot(self, asked: Asked) -> None:
        self._attempt.goes_on = (
            f"{self._target.name} {asked.wanted} is installed, and will be used after the "
            "next reboot"
        )
        self._attempt.write(f"{self._target.name} {asked.wanted} is installed")
        asked = replace(asked, reboot=True, boot=system.boot_id())
        await self._attempt.keep(asdict(asked))
        self._attempt.write("The host reboots")
        self._attempt.goes_on = self._goes_on(asked)
        try:
            await self._ask("hassio", "host_reboot")
        except HomeAssistantError as err:
            raise StepFailedError(
                f"{self._target.name} {asked.wanted} is installed, but the host does not "
                f"reboot: {err}"
            ) from err
        # The end of this process comes now.
        await asyncio.Event().wait()

    @override
    def _goes_on(self, asked: Asked) -> str:
        if asked.reboot:
            return f"the host has been asked to reboot, into {self._target.name} {asked.wanted}"
        return super()._goes_on(asked)

    async def _until_supervisor_is_idle(self) -> None:
        """Wait while Supervisor installs one: the entity forgets that with a restart."""
        client = get_supervisor_client(self._hass)
        while True:
            try:
                jobs = (await client.jobs.info()).jobs
            except SupervisorError as err:
                _LOGGER.debug("The jobs of Supervisor are not known: %s", err)
                return
            if not any(
                job.name == _SUPERVISORS_JOB and job.done is False for job in jobs
            ):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _info(self) -> OSInfo:
        return await get_supervisor_client(self._hass).os.info()

    async def _info_in_time(self) -> OSInfo:
        """Return what Supervisor knows, as soon as it answers."""
        while True:
            try:
                return await self._info()
            except SupervisorError as err:
                _LOGGER.debug("The operating system is not known: %s", err)
            await asyncio.sleep(_LOOK_SECONDS)
