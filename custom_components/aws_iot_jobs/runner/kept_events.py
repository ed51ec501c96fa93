"""What a service keeps of the events of a run: the first, the newest, and the result.

What lies between may be gone: numbers are missing then, and of output the offsets tell how
much of it.
"""

from collections import deque

from .model import RunEvent, RunOutput, RunResult
from .wire import Numbered

FIRST_BYTES = 1024 * 1024
NEWEST_BYTES = 512 * 1024
"""Up to how many bytes of output all events are kept, and how many of the newest then."""
FIRST_EVENTS = 5_000
NEWEST_EVENTS = 5_000


class KeptEvents:
    """The events of one run, in the order of their numbers, which begin at 1."""

    def __init__(self) -> None:
        """Begin without any."""
        self._first: list[Numbered] = []
        self._first_bytes = 0
        self._newest = deque[Numbered]()
        self._newest_bytes = 0
        self._last: Numbered | None = None

    @property
    def last_number(self) -> int:
        """The number of the newest, which is how many there have been."""
        return 0 if self._last is None else self._last.number

    @property
    def result(self) -> RunResult | None:
        """How the run has ended, when it has: nothing is told after that."""
        last = None if self._last is None else self._last.event
        return last if isinstance(last, RunResult) else None

    def append(self, event: RunEvent | RunResult) -> None:
        """Take the next one."""
        numbered = Numbered(number=self.last_number + 1, event=event)
        self._last = numbered
        full = self._newest or self._first_bytes >= FIRST_BYTES
        if full or len(self._first) >= FIRST_EVENTS:
            self._append_newest(numbered)
        else:
            self._first.append(numbered)
            self._first_bytes += _size(numbered)

    def after(self, number: int) -> list[Numbered]:
        """Return those that are kept of what came after a number."""
        first = self._first[0].number if self._first else 1
        found = self._first[max(0, number - first + 1) :]
        if self._newest:
            skipped = max(0, number - self._newest[0].number + 1)
            found += list(self._newest)[skipped:]
        return found

    def forget_output(self) -> None:
        """Keep the last one alone."""
        self._first = [] if self._last is None else [self._last]
        self._newest.clear()
        self._first_bytes = self._newest_bytes = 0

    def _append_newest(self, numbered: Numbered) -> None:
        self._newest.append(numbered)
        self._newest_bytes += _size(numbered)
        while (
            self._newest_bytes > NEWEST_BYTES or len(self._newest) > NEWEST_EVENTS
        ) and len(self._newest) > 1:
            self._newest_bytes -= _size(self._newest.popleft())


def _size(numbered: Numbered) -> int:
    event = numbered.event
    return len(event.data) if isinstance(event, RunOutput) else 0
