"""How long a step may take: its own limit, and what AWS leaves to its job.

AWS counts step timers in minutes, from 1 to 10080, and ends a job up to a minute late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
import math
import time
from typing import overload

MARGIN_SECONDS = 15.0
"""How long before AWS's timer a step is told to stop: its grace time, and the report."""

OUTAGE_ALLOWANCE_SECONDS = 30 * 60.0
"""How long a thing may be offline beyond its steps' own time before AWS ends a job."""

NO_TIMER = -1
"""The `stepTimeoutInMinutes` that ends a step timer."""

_MAX_MINUTES = 10080


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimer:
    """How much time AWS left to a job, in seconds, and when it said so.

    The wall clock may jump, as on a machine that learns the time from its network. The
    monotonic one does not, but begins anew with each boot.
    """

    seconds: float
    told_at: datetime
    told_monotonic: float

    @overload
    @classmethod
    def of(cls, seconds: float) -> JobTimer: ...

    @overload
    @classmethod
    def of(cls, seconds: float | None) -> JobTimer | None: ...

    @classmethod
    def of(cls, seconds: float | None) -> JobTimer | None:
        """Return a timer with so many seconds left now, None for no timer."""
        if seconds is None:
            return None
        return cls(
            seconds=seconds,
            told_at=datetime.now(UTC),
            told_monotonic=time.monotonic(),
        )

    def left(self, *, same_boot: bool) -> float:
        """Return the seconds that are left, as far as it can be known here."""
        if same_boot:
            return self.seconds - (time.monotonic() - self.told_monotonic)
        # A clock that was set back must not lengthen it.
        passed = max(0.0, (datetime.now(UTC) - self.told_at).total_seconds())
        return self.seconds - passed


def renewed(
    timer: JobTimer | None, told: int | None, *, same_boot: bool
) -> JobTimer | None:
    """Return a job's timer when AWS tells once more how many seconds are left.

    AWS tells of what ends first, the timer of the job or one of a step: the job has that
    long at least, and longer where it was told so before. One that had no timer has none.
    """
    if timer is None or told is None:
        return None
    return JobTimer.of(max(told, timer.left(same_boot=same_boot)))


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


def step_timer_minutes(
    timeouts: Iterable[float | None], allowance: float = OUTAGE_ALLOWANCE_SECONDS
) -> int:
    """Return the `stepTimeoutInMinutes` for the steps that are left; -1 for no timer.

    AWS's timer is for things that are gone for good. It comes after all that is left, each
    step with its timeout in seconds, and after an outage of `allowance` seconds, in which
    it cannot be set anew. Where a step has no limit, or all of them more than AWS's timer
    can have, there is none.
    """
    left = 0.0
    for timeout in timeouts:
        if timeout is None:
            return NO_TIMER
        left += timeout + MARGIN_SECONDS
    if left > _MAX_MINUTES * 60:
        return NO_TIMER
    return max(1, min(math.ceil((left + allowance) / 60), _MAX_MINUTES))
