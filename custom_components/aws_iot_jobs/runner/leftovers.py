"""End processes whose parent was killed and can no longer."""

import asyncio
from functools import partial
import logging

from .ending import end_groups, send_signals
from .family import Family, Leader
from .proc import CannotLookError, group_answers

_LOGGER = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_MAY_RUN = "What has outlived its agent may still run, and is not ended: %s"


async def end_leftovers(
    setting: str,
    grace: float,
    *,
    leader: Leader | None = None,
    signal_command: tuple[str, ...] = (),
) -> None:
    """End a session, and all that was started with `NAME=value`.

    SIGTERM, `grace` seconds, SIGKILL. `signal_command` begins the argv of a command that
    signals what this process may not. Nothing that cannot be seen is ended: it could be a
    stranger's.
    """
    if leader is not None and leader.started is None:
        if group_answers(leader.pid):
            _LOGGER.error(_MAY_RUN, f"/proc has hidden process {leader.pid}")
        leader = None
    give_up_at = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            await _end(Family(leader, setting), grace, signal_command)
        except CannotLookError as err:
            if asyncio.get_running_loop().time() >= give_up_at:
                _LOGGER.error(_MAY_RUN, err)
                return
            # A lack of file descriptors may pass.
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


async def _end(family: Family, grace: float, signal_command: tuple[str, ...]) -> None:
    if groups := (await asyncio.to_thread(family.look)).groups:
        _LOGGER.warning(
            "Ending process groups %s that outlived their agent", sorted(groups)
        )
        send = partial(send_signals, signal_command=signal_command)
        await end_groups(family.look, send, grace=grace)
