"""The log of one job: what is written to its file, and read from it.

A file has lines of JSON. An array is a part of the log. An object tells what the steps are
called and where they and their streams end, for their last parts may not be kept. A line
that a crash has cut off is passed over, and so is whatever else is damaged.

Everything here blocks, and is done by one thread at a time.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
import json
from pathlib import Path
from typing import Any

from ..runner.model import Stream
from .files import extend_file, replace_file
from .log_lines import JobLogText, LineReader, LogLine, StepLog
from .log_parts import KeptParts, LogPart, StreamKey, after
from .log_writing import LogPlaces, LogWriting, Written

_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class LogFile:
    """The log of a job that runs, in memory and in its file."""

    def __init__(self, path: Path, names: Sequence[str], limit: int) -> None:
        """Go on with a file, or begin one; it holds `limit` bytes of output in the end."""
        self._path = path
        self._names = tuple(names)
        self._limit = limit
        self._kept = KeptParts(limit)
        self._places = LogPlaces()
        self._writing = LogWriting(self._places)
        self._loaded = False
        # The size of the file while it can be appended to, and the last number in it.
        self._size: int | None = None
        self._saved = 0
        self._lossy = False
        self.parts: tuple[LogPart, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether a line has not come to its end, and was not looked at again yet."""
        return self._writing.waits

    @property
    def lossy(self) -> bool:
        """Whether it has had more than it can hold."""
        return self._lossy

    @property
    def text(self) -> JobLogText:
        """All that it has now."""
        return _text(self._names, self._places, self.parts)

    def take(self, written: Iterable[Written], *, final: bool) -> None:
        """Take what was written since; `final` when nothing more comes. Raises OSError."""
        self._load()
        fresh = [*self._writing.take(written)]
        fresh += self._writing.end() if final else self._writing.give_stayed()
        if fresh:
            self._lossy |= self._kept.add(fresh)
            self.parts = self._kept.all()

    def save(self, *, final: bool) -> None:
        """Have the file hold what is known. Raises OSError."""
        if self._saved == self._places.number and not (final and self._lossy):
            return
        data = b"".join(map(_encode_part, after(self.parts, self._saved)))
        if self._lossy:
            data += _encode_places(self._names, self._places)
        size = None if self._size is None else self._size + len(data)
        # What was written in between may not count as written.
        self._size = None
        if size is None or size > 2 * self._limit or (final and size > self._limit):
            size = self._replace()
        else:
            extend_file(self._path, data)
        self._size = size
        self._saved = self._places.number

    def _replace(self) -> int:
        data = _encode_places(self._names, self._places)
        data += b"".join(map(_encode_part, self.parts))
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._path, data, durable=False)
        return len(data)

    def _load(self) -> None:
        """Take note of what an earlier life of the agent has written. Raises OSError."""
        if self._loaded:
            return
        _, known, parts = _read(self._path)
        self._places.number = known.number
        self._places.ends |= known.ends
        self._places.offsets |= known.offsets
        self._lossy = self._kept.add(parts)
        self.parts = self._kept.all()
        self._saved = known.number
        self._loaded = True


def read_log(path: Path) -> JobLogText:
    """Return what the log of a job has, which is empty where there is none. Raises OSError."""
    return _text(*_read(path))


def _read(path: Path) -> tuple[tuple[str, ...], LogPlaces, list[LogPart]]:
    """Return the steps' names, where all of it ends, and the parts, in order."""
    names: tuple[str, ...] = ()
    places = LogPlaces()
    parts = list[LogPart]()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    for line in data.splitlines():
        try:
            match json.loads(line):
                case dict(told):
                    names = tuple(map(str, told["steps"]))
                    _take_places(places, told)
                case list(fields):
                    parts.append(part := _part(fields))
                    places.pass_over(part)
        except _UNREADABLE:
            continue
    parts.sort(key=lambda part: part.number)
    return names, places, parts


def _text(
    names: Sequence[str], places: LogPlaces, parts: Sequence[LogPart]
) -> JobLogText:
    kept = dict[int, int]()
    ends = dict[int, int]()
    lines = dict[int, list[LogLine]]()
    for part in parts:
        step = part.source.step
        kept[step] = kept.get(step, 0) + part.size
        ends[step] = part.end
    for each in LineReader().read(parts):
        lines.setdefault(each.step, []).append(each)
    count = max(len(names), *(step + 1 for step in places.ends), 0)
    return JobLogText(
        number=places.number,
        steps=tuple(
            StepLog(
                index=step,
                name=names[step] if step < len(names) else "",
                lines=tuple(lines.get(step, ())),
                dropped=places.ends.get(step, 0) - kept.get(step, 0),
                dropped_at_end=places.ends.get(step, 0) - ends.get(step, 0),
            )
            for step in range(count)
        ),
    )


def _encode_part(part: LogPart) -> bytes:
    at = round(part.at.timestamp() * 1000)
    return _line([part.number, *part.source, at, part.start, part.offset, part.text])


def _part(fields: list[Any]) -> LogPart:
    """Return the part of a line. Raises ValueError or TypeError where it is none."""
    number, step, attempt, stream, at, start, offset, text = fields
    return LogPart(
        number=int(number),
        source=StreamKey(int(step), int(attempt), Stream(stream)),
        at=datetime.fromtimestamp(at / 1000, UTC),
        start=int(start),
        offset=int(offset),
        text=text,
        size=len(text.encode()),
    )


def _encode_places(names: Sequence[str], places: LogPlaces) -> bytes:
    return _line(
        {
            "steps": names,
            "number": places.number,
            "ends": list(places.ends.items()),
            "offsets": [[*key, offset] for key, offset in places.offsets.items()],
        }
    )


def _take_places(places: LogPlaces, fields: dict[str, Any]) -> None:
    places.number = max(places.number, int(fields["number"]))
    for step, end in fields["ends"]:
        places.ends[int(step)] = max(int(end), places.ends.get(int(step), 0))
    for step, attempt, stream, offset in fields["offsets"]:
        key = StreamKey(int(step), int(attempt), Stream(stream))
        places.offsets[key] = max(int(offset), places.offsets.get(key, 0))


def _line(content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"
