"""What must not be exceeded, as it is no noise: lower a limit when its cost has fallen."""

from collections.abc import Iterable
from dataclasses import dataclass
import re

from .results import OURS, Actor, Result


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a figure may be, in the benches that a pattern names whole.

    Beside a control, that many more than the control.
    """

    bench: str
    metric: str
    most: float
    actors: tuple[Actor, ...] = OURS


LIMITS = (
    # Counts for a job of one step
    Limit("latency.*", "requests", 3),
    Limit("latency.*", "fsyncs", 3),
    # One of them writes the log, and one the history, of several jobs where they are quick.
    Limit("latency.*", "thread_hops", 10),
    # Where flushes are slow, what is saved beside a request ends after it, surely.
    Limit("latency-fsync-10ms", "fsyncs_before_terminal", 2),
    # Five of them are what an automation can be told of.
    Limit("recorder", "state_rows", 13),
    # What must never be
    Limit(".*", "jobs_lost", 0),
    # A thousand jobs in 10 s may be more than a processor can do: then a loop is busy, not
    # blocked.
    Limit("output.*|scale-30-things", "loop_max_ms", 100),
    Limit("output.*", "memory_growth_mib", 8),
    Limit("throughput", "memory_growth_mib", 16),
)


def exceeded(results: Iterable[Result]) -> list[str]:
    """Return in words what is more than it may be."""
    return [
        f"{result.bench}: {result.metric} of {result.actor} is {result.value:g}"
        f"{beside}, at most {limit.most:g} is allowed"
        for result in results
        for limit in LIMITS
        for control in [result.floor or 0 if limit.metric == "loop_max_ms" else 0]
        for beside in [f" beside {control:g}" if control else ""]
        if result.metric == limit.metric
        and result.actor in limit.actors
        and re.fullmatch(limit.bench, result.bench)
        and result.value - control > limit.most
    ]
