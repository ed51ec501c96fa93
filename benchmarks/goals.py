"""What is aimed at. Unlike a limit, a goal that is missed fails nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .results import Actor, Result


class Measure(StrEnum):
    """What of a result is compared."""

    VALUE = "value"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and what it should stay below, or above."""

    words: str
    bench: str
    actor: Actor
    metric: str
    bound: float
    above: bool = False
    measure: Measure = Measure.VALUE

    def of(self, result: Result) -> float | None:
        """Return what counts of a result; None for another figure's."""
        named = (result.bench, result.actor, result.metric)
        if named != (self.bench, self.actor, self.metric):
            return None
        return result.value if self.measure is Measure.VALUE else result.ratio

    def met(self, value: float) -> bool:
        """Tell whether a value is as it should be."""
        return value > self.bound if self.above else value < self.bound


_HOME, _BARE = Actor.HOME_ASSISTANT, Actor.BARE
_FASTEST = "notify-next to SUCCEEDED"

GOALS = (
    Goal(f"{_FASTEST}, ms", "latency", _HOME, "median_ms", 8),
    Goal(
        f"{_FASTEST}, by the floor",
        "latency",
        _HOME,
        "median_ms",
        2.0,
        measure=Measure.RATIO,
    ),
    Goal(
        f"{_FASTEST}, bare, by the floor",
        "latency",
        _BARE,
        "median_ms",
        1.6,
        measure=Measure.RATIO,
    ),
    Goal(f"{_FASTEST}, fsync 10 ms, ms", "latency-fsync-10ms", _HOME, "median_ms", 30),
    Goal(f"{_FASTEST}, round trips", "latency-rtt-80ms", _HOME, "round_trips", 3.2),
    Goal("requests of a job", "latency", _HOME, "requests", 3.5),
    Goal(
        "fsyncs before the terminal update",
        "latency-fsync-10ms",
        _HOME,
        "fsyncs_before_terminal",
        3.5,
    ),
    Goal("thread hops of a job", "latency", _HOME, "thread_hops", 10),
    Goal("queue of 500, jobs/s", "throughput", _HOME, "jobs_per_s", 20, above=True),
    Goal(
        "200 steps, steps/s",
        "throughput-200-steps",
        _HOME,
        "steps_per_s",
        500,
        above=True,
    ),
    Goal("processor time of a job, ms", "throughput", _HOME, "cpu_ms", 9),
    Goal("a further thing, MiB", "scale", _HOME, "mib_per_further_thing", 0.35),
    Goal("1000 things, MiB", "scale-1000-things", _BARE, "rss_mib", 130),
    Goal(
        "1000 things, loop blocked, ms", "scale-1000-things", _BARE, "loop_max_ms", 20
    ),
    Goal("1000 things, jobs lost", "scale-1000-things", _BARE, "jobs_lost", 0.5),
)


def compared(results: Iterable[Result]) -> list[tuple[str, ...]]:
    """Return the rows of a table of goals and figures, its heading first.

    Goals whose figure has not been measured are left out.
    """
    results = list(results)
    measured = (
        _row(goal, value)
        for goal in GOALS
        for result in results
        if (value := goal.of(result)) is not None
    )
    return [("aim", "goal", "measured", ""), *measured]


def _row(goal: Goal, value: float) -> tuple[str, ...]:
    bound = f"{'>' if goal.above else '<'} {goal.bound:g}"
    return goal.words, bound, f"{value:.2f}", "met" if goal.met(value) else "missed"
