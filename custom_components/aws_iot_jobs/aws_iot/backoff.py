"""How long to wait before the next try."""

from collections.abc import Iterator
import random

MAX_SECONDS = 120
QUICK_RETURNS = 30
"""How many connections in a row may be short before the wait grows as if they had failed."""


def backoff(first: float) -> Iterator[float]:
    """Yield delays in seconds, doubling from `first` up to two minutes, with jitter.

    The jitter takes up to half of a delay away, so that a fleet that failed together does
    not come back together.
    """
    delay = first
    while True:
        delay = min(delay, MAX_SECONDS)
        yield delay * random.uniform(0.5, 1)
        delay *= 2


class ReconnectDelays:
    """How long to wait before each try to connect, in seconds.

    After a connection that worked the wait begins anew: any moment within the first delay,
    so that a fleet that lost its connections together does not come back together. It
    grows as `backoff` does for as long as no connection works.

    Connections that work but are short (a bad radio link; two clients of one name that
    throw each other off) begin it anew, too, but not for ever: each takes one of 30 quick
    returns, and one is regained for every `stable` seconds that a connection lasted.
    """

    def __init__(self, first: float, *, stable: float) -> None:
        """Begin with the first delay, and with all quick returns."""
        self._first = first
        self._stable = stable
        self._quick_returns: float = QUICK_RETURNS
        self._delays = self._anew()

    def __next__(self) -> float:
        """Return the delay before the next try."""
        return next(self._delays)

    def begin_anew(self) -> None:
        """Begin with the first delay again."""
        self._delays = self._anew()

    def worked(self, seconds: float) -> None:
        """Take into account that a connection worked, and lasted for so long."""
        regained = self._quick_returns + seconds / self._stable
        self._quick_returns = min(regained, QUICK_RETURNS)
        if self._quick_returns >= 1:
            self._quick_returns -= 1
            self.begin_anew()

    def _anew(self) -> Iterator[float]:
        yield random.uniform(0, self._first)
        yield from backoff(2 * self._first)
