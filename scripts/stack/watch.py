"""What happens to jobs, told on the screen as it happens."""

import asyncio
from contextlib import suppress

from .client import State
from .home_assistant import RESTART_EXIT_STATUS
from .process import StackError
from .screen import Screen
from .stage import Stage

LIST_SECONDS = 0.25
# Entities that change together are told of in one line.
TOGETHER_SECONDS = 0.05


async def show_job(stage: Stage, screen: Screen, job_id: str) -> None:
    """Tell how AWS describes a job until it has ended there."""
    screen.heading(f"Job {job_id}")
    async for execution in stage.aws.follow_execution(stage.thing, job_id):
        screen.execution(execution)


async def show_new_jobs(stage: Stage, screen: Screen, known: set[str]) -> None:
    """Tell of all jobs but the known ones, one after the other, while somebody reads it."""
    while not screen.gone:
        for job_id in reversed(await stage.aws.job_ids(stage.thing)):
            if job_id not in known:
                known.add(job_id)
                await show_job(stage, screen, job_id)
        await asyncio.sleep(LIST_SECONDS)


async def show_home(stage: Stage, screen: Screen) -> None:
    """Tell what the thing's entities show, through restarts. Never returns.

    Raises StackError if Home Assistant ends by itself and does not ask for a restart.
    """
    home = stage.home
    while True:
        await _show_states(stage, screen)
        status = await home.process.wait()
        if status != RESTART_EXIT_STATUS:
            raise StackError(
                f"Home Assistant ended with exit status {status}", home.log
            )
        screen.event("Home Assistant", "restarts")
        await home.start()
        screen.event("Home Assistant", "is back")


async def _show_states(stage: Stage, screen: Screen) -> None:
    """Tell what the thing's entities show, until the connection ends."""
    names = {entity_id: name for name, entity_id in stage.entities.items()}
    shown: dict[str, str] = {}
    changed: dict[str, str] = {}

    def tell() -> None:
        if changed:
            in_order = [name for name in stage.entities if name in changed]
            news = " · ".join(f"{name}: {changed[name]}" for name in in_order)
            screen.event("Home Assistant", news)
        shown.update(changed)
        changed.clear()

    with suppress(ConnectionError):
        async with stage.home.state_changes() as changes:
            async for state in changes:
                name = names.get(state.entity_id)
                if name is None or (shown | changed).get(name) == _value(state):
                    continue
                if name in changed:
                    tell()
                if not changed:
                    asyncio.get_running_loop().call_later(TOGETHER_SECONDS, tell)
                changed[name] = _value(state)


def _value(state: State) -> str:
    if state.state in ("unknown", "unavailable"):
        return "–"
    if "event_type" in state.attributes:
        step = state.attributes.get("step") or ""
        return f"{state.attributes['event_type']} {step}".rstrip()
    unit = state.attributes.get("unit_of_measurement", "")
    return f"{state.state} {unit}".rstrip()
