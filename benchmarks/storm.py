"""What a fleet does to the quotas of an AWS account when all of it comes back at once.

A simulation of discrete events: each home waits as the integration does, by its own code and
constants, and AWS is nothing but its quotas. See docs/fleet.md, which has what this prints.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
import heapq
import random
from unittest.mock import patch

from custom_components.aws_iot_jobs.aws_iot import backoff
from custom_components.aws_iot_jobs.aws_iot.connection import (
    MIN_BACKOFF_SECONDS,
    MIN_INTERVAL_SECONDS,
    STABLE_SECONDS,
)
from custom_components.aws_iot_jobs.aws_iot.messages import Topics
from custom_components.aws_iot_jobs.aws_iot.rate_limit import TokenBucket
from custom_components.aws_iot_jobs.aws_iot.service import FIRST_BACKOFF_SECONDS

FILTERS = len(Topics("home").filters)
"""How many topic filters a home subscribes to: AWS counts each."""
SEED = 2026
MOST_SIMULATED = 20_000
"""A larger fleet is simulated by so many homes, against as small a part of each quota."""


class Quota(Enum):
    """What AWS takes only so often in a second from all of an account."""

    CONNECTS = "connect"
    SUBSCRIPTIONS = "subscribe"
    JOB_WRITES = "start-next"
    SHADOW_UPDATES = "inventory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """How much an account may do in a second: by default what AWS's documentation has."""

    connects: float = 500
    subscriptions: float = 500
    job_writes: float = 200
    shadow_updates: float = 4000

    def of_homes(self) -> dict[Quota, float]:
        """Return for how many homes a second each of them is enough."""
        return {
            Quota.CONNECTS: self.connects,
            Quota.SUBSCRIPTIONS: self.subscriptions / FILTERS,
            Quota.JOB_WRITES: self.job_writes,
            Quota.SHADOW_UPDATES: self.shadow_updates,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """A fleet that loses its connections at once, and for how long it has none."""

    homes: int
    outage: float
    quotas: Quotas = Quotas()
    most_seconds: float = backoff.MAX_SECONDS
    """How long a home waits at most before it tries again."""


@dataclass(slots=True)
class Tally:
    """What came of the requests of one kind."""

    rejected: int = 0
    offered: Counter[int] = field(default_factory=Counter)
    """How many came in each second."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a storm.

    Of each home, `back` is when it has its answer to start-next, in seconds from the end of
    the outage, and `waits` how long it has waited for that alone. Each simulated home
    stands for `scale` homes.
    """

    storm: Storm
    tallies: dict[Quota, Tally]
    back: list[float]
    waits: list[float]
    scale: float

    def rejected(self, quota: Quota) -> int:
        """Return how many requests of a kind were rejected."""
        return round(self.tallies[quota].rejected * self.scale)

    def peak(self, quota: Quota) -> int:
        """Return how many requests of a kind came in the worst second."""
        return round(max(self.tallies[quota].offered.values()) * self.scale)


class _Account:
    """An AWS account: takes what is within its quotas, and rejects the rest."""

    def __init__(self, quotas: Quotas, scale: float) -> None:
        self.tallies = {quota: Tally() for quota in Quota}
        self._buckets = {
            quota: TokenBucket(max(1, round(rate / scale)), rate / scale)
            for quota, rate in quotas.of_homes().items()
        }

    def takes(self, quota: Quota, now: float) -> bool:
        """Tell whether a request is taken; a second's worth of them may come at once."""
        tally, bucket = self.tallies[quota], self._buckets[quota]
        tally.offered[int(now)] += 1
        if bucket.delay(now) > 0:
            tally.rejected += 1
            return False
        bucket.take(now)
        return True


def simulate(storm: Storm, *, most_simulated: int = MOST_SIMULATED) -> Outcome:
    """Have a fleet lose its connections, and come back: the same storm, the same outcome."""
    scale = max(1.0, storm.homes / most_simulated)
    account = _Account(storm.quotas, scale)
    outcome = Outcome(storm, account.tallies, back=[], waits=[], scale=scale)
    with _reproducibly(storm.most_seconds):
        _run([_home(account, outcome) for _ in range(round(storm.homes / scale))])
    return outcome


@contextmanager
def _reproducibly(most_seconds: float) -> Iterator[None]:
    """Let the integration's own waits be the same each time, and at most so long."""
    state = random.getstate()
    random.seed(SEED)
    try:
        with patch.object(backoff, "MAX_SECONDS", most_seconds):
            yield
    finally:
        random.setstate(state)


type _Home = Iterator[float]
"""A home yields when it wants to go on, in seconds from the end of the outage."""


def _run(homes: list[_Home]) -> None:
    """Let all homes go on until each is done, always the one that is next."""
    queue = [(next(home), number) for number, home in enumerate(homes)]
    heapq.heapify(queue)
    while queue:
        _, number = queue[0]
        if (then := next(homes[number], None)) is None:
            heapq.heappop(queue)
        else:
            heapq.heapreplace(queue, (then, number))


def _home(account: _Account, outcome: Outcome) -> _Home:
    """Lose the connection; connect, subscribe, tell the inventory, and ask for a job."""
    delays = backoff.ReconnectDelays(MIN_BACKOFF_SECONDS, stable=STABLE_SECONDS)
    now = next(delays) - outcome.storm.outage
    while now < 0:
        now += max(next(delays), MIN_INTERVAL_SECONDS)
    yield now
    while not account.takes(Quota.CONNECTS, now):
        now += max(next(delays), MIN_INTERVAL_SECONDS)
        yield now
    again = backoff.backoff(MIN_BACKOFF_SECONDS)
    while not account.takes(Quota.SUBSCRIPTIONS, now):
        now += next(again)
        yield now
    account.takes(Quota.SHADOW_UPDATES, now)
    ready = now
    again = backoff.backoff(FIRST_BACKOFF_SECONDS)
    while not account.takes(Quota.JOB_WRITES, now):
        now += next(again)
        yield now
    outcome.back.append(now)
    outcome.waits.append(now - ready)
