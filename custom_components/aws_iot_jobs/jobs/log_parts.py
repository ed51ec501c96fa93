"""The parts of a job's log, and which of them are kept when there are too many.

Steps share what a log may hold: each has as much as any other, and what some do not need the
others have. Of a step that wrote more, the beginning and the end are kept.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from ..runner.model import Stream

PART_BYTES = 48
"""What a part takes besides its text."""
LEAST_OF_LINE = 512
"""How many bytes of a line that cannot be kept whole are worth to be kept."""


class StreamKey(NamedTuple):
    """One stream of one attempt of a step, by the step's place from 0."""

    step: int
    attempt: int
    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """Text that came of one stream at one time.

    `number` is its place in the log, from 1. `start` tells how many bytes of the step's
    output come before it, kept or not, and `size` how many its text has. `offset` is up to
    where the process had written the stream.
    """

    number: int
    source: StreamKey
    at: datetime
    start: int
    offset: int
    text: str
    size: int

    @property
    def end(self) -> int:
        """How many bytes of the step's output come before what follows it."""
        return self.start + self.size

    @property
    def cost(self) -> int:
        """How many bytes of a log it takes."""
        return self.size + PART_BYTES


class KeptParts:
    """The parts of one log that are kept."""

    def __init__(self, limit: int) -> None:
        """Keep parts that take `limit` bytes in all."""
        self._limit = limit
        self._steps: dict[int, _StepParts] = {}

    def add(self, parts: Iterable[LogPart]) -> bool:
        """Take the next parts; return whether something had to go for them."""
        for part in parts:
            self._steps.setdefault(part.source.step, _StepParts()).add(part)
        costs = [step.cost for step in self._steps.values()]
        if sum(costs) <= self._limit:
            return False
        share = _fair_share(costs, self._limit)
        for step in self._steps.values():
            step.shorten(share)
        return True

    def all(self) -> tuple[LogPart, ...]:
        """Return all that is kept, in order."""
        kept = (part for step in self._steps.values() for part in step.all())
        return tuple(sorted(kept, key=_NUMBER))


def after(parts: Sequence[LogPart], number: int) -> Sequence[LogPart]:
    """Return those of a log's parts that come after a number."""
    return parts[bisect_right(parts, number, key=_NUMBER) :]


_NUMBER = attrgetter("number")


class _StepParts:
    """What is kept of one step: all, or a beginning and an end."""

    def __init__(self) -> None:
        self._beginning: list[LogPart] = []
        self._end = deque[LogPart]()
        self.cost = 0

    def add(self, part: LogPart) -> None:
        self._end.append(part)
        self.cost += part.cost

    def all(self) -> Iterable[LogPart]:
        yield from self._beginning
        yield from self._end

    def shorten(self, limit: int) -> None:
        """Have it take no more than `limit` bytes."""
        if self.cost <= limit:
            return
        if not self._beginning:
            self._fill_beginning(limit // 2)
        beginning = sum(part.cost for part in self._beginning)
        while beginning > limit // 2:
            part = self._beginning.pop()
            beginning -= part.cost
            self.cost -= part.cost
            if (kept := _first_lines(part, limit // 2 - beginning)) is not None:
                self._beginning.append(kept)
                self.cost += kept.cost
                break
        while self.cost > limit and self._end:
            part = self._end.popleft()
            self.cost -= part.cost
            if (kept := _last_lines(part, limit - self.cost)) is not None:
                self._end.appendleft(kept)
                self.cost += kept.cost
                break

    def _fill_beginning(self, limit: int) -> None:
        """Make what came first the beginning, as much of it as may cost so much."""
        while self._end and (first := _first_lines(self._end[0], limit)) is not None:
            self._beginning.append(first)
            limit -= first.cost
            whole = self._end.popleft()
            if first.size < whole.size:
                self._end.appendleft(_without_beginning(whole, first.size))
                self.cost += PART_BYTES
                return


def _fair_share(sizes: Iterable[int], limit: int) -> int:
    """Return how much each may have at most so that all together stay within a limit."""
    left = limit
    waiting = sorted(sizes)
    while waiting:
        share = left // len(waiting)
        if waiting[0] > share:
            return share
        left -= waiting.pop(0)
    return limit


def _first_lines(part: LogPart, cost: int) -> LogPart | None:
    """Return a part with as many of its lines as may cost so much, if any."""
    if cost >= part.cost:
        return part
    data = part.text.encode()[: max(0, cost - PART_BYTES)]
    end = data.rfind(b"\n") + 1
    if not end and len(data) >= LEAST_OF_LINE:
        end = len(data)
    text = data[:end].decode(errors="ignore")
    return replace(part, text=text, size=len(text.encode())) if text else None


def _last_lines(part: LogPart, cost: int) -> LogPart | None:
    """Return a part with as many of its last lines as may cost so much, if any."""
    if cost >= part.cost:
        return part
    size = max(0, cost - PART_BYTES)
    line = part.text.encode().find(b"\n", part.size - size - 1) + 1
    if 0 < line < part.size:
        return _without_beginning(part, line)
    return _without_beginning(part, part.size - size) if size >= LEAST_OF_LINE else None


def _without_beginning(part: LogPart, size: int) -> LogPart:
    """Return a part without its first bytes, nor a part of a character."""
    text = part.text.encode()[size:].decode(errors="ignore")
    kept = len(text.encode())
    return replace(part, text=text, size=kept, start=part.end - kept)
