"""When a maintenance window is open, by the local clock."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.aws_iot_jobs.jobs.window import MaintenanceWindow

_BERLIN = ZoneInfo("Europe/Berlin")
_NIGHTLY = MaintenanceWindow(begin=time(2), end=time(5))
_OVER_MIDNIGHT = MaintenanceWindow(begin=time(23), end=time(1), days=frozenset({4}))
"""From Friday evening on."""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=_BERLIN)


@pytest.mark.parametrize(
    ("window", "now", "is_open", "opening"),
    [
        (_NIGHTLY, "2026-11-25T01:59", False, "2026-11-25T02:00"),
        (_NIGHTLY, "2026-11-25T02:00", True, "2026-11-26T02:00"),
        (_NIGHTLY, "2026-11-25T04:59", True, "2026-11-26T02:00"),
        (_NIGHTLY, "2026-11-25T05:00", False, "2026-11-26T02:00"),
        # 2026-11-27 is a Friday.
        (_OVER_MIDNIGHT, "2026-11-27T22:59", False, "2026-11-27T23:00"),
        (_OVER_MIDNIGHT, "2026-11-28T00:59", True, "2026-12-04T23:00"),
        (_OVER_MIDNIGHT, "2026-11-28T01:00", False, "2026-12-04T23:00"),
        (_OVER_MIDNIGHT, "2026-11-28T23:30", False, "2026-12-04T23:00"),
    ],
)
def test_a_window_opens_and_closes(
    window: MaintenanceWindow, now: str, opening: str, *, is_open: bool
) -> None:
    """On its days, also over midnight."""
    assert window.is_open(_at(now)) == is_open
    assert window.next_opening(_at(now)) == _at(opening)


def test_the_same_time_twice_is_a_whole_day() -> None:
    """From noon to noon."""
    window = MaintenanceWindow(begin=time(12), end=time(12), days=frozenset({2}))
    assert window.is_open(_at("2026-11-26T11:59"))
    assert not window.is_open(_at("2026-11-26T12:00"))


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_the_clock_that_is_put_forward_or_back(day: str) -> None:
    """A window that lies in the hour that is missing or there twice opens and closes."""
    window = MaintenanceWindow(begin=time(2, 15), end=time(2, 45))
    now = _at(f"{day}T00:00").astimezone(ZoneInfo("UTC"))
    states = [
        window.is_open((now + timedelta(minutes=minute)).astimezone(_BERLIN))
        for minute in range(0, 6 * 60, 5)
    ]
    assert states[0] is states[-1] is False
    assert window.next_change(now.astimezone(_BERLIN)) is not None


def test_a_window_on_no_day_never_opens() -> None:
    """Nor does it close."""
    window = MaintenanceWindow(begin=time(2), end=time(5), days=frozenset())
    now = _at("2026-11-25T03:00")
    assert not window.is_open(now)
    assert window.next_opening(now) is None
    assert window.next_change(now) is None
