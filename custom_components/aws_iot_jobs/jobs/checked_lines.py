"""Lines that carry a checksum, so that a reader knows which of them were written whole.

A line is its CRC-32 in eight hexadecimal digits, a space, and a JSON object. What a crash
has cut off is a last line that is not whole: nothing is ever appended behind one.
"""

from dataclasses import fields, is_dataclass
from datetime import datetime
import json
from typing import Any
from zlib import crc32


class DamagedError(ValueError):
    """What was read was not written like this: more is wrong with it than a cut."""


def encode_line(content: dict[str, Any]) -> bytes:
    """Return a line with an object, in which dataclasses and times may be."""
    data = json.dumps(content, default=_as_json, separators=(",", ":")).encode()
    return b"%08x %b\n" % (crc32(data), data)


def decode_lines(data: bytes) -> tuple[list[dict[str, Any]], bool]:
    """Return the objects, and whether the last line was cut off.

    Raises DamagedError where another line is not whole, or none is there at all, and
    ValueError or RecursionError for what is not JSON.
    """
    *lines, rest = data.split(b"\n")
    cut = bool(rest)
    if lines and not cut and not _is_whole(lines[-1]):
        lines.pop()
        cut = True
    if not lines:
        raise DamagedError("it has no whole line")
    for number, line in enumerate(lines, 1):
        if not _is_whole(line):
            raise DamagedError(f"line {number} is damaged")
    return [json.loads(line[9:]) for line in lines], cut


def _is_whole(line: bytes) -> bool:
    return line[:9] == b"%08x " % crc32(line[9:])


def _as_json(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    raise TypeError(f"{type(value)} has no place in a line")
