"""What is read of a job's log: lines of its steps, and what was left out between them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..runner.model import Stream
from .log_parts import LogPart
from .terminal import shown_text


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a step wrote.

    `number` is where it is in the log: a reader that comes back names the last one that it
    has. `step` is the place of the step, from 0. `dropped` bytes of the step's output
    before it are not in the log. It `continues` the line before it where that was shown
    before it had ended.
    """

    number: int
    step: int
    attempt: int
    stream: Stream
    at: datetime
    text: str
    dropped: int = 0
    continues: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLog:
    """What the log has of one step, by its place from 0.

    `dropped` bytes of its output are not in the log: `dropped_at_end` of them come after
    its last line, the others where lines say so.
    """

    index: int
    name: str
    lines: tuple[LogLine, ...] = ()
    dropped: int = 0
    dropped_at_end: int = 0

    def text(self, *, timestamps: bool = False) -> str:
        """Return what a terminal would show of the lines, and what is left out of them.

        Of many lines this takes long: not for an event loop.
        """
        return "".join(self._pieces(timestamps=timestamps)).removeprefix("\n")

    def _pieces(self, *, timestamps: bool) -> Iterator[str]:
        attempt = self.lines[0].attempt if self.lines else 1
        for line in self.lines:
            if line.attempt != attempt:
                attempt = line.attempt
                yield f"\n[attempt {attempt}]"
            if line.dropped:
                yield f"\n{_remark(line.dropped)}"
            if not line.continues:
                yield f"\n{_time(line.at)} " if timestamps else "\n"
            yield shown_text(line.text)
        if self.dropped_at_end:
            yield f"\n{_remark(self.dropped_at_end)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLogText:
    """What the log of a job has.

    `number` is that of the newest line: what comes later can be followed after it.
    """

    steps: tuple[StepLog, ...] = ()
    number: int = 0

    @property
    def lines(self) -> tuple[LogLine, ...]:
        """The lines of all its steps."""
        return tuple(line for step in self.steps for line in step.lines)

    def after(self, number: int) -> tuple[LogLine, ...]:
        """Return the lines of all its steps that come after a number, in order."""
        lines = (line for line in self.lines if line.number > number)
        return tuple(sorted(lines, key=lambda line: line.number))

    def selected(
        self, *, step: int | None = None, tail: int | None = None
    ) -> JobLogText:
        """Return one step of it alone, by its place from 0, or so many last lines."""
        steps = [each for each in self.steps if step in (None, each.index)]
        if tail is not None:
            steps = _last_lines(steps, tail)
        return replace(self, steps=tuple(steps))


class LineReader:
    """Makes lines of the parts of a log, in their order, and notes what is missing."""

    def __init__(self) -> None:
        """Begin before the first part."""
        self._ends: dict[int, int] = {}
        self._last: LogPart | None = None

    def read(self, parts: Iterable[LogPart]) -> Iterator[LogLine]:
        """Yield the lines of the next parts."""
        for part in parts:
            dropped = max(0, part.start - self._ends.get(part.source.step, 0))
            continues = not dropped and self._is_continued_by(part)
            self.pass_over(part)
            for text in part.text.removesuffix("\n").split("\n"):
                yield LogLine(
                    number=part.number,
                    step=part.source.step,
                    attempt=part.source.attempt,
                    stream=part.source.stream,
                    at=part.at,
                    text=text,
                    dropped=dropped,
                    continues=continues,
                )
                dropped, continues = 0, False

    def pass_over(self, part: LogPart) -> None:
        """Take a part that needs not be told."""
        self._ends[part.source.step] = part.end
        self._last = part

    def _is_continued_by(self, part: LogPart) -> bool:
        last = self._last
        unfinished = last is not None and not last.text.endswith("\n")
        return last is not None and unfinished and last.source == part.source


def _last_lines(steps: Sequence[StepLog], count: int) -> list[StepLog]:
    """Return steps with what is left of them in so many last lines of them all."""
    shortened = list[StepLog]()
    for step in reversed(steps):
        lines = step.lines[max(0, len(step.lines) - count) :]
        count -= len(lines)
        shortened.append(replace(step, lines=lines))
    return shortened[::-1]


def _remark(dropped: int) -> str:
    return f"[{dropped:,} bytes of output are left out here]"


def _time(at: datetime) -> str:
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
