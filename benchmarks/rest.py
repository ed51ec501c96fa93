"""What a thing costs that has nothing to do: beside a Home Assistant without it."""

import asyncio
from dataclasses import dataclass
import time

from .home import Home, home_assistant
from .processes import cpu_seconds, memory, threads
from .proxy import Proxy
from .results import Actor
from .run import Run

NAME = "rest"
THING = "resting"

_SETTLE_SECONDS = (1, 30)
_SECONDS = (3, 120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a process is and does while nothing happens."""

    rss_mib: float
    threads: int
    cpu_ms_per_minute: float


async def measure(run: Run) -> None:
    """Measure both side by side, restarted, as after the thing has been added."""
    directory = run.stage.directory / "without"
    async with (
        Proxy(run.stage.broker.port) as proxy,
        asyncio.TaskGroup() as starting,
    ):
        with_thing = starting.create_task(run.home())
        async with home_assistant(directory) as without:
            home = await with_thing
            await home.add(run.stage, THING, proxy.port)
            if not run.quick:
                async with asyncio.TaskGroup() as again:
                    again.create_task(home.start_again(run.stage, [THING]))
                    again.create_task(without.start_again(run.stage, []))
            await _measure(run, home, without, proxy)
            await home.remove(THING)


async def _measure(run: Run, home: Home, without: Home, proxy: Proxy) -> None:
    await asyncio.sleep(run.few(*_SETTLE_SECONDS))
    seconds = run.few(*_SECONDS)
    sent, received = proxy.bytes_out, proxy.bytes_in
    with_thing, control = await asyncio.gather(
        _rest(home, seconds), _rest(without, seconds)
    )
    for metric, unit in (
        ("rss_mib", "MiB"),
        ("threads", "threads"),
        ("cpu_ms_per_minute", "ms"),
    ):
        value, floor = getattr(with_thing, metric), getattr(control, metric)
        run.results.add(NAME, Actor.HOME_ASSISTANT, metric, value, unit)
        run.results.add(NAME, Actor.FLOOR, metric, floor, unit)
    if run.quick:
        return
    for metric, count in (
        ("bytes_out_per_minute", proxy.bytes_out - sent),
        ("bytes_in_per_minute", proxy.bytes_in - received),
    ):
        value = count * 60 / seconds
        run.results.add(NAME, Actor.HOME_ASSISTANT, metric, value, "bytes")


async def _rest(home: Home, seconds: float) -> Rest:
    pid = home.home.process.pid
    begun, used = time.monotonic(), cpu_seconds(pid)
    await asyncio.sleep(seconds)
    share = (cpu_seconds(pid) - used) / (time.monotonic() - begun)
    return Rest(
        rss_mib=memory(pid).resident,
        threads=threads(pid),
        cpu_ms_per_minute=share * 60_000,
    )
