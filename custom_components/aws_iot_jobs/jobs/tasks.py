"""End tasks that have something to bring to an end first."""

import asyncio
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
