"""What should never be, and is: the agent goes on, and nothing goes round for ever."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import logging
from pathlib import Path
import time

import pytest

from custom_components.aws_iot_jobs.jobs import agent as agent_module, timers
from custom_components.aws_iot_jobs.jobs.job_run import JobRun
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.jobs.timers import JobTimer, renewed

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from ..runner_service import RunnerService
from .conftest import THING, Device
from .documents import command_step, document, handler_step


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return what the steps write to."""
    return tmp_path / "log"


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors of the agent; the stand-in for AWS may have its own."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR
        and record.name.startswith("custom_components.")
    ]


def _noted(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


@pytest.mark.timeout(120)
async def test_a_step_that_kills_its_agent_is_not_run_for_ever(
    broker: Broker, service: FakeJobsService, tmp_path: Path, log: Path
) -> None:
    """After five interruptions the job fails, and says why."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    process = AgentProcess(broker.settings(THING), tmp_path, handlers)
    poison = f"sh,-c,echo $AWS_IOT_JOBS_ATTEMPT >>{log}; kill -9 $PPID; sleep 60"
    job = service.create_job(document(command_step(poison, name="poison")))
    for _ in range(5):
        await process.start()
        assert process.process is not None
        async with asyncio.timeout(20):
            await process.process.wait()
    await process.start()
    await service.ended(job)
    await process.stop()
    assert _noted(log) == ["1", "2", "3", "4", "5"]
    assert job.status == "FAILED"
    assert job.status_details["reason"] == (
        "step 1 of 1 'poison': interrupted 5 times and not run again: the agent or the "
        "runner ended each time before the step did"
    )


@pytest.mark.timeout(120)
async def test_a_step_that_kills_its_runner_is_not_run_for_ever(
    broker: Broker, service: FakeJobsService, tmp_path: Path, log: Path
) -> None:
    """The same in the app."""
    app = RunnerService(tmp_path / "app")
    await app.start()
    app.handler(
        "poison.sh",
        f"#!/bin/sh\necho $AWS_IOT_JOBS_ATTEMPT >>{log}\n"
        f"until [ -e {log}.$AWS_IOT_JOBS_ATTEMPT ]; do sleep 0.02; done\n"
        "kill -9 $PPID\nsleep 60\n",
    )
    process = AgentProcess(
        broker.settings(THING), tmp_path, tmp_path, runner=app.address
    )
    await process.start()
    job = service.create_job(document(handler_step("poison.sh")))
    for attempt in range(1, 6):
        Path(f"{log}.{attempt}").touch()
        assert app.process is not None
        async with asyncio.timeout(20):
            await app.process.wait()
        app.process = None
        await app.start()
    await service.ended(job, within=40)
    await process.stop()
    await app.stop()
    assert _noted(log) == ["1", "2", "3", "4", "5"]
    assert job.status == "FAILED"
    assert "interrupted 5 times" in job.status_details["reason"]


async def test_a_time_that_no_date_can_hold_ends_nothing(
    device: Device, service: FakeJobsService
) -> None:
    """It is as good as any number of seconds."""
    for seconds in (10**12, 10**30, -(10**12)):
        job = service.create_job(
            document(command_step("true")), seconds_before_timed_out=seconds
        )
        await service.ended(job)
        assert job.status == ("SUCCEEDED" if seconds > 0 else "FAILED")
    assert device.state.connected


@pytest.mark.parametrize(
    "moment",
    [
        lambda state: state.job is not None,
        lambda state: state.job is not None and state.job.current_index == 0,
        lambda state: state.last_job is not None,
        lambda state: not state.connected,
    ],
    ids=["a job begins", "a step begins", "a job has ended", "the connection is lost"],
)
async def test_a_listener_that_fails_is_the_only_one(
    device: Device,
    service: FakeJobsService,
    broker: Broker,
    moment: Callable[[AgentState], bool],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the job nor the agent nor other listeners have to do with it; it is told once."""

    def failing(state: AgentState) -> None:
        if moment(state):
            raise ValueError("an entity cannot show this")

    device.agent.subscribe(failing)
    device.agent.subscribe(device.states.append)
    await broker.restart()
    await device.until(lambda state: state.connected)
    for _ in range(2):
        job = service.create_job(document(command_step("true")))
        await service.ended(job)
        assert job.status == "SUCCEEDED"
    await device.until(lambda state: state.job is None and state.last_job is not None)
    assert _errors(caplog) == ["A listener to the agent of thing-1 has failed"]


async def test_an_unexpected_error_costs_time_but_no_job(
    device: Device,
    service: FakeJobsService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told once, and the job is gone on with."""
    monkeypatch.setattr(agent_module, "_FIRST_PAUSE_SECONDS", 0.1)
    run, failures = JobRun.run, iter(range(2))

    async def failing(self: JobRun, execution: object) -> object:
        if next(failures, None) is not None:
            raise RuntimeError("should not be")
        return await run(self, execution)  # type: ignore[arg-type]

    monkeypatch.setattr(JobRun, "run", failing)
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert job.status == "SUCCEEDED"
    assert _errors(caplog) == ["The agent of thing-1 goes on after an error"]


@pytest.mark.parametrize("days", [-1, 1, 20000])
async def test_a_wall_clock_that_jumps_over_a_restart_fails_no_job(
    device: Device,
    service: FakeJobsService,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
) -> None:
    """The job has at least the time that AWS says."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=days)

    job = service.create_job(
        document(command_step(f"sh,-c,echo $AWS_IOT_JOBS_ATTEMPT >>{log}; sleep 0.5")),
        seconds_before_timed_out=3600,
    )
    async with asyncio.timeout(20):
        while not _noted(log):
            await asyncio.sleep(0.02)
    await device.stop()
    monkeypatch.setattr(timers, "datetime", Jumped)
    # As if the machine had been started anew, too.
    monkeypatch.setattr(agent_module, "boot_id", lambda: "another boot")
    job.seconds_before_timed_out = 3500
    await device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert _noted(log) == ["1", "2"]


def test_what_aws_says_is_the_least_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within a boot, the monotonic clock knows more; over one, the wall clock may."""
    timer = JobTimer.of(3600)
    assert timer is not None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 600)
    assert 2999 < timer.left(same_boot=True) < 3001
    assert 3599 < timer.left(same_boot=False) <= 3600
    for told, same_boot, left in (
        (2000, True, 3000),
        (3300, True, 3300),
        (2000, False, 3600),
    ):
        again = renewed(timer, told, same_boot=same_boot)
        assert again is not None
        assert left - 1 < again.seconds <= left
    assert renewed(None, 2000, same_boot=True) is None
    assert renewed(timer, None, same_boot=True) is None
