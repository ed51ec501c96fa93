"""Make the parts of a job's log of what its steps write."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ..runner.model import RunOutput
from .log_parts import LogPart, StreamKey
from .redacted_lines import RedactedLines

LONGEST_PART = 8 * 1024
"""How many characters a part has at most: it is looked at in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a step wrote in one attempt; without `output`, that it has begun."""

    step: int
    attempt: int
    output: RunOutput | None = None


@dataclass(slots=True, kw_only=True)
class LogPlaces:
    """Where a log is: its last number, where its steps end, and what it has of streams.

    Steps by their places from 0, in bytes of their output; streams by what of them is in
    the log, or was left out of it.
    """

    number: int = 0
    ends: dict[int, int] = field(default_factory=dict)
    offsets: dict[StreamKey, int] = field(default_factory=dict)

    def pass_over(self, part: LogPart) -> None:
        """Be behind a part."""
        source, step = part.source, part.source.step
        self.number = max(part.number, self.number)
        self.ends[step] = max(part.end, self.ends.get(step, 0))
        self.offsets[source] = max(part.offset, self.offsets.get(source, 0))


class LogWriting:
    """Takes what the steps of one job write, and makes parts of it."""

    def __init__(self, places: LogPlaces) -> None:
        """Go on at these places, which it changes."""
        self._places = places
        self._streams: dict[StreamKey, _Unfinished] = {}

    @property
    def waits(self) -> bool:
        """Whether a line has not come to its end, and was not looked at again yet."""
        streams = self._streams.values()
        return any(it.lines.waiting and not it.stayed for it in streams)

    def take(self, written: Iterable[Written]) -> Iterator[LogPart]:
        """Take what was written next; yield the parts of whole lines."""
        for stream in self._streams.values():
            stream.stayed = True
        for each in written:
            yield from self._end_others(each)
            if each.output is not None:
                yield from self._take(each, each.output)

    def give_stayed(self) -> Iterator[LogPart]:
        """Yield what there is of lines to which nothing was added the last time."""
        for key, stream in self._streams.items():
            if stream.stayed:
                yield from self._part(key, stream, stream.lines.give_words())

    def end(self) -> Iterator[LogPart]:
        """Yield all that is left: nothing more comes."""
        for key in tuple(self._streams):
            yield from self._end(key)

    def _end_others(self, written: Written) -> Iterator[LogPart]:
        """End what ran before this."""
        for key in tuple(self._streams):
            if (key.step, key.attempt) != (written.step, written.attempt):
                yield from self._end(key)

    def _end(self, key: StreamKey) -> Iterator[LogPart]:
        stream = self._streams.pop(key)
        yield from self._part(key, stream, stream.lines.end())

    def _take(self, written: Written, output: RunOutput) -> Iterator[LogPart]:
        key = StreamKey(written.step, written.attempt, output.stream)
        if (stream := self._streams.get(key)) is None:
            offset = self._places.offsets.get(key, 0)
            stream = self._streams[key] = _Unfinished(offset, output.at)
        # What is known is told again after a restart.
        fresh = output.data[max(0, stream.offset - output.offset) :]
        missing = output.offset - stream.offset
        if missing > 0:
            yield from self._part(key, stream, stream.lines.end())
            self._places.ends[key.step] = self._places.ends.get(key.step, 0) + missing
            stream.offset = self._places.offsets[key] = output.offset
        if fresh:
            stream.offset = output.end
            stream.at = output.at
            stream.stayed = False
            yield from self._part(key, stream, stream.lines.feed(fresh))

    def _part(
        self, key: StreamKey, stream: _Unfinished, text: str
    ) -> Iterator[LogPart]:
        """Yield the next text of a stream, if it is any, as parts of a handy size."""
        end = stream.offset - stream.lines.waiting
        left = len(text.encode())
        for piece in _pieces(text):
            size = len(piece.encode())
            left -= size
            part = LogPart(
                number=self._places.number + 1,
                source=key,
                at=stream.at,
                start=self._places.ends.get(key.step, 0),
                offset=max(end - left, self._places.offsets.get(key, 0)),
                text=piece,
                size=size,
            )
            self._places.pass_over(part)
            yield part


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that end with a line where they can."""
    begin = 0
    while begin < len(text):
        end = begin + LONGEST_PART
        if end < len(text):
            end = text.rfind("\n", begin, end) + 1 or end
        yield text[begin:end]
        begin = end


class _Unfinished:
    """A stream: up to where it has been taken, and the line that it is in."""

    def __init__(self, offset: int, at: datetime) -> None:
        self.lines = RedactedLines()
        self.offset = offset
        self.at = at
        # Whether nothing has come since it was looked at before.
        self.stayed = False
