"""The log of a job whose steps run elsewhere has the same as one whose steps run here."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs.logs import JobLogs
from custom_components.aws_iot_jobs.runner.client import RunnerClient
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    RunOutput,
    StepRequest,
    Stream,
)
from custom_components.aws_iot_jobs.runner.wire import event_from_json

from ..runner_service import RunnerService

_KEY = ExecutionKey("job", 1)


def _request(script: str) -> StepRequest:
    call = CommandCall(argv=("sh", "-c", script))
    return StepRequest(run_id="job.1.1.1", job_key="job.1", call=call)


async def test_a_flood_has_its_beginning_and_its_end(
    client: RunnerClient, tmp_path: Path
) -> None:
    """And how much is missing between."""
    logs = JobLogs(tmp_path / "thing", limit=100_000)
    log = logs.open(_KEY, ("Flood",))
    request = _request("seq 100000 800000; echo end >&2")
    result = await client.run(request, partial(log.take, 0, 1))
    logs.close(_KEY)
    await logs.stop()
    (step,) = (await logs.read(_KEY)).steps
    assert step.lines[0].text == "100000"
    texts = [line.text for line in step.lines]
    assert {"800000", "end"} <= set(texts)
    assert step.dropped > 4_000_000
    assert result.stdout.endswith("800000\n")


async def test_a_log_goes_on_where_a_restart_broke_it_off(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Each line is there once, with the time at which it was written."""
    go_on = tmp_path / "go-on"
    request = _request(
        f"echo 1; printf 2; until [ -e {go_on} ]; do sleep 0.02; done; echo 3; echo 4"
    )
    first = RunnerClient(session, runner_service.address, namespace="thing-1")
    life = JobLogs(tmp_path / "thing")
    log = life.open(_KEY, ("Only",))
    running = asyncio.create_task(first.run(request, partial(log.take, 0, 1)))
    async with asyncio.timeout(15):
        while not (lines := (await life.read(_KEY)).lines)[1:]:
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait((running,))
    await life.stop()
    go_on.touch()
    second = RunnerClient(session, runner_service.address, namespace="thing-1")
    life = JobLogs(tmp_path / "thing")
    log = life.open(_KEY, ("Only",))
    await second.run(request, partial(log.take, 0, 1))
    await life.stop()
    (step,) = (await life.read(_KEY)).steps
    assert step.text() == "1\n23\n4"
    assert abs(step.lines[0].at - lines[0].at) < timedelta(milliseconds=1)
    assert step.dropped == 0


def test_a_service_that_tells_no_offsets_is_understood() -> None:
    """Its output goes on where it was, each stream by itself."""
    told = event_from_json(
        "run",
        {"number": 3, "output": {"stream": "stderr", "data": "b2s="}},
        {Stream.STDOUT: 7, Stream.STDERR: 5},
    )
    assert isinstance(told.event, RunOutput)
    assert (told.event.offset, told.event.end) == (5, 7)
