"""How long to wait before the next try."""

from collections.abc import Iterator
import random

MAX_SECONDS = 120


def backoff(first: float) -> Iterator[float]:
    """Yield delays in seconds, doubling from `first` up to two minutes, with jitter.

    The jitter takes up to half of a delay away, so that a fleet that failed together does
    not come back together.
    """
    delay = first
    while True:
        yield delay * random.uniform(0.5, 1)
        delay = min(2 * delay, MAX_SECONDS)
