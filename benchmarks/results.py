"""What is measured, and how it compares with the floors of the same run."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
import json
from pathlib import Path


class Actor(StrEnum):
    """Who is measured."""

    HOME_ASSISTANT = "home-assistant"
    BARE = "bare"
    FLOOR = "floor"
    FLOOR_NO_DELAY = "floor-nodelay"
    PEER = "peer"


OURS = (Actor.HOME_ASSISTANT, Actor.BARE)
FLOORS = (Actor.FLOOR, Actor.FLOOR_NO_DELAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure. `floor` is what it compares with, None where there is nothing."""

    bench: str
    actor: Actor
    metric: str
    value: float
    unit: str
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is."""
        return self.value / self.floor if self.floor else None


class Results:
    """The figures of a run."""

    def __init__(self) -> None:
        """Begin without any."""
        self._results: list[Result] = []

    def add(
        self,
        bench: str,
        actor: Actor,
        metric: str,
        value: float,
        unit: str,
        *,
        floor: float | None = None,
    ) -> None:
        """Take a figure; what it compares with, where that is no figure of a floor."""
        result = Result(
            bench=bench,
            actor=actor,
            metric=metric,
            value=round(value, 4),
            unit=unit,
            floor=None if floor is None else round(floor, 4),
        )
        self._results.append(result)

    def compared(self) -> list[Result]:
        """Return all with their floor: the one with NODELAY, where there is one.

        They come by bench, in the order of the run, and by actor.
        """
        benches = list(dict.fromkeys(result.bench for result in self._results))
        actors = list(Actor)
        return sorted(
            (
                replace(result, floor=_floor(result, self._results))
                for result in self._results
            ),
            key=lambda result: (
                benches.index(result.bench),
                actors.index(result.actor),
            ),
        )


def find(
    results: Iterable[Result], bench: str, actor: Actor, metric: str
) -> float | None:
    """Return a figure, if there is one."""
    for result in results:
        if (result.bench, result.actor, result.metric) == (bench, actor, metric):
            return result.value
    return None


def as_json(results: Iterable[Result]) -> str:
    """Return the results as a list of objects."""
    return json.dumps(
        [
            asdict(result)
            | {"ratio": None if result.ratio is None else round(result.ratio, 3)}
            for result in results
        ],
        indent=1,
    )


def read(path: Path) -> list[Result]:
    """Return the results in a file of JSON."""
    return [
        Result(
            bench=found["bench"],
            actor=Actor(found["actor"]),
            metric=found["metric"],
            value=found["value"],
            unit=found["unit"],
            floor=found["floor"],
        )
        for found in json.loads(path.read_text())
    ]


def table(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the rows of a table with the ratio to each floor, its heading first."""
    heading = ("bench", "figure", "actor", "value", "unit", "by floor", "by nodelay")
    return [heading, *(_row(result, results) for result in results)]


def _row(result: Result, results: Sequence[Result]) -> tuple[str, ...]:
    floors = [find(results, result.bench, floor, result.metric) for floor in FLOORS]
    if floors == [None, None]:
        floors = [result.floor, None]
    value = f"{result.value:,.{_decimals(result.value)}f}"
    ratios = (f"{result.value / floor:.2f}" if floor else "" for floor in floors)
    return (result.bench, result.metric, result.actor, value, result.unit, *ratios)


def as_text(rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table for the eyes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in {3, 5, 6} else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _floor(result: Result, results: Iterable[Result]) -> float | None:
    if result.floor is not None or result.actor in FLOORS:
        return result.floor
    for floor in reversed(FLOORS):
        found = find(results, result.bench, floor, result.metric)
        if found is not None:
            return found
    return None


def _decimals(value: float) -> int:
    return 0 if value == int(value) or abs(value) >= 1000 else 2
