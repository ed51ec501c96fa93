"""How long a step may take: its own limit, the job's, and AWS's timers."""

import asyncio
from datetime import UTC, datetime, timedelta
import time

import pytest

from custom_components.aws_iot_jobs.jobs.timers import (
    MARGIN_SECONDS,
    Deadline,
    JobTimer,
    renewed,
    step_timer_minutes,
)

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time in its only element."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_without_a_timer_there_is_no_limit() -> None:
    """But that of the step."""
    deadline = Deadline(None)
    assert deadline.seconds_left is None
    assert deadline.shorten(None) is None
    assert deadline.shorten(5) == 5


def test_a_job_ends_before_the_timer_of_aws(clock: list[float]) -> None:
    """By the time that its processes and the report need."""
    deadline = Deadline(600)
    assert deadline.seconds_left == 600 - MARGIN_SECONDS
    clock[0] += 500
    assert deadline.seconds_left == 100 - MARGIN_SECONDS
    assert deadline.shorten(None) == 100 - MARGIN_SECONDS
    assert deadline.shorten(20) == 20
    assert deadline.shorten(200) == 100 - MARGIN_SECONDS
    clock[0] += 500
    assert deadline.seconds_left == 0
    assert deadline.shorten(20) == 0


@pytest.mark.parametrize(("given", "left"), [(20, 10), (1, 0.5), (0, 0), (-5, 0)])
def test_of_little_time_half_is_used(
    clock: list[float], given: int, left: float
) -> None:
    """It is better than none."""
    assert Deadline(given).seconds_left == left


@pytest.mark.parametrize(("days", "left"), [(-1, 3600), (0, 3000), (1, 60)])
def test_a_clock_that_is_wrong_after_a_boot_gives_no_time(
    days: int, left: float
) -> None:
    """Set back, it makes of a timer no longer one; what AWS says counts at least."""
    told_at = datetime.now(UTC) - timedelta(minutes=10) - timedelta(days=days)
    timer = JobTimer(seconds=3600, told_at=told_at, told_monotonic=0)
    again = renewed(timer, 60, same_boot=False)
    assert again is not None
    assert again.seconds == pytest.approx(left, abs=5)


@pytest.mark.parametrize(
    ("timeouts", "minutes"),
    [
        ([0.5], 31),
        ([45], 31),
        ([45.1], 32),
        ([600], 41),
        ([600, 0.5, 60], 42),
        ([604_700], 10_080),
        ([604_800], -1),
        ([302_400, 302_400], -1),
        ([None], -1),
        ([5, None], -1),
        ([5, None, 5], -1),
    ],
)
def test_the_step_timer_comes_after_all_that_is_left_and_an_outage(
    timeouts: list[float | None], minutes: int
) -> None:
    """In AWS's whole minutes, within its limits; -1 where it could come too early."""
    assert step_timer_minutes(timeouts) == minutes


@pytest.mark.parametrize(("allowance", "minutes"), [(0, 1), (60, 2), (3600, 61)])
def test_the_allowance_can_be_another(allowance: float, minutes: int) -> None:
    """At least a minute remains, which is AWS's least."""
    assert step_timer_minutes([0.5], allowance) == minutes


async def test_a_step_with_a_timeout_is_ended_and_the_reason_says_so(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """AWS has a timer for it meanwhile, for when this thing is gone."""
    job = service.create_job(
        document(
            command_step("true"),
            command_step("sleep,60", name="long", timeoutSeconds=0.5),
            command_step("true"),
        )
    )
    await stopped_device.start()
    await service.ended(job)
    assert job.status == "FAILED"
    assert job.status_details["reason"] == "step 2 of 3 'long': timed out after 0.5 s"
    asked = [request.get("stepTimeoutInMinutes") for request in job.accepted]
    # None of the last: the job's end ends its timers.
    assert set(asked) == {-1, None}
    assert asked[-1] is None


async def test_the_step_timer_is_that_of_the_step_that_runs(
    device: Device, service: FakeJobsService
) -> None:
    """And of what comes after it: a later step without a limit leaves none to set."""
    gate = device.handlers / "gate"
    wait = f"sh,-c,until [ -e {gate} ]; do sleep 0.01; done; rm {gate}"
    job = service.create_job(
        document(
            command_step(wait, name="a", timeoutSeconds=100),
            command_step(wait, name="b"),
            finalStep=command_step(wait, name="c", timeoutSeconds="300"),
        )
    )
    for name, minutes in (("a", None), ("b", None), ("c", 36)):
        await service.until(lambda name=name: job.status_details.get("step") == name)  # type: ignore[misc]
        assert job.step_timeout_minutes == minutes
        gate.touch()
    assert (await service.ended(job)).status == "SUCCEEDED"


async def test_a_job_without_timeouts_asks_for_no_step_timer(
    device: Device, service: FakeJobsService
) -> None:
    """Whoever set one by other means keeps it."""
    job = service.create_job(document(command_step("true")))
    await service.ended(job)
    assert all("stepTimeoutInMinutes" not in request for request in job.accepted)


async def test_a_job_ends_before_aws_ends_it(
    device: Device, service: FakeJobsService
) -> None:
    """The running process ends, no other starts, and even an ignored failure fails."""
    ran = device.handlers / "ran"
    job = service.create_job(
        document(
            command_step("sleep,60", name="long", ignoreStepFailure=True),
            command_step(f"touch,{ran}"),
        ),
        seconds_before_timed_out=5,
    )
    begun = asyncio.get_running_loop().time()
    await service.ended(job)
    assert asyncio.get_running_loop().time() - begun < 5
    assert job.status == "FAILED"
    assert job.status_details["reason"] == (
        "step 1 of 2 'long': stopped, for the job's time in AWS IoT Jobs is over"
    )
    assert not ran.exists()


async def test_a_steps_own_timeout_within_the_jobs_time_is_its_own(
    device: Device, service: FakeJobsService
) -> None:
    """It may be ignored like any failure."""
    job = service.create_job(
        document(
            command_step("sleep,60", timeoutSeconds=0.3, ignoreStepFailure=True),
            command_step("true"),
        ),
        seconds_before_timed_out=600,
    )
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert (
        "failure ignored: step 1 of 2 'sleep,60': timed out after 0.3 s"
        in (job.status_details["reason"])
    )
