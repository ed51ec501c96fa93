"""How fast a queue of jobs is worked off, and a job of many steps."""

import asyncio
from statistics import median

from .actors import Player
from .processes import cpu_seconds, memory
from .results import OURS
from .run import SILENCE_SECONDS, Run, shuffled
from .stage import document

NAME = "throughput"
MANY_STEPS = 200

_WITHIN_SECONDS = 120
_WARM_UP = 2


async def measure(run: Run) -> None:
    """Measure one after the other, each with the machine to itself."""
    players = await run.players()
    for player in shuffled(players):
        await run.stage.service.run_queue(
            player.thing, document(), _WARM_UP, _WITHIN_SECONDS
        )
        await _queue(run, player, run.few(20, 500))
    lengths = (20,) if run.quick else (1, 10, 50, MANY_STEPS)
    for steps in lengths:
        await _steps(run, players, steps)


async def _queue(run: Run, player: Player, jobs: int) -> None:
    await _silence(run)
    resident, used = memory(player.pid).resident, cpu_seconds(player.pid)
    ended = await run.stage.service.run_queue(
        player.thing, document(), jobs, _WITHIN_SECONDS
    )
    used = cpu_seconds(player.pid) - used
    seconds = ended[-1].ended_at - ended[0].notified_at

    def add(metric: str, value: float, unit: str) -> None:
        run.results.add(NAME, player.actor, metric, value, unit)

    add("jobs_lost", sum(each.lost for each in ended), "jobs")
    add("jobs_per_s", jobs / seconds, "1/s")
    add("cpu_ms", used * 1000 / jobs, "ms")
    if player.actor in OURS:
        growth = memory(player.pid).resident - resident
        add("memory_growth_mib", growth, "MiB")


async def _steps(run: Run, players: list[Player], steps: int) -> None:
    service = run.stage.service
    times: dict[Player, list[float]] = {player: [] for player in players}
    lost = dict.fromkeys(players, 0)
    for _ in range(run.few(2, 5)):
        for player in shuffled(players):
            await _silence(run)
            ended = await service.run_job(
                player.thing, document(steps=steps), _WITHIN_SECONDS
            )
            times[player].append(ended.seconds)
            lost[player] += ended.lost
    for player in players:
        seconds = median(times[player])
        bench = f"{NAME}-{steps}-steps"
        add = run.results.add
        add(bench, player.actor, "jobs_lost", lost[player], "jobs")
        add(bench, player.actor, "median_ms", seconds * 1000, "ms")
        add(bench, player.actor, "steps_per_s", steps / seconds, "1/s")


async def _silence(run: Run) -> None:
    run.stage.service.forget_requests()
    await asyncio.sleep(SILENCE_SECONDS)
