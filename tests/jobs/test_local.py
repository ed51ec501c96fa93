"""Documents that somebody here has run, without AWS."""

import asyncio
from pathlib import Path

from custom_components.aws_iot_jobs.jobs.events import JobEventType
from custom_components.aws_iot_jobs.jobs.model import JobState

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document


async def test_a_document_is_run_as_a_job_of_its_own(
    device: Device, service: FakeJobsService
) -> None:
    """With events, counts and a result; AWS learns nothing of it."""
    asked = len(service.requests)
    told: list[JobEventType] = []
    device.agent.subscribe_events(lambda event: told.append(event.type))
    job = await device.agent.run_document(document(command_step("echo,hello")))
    assert job.key.job_id.startswith("local-")
    assert job.status == "SUCCEEDED"
    assert job.status_details["stdout"] == "hello\n"
    assert device.state.last_job == job
    assert device.state.jobs_succeeded == 1
    assert told[0] is JobEventType.RECEIVED
    assert told[-1] is JobEventType.SUCCEEDED
    await _idle(device)
    assert not any("update" in topic for topic, _ in service.requests[asked:])


async def test_a_document_that_makes_no_sense_is_rejected(device: Device) -> None:
    """With the reason that AWS would have got."""
    job = await device.agent.run_document({"version": "2.0"})
    assert job.status == "REJECTED"
    assert 'version: must be the string "1.0"' in job.reason


async def test_a_document_is_run_while_aws_is_away(
    device: Device, broker: Broker
) -> None:
    """It needs nobody there."""
    await broker.kill()
    await device.until(lambda state: not state.connected)
    job = await device.agent.run_document(document(command_step("true")))
    assert job.status == "SUCCEEDED"


async def test_one_job_runs_at_a_time(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """A document waits for the job of AWS, and the next one of AWS for the document."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.02; done"
    service.create_job(document(command_step(f"sh,-c,{wait}; echo first >>{log}")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    last = service.create_job(document(command_step(f"sh,-c,echo last >>{log}")))
    local = asyncio.create_task(
        device.agent.run_document(document(command_step(f"sh,-c,echo here >>{log}")))
    )
    await asyncio.sleep(0)
    gate.touch()
    await service.ended(last)
    assert (await local).status == "SUCCEEDED"
    assert log.read_text().split() == ["first", "here", "last"]


async def test_a_document_goes_on_after_a_restart(
    device: Device, broker: Broker, tmp_path: Path
) -> None:
    """Without AWS, and without who wanted it."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    wait = (
        f"echo $AWS_IOT_JOBS_ATTEMPT >>{log}; until [ -e {gate} ]; do sleep 0.02; done"
    )
    running = asyncio.create_task(
        device.agent.run_document(document(command_step(f"sh,-c,{wait}")))
    )
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    await broker.kill()
    await device.stop()
    await asyncio.wait((running,))
    assert running.cancelled()
    gate.touch()
    await device.start()
    await device.until(lambda state: state.last_job is not None)
    last: JobState | None = device.state.last_job
    assert last is not None
    assert last.status == "SUCCEEDED"
    assert last.key.job_id.startswith("local-")


async def test_a_document_can_be_stopped(device: Device) -> None:
    """As any job."""
    running = asyncio.create_task(
        device.agent.run_document(document(command_step("sleep,60")))
    )
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    await device.agent.stop_job()
    job = await running
    assert job.status == "FAILED"
    assert "stopped in Home Assistant" in job.reason


async def _idle(device: Device) -> None:
    await device.until(lambda state: state.job is None)


async def test_a_document_is_run_after_a_job_that_has_ended_at_aws(
    device: Device, service: FakeJobsService
) -> None:
    """What is wanted while the old job is given up is not forgotten."""
    job = service.create_job(document(command_step("sleep,60")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    await device.stop()
    service.end(job, "SUCCEEDED")
    await device.start()
    await device.connected()
    async with asyncio.timeout(10):
        ended = await device.agent.run_document(document(command_step("true")))
    assert ended.status == "SUCCEEDED"
