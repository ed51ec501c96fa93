"""Make lines of what a stream brings in chunks, without the secrets that it may show.

A secret is a word of a line, so that none is ever cut before it has been looked at: text is
given away up to the end of a line, or of a word where the line takes long to end.
"""

import re

from .redact import without_signatures

LONGEST = 8 * 1024
"""How many bytes of an unfinished line are kept, and how long a word is looked at whole."""

_SIGNATURES = ("x-amz-", "signature=")
_WORD_END = re.compile(rb"[\s\"'<>]")
_LAST_WORD = re.compile(rb"[^\s\"'<>]*\Z")
_URL = re.compile(rb"https?://", re.IGNORECASE)
_MAY_BE_URL = re.compile(rb"http|h(?:tt?)?\Z", re.IGNORECASE)
_LONGEST_URL_START = len(b"https://")


class RedactedLines:
    """The text of one stream.

    Line ends of all kinds become a newline, NUL and what is no UTF-8 become U+FFFD.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = b""
        # Whether the rest of the word that comes is part of a secret.
        self._hiding = False

    @property
    def waiting(self) -> int:
        """How many of the bytes that came have not been given away."""
        return len(self._rest)

    def feed(self, data: bytes) -> str:
        """Take what comes next; return all whole lines, and of a very long one a part."""
        data = self._shown(self._rest + data)
        # What follows a carriage return tells whether it ends a line by itself.
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
        text, self._rest = _text(data[:end]), data[end:]
        if len(self._rest) > LONGEST:
            text += self.give_words()
        while len(self._rest) > LONGEST:
            text += self._give_of_long_word()
        return text

    def give_words(self) -> str:
        """Return what there is of an unfinished line, but for a last word that hides more."""
        end = _whole_characters(self._rest.removesuffix(b"\r"))
        last = _LAST_WORD.search(self._rest, 0, end)
        if last is not None and _MAY_BE_URL.search(last[0]):
            end = last.start()
        text, self._rest = _text(self._rest[:end]), self._rest[end:]
        return text

    def end(self) -> str:
        """Return all that is left: nothing more comes."""
        text, self._rest, self._hiding = _text(self._rest), b"", False
        return text

    def _shown(self, data: bytes) -> bytes:
        """Return data without what is still to be hidden."""
        if not self._hiding:
            return data
        if (end := _WORD_END.search(data)) is None:
            return b""
        self._hiding = False
        return data[end.start() :]

    def _give_of_long_word(self) -> str:
        """Return the beginning of a word that is longer than any secret may be.

        A query of a URL that is that long is not shown, whatever it is.
        """
        word = self._rest
        url = _URL.search(word)
        if url is None:
            end = _whole_characters(word[:-_LONGEST_URL_START])
            self._rest = word[end:]
            return _text(word[:end])
        if url.start() > 0:
            self._rest = word[url.start() :]
            return _text(word[: url.start()])
        self._rest, self._hiding = b"", True
        query = word.find(b"?")
        return _text(word[: LONGEST if query < 0 else query])


def _whole_characters(data: bytes) -> int:
    """Return how many bytes there are without a last character that is not whole."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0xC0:
            needed = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(data) - back if back < needed else len(data)
        if byte < 0x80:
            break
    return len(data)


def _text(data: bytes) -> str:
    text = data.decode(errors="replace").replace("\0", "\ufffd")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lower = text.lower()
    if not any(mark in lower for mark in _SIGNATURES):
        return text
    return "".join(map(_redacted, text.splitlines(keepends=True)))


def _redacted(line: str) -> str:
    lower = line.lower()
    signed = any(mark in lower for mark in _SIGNATURES)
    return str(without_signatures(line)) if signed else line
