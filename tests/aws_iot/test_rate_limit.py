"""A burst at once, then a rate: never more, whoever waits and whoever gives up."""

import asyncio
import time

from hypothesis import given, strategies as st

from custom_components.aws_iot_jobs.aws_iot.rate_limit import RateLimit, TokenBucket
from custom_components.aws_iot_jobs.aws_iot.service import (
    REQUEST_BURST,
    REQUESTS_PER_SECOND,
)

AWS_PUBLISHES_PER_SECOND = 100
LIBRARY_BURST = 100
LIBRARY_PER_SECOND = 100

pauses = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 5)))


def _went(burst: int, per_second: float, pauses: list[float]) -> list[float]:
    """Return when each went who came with such pauses, one after the other."""
    bucket = TokenBucket(burst, per_second)
    now = 1000.0
    went = []
    for pause in pauses:
        now += pause
        now += bucket.delay(now)
        bucket.take(now)
        went.append(now)
    return went


def _most_within_a_second(times: list[float]) -> int:
    return max(
        (sum(begin <= at < begin + 1 for at in times) for begin in times), default=0
    )


@given(st.integers(1, 60), st.integers(1, 60), pauses)
def test_no_second_has_more_than_a_burst_and_a_rate(
    burst: int, per_second: int, pauses: list[float]
) -> None:
    """Whichever second one looks at, and however they came."""
    assert _most_within_a_second(_went(burst, per_second, pauses)) <= burst + per_second


@given(st.integers(1, 60), st.integers(1, 60), pauses)
def test_nobody_waits_without_need(
    burst: int, per_second: int, pauses: list[float]
) -> None:
    """One waits until a burst and the rate since an earlier one allow no less."""
    bucket = TokenBucket(burst, per_second)
    now = 1000.0
    went: list[float] = []
    for pause in pauses:
        now += pause
        delay = bucket.delay(now)
        allowed = max(
            (
                at + (len(went) - index + 1 - burst) / per_second
                for index, at in enumerate(went)
            ),
            default=now,
        )
        assert abs(max(allowed, now) - now - delay) < 1e-6
        now += delay
        bucket.take(now)
        went.append(now)


def test_a_burst_goes_at_once_and_comes_back() -> None:
    """After it they are spaced, and a quiet time makes room for another."""
    went = _went(3, 10, [0] * 5)
    assert [round(at - 1000, 6) for at in went] == [0, 0, 0, 0.1, 0.2]
    went = _went(3, 10, [0] * 3 + [0.3] + [0] * 3)
    assert [round(at - 1000, 6) for at in went] == [0, 0, 0, 0.3, 0.3, 0.3, 0.4]


def test_requests_stay_within_all_limits() -> None:
    """Those of AWS for a connection, and those that the library has by itself."""
    assert REQUEST_BURST + REQUESTS_PER_SECOND <= AWS_PUBLISHES_PER_SECOND
    assert REQUEST_BURST <= LIBRARY_BURST
    assert REQUESTS_PER_SECOND <= LIBRARY_PER_SECOND


async def test_they_go_in_the_order_in_which_they_come() -> None:
    """Those of the burst, and those who wait."""
    limit = RateLimit(3, 100)
    went = []

    async def go(number: int) -> None:
        await limit.turn()
        went.append(number)

    began = time.monotonic()
    await asyncio.gather(*map(go, range(20)))
    assert time.monotonic() - began >= 17 / 100 - 0.001
    assert went == list(range(20))


async def test_who_gives_up_takes_no_turn() -> None:
    """Neither who is the next, nor who waits behind others."""
    limit = RateLimit(1, 5)
    await limit.turn()
    began = time.monotonic()
    waiting = [asyncio.ensure_future(limit.turn()) for _ in range(100)]
    last = asyncio.ensure_future(limit.turn())
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await last
    assert 0.19 <= time.monotonic() - began < 1
    assert all(task.cancelled() for task in waiting)
