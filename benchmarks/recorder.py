"""What a job leaves in Home Assistant's database."""

import asyncio
from collections.abc import Collection
import contextlib
from pathlib import Path
import sqlite3
import time

from .results import Actor
from .run import SILENCE_SECONDS, Run
from .stage import document

NAME = "recorder"

_COMMIT_SECONDS = 6
"""The recorder writes every 5 s."""


async def measure(run: Run) -> None:
    """Count the rows of the thing's states that jobs add."""
    home, player = await run.home(), await run.player(Actor.HOME_ASSISTANT)
    entities = await home.home.entities(home.entries[player.thing])
    database = home.home.config / "home-assistant_v2.db"
    jobs = run.few(3, 20)
    # What the last job of another bench leaves is not of these.
    await asyncio.sleep(SILENCE_SECONDS)
    begun = time.time()
    lost = 0
    for _ in range(jobs):
        ended = await run.stage.service.run_job(player.thing, document())
        lost += ended.lost
        await asyncio.sleep(SILENCE_SECONDS)
    await asyncio.sleep(_COMMIT_SECONDS)
    added = await asyncio.to_thread(_rows, database, entities.values(), begun)
    add = run.results.add
    add(NAME, player.actor, "jobs_lost", lost, "jobs")
    add(NAME, player.actor, "state_rows", added / jobs, "per job")


def _rows(database: Path, entities: Collection[str], since: float) -> int:
    """Return how many states of some entities are on record since a time, in UNIX seconds."""
    marks = ", ".join("?" * len(entities))
    query = (
        "SELECT COUNT(*) FROM states JOIN states_meta USING (metadata_id) "  # noqa: S608
        f"WHERE last_updated_ts >= ? AND states_meta.entity_id IN ({marks})"
    )
    with contextlib.closing(
        sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    ) as connection:
        count: int = connection.execute(query, (since, *entities)).fetchone()[0]
        return count
