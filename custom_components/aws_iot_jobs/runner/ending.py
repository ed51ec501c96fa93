"""End process groups: SIGTERM, a grace time, SIGKILL, until none is left."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
import contextlib
import logging
import os
import signal
from typing import Protocol

from .family import Seen

_LOGGER = logging.getLogger(__name__)

# How long a group may take to end after SIGKILL, which needs no consent, only a moment.
_KILL_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
# Not every system has `kill` as a program; every shell has it.
_KILL = """numbers=$1; shift
for group; do
    for number in $numbers; do kill -s "$number" -- "-$group"; done
done"""


class Look(Protocol):
    """Tells what lives; deeply, what is not to be missed when it is ended by force."""

    def __call__(self, *, deep: bool = False) -> Seen:
        """Return what lives. Blocks: not for an event loop."""


type Send = Callable[[frozenset[int], Sequence[signal.Signals]], Awaitable[None]]
"""Sends signals to process groups."""


async def end_groups(
    look: Look, send: Send, *, grace: float, hurry: asyncio.Future[None] | None = None
) -> frozenset[int]:
    """End all groups that `look` finds, and those that it finds meanwhile.

    SIGTERM, `grace` seconds, or fewer once `hurry` is done, then SIGKILL. Returns the groups
    that not even SIGKILL has ended. Raises what `look` raises.
    """
    if hurry is None:
        hurry = asyncio.get_running_loop().create_future()
    groups = await _terminate(look, send, grace, hurry)
    if groups:
        groups = await _kill(look, send)
    if groups:
        _LOGGER.error("Process groups %s cannot be ended", sorted(groups))
    return groups


async def send_signals(
    groups: frozenset[int],
    numbers: Sequence[signal.Signals],
    signal_command: tuple[str, ...] = (),
) -> None:
    """Send signals to process groups, one after the other.

    `signal_command` begins the argv of a command that may signal what this process may not.
    """
    for group in groups:
        # What may not be signalled shows by going on to live.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            for number in numbers:
                os.killpg(group, number)
    # A group may be of several users: that some of it was signalled does not mean all.
    if groups and signal_command:
        await _signal_by_command(groups, numbers, signal_command)


async def _terminate(
    look: Look, send: Send, grace: float, hurry: asyncio.Future[None]
) -> frozenset[int]:
    """Ask all groups to end, and wait for it; return those that do not in time."""
    loop = asyncio.get_running_loop()
    kill_at = loop.time() + grace
    asked: frozenset[int] = frozenset()
    pauses = _pauses()
    seen = await asyncio.to_thread(look)
    while seen.groups and loop.time() < kill_at and not hurry.done():
        # What is started to tidy up is left to its leader for as long as that lives.
        if not (asked and seen.led) and (new := seen.groups - asked):
            # A stopped process acts on SIGTERM only when it goes on.
            await send(new, (signal.SIGTERM, signal.SIGCONT))
            asked |= new
        pause = min(next(pauses), kill_at - loop.time())
        await asyncio.wait((hurry,), timeout=pause)
        seen = await asyncio.to_thread(look)
    return seen.groups


async def _kill(look: Look, send: Send) -> frozenset[int]:
    """Kill all groups, also those that come to be meanwhile; return what withstands."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _KILL_SECONDS
    pauses = _pauses()
    killed: frozenset[int] = frozenset()
    groups = (await asyncio.to_thread(look, deep=True)).groups
    while groups and loop.time() < give_up_at:
        # Whoever forks on and on is to be quicker than that.
        if not groups <= killed:
            pauses = _pauses()
        killed |= groups
        await send(groups, (signal.SIGKILL,))
        await asyncio.sleep(next(pauses))
        groups = (await asyncio.to_thread(look, deep=True)).groups
    return groups


def _pauses() -> Iterator[float]:
    """Yield how long to wait before the next look: a look at all processes has a price."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _signal_by_command(
    groups: frozenset[int],
    numbers: Sequence[signal.Signals],
    signal_command: tuple[str, ...],
) -> None:
    names = " ".join(number.name.removeprefix("SIG") for number in numbers)
    try:
        killer = await asyncio.create_subprocess_exec(
            *signal_command,
            *("/bin/sh", "-c", _KILL, "sh", names),
            *map(str, groups),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as err:
        _LOGGER.debug("%s cannot be run: %s", signal_command[0], err)
        return
    try:
        async with asyncio.timeout(_KILL_SECONDS):
            await killer.wait()
    except TimeoutError:
        _LOGGER.warning("%s does not end", signal_command[0])
        # It may be another user's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            killer.kill()
