"""PEM as it is found in files: copied, wrapped, quoted, and in any encoding of text.

What is read is what the blocks hold, as DER. Only what can be read for sure is.
"""

from base64 import b64decode
import binascii
import codecs
from collections.abc import Iterator
from dataclasses import dataclass
import re

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before that of UTF-16, with which it begins.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPED = re.compile(r"(?<!\\)\\++(?:[nrt]|(/)|u([0-9A-Fa-f]{4}))")
_BOUNDARY = re.compile(
    r"-----[ \t]{0,3}(BEGIN|END)[ \t]{1,3}([A-Z0-9][A-Z0-9# ]{0,40}?)[ \t]{0,3}-----"
)
_HEADER = re.compile(r"^[ \t]*[A-Za-z][A-Za-z-]*:.*$", re.MULTILINE)
_AROUND_LINES = re.compile(r"[\s\"'\\,;>\u200b\u2060\ufeff]+")
"""What may stand around lines that were quoted, and is no part of what they hold."""


@dataclass(frozen=True, slots=True)
class PemBlock:
    """What stood between BEGIN and END: its label, and its content as DER.

    The content is None where it is damaged, and where it is encrypted.
    """

    label: str
    content: bytes | None
    encrypted: bool = False


def decode(data: bytes) -> str:
    """Return the text of a file, whatever its encoding. What is no text becomes some, too."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    if data[1:2] == b"\0":
        return data.decode("utf-16-le", errors="replace")
    if data[:1] == b"\0":
        return data.decode("utf-16-be", errors="replace")
    return data.decode("utf-8", errors="replace")


def read_blocks(text: str) -> Iterator[PemBlock]:
    """Yield all blocks of a text. One that is not closed, or not opened, is damaged."""
    text = _ESCAPED.sub(_unescaped, text)
    opened: re.Match[str] | None = None
    for boundary in _BOUNDARY.finditer(text):
        if boundary[1] == "BEGIN":
            if opened:
                yield PemBlock(opened[2], None)
            opened = boundary
        elif opened and opened[2] == boundary[2]:
            yield _block(opened[2], text[opened.end() : boundary.start()])
            opened = None
        else:
            yield PemBlock(boundary[2], None)
            opened = None
    if opened:
        yield PemBlock(opened[2], None)


def read_base64(text: str) -> bytes | None:
    """Return what Base64 text holds, or None when it is something else."""
    # Some tools leave out what fills the last group.
    body = _AROUND_LINES.sub("", text).rstrip("=")
    try:
        return b64decode(body + "=" * (-len(body) % 4), validate=True)
    except binascii.Error, ValueError:
        return None


def _block(label: str, body: str) -> PemBlock:
    headers = _HEADER.findall(body)
    if any("ENCRYPTED" in header for header in headers):
        return PemBlock(label, None, encrypted=True)
    return PemBlock(label, read_base64(_HEADER.sub("", body)) or None)


def _unescaped(escaped: re.Match[str]) -> str:
    """Return what an escape sequence of JSON, or of a program's text, stands for."""
    if escaped[1]:
        return "/"
    return chr(int(escaped[2], 16)) if escaped[2] else "\n"
