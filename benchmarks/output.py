"""What a step may print in a second, and what that costs the process that reads it.

The floor is `cat` at the other end of the pipe; that of the event loop is one that has
nothing to do, meanwhile.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from .actors import Player
from .probe_client import Counts, ProbeClient
from .processes import forget_peak, memory
from .results import FLOORS, Actor
from .run import SILENCE_SECONDS, Run, shuffled
from .stage import document

NAME = "output"
MEGABYTE = 1_000_000

_WITHIN_SECONDS = 600
_LINE = "Grüße vom Handler: 42 Pakete sind eingespielt, 0 fehlen."
_PRODUCERS = {
    "zeros": "head -c {size} /dev/zero",
    "text": f"yes '{_LINE}' | head -c {{size}}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """The delays of an event loop, and those of one that has nothing to do."""

    counts: Counts
    control: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One step: how long its printing took, and what its reader's process did meanwhile."""

    seconds: float
    lost: bool = False
    growth: float = 0.0
    loop: Loop | None = None


async def measure(run: Run) -> None:
    """Measure with zeros and with text, of several sizes."""
    readers = [player for player in await run.players() if player.actor not in FLOORS]
    sizes = (50,) if run.quick else (1, 10, 100, 1000)
    for reader in readers:
        # What is made once, for the first output, is no growth.
        await _print(run, reader, _handler(run, "text", 1))
    for size in sizes:
        for kind in _PRODUCERS:
            await _measure(run, readers, kind, size)


async def _measure(run: Run, readers: list[Player], kind: str, size: int) -> None:
    handler = _handler(run, kind, size)
    printed = defaultdict[Actor, list[Printed]](list)
    for _ in range(run.few(1, 3)):
        for reader in shuffled([*readers, None]):
            await asyncio.sleep(SILENCE_SECONDS)
            if reader is None:
                printed[Actor.FLOOR].append(await _cat(run, handler))
            elif reader.probe is None:
                printed[reader.actor].append(await _print(run, reader, handler))
            else:
                watched = await _watch(run, reader, reader.probe, handler)
                printed[reader.actor].append(watched)
    for actor, rounds in printed.items():
        _report(run, f"{NAME}-{kind}-{size}-mb", actor, size, rounds)


def _report(
    run: Run, bench: str, actor: Actor, size: int, rounds: list[Printed]
) -> None:
    add = run.results.add
    speed = size / median(printed.seconds for printed in rounds)
    add(bench, actor, "mb_per_s", speed, "MB/s")
    if actor not in FLOORS:
        add(bench, actor, "jobs_lost", sum(each.lost for each in rounds), "jobs")
    if not (loops := [each.loop for each in rounds if each.loop is not None]):
        return
    add(bench, actor, "memory_growth_mib", max(each.growth for each in rounds), "MiB")
    worst = max(loops, key=lambda loop: loop.counts.longest_delay_ms)
    for metric, own, other in (
        ("loop_max_ms", worst.counts.longest_delay_ms, worst.control.longest_delay_ms),
        ("loop_p999_ms", worst.counts.p999_delay_ms, worst.control.p999_delay_ms),
    ):
        add(bench, actor, metric, own, "ms", floor=other)


def _handler(run: Run, kind: str, size: int) -> str:
    """Write the handler, which notes the nanoseconds that printing takes."""
    produce = _PRODUCERS[kind].format(size=size * MEGABYTE)
    name = f"{kind}-{size}.sh"
    text = f"""#!/bin/sh
begun=$(date +%s%N)
{produce}
echo $(($(date +%s%N) - begun)) >'{_note(run)}'
"""
    return run.stage.handler(name, text)


def _note(run: Run) -> Path:
    return run.stage.directory / "nanoseconds"


async def _print(run: Run, reader: Player, handler: str) -> Printed:
    """Have a step print, and take how long that took it."""
    run.stage.service.forget_requests()
    ended = await run.stage.service.run_job(
        reader.thing, document(handler), _WITHIN_SECONDS
    )
    return Printed(seconds=_noted_seconds(run), lost=ended.lost)


async def _watch(run: Run, reader: Player, probe: ProbeClient, handler: str) -> Printed:
    """Do the same, and watch the memory and the event loop of who reads."""
    control = await run.control()
    resident = memory(reader.pid).resident
    forget_peak(reader.pid)
    await asyncio.gather(control.ask(ticking=True), probe.ask(ticking=True))
    printed = await _print(run, reader, handler)
    other, counts = await asyncio.gather(
        control.ask(ticking=False), probe.ask(ticking=False)
    )
    growth = memory(reader.pid).peak - resident
    return replace(printed, growth=growth, loop=Loop(counts=counts, control=other))


async def _cat(run: Run, handler: str) -> Printed:
    script = f"'{run.stage.handlers / handler}' | cat >/dev/null"
    process = await asyncio.create_subprocess_exec("sh", "-c", script)
    await process.wait()
    return Printed(seconds=_noted_seconds(run))


def _noted_seconds(run: Run) -> float:
    return int(_note(run).read_text()) / 1e9
