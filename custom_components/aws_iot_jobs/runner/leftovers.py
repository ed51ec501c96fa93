"""End processes whose parent was killed and can no longer."""

import asyncio
import contextlib
import logging
import os
import signal

from .proc import groups_with_environment

_LOGGER = logging.getLogger(__name__)

_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.1


async def end_leftovers(setting: str, grace: float) -> None:
    """End the groups of all processes that were started with `NAME=value`.

    SIGTERM, `grace` seconds, SIGKILL. Finds what this process may look into: as root,
    everything.
    """
    if not (groups := await _groups(setting)):
        return
    _LOGGER.warning(
        "Ending process groups %s that outlived their agent", sorted(groups)
    )
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        _signal(groups, number)
        groups = await _left_after(setting, seconds)
        if not groups:
            return
    _LOGGER.error("Process groups %s cannot be ended", sorted(groups))


async def _left_after(setting: str, seconds: float) -> set[int]:
    """Return the groups that still live after that time, or none as soon as none does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while groups := await _groups(setting):
        if asyncio.get_running_loop().time() >= deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    return groups


async def _groups(setting: str) -> set[int]:
    # This process may itself have been started by a job.
    return await asyncio.to_thread(groups_with_environment, setting) - {os.getpgrp()}


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
