"""What further things cost, a few in a Home Assistant and a thousand in one process."""

import asyncio

from .actors import Player, bare_agents, connections
from .home import Home, home_assistant
from .probe_client import Counts
from .processes import memory, threads
from .results import Actor
from .run import Run
from .service import Ended
from .stage import Stage, document, set_stage

NAME = "scale"
THINGS = 1000
FURTHER = 10

_SPREAD_SECONDS = 10
"""How long it takes until all things are started, and until all have got their job."""
_SETTLE_SECONDS = 10
_WITHIN_SECONDS = 120


async def measure(run: Run) -> None:
    """Measure many things in one process, and some more in a Home Assistant."""
    counts = (30,) if run.quick else (1, 100, 300, THINGS)
    for count in counts:
        directory = run.stage.directory / f"things-{count}"
        directory.mkdir()
        things = [f"thing-{number}" for number in range(count)]
        async with set_stage(directory, things) as stage:
            await _many(run, stage, things)
    if not run.quick:
        await _further(run)


async def _many(run: Run, stage: Stage, things: list[str]) -> None:
    """Start a thing after the other, and give each of them a job."""
    bench = f"{NAME}-{len(things)}-things"
    control = await run.control()
    interval = _SPREAD_SECONDS / max(len(things), 200)
    await control.ask(ticking=True)
    async with bare_agents(
        stage, things, stage.broker.port, interval=interval, ticking=True
    ) as players:
        ended = await _one_job_each(stage, things, interval)
        probe = players[0].probe
        assert probe is not None
        counts, other = await asyncio.gather(
            probe.ask(ticking=False), control.ask(ticking=False)
        )
        _report(run, players[0], bench=bench, ended=ended, counts=counts, other=other)
    async with connections(stage, things, stage.broker.port) as pid:
        await asyncio.sleep(1)
        rss = memory(pid).resident
        run.results.add(bench, Actor.FLOOR, "rss_mib", rss, "MiB")


def _report(
    run: Run,
    player: Player,
    *,
    bench: str,
    ended: list[Ended],
    counts: Counts,
    other: Counts,
) -> None:
    def add(metric: str, value: float, unit: str, floor: float | None = None) -> None:
        run.results.add(bench, player.actor, metric, value, unit, floor=floor)

    add("jobs_lost", sum(each.lost for each in ended), "jobs")
    add("rss_mib", memory(player.pid).resident, "MiB")
    add("threads", threads(player.pid), "threads")
    add("loop_max_ms", counts.longest_delay_ms, "ms", other.longest_delay_ms)
    add("loop_p999_ms", counts.p999_delay_ms, "ms", other.p999_delay_ms)


async def _one_job_each(
    stage: Stage, things: list[str], interval: float
) -> list[Ended]:
    service = stage.service
    jobs = []
    for thing in things:
        execution = service.start_job(thing, document())
        jobs.append(asyncio.create_task(service.end_of(execution, _WITHIN_SECONDS)))
        await asyncio.sleep(interval)
    return await asyncio.gather(*jobs)


async def _further(run: Run) -> None:
    """Enable things one after the other, in a Home Assistant that has started with one."""
    directory = run.stage.directory / "further"
    directory.mkdir()
    things = [f"thing-{number}" for number in range(1 + FURTHER)]
    async with (
        set_stage(directory, things) as stage,
        home_assistant(directory / "home") as home,
    ):
        for thing in things:
            await home.add(stage, thing, stage.broker.port)
        first, *further = things
        for thing in further:
            await home.switch(stage, thing, on=False)
        await home.start_again(stage, [first])
        before = await _resident_after_a_job(home, stage, first)
        for thing in further:
            await home.switch(stage, thing, on=True)
            await stage.service.run_job(thing, document())
        after = await _resident_after_a_job(home, stage, first)
        pid = home.home.process.pid
        run.results.add(
            NAME,
            Actor.HOME_ASSISTANT,
            "mib_per_further_thing",
            (after - before) / FURTHER,
            "MiB",
        )
        run.results.add(
            NAME, Actor.HOME_ASSISTANT, "threads_of_11_things", threads(pid), "threads"
        )


async def _resident_after_a_job(home: Home, stage: Stage, thing: str) -> float:
    await stage.service.run_job(thing, document())
    await asyncio.sleep(_SETTLE_SECONDS)
    return memory(home.home.process.pid).resident
