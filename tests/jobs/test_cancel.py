"""AWS ends a job while it runs: the thing notices, stops it, and takes the next one."""

import asyncio
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.model import StepStatus

from ..fake_jobs_service import Execution, FakeJobsService
from .conftest import Device
from .documents import command_step, document, handler_step

_HANG = """#!/bin/sh
trap 'echo ended >>"$2"; exit 0' TERM
echo started >>"$2"
sleep 60 & wait
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return what the steps write to."""
    return tmp_path / "log"


@pytest.fixture
async def running(device: Device, service: FakeJobsService, log: Path) -> Execution:
    """Have a job hang in the first of its two steps."""
    device.handler("hang.sh", _HANG)
    job = service.create_job(
        document(
            handler_step("hang.sh", str(log)),
            command_step(f"touch,{log}.second"),
            finalStep=command_step(f"touch,{log}.final"),
        )
    )
    async with asyncio.timeout(20):
        while not (log.exists() and log.read_text()):
            await asyncio.sleep(0.02)
    return job


@pytest.mark.parametrize("end", ["CANCELED", "TIMED_OUT", "REMOVED"])
async def test_the_running_step_is_stopped_and_no_other_runs(
    device: Device, service: FakeJobsService, running: Execution, log: Path, end: str
) -> None:
    """Home Assistant sees how AWS ended it, and the next job runs."""
    following = service.create_job(document(command_step("true")))
    if end == "REMOVED":
        service.delete(running)
    else:
        service.end(running, end)
    await service.ended(following)
    assert following.status == "SUCCEEDED"
    assert running.status == end
    ended = [state.last_job for state in device.states if state.last_job is not None]
    assert ended[0].key.job_id == running.job_id
    assert ended[0].status is JobStatus(end)
    assert [step.status for step in ended[0].steps] == [
        StepStatus.STOPPED,
        StepStatus.SKIPPED,
        StepStatus.SKIPPED,
    ]
    assert log.read_text() == "started\nended\n"
    assert not log.with_name("log.second").exists()
    assert not log.with_name("log.final").exists()


async def test_a_cancel_without_another_job_is_seen(
    device: Device, service: FakeJobsService, running: Execution
) -> None:
    """An empty notification is one, too."""
    service.end(running, "CANCELED")
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert device.state.last_job.status is JobStatus.CANCELED
    assert device.state.job is None


async def test_another_job_in_the_queue_disturbs_nothing(
    device: Device, service: FakeJobsService, running: Execution
) -> None:
    """The running job is asked about, and goes on."""
    topic = f"$aws/things/{running.thing_name}/jobs/notify-next"
    asked = len(running.accepted)
    await service.send(topic, b'{"timestamp": 1}')
    await service.until(lambda: len(running.accepted) > asked)
    assert running.status == "IN_PROGRESS"
    assert device.state.job is not None
    assert device.state.job.current_index == 0


async def test_a_retry_of_the_same_job_runs(
    device: Device, service: FakeJobsService, log: Path
) -> None:
    """It has the same id, and another execution number."""
    steps = document(command_step(f"sh,-c,echo $AWS_IOT_JOBS_EXECUTION_NUMBER >>{log}"))
    for _ in range(2):
        job = service.create_job(steps, job_id="again")
        assert (await service.ended(job)).status == "SUCCEEDED"
    assert log.read_text() == "1\n2\n"


async def test_redelivered_notifications_run_nothing_again(
    device: Device, service: FakeJobsService, log: Path
) -> None:
    """Not the same one, nor an older one after another: what AWS has pending counts."""
    steps = document(command_step(f"sh,-c,echo $AWS_IOT_JOB_ID >>{log}"))
    service.faults.double_answers = True
    jobs = [service.create_job(steps, job_id=name) for name in ("a", "b")]
    for job in jobs:
        await service.ended(job)
    for job in (jobs[0], jobs[1], jobs[0]):
        message = {"timestamp": 1, "execution": job.as_execution()}
        asked = len(service.requests)
        await service.send_json(
            f"$aws/things/{job.thing_name}/jobs/notify-next", message
        )
        await service.until(lambda asked=asked: len(service.requests) > asked)  # type: ignore[misc]
    assert log.read_text() == "a\nb\n"
