"""How often something may be done: a burst at once, then a rate."""

import asyncio
import math


class TokenBucket:
    """Who may go when, by whatever clock the caller has, in seconds.

    In any window of `t` seconds at most `burst + per_second * t` go.
    """

    def __init__(self, burst: int, per_second: float) -> None:
        """Begin with room for a whole burst."""
        self._interval = 1 / per_second
        self._ahead = (burst - 1) * self._interval
        self._due = -math.inf
        """When the next one would go if all went evenly spaced."""

    def delay(self, now: float) -> float:
        """Return for how long the next one has to wait; 0 where it may go at once."""
        return max(0.0, self._due - self._ahead - now)

    def take(self, now: float) -> None:
        """Take it that one goes now."""
        self._due = max(self._due, now) + self._interval


class RateLimit:
    """Has those who come wait for their turn, in the order in which they come."""

    def __init__(self, burst: int, per_second: float) -> None:
        """Let a burst go at once, then so many per second."""
        self._bucket = TokenBucket(burst, per_second)
        self._first = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for a turn. Whoever is cancelled while waiting takes no other's."""
        clock = asyncio.get_running_loop().time
        async with self._first:
            while delay := self._bucket.delay(clock()):
                await asyncio.sleep(delay)
            self._bucket.take(clock())
