"""Keep the end of an output of any length in bounded memory."""

import codecs
import re

TAIL_BYTES = 16 * 1024

_CONTROL_SEQUENCE = re.compile(rb"\x9b[0-?]{1,32}[ -/]*+[@-~]")
_REPLACE = "aws_iot_jobs.replace"


class LineCount:
    """How many lines a stream had."""

    def __init__(self) -> None:
        """Count from none."""
        self._newlines = 0
        self._unfinished = False

    def feed(self, data: bytes | bytearray, size: int | None = None) -> None:
        """Take what was written next: so many bytes at the beginning of `data`, or all."""
        end = len(data) if size is None else size
        self._newlines += data.count(b"\n", 0, end)
        if end:
            self._unfinished = data[end - 1] != ord("\n")

    @property
    def lines(self) -> int:
        """How many lines were written; an unfinished last one counts."""
        return self._newlines + self._unfinished


class Tail:
    """The last bytes of a stream, in a ring."""

    def __init__(self, limit: int = TAIL_BYTES) -> None:
        """Keep at most `limit` bytes."""
        self._limit = limit
        self._data = bytearray()
        self.size = 0
        """How many bytes the stream has had."""

    def feed(self, data: bytes | bytearray, size: int | None = None) -> None:
        """Take what was written next: so many bytes at the beginning of `data`, or all."""
        end = len(data) if size is None else size
        kept = memoryview(data)[max(0, end - self._limit) : end]
        self.size += end
        if self.size <= self._limit:
            self._data += kept
        else:
            self._data += bytes(self._limit - len(self._data))
            self._overwrite(kept)

    def newest(self, size: int) -> bytes:
        """Return the last bytes of those that are kept, so many at most."""
        size = min(size, len(self._data))
        end = self.size if self.size <= self._limit else self.size % self._limit
        if size <= end:
            return bytes(self._data[end - size : end])
        return bytes(self._data[end - size :] + self._data[:end])

    def text(self) -> str:
        """Return the last TAIL_BYTES of what was kept; undecodable bytes become U+FFFD.

        But 0x9B that begins a control sequence of a terminal with 8 bits becomes U+009B.
        Where the beginning was cut off, a character that lost its first bytes goes too.
        """
        data = self.newest(TAIL_BYTES)
        if len(data) < self.size:
            start = 0
            while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
                start += 1
            data = data[start:]
        return data.decode("utf-8", errors=_REPLACE)

    def _overwrite(self, newest: memoryview) -> None:
        """Put bytes where the oldest are: what is written next follows them."""
        end = self.size % self._limit
        if len(newest) <= end:
            self._data[end - len(newest) : end] = newest
        else:
            before = len(newest) - end
            self._data[self._limit - before :] = newest[:before]
            self._data[:end] = newest[before:]


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for bytes that are no UTF-8, and where to go on."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if _CONTROL_SEQUENCE.match(error.object, error.start):
        return "\x9b", error.end
    return "\ufffd", error.end


codecs.register_error(_REPLACE, _replaced)
