"""How long a job of one tiny step takes, and what it costs until it has been told of.

Who is measured takes turns with all others, in another order each time.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from statistics import median, quantiles
import time

from .actors import Player
from .probe_client import Counts
from .processes import cpu_seconds
from .results import Actor
from .run import SILENCE_SECONDS, Run, shuffled
from .service import Ended, JobsService
from .stage import FLUSH_SECONDS, ROUND_TRIP_SECONDS, document

NAME = "latency"
SLOW_FLUSH = "latency-fsync-10ms"
FAR = "latency-rtt-80ms"

_WARM_UP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One job; `cpu_seconds` is what it took of the processor beyond what rest takes."""

    ended: Ended
    requests: int
    cpu_seconds: float
    counts: Counts | None

    @property
    def early_flushes(self) -> int:
        """How many flushes had ended when the terminal update came."""
        assert self.counts is not None
        return sum(at < self.ended.ended_at for at in self.counts.flushed_at)


async def measure(run: Run) -> None:
    """Measure as it is, with slow flushes, and over a long way."""
    near, far = await asyncio.gather(run.players(), run.players(far=True))
    await _measure(run, NAME, near, run.few(6, 60))
    # The flushes of a peer cannot be made slower.
    patient = [player for player in near if player.actor is not Actor.PEER]
    await _set_flush_seconds(near, FLUSH_SECONDS)
    await _measure(run, SLOW_FLUSH, patient, run.few(4, 30))
    await _set_flush_seconds(near, 0)
    # Of two, the median would be what a single late flush makes of it.
    await _measure(run, FAR, far, run.few(3, 20))


async def _set_flush_seconds(players: list[Player], seconds: float) -> None:
    for player in players:
        if player.probe is not None:
            await player.probe.ask(flush_seconds=seconds)


async def _measure(run: Run, bench: str, players: list[Player], rounds: int) -> None:
    service = run.stage.service
    for player in players:
        for _ in range(_WARM_UP):
            await service.run_job(player.thing, document())
    # What follows a job goes all the way, too.
    after = SILENCE_SECONDS + (2 * ROUND_TRIP_SECONDS if bench == FAR else 0)
    turns = defaultdict[Actor, list[Turn]](list)
    for _ in range(rounds):
        for player in shuffled(players):
            turns[player.actor].append(await _turn(service, player, after))
    for player in players:
        _report(run, bench, player.actor, turns[player.actor])


async def _turn(service: JobsService, player: Player, after: float) -> Turn:
    """Have one job run, with silence before, and for some seconds after."""
    service.forget_requests()
    if player.probe is not None:
        await player.probe.ask()
    rest = await _rest(player)
    begun, used = time.monotonic(), cpu_seconds(player.pid)
    ended = await service.run_job(player.thing, document())
    await asyncio.sleep(after)
    used = cpu_seconds(player.pid) - used
    return Turn(
        ended=ended,
        requests=service.count_requests(player.thing),
        cpu_seconds=used - rest * (time.monotonic() - begun),
        counts=None if player.probe is None else await player.probe.ask(),
    )


async def _rest(player: Player) -> float:
    """Keep silence, and return how much of the processor a process uses meanwhile."""
    begun, used = time.monotonic(), cpu_seconds(player.pid)
    await asyncio.sleep(SILENCE_SECONDS)
    return (cpu_seconds(player.pid) - used) / (time.monotonic() - begun)


def _report(run: Run, bench: str, actor: Actor, turns: list[Turn]) -> None:
    def add(metric: str, value: float, unit: str) -> None:
        run.results.add(bench, actor, metric, value, unit)

    times = [turn.ended.seconds * 1000 for turn in turns if not turn.ended.lost]
    add("jobs_lost", len(turns) - len(times), "jobs")
    if not times:
        return
    add("median_ms", median(times), "ms")
    add("p95_ms", quantiles(times, n=20, method="inclusive")[-1], "ms")
    if bench == FAR:
        add("round_trips", median(times) / ROUND_TRIP_SECONDS / 1000, "round trips")
    add("requests", median(turn.requests for turn in turns), "per job")
    add("cpu_ms", median(turn.cpu_seconds for turn in turns) * 1000, "ms")
    if not (counts := [turn.counts for turn in turns if turn.counts is not None]):
        return
    add("fsyncs", median(len(each.flushed_at) for each in counts), "per job")
    early = median(turn.early_flushes for turn in turns)
    add("fsyncs_before_terminal", early, "per job")
    add("thread_hops", median(each.hops for each in counts), "per job")
