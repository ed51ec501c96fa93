"""Work that a dialog waits for."""

import asyncio
from collections.abc import Awaitable

SHOWN_SECONDS = 0.5
"""How long it is shown at least that work lasts.

The page takes the answer to what it sent for newer than what it is told meanwhile: work that
ends while that answer is under way would be shown as going on for ever.
"""


async def async_shown[T](work: Awaitable[T]) -> T:
    """Return what comes of work, when the page can have shown that it lasts."""
    now = asyncio.get_running_loop().time
    shown_until = now() + SHOWN_SECONDS
    outcome = await work
    if (rest := shown_until - now()) > 0:
        await asyncio.sleep(rest)
    return outcome
