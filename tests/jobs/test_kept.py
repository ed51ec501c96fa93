"""What is kept of jobs that have ended: the agent's history, and their logs."""

from dataclasses import replace
from pathlib import Path

import pytest

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document, handler_step

_LIMIT = 64 * 1024


async def test_the_last_jobs_are_known_newest_first(
    device: Device, service: FakeJobsService
) -> None:
    """With their steps, over restarts; what falls out has no log any more."""
    device.settings = replace(device.settings, history_count=2)
    await device.stop()
    await device.start()
    await device.connected()
    for number in range(3):
        step = command_step(f"echo,hello {number}", name=f"step {number}")
        await service.ended(service.create_job(document(step), job_id=f"job-{number}"))
        await device.until(lambda state: state.job is None)
    await device.stop()
    await device.start()
    await device.connected()
    jobs = device.agent.history.jobs()
    assert [job.key.job_id for job in jobs] == ["job-2", "job-1"]
    assert [step.name for job in jobs for step in job.steps] == ["step 2", "step 1"]
    assert all(job.duration is not None for job in jobs)
    logs = [await device.agent.logs.read(job.key) for job in jobs]
    assert [log.steps[0].lines[0].text for log in logs] == ["hello 2", "hello 1"]
    assert len(list((device.settings.directory / "logs").iterdir())) == 2


@pytest.mark.timeout(120)
async def test_a_flood_keeps_head_and_tail_of_each_step(
    device: Device, service: FakeJobsService
) -> None:
    """Three steps write 10 MB: what is missing is told, and where."""
    device.settings = replace(device.settings, log_bytes=_LIMIT)
    await device.stop()
    await device.start()
    await device.connected()
    steps = [
        command_step(f"seq,-f,step {number} line %.0f,1,200000", name=f"flood {number}")
        for number in range(3)
    ]
    job = service.create_job(document(*steps))
    await service.ended(job, within=60)
    assert job.status == "SUCCEEDED"
    await device.until(lambda state: state.job is None)
    (ended,) = device.agent.history.jobs()
    log = await device.agent.logs.read(ended.key)
    assert [step.index for step in log.steps] == [0, 1, 2]
    for number, step in enumerate(log.steps):
        assert step.lines[0].text == f"step {number} line 1"
        assert step.lines[-1].text == f"step {number} line 200000"
        assert step.dropped > 3_000_000
    (file,) = (device.settings.directory / "logs").iterdir()
    assert file.stat().st_size < 2 * _LIMIT
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_secret_is_not_kept(device: Device, service: FakeJobsService) -> None:
    """Whoever reads the log may not download what the URL names."""
    secret = "https://bucket.s3.amazonaws.com/f?X-Amz-Signature=0123456789abcdef"
    device.handler("show.sh", '#!/bin/sh\necho "$2"\n')
    await service.ended(service.create_job(document(handler_step("show.sh", secret))))
    await device.until(lambda state: state.job is None)
    (ended,) = device.agent.history.jobs()
    log = await device.agent.logs.read(ended.key)
    assert log.steps[0].lines[0].text == "https://bucket.s3.amazonaws.com/f"
    await device.stop()
    for path in device.settings.directory.rglob("*.log"):
        if path.name != "journal.log":
            assert b"0123456789abcdef" not in path.read_bytes()


async def test_the_log_of_a_step_goes_on_after_a_restart(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """Both attempts of it are there."""
    gate = tmp_path / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.02; done"
    said = f"echo attempt $AWS_IOT_JOBS_ATTEMPT; {wait}"
    job = service.create_job(document(command_step(f"sh,-c,{said}")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    key = device.state.job.key if device.state.job else None
    assert key is not None
    async for lines in device.agent.logs.follow(key):
        assert lines[0].text == "attempt 1"
        break
    await device.stop()
    gate.touch()
    await device.start()
    await service.ended(job)
    await device.until(lambda state: state.job is None)
    log = await device.agent.logs.read(key)
    texts = [line.text for line in log.steps[0].lines]
    assert texts == ["attempt 1", "attempt 2"]
