"""The lines of a log as JSON: in pieces of some size, made as they are asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from homeassistant.helpers.json import json_bytes

from .jobs.log_lines import LogLine


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """Some lines of a log as a list in JSON.

    After `number` is where to go on: several lines may have one number, and all of that are
    told. `more` tells whether any is left.
    """

    lines: bytes
    number: int
    more: bool = False


def pieces(lines: Iterable[LogLine], *, number: int, limit: int) -> Iterator[LogPiece]:
    """Yield lines in pieces of so many bytes at most; `number` is what was told before.

    Lines of one number that are many go into several pieces.
    """
    taken: list[bytes] = []
    size, last = 0, number
    for line, encoded in _encoded(lines):
        if line.number != last:
            number, last = last, line.number
        if taken and size + len(encoded) >= limit:
            yield _piece(taken, number)
            taken, size = [], 0
        taken.append(encoded)
        size += len(encoded) + 1
    if taken:
        yield _piece(taken, last)


def page(lines: Iterable[LogLine], *, number: int, limit: int) -> LogPiece:
    """Return the first lines, about so many bytes, with all of their numbers.

    Of many lines this takes long: not for an event loop.
    """
    taken: list[bytes] = []
    size = 0
    for part, group in groupby(lines, key=attrgetter("number")):
        if size >= limit:
            return _piece(taken, number, more=True)
        for _, encoded in _encoded(group):
            taken.append(encoded)
            size += len(encoded) + 1
        number = part
    return _piece(taken, number)


def _piece(taken: list[bytes], number: int, *, more: bool = False) -> LogPiece:
    return LogPiece(lines=b"[" + b",".join(taken) + b"]", number=number, more=more)


def _encoded(lines: Iterable[LogLine]) -> Iterator[tuple[LogLine, bytes]]:
    at: datetime | None = None
    shown = ""
    for line in lines:
        # Those that came together have one time.
        if line.at is not at:
            at, shown = line.at, line.at.isoformat(timespec="milliseconds")
        yield line, json_bytes(_fields(line, shown))


def _fields(line: LogLine, at: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "n": line.number,
        "step_index": line.step + 1,
        "attempt": line.attempt,
        "stream": line.stream.value,
        "at": at,
        "text": line.text,
    }
    if line.dropped:
        fields["dropped"] = line.dropped
    if line.continues:
        fields["continues"] = True
    return fields
