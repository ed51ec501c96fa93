"""Much at once: many steps, many jobs, much output, and AWS's limits kept all the same."""

from itertools import pairwise
import json
from pathlib import Path
import time

import pytest

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document, handler_step

pytestmark = pytest.mark.slow


async def test_a_job_of_200_steps(device: Device, service: FakeJobsService) -> None:
    """All are run, and AWS is told of them at most every two seconds."""
    steps = [command_step(f"echo,{number}", name=f"s{number}") for number in range(200)]
    started = time.monotonic()
    job = await service.ended(service.create_job(document(*steps)), within=50)
    seconds = time.monotonic() - started
    assert job.status == "SUCCEEDED"
    assert job.status_details["reason"] == "200 of 200 steps succeeded"
    assert job.status_details["stdout"].split()[-1] == "199"
    # The start, the end, and what fits between.
    assert len(job.accepted) <= 3 + seconds / 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize("length", [150, pytest.param(500, marks=pytest.mark.thorough)])
async def test_a_queue_of_jobs(
    stopped_device: Device, service: FakeJobsService, tmp_path: Path, length: int
) -> None:
    """They are worked off in their order, below AWS's rate of 100 messages a second."""
    log = tmp_path / "log"
    note = document(command_step(f"sh,-c,echo $AWS_IOT_JOB_ID >>{log}"))
    jobs = [service.create_job(note) for _ in range(length)]
    await stopped_device.start()
    for job in jobs:
        await service.ended(job, within=60)
    assert {job.status for job in jobs} == {"SUCCEEDED"}
    assert log.read_text().split() == [job.job_id for job in jobs]
    for one, hundred_later in zip(
        service.received_at, service.received_at[100:], strict=False
    ):
        assert hundred_later - one >= 1


async def test_status_details_stay_within_their_limits(
    device: Device, service: FakeJobsService
) -> None:
    """Whatever the step writes: the service refuses what AWS's limits forbid."""
    device.handler(
        "noise.sh",
        "#!/bin/sh\nhead -c 300000 /dev/urandom; head -c 300000 /dev/urandom >&2\n"
        # On a line of its own, wherever the noise has left the cursor.
        "printf '\\n\\033[31mred\\033[0m\\r\\n\\342\\200\\213caf\\303\\251 100%%\\n'\n",
    )
    job = await service.ended(
        service.create_job(
            document(handler_step("noise.sh", name="n" * 3000), command_step("false"))
        )
    )
    assert job.status == "FAILED"
    assert job.status_details["stdout"].rstrip().endswith("red café 100%")
    assert "exit status 1" in job.status_details["reason"]
    payloads = [len(json.dumps(request).encode()) for _, request in service.requests]
    assert max(payloads) < 128 * 1024


async def test_progress_is_told_within_two_seconds_and_the_latest_always(
    device: Device, service: FakeJobsService
) -> None:
    """Quick steps are not told one by one, the one that lasts is."""
    steps = [command_step("true", name=f"quick {n}") for n in range(5)]
    job = service.create_job(document(*steps, command_step("sleep,3", name="slow")))
    await service.until(
        lambda: job.status_details.get("step") == "slow" or job.status == "SUCCEEDED"
    )
    assert job.status_details == {"step": "slow", "stepIndex": "6", "stepCount": "6"}
    assert job.status == "IN_PROGRESS"
    await service.ended(job)
    times = [
        at
        for at, (_, request) in zip(service.received_at, service.requests, strict=True)
        if request.get("status") == "IN_PROGRESS"
    ]
    assert all(later - earlier >= 1.9 for earlier, later in pairwise(times[1:]))
