"""The page has what the simulation makes, and the simulation is like what happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from itertools import takewhile
from pathlib import Path
import random
import re
import statistics
import time

import pytest
import pytest_socket

from benchmarks.fleet import PAGE, SIZES, bill_table, storm_table, storms
from benchmarks.storm import Outcome, Quota, Quotas, Storm, simulate
from custom_components.aws_iot_jobs.aws_iot.connection import Connection

from .broker import Broker

LIMIT_SECONDS = 120
UNLIMITED = Quotas(connects=1e9, subscriptions=1e9, job_writes=1e9, shadow_updates=1e9)


def _marked(name: str) -> str:
    """Return what the page has between the marks of a name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!--", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_has_what_a_small_fleet_comes_to() -> None:
    """Line by line, as the simulation makes it now."""
    small = takewhile(lambda storm: storm.homes == SIZES[0], storms())
    table = storm_table(map(simulate, small))
    assert table.count("\n") == 3
    assert _marked("storms").startswith(f"{table}\n")


def test_the_page_has_what_fleets_cost() -> None:
    """For all sizes: this is no simulation."""
    assert _marked("costs") == bill_table()


@pytest.mark.alone
@pytest.mark.thorough
@pytest.mark.timeout(LIMIT_SECONDS)
def test_the_page_has_all_of_the_simulation() -> None:
    """It takes less than two minutes."""
    assert _marked("storms") == storm_table(map(simulate, storms()))


def test_each_home_is_back_when_the_quotas_let_it() -> None:
    """Once, and the last not before its turn, with a burst of a second's worth."""
    homes, per_second = 3000, 100
    quotas = Quotas(connects=per_second)
    outcome = simulate(Storm(homes=homes, outage=0, quotas=quotas))
    assert len(outcome.back) == len(outcome.waits) == homes
    assert min(outcome.back) >= 0
    assert max(outcome.back) >= homes / per_second - 1
    assert outcome.rejected(Quota.CONNECTS) > homes
    for quota, tally in outcome.tallies.items():
        taken = tally.offered.total() - tally.rejected
        assert taken == homes, quota


def test_the_same_storm_has_the_same_outcome() -> None:
    """And what the integration draws by chance elsewhere is as it was."""
    state = random.getstate()
    storm = Storm(homes=500, outage=60)
    assert simulate(storm).back == simulate(storm).back
    assert random.getstate() == state


def test_a_part_of_a_fleet_stands_for_all_of_it() -> None:
    """A quarter of the homes, at a quarter of each quota, comes to the same."""
    storm = Storm(homes=8000, outage=0)
    whole, part = (
        simulate(storm, most_simulated=homes) for homes in (storm.homes, 2000)
    )
    assert part.scale == 4
    for of_whole, of_part in zip(_figures(whole), _figures(part), strict=True):
        assert of_part == pytest.approx(of_whole, rel=0.1)


def _figures(outcome: Outcome) -> tuple[float, ...]:
    return (
        max(outcome.back),
        statistics.median(outcome.back),
        outcome.rejected(Quota.CONNECTS),
        outcome.rejected(Quota.SUBSCRIPTIONS),
    )


@pytest.mark.thorough
@pytest.mark.timeout(120)
async def test_it_is_like_a_broker_that_is_away(
    socket_enabled: None, tmp_path: Path
) -> None:
    """Forty real connections, and a real broker that is away for ten seconds."""
    pytest_socket.socket_allow_hosts(
        ["127.0.0.1", "localhost", "::1"], allow_unix_socket=True
    )
    away = 10
    things = [f"thing-{number}" for number in range(40)]
    async with Broker(tmp_path, things) as broker, _connections(broker, things) as back:
        await broker.stop()
        began = time.monotonic()
        await asyncio.sleep(away)
        await broker.start()
        outage = time.monotonic() - began
        ended = time.monotonic()
        real = [at - ended for at in await back()]
    simulated = _without_quotas(outage).back
    print(  # noqa: T201
        f"away {outage:.1f} s; back after, real and simulated: median"
        f" {statistics.median(real):.1f} and {statistics.median(simulated):.1f} s,"
        f" last {max(real):.1f} and {max(simulated):.1f} s"
    )
    assert statistics.mean(real) == pytest.approx(statistics.mean(simulated), abs=1.5)
    assert max(real) <= max(simulated) + 2


def _without_quotas(outage: float) -> Outcome:
    return simulate(Storm(homes=4000, outage=outage, quotas=UNLIMITED))


@contextlib.asynccontextmanager
async def _connections(
    broker: Broker, things: list[str]
) -> AsyncIterator[Callable[[], Awaitable[list[float]]]]:
    """Connect all things; give what waits until all are back, and returns when they were."""
    ready: list[float] = []
    changed = asyncio.Event()

    def is_ready() -> None:
        ready.append(time.monotonic())
        changed.set()

    async def count(number: int) -> list[float]:
        while len(ready) < number:
            changed.clear()
            await changed.wait()
        return ready[-len(things) :]

    connections = [
        Connection(
            broker.settings(thing),
            (f"$aws/things/{thing}/jobs/notify-next",),
            on_ready=is_ready,
            on_lost=lambda _: None,
            on_message=lambda _topic, _payload: None,
        )
        for thing in things
    ]
    try:
        await asyncio.gather(*(connection.start() for connection in connections))
        await count(len(things))
        yield lambda: count(2 * len(things))
    finally:
        await asyncio.gather(*(connection.stop() for connection in connections))
