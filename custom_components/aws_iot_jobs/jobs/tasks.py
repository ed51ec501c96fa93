"""End tasks that have something to bring to an end first."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def end_task(task: asyncio.Future[Any]) -> None:
    """Cancel a task, and wait until it has ended.

    Cancelled meanwhile, it passes that on: a task that is cancelled once more hurries.
    """
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()


async def to_the_end[T](work: Awaitable[T]) -> T:
    """Do something that cannot be broken off; cancelled, pass that on afterwards."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait((working,))
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise
    return working.result()
