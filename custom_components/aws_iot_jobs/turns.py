"""Work that dialogs wait for, and that is done for one dialog at a time.

A dialog that is left in the middle, by a page reload for instance, works on, and nobody
waits for it: the next work of the same name takes its place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .errors import InvalidInputError

_TURNS: HassKey[dict[str, set[asyncio.Task[Any]]]] = HassKey(f"{DOMAIN}_turns")


@callback
def async_begin[T](
    hass: HomeAssistant, name: str, work: Callable[[], Awaitable[T]]
) -> asyncio.Task[T]:
    """Begin work. Other work of the same name is ended before."""
    running = hass.data.setdefault(_TURNS, {}).setdefault(name, set())

    async def take_turn(others: tuple[asyncio.Task[Any], ...]) -> T:
        if others:
            for other in others:
                async_end(other)
            await asyncio.wait(others)
        return await work()

    turn = hass.async_create_background_task(
        take_turn(tuple(running)), f"{DOMAIN} {name}", eager_start=False
    )
    running.add(turn)
    turn.add_done_callback(running.discard)
    return turn


@callback
def async_end(turn: asyncio.Task[Any]) -> None:
    """End work. It disconnects before it has ended, and is not disturbed in that."""
    if not turn.cancelling():
        turn.cancel()


async def async_outcome(
    turn: asyncio.Task[Any], *, if_ended: str
) -> InvalidInputError | None:
    """Wait for work; return what is wrong, or `if_ended` where another has ended it."""
    try:
        await asyncio.wait((turn,))
    except asyncio.CancelledError:
        async_end(turn)
        raise
    if turn.cancelled():
        return InvalidInputError({"base": if_ended})
    try:
        turn.result()
    except InvalidInputError as fault:
        return fault
    return None
