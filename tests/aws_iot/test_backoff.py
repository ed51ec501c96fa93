"""How long to wait: soon at first, then longer, and not all at once."""

from collections import Counter
from itertools import islice

from custom_components.aws_iot_jobs.aws_iot.backoff import (
    MAX_SECONDS,
    QUICK_RETURNS,
    ReconnectDelays,
    backoff,
)


def test_delays_double_up_to_two_minutes() -> None:
    """With jitter, which takes up to half of each away."""
    for delay, full in zip(
        backoff(1), (1, 2, 4, 8, 16, 32, 64, 120, 120, 120), strict=False
    ):
        assert full / 2 <= delay <= full
    assert MAX_SECONDS == 120


def test_a_fleet_does_not_come_back_together() -> None:
    """Of 2000 things that lost their connection at once, no tenth of a second has many."""
    first = [next(ReconnectDelays(1.5, stable=60)) for _ in range(2000)]
    tenths = Counter(int(delay * 10) for delay in first)
    assert len(tenths) == 15
    assert max(tenths.values()) < 2000 * 0.12


def test_waits_grow_while_no_connection_works() -> None:
    """To two minutes, within ten tries."""
    delays = list(islice(iter(ReconnectDelays(1.5, stable=60).__next__, None), 10))
    assert delays[0] <= 1.5
    for delay, full in zip(delays[1:], (3, 6, 12, 24, 48, 96, 120, 120), strict=False):
        assert full / 2 <= delay <= full


def test_a_connection_that_worked_has_the_wait_begin_anew() -> None:
    """However often the tries before it have failed."""
    delays = ReconnectDelays(1.5, stable=60)
    for _ in range(10):
        next(delays)
    delays.worked(0.1)
    assert next(delays) <= 1.5


def test_short_connections_are_no_way_around_the_growing_wait() -> None:
    """Two clients of one name throw each other off for hours: that slows down, and stays so.

    Each connection lasts for as long as the other waits.
    """
    one, other = (ReconnectDelays(1.5, stable=60) for _ in range(2))
    wait_of_other = 1.0
    rounds = []
    for _ in range(QUICK_RETURNS + 200):
        one.worked(wait_of_other)
        wait_of_one = next(one)
        other.worked(wait_of_one)
        wait_of_other = next(other)
        rounds.append((wait_of_one, wait_of_other))
    assert max(max(waits) for waits in rounds[:QUICK_RETURNS]) <= 1.5
    # While one waits for long, the other's connection lasts, and it is soon back.
    late = [sum(waits) for waits in rounds[QUICK_RETURNS:]]
    assert sum(late) / len(late) > 40


def test_a_lasting_connection_gives_a_quick_return_back() -> None:
    """Who was in a fight yesterday is back as quickly as all others today."""
    delays = ReconnectDelays(1.5, stable=60)
    for _ in range(QUICK_RETURNS + 10):
        delays.worked(0)
        next(delays)
    delays.worked(60)
    assert next(delays) <= 1.5
    delays.worked(QUICK_RETURNS * 60)
    for _ in range(QUICK_RETURNS - 1):
        delays.worked(0)
        assert next(delays) <= 1.5
