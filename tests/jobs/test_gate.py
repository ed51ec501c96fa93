"""What keeps jobs from being asked for: the switch, the window, a backup."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.jobs.model import Hold
from custom_components.aws_iot_jobs.jobs.window import MaintenanceWindow

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document


class _Clock:
    """A local time that is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def _asked(service: FakeJobsService) -> int:
    return sum(topic.endswith("start-next") for topic, _ in service.requests)


async def test_a_thing_that_takes_no_jobs_asks_for_none(
    device: Device, service: FakeJobsService
) -> None:
    """Also after a restart; when it takes jobs again, the one that waits comes."""
    await device.agent.take_jobs(takes=False)
    assert not device.state.takes_jobs
    job = service.create_job(document(command_step("true")))
    await device.stop()
    await device.start()
    await device.connected()
    assert not device.state.takes_jobs
    device.agent.check_for_jobs()
    other = service.create_job(document(command_step("true")))
    await asyncio.sleep(0.3)
    assert (job.status, other.status) == ("QUEUED", "QUEUED")
    await device.agent.take_jobs(takes=True)
    await service.ended(job)
    await service.ended(other)
    assert device.state.takes_jobs


async def test_what_is_under_way_goes_on_when_no_job_is_taken(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """Also over a restart; no other one is begun."""
    gate = tmp_path / "gate"
    step = command_step(f"sh,-c,until [ -e {gate} ]; do sleep 0.02; done")
    job = service.create_job(document(step, command_step("true")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    await device.agent.take_jobs(takes=False)
    other = service.create_job(document(command_step("true")))
    await device.stop()
    gate.touch()
    await device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    await device.until(lambda state: state.job is None)
    assert other.status == "QUEUED"


async def test_a_request_that_waits_for_the_network_is_not_made_too_late(
    device: Device, service: FakeJobsService
) -> None:
    """Who asked while AWS did not answer asks no longer once no job is to be taken."""
    service.faults.lose_requests = 10**6
    asked = _asked(service)
    job = service.create_job(document(command_step("true")))
    await service.until(lambda: _asked(service) > asked)
    await device.agent.take_jobs(takes=False)
    service.faults.lose_requests = 0
    await asyncio.sleep(3)
    assert job.status == "QUEUED"
    await device.agent.take_jobs(takes=True)
    await service.ended(job)


async def test_no_job_is_asked_for_outside_of_the_window(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """It comes when the window opens, and what then runs goes on when it closes."""
    clock = _Clock()
    opening = clock.now + timedelta(seconds=0.5)
    stopped_device.settings = replace(
        stopped_device.settings,
        now=clock,
        window=MaintenanceWindow(begin=opening.time(), end=time(12, 30)),
    )
    job = service.create_job(document(command_step("true")))
    await stopped_device.start()
    await stopped_device.connected()
    assert stopped_device.state.holds == {Hold.WINDOW}
    assert stopped_device.state.next_window == opening
    assert job.status == "QUEUED"
    assert _asked(service) == 0
    clock.now = opening
    await service.ended(job)
    assert stopped_device.state.holds == frozenset()
    assert stopped_device.state.next_window is None


async def test_no_step_starts_while_a_backup_is_made(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """The one that runs comes to its end, and no other job is begun."""
    gate = tmp_path / "gate"
    step = command_step(f"sh,-c,until [ -e {gate} ]; do sleep 0.02; done")
    job = service.create_job(document(step, command_step("touch", path="x")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    device.agent.hold(Hold.BACKUP)
    gate.touch()
    await device.until(
        lambda state: state.job is not None and state.job.steps[0].status.ended
    )
    await asyncio.sleep(0.3)
    assert device.state.job is not None
    assert device.state.job.current_index is None
    assert job.status == "IN_PROGRESS"
    device.agent.release(Hold.BACKUP)
    await service.ended(job)
    device.agent.hold(Hold.BACKUP)
    other = service.create_job(document(command_step("true")))
    await asyncio.sleep(0.3)
    assert other.status == "QUEUED"
    device.agent.release(Hold.BACKUP)
    await service.ended(other)


async def test_a_job_that_waits_for_a_backup_can_be_canceled(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """And stopped, like any other."""
    device.agent.hold(Hold.BACKUP)
    device.agent.release(Hold.BACKUP)
    gate = tmp_path / "gate"
    step = command_step(f"sh,-c,until [ -e {gate} ]; do sleep 0.02; done")
    job = service.create_job(document(step, command_step("true")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    device.agent.hold(Hold.BACKUP)
    gate.touch()
    await device.until(
        lambda state: state.job is not None and state.job.steps[0].status.ended
    )
    await device.agent.stop_job()
    await service.ended(job)
    assert job.status == "FAILED"
    assert job.status_details["reason"] == "stopped in Home Assistant between two steps"


async def test_a_switch_that_cannot_be_remembered_stays_as_it_is(
    device: Device, service: FakeJobsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever switches learns why."""

    async def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(device.agent._journal, "take_jobs", full)
    with pytest.raises(OSError, match="No space"):
        await device.agent.take_jobs(takes=False)
    assert device.state.takes_jobs
