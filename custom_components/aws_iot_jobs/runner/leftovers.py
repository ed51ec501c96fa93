"""End processes whose parent was killed and can no longer."""

import asyncio
import contextlib
import logging
import os
import signal

from .proc import groups_with_environment

_LOGGER = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


async def end_leftovers(setting: str, grace: float) -> None:
    """End the groups of all processes that were started with `NAME=value`.

    SIGTERM, `grace` seconds, SIGKILL.
    """
    if not (groups := await _groups(setting)):
        return
    _LOGGER.warning(
        "Ending process groups %s that outlived their agent", sorted(groups)
    )
    _signal(groups, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            while await _groups(setting):
                await asyncio.sleep(_POLL_SECONDS)
            return
    _signal(await _groups(setting), signal.SIGKILL)


async def _groups(setting: str) -> set[int]:
    # This process may itself have been started by a job.
    return await asyncio.to_thread(groups_with_environment, setting) - {os.getpgrp()}


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
