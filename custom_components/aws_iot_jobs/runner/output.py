"""Keep the end of an output of any length in bounded memory."""

TAIL_BYTES = 16 * 1024


class Tail:
    """The last bytes of a stream, and how many lines it had."""

    def __init__(self, limit: int = TAIL_BYTES) -> None:
        """Keep at most `limit` bytes."""
        self._limit = limit
        self._data = b""
        self._newlines = 0
        self._cut = False

    def feed(self, data: bytes) -> None:
        """Take what was written next."""
        self._newlines += data.count(b"\n")
        if len(self._data) + len(data) > self._limit:
            self._cut = True
        self._data = (self._data + data[-self._limit :])[-self._limit :]

    @property
    def lines(self) -> int:
        """How many lines were written; an unfinished last one counts."""
        return self._newlines + (not self._data.endswith(b"\n") and self._data != b"")

    def text(self) -> str:
        """Return what was kept; undecodable bytes become U+FFFD.

        Where the beginning was cut off, a character that lost its first bytes goes too.
        """
        data = self._data
        if self._cut:
            start = 0
            while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
                start += 1
            data = data[start:]
        return data.decode("utf-8", errors="replace")
