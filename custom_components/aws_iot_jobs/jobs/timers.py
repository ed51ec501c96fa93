"""How long a step may take: its own limit, and what AWS leaves to its job.

AWS counts step timers in minutes, from 1 to 10080, and ends a job up to a minute late.
"""

import math
import time

MARGIN_SECONDS = 15.0
"""How long before AWS's timer a step is told to stop: its grace time, and the report."""

_NO_TIMER = -1
_MAX_MINUTES = 10080


class Deadline:
    """When AWS ends the job, if a timer of it runs."""

    def __init__(self, left: float | None) -> None:
        """Count from now, when so many seconds are left, if there is a timer."""
        self._at = None
        if left is not None:
            # Of a short time, half is better than nothing.
            self._at = time.monotonic() + max(left - MARGIN_SECONDS, left / 2)

    @property
    def seconds_left(self) -> float | None:
        """How many seconds a step may still take, or None for any number."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def shorten(self, timeout: float | None) -> float | None:
        """Return a step's timeout in seconds within what is left."""
        limits = [limit for limit in (timeout, self.seconds_left) if limit is not None]
        return min(limits, default=None)


def step_timer_minutes(timeout: float | None) -> int:
    """Return the `stepTimeoutInMinutes` for a step; -1, no timer, for one without limit.

    AWS's timer is for when this agent cannot end the step itself: it comes after.
    """
    if timeout is None:
        return _NO_TIMER
    return min(math.ceil((timeout + MARGIN_SECONDS) / 60), _MAX_MINUTES)
