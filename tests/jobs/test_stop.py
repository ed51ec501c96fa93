"""A cancel at any moment: the step ends, or does not begin, and the next job is served."""

import asyncio
from collections.abc import AsyncIterator, Callable
import os
from pathlib import Path
import random
import time
from typing import Any

import aiohttp
import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs import journal
from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.runner.client import RunnerClient

from ..fake_jobs_service import FakeJobsService
from ..runner_service import RunnerService
from .conftest import Device
from .documents import command_step, document, handler_step

CANCELS = int(os.environ.get("CANCELS", "12"))
WRITE_SECONDS = 0.15


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return what the steps write to."""
    return tmp_path / "log"


@pytest.fixture
async def slow_card(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Make each write of a journal slow; what is in the list is called within the next."""
    hooks: list[Callable[[], None]] = []
    loop = asyncio.get_running_loop()
    for name in ("append_to_file", "replace_file"):
        write = getattr(journal, name)

        def slow(path: Path, data: bytes, write: Any = write) -> None:
            if hooks:
                loop.call_soon_threadsafe(hooks.pop())
            time.sleep(WRITE_SECONDS)
            write(path, data)

        monkeypatch.setattr(journal, name, slow)
    return hooks


def _noted(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


async def test_a_cancel_while_the_journal_is_written_is_not_lost(
    device: Device,
    service: FakeJobsService,
    log: Path,
    slow_card: list[Callable[[], None]],
) -> None:
    """It comes between the decision to begin a step and its begin."""
    step = command_step(f"sh,-c,echo begun >>{log}; sleep 60; echo ended >>{log}")
    job = service.create_job(document(step))
    # The first write is of the job and its first step.
    slow_card.append(lambda: service.end(job, "CANCELED"))
    following = service.create_job(document(command_step("true")))
    await service.ended(following)
    assert following.status == "SUCCEEDED"
    assert _noted(log) == []
    await device.until(_has_ended(following.job_id, JobStatus.SUCCEEDED))
    assert list((device.settings.directory / "work").iterdir()) == []


@pytest.mark.timeout(60 + 3 * CANCELS)
async def test_cancels_at_random_moments(
    device: Device,
    service: FakeJobsService,
    log: Path,
    slow_card: list[Callable[[], None]],
) -> None:
    """Each step ends within the grace time; the next job begins within a second of that."""
    dice = random.Random(20261125)
    begun = "exec sleep 60"
    for number in range(CANCELS):
        job = service.create_job(
            document(command_step(f"sh,-c,echo {number} $$ >>{log}; {begun}"))
        )
        await asyncio.sleep(dice.uniform(0, 1.2))
        service.end(job, "CANCELED")
        following = service.create_job(document(command_step("true")))
        clock = asyncio.get_running_loop().time
        canceled_at = clock()
        await service.ended(following, within=device.grace + 5)
        # A write for the end of the one, three for the other, and what a busy machine adds.
        assert clock() - canceled_at < device.grace + 1 + 5 * WRITE_SECONDS
    pids = [int(word) for word in _noted(log)[1::2]]
    assert [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()] == []


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[RunnerService]:
    """Run a runner elsewhere."""
    it = RunnerService(tmp_path / "app")
    await it.start()
    yield it
    await it.stop()


@pytest.fixture
async def remote_device(
    stopped_device: Device, service: FakeJobsService, app: RunnerService
) -> AsyncIterator[Device]:
    """Run an agent whose handlers run elsewhere."""
    async with aiohttp.ClientSession() as session:
        agent = Agent(
            stopped_device.settings,
            RunnerClient(session, app.address, namespace="thing-1"),
        )
        stopped_device._agent = agent
        agent.subscribe(stopped_device._note)
        stopped_device._task = asyncio.create_task(agent.run())
        await stopped_device.connected()
        yield stopped_device
        await stopped_device.stop()


async def test_the_end_is_shown_while_the_runner_is_away(
    remote_device: Device, service: FakeJobsService, app: RunnerService, log: Path
) -> None:
    """What needs no runner does not wait for it; what needs it runs when it is back."""
    hang = f"#!/bin/sh\necho hangs >>{log}\nexec sleep 60\n"
    app.handler("hang.sh", hang)
    app.handler("note.sh", f"#!/bin/sh\necho next >>{log}\n")
    job = service.create_job(document(handler_step("hang.sh")))
    async with asyncio.timeout(20):
        while _noted(log) != ["hangs"]:
            await asyncio.sleep(0.02)
    assert app.process is not None
    app.process.send_signal(19)
    service.end(job, "CANCELED")
    await remote_device.until(_has_ended(job.job_id, JobStatus.CANCELED), within=5)
    assert remote_device.state.job is None
    invalid = service.create_job({"version": "1.0"})
    assert (await service.ended(invalid, within=5)).status == "REJECTED"
    waiting = service.create_job(document(handler_step("note.sh")))
    await service.until(lambda: waiting.status == "IN_PROGRESS")
    app.process.send_signal(18)
    assert (await service.ended(waiting, within=40)).status == "SUCCEEDED"
    assert _noted(log) == ["hangs", "next"]


async def test_what_a_runner_has_to_forget_is_known_after_a_restart(
    remote_device: Device, service: FakeJobsService, app: RunnerService, log: Path
) -> None:
    """The runner was away at the end of the job, and for the rest of the agent's life."""
    app.handler("hang.sh", f"#!/bin/sh\necho $$ >>{log}\nexec sleep 60\n")
    job = service.create_job(document(handler_step("hang.sh")))
    async with asyncio.timeout(20):
        while not _noted(log):
            await asyncio.sleep(0.02)
    assert app.process is not None
    app.process.send_signal(19)
    service.end(job, "CANCELED")
    await remote_device.until(_has_ended(job.job_id, JobStatus.CANCELED), within=5)
    await remote_device.stop()
    app.process.send_signal(18)
    async with aiohttp.ClientSession() as session:
        runner = RunnerClient(session, app.address, namespace="thing-1")
        again = Agent(remote_device.settings, runner)
        serving = asyncio.create_task(again.run())
        async with asyncio.timeout(20):
            while list((app.data / "runs").iterdir()):
                await asyncio.sleep(0.05)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert not Path(f"/proc/{_noted(log)[0]}/exe").exists()


def _has_ended(job_id: str, status: JobStatus) -> Callable[[AgentState], bool]:
    def ended(state: AgentState) -> bool:
        last: Any = state.last_job
        return last is not None and (last.key.job_id, last.status) == (job_id, status)

    return ended
