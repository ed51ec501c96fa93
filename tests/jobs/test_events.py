"""What is told of what happens to jobs: each thing once, in its order, and nothing twice."""

import asyncio
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.events import JobEvent, JobEventType
from custom_components.aws_iot_jobs.jobs.journal import Journal

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document


@pytest.fixture
def told(stopped_device: Device) -> list[JobEvent]:
    """Return what is told, over restarts."""
    return stopped_device.events


def _types(told: list[JobEvent]) -> list[str]:
    return [event.type.value for event in told]


async def test_a_job_is_told_from_its_beginning_to_its_end(
    told: list[JobEvent], device: Device, service: FakeJobsService
) -> None:
    """With its step, its place and how long it took."""
    job = service.create_job(
        document(command_step("true", name="a"), command_step("sh,-c,exit 3", name="b"))
    )
    await service.ended(job)
    await device.until(lambda state: state.job is None)
    assert _types(told) == [
        "received",
        "started",
        "step_started",
        "step_finished",
        "step_started",
        "step_finished",
        "failed",
    ]
    assert [(event.step, event.step_index, event.step_count) for event in told] == [
        (None, None, None),
        (None, None, 2),
        ("a", 1, 2),
        ("a", 1, 2),
        ("b", 2, 2),
        ("b", 2, 2),
        ("b", 2, 2),
    ]
    assert {event.key.job_id for event in told} == {job.job_id}
    assert told[-2].reason == "exit status 3"
    assert told[-1].reason == "step 2 of 2 'b': exit status 3"
    assert all(
        (event.duration is not None)
        == (event.type.value in ("step_finished", "failed"))
        for event in told
    )


async def test_who_is_told_sees_the_state_that_it_led_to(
    device: Device, service: FakeJobsService
) -> None:
    """An automation that is started by the end finds the reason where it is shown."""
    seen: list[bool] = []

    def take(event: JobEvent) -> None:
        if event.type is JobEventType.FAILED:
            last = device.state.last_job
            seen.append(last is not None and last.reason == event.reason)

    device.agent.subscribe_events(take)
    await service.ended(service.create_job(document(command_step("false"))))
    await device.until(lambda state: state.job is None and state.jobs_failed == 1)
    assert seen == [True]


@pytest.mark.parametrize("status", ["CANCELED", "TIMED_OUT"])
async def test_an_end_by_aws_is_told(
    told: list[JobEvent], device: Device, service: FakeJobsService, status: str
) -> None:
    """As what it is, with the step that it stopped."""
    job = service.create_job(document(command_step("sleep,60")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    service.end(job, status)
    await device.until(lambda state: state.last_job is not None)
    assert _types(told)[-2:] == ["step_finished", status.lower()]
    assert "AWS IoT Jobs" in told[-1].reason


async def test_a_removed_job_is_told(
    told: list[JobEvent], device: Device, service: FakeJobsService
) -> None:
    """It has an end, too."""
    job = service.create_job(document(command_step("sleep,60")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    service.delete(job)
    await device.until(lambda state: state.last_job is not None)
    assert _types(told)[-1] == "removed"


async def test_a_document_that_makes_no_sense_is_received_and_rejected(
    told: list[JobEvent], device: Device, service: FakeJobsService
) -> None:
    """It never starts."""
    await service.ended(service.create_job({"steps": []}))
    await device.until(lambda state: state.last_job is not None)
    assert _types(told) == ["received", "rejected"]


async def test_a_restart_tells_nothing_again(
    told: list[JobEvent], device: Device, service: FakeJobsService
) -> None:
    """Neither the last job's end, nor that the one under way has begun."""
    await service.ended(service.create_job(document(command_step("false"))))
    await device.until(lambda state: state.jobs_failed == 1)
    job = service.create_job(document(command_step("sh,-c,sleep 0.5")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    for _ in range(2):
        await device.stop()
        await device.start()
    await service.ended(job)
    await device.until(lambda state: state.job is None)
    types = _types(told)
    assert [types.count(it) for it in ("received", "started", "failed")] == [2, 2, 1]
    assert types.count("succeeded") == 1


async def test_an_end_that_is_on_record_is_told_before_the_agent_stops(
    told: list[JobEvent],
    device: Device,
    service: FakeJobsService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next life would not tell of it."""
    entered, end = asyncio.Event(), Journal.end

    async def slow(*args: Any) -> None:
        entered.set()
        await asyncio.sleep(0.2)
        await end(*args)

    monkeypatch.setattr(Journal, "end", slow)
    service.create_job(document(command_step("false")))
    async with asyncio.timeout(20):
        await entered.wait()
    await device.stop()
    assert _types(told)[-1] == "failed"
    await device.start()
    await device.connected()
    assert _types(told).count("failed") == 1
