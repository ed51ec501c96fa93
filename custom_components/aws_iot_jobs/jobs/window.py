"""The maintenance window: when jobs may be asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """On some days, from one time of the day to another, in local time.

    `days` are those on which it opens, 0 for Monday. One that ends no later than it begins
    ends on the next day.
    """

    begin: time
    end: time
    days: Collection[int] = _EVERY_DAY

    def is_open(self, now: datetime) -> bool:
        """Tell whether it is open at a moment, which has a time zone."""
        return any(begin <= now < end for begin, end in self._around(now))

    def next_opening(self, now: datetime) -> datetime | None:
        """Return when it opens next, None where it never does."""
        return min(
            (begin for begin, _ in self._around(now) if begin > now), default=None
        )

    def next_change(self, now: datetime) -> datetime | None:
        """Return when it opens or closes next, None where it never does."""
        moments = (moment for pair in self._around(now) for moment in pair)
        return min((moment for moment in moments if moment > now), default=None)

    def _around(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """Return when it opens and closes, from yesterday until a week ahead."""
        days = (now.date() + timedelta(days=offset) for offset in range(-1, 8))
        return [
            (
                datetime.combine(day, self.begin, now.tzinfo),
                datetime.combine(
                    day + timedelta(days=self.end <= self.begin), self.end, now.tzinfo
                ),
            )
            for day in days
            if day.weekday() in self.days
        ]
