"""A restart, wanted or not, at any moment: nothing done twice, nothing lost."""

import asyncio
from collections.abc import AsyncIterator
import os
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document, handler_step

pytestmark = pytest.mark.slow

# Notes each attempt, then hangs in the first one and passes in the second.
_INTERRUPTED = """#!/bin/sh
echo "$AWS_IOT_JOBS_STEP.$AWS_IOT_JOBS_ATTEMPT $$" >>"$2"
[ "$AWS_IOT_JOBS_ATTEMPT" -gt 1 ] || { trap '' HUP; sleep 300; }
echo "attempt $AWS_IOT_JOBS_ATTEMPT"
"""
_NOTE = """#!/bin/sh
echo "$AWS_IOT_JOBS_STEP.$AWS_IOT_JOBS_ATTEMPT $$" >>"$2"
"""


class Ledger:
    """What the steps have noted of themselves."""

    def __init__(self, file: Path) -> None:
        """Read it from a file."""
        self.file = file

    @property
    def attempts(self) -> list[str]:
        """Each step's number and attempt, in the order in which they ran."""
        return [line.split()[0] for line in self._lines()]

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [int(line.split()[1]) for line in self._lines()]

    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    async def has(self, attempt: str) -> None:
        """Wait for an attempt of a step."""
        async with asyncio.timeout(15):
            while attempt not in self.attempts:
                await asyncio.sleep(0.02)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return a ledger with no entries."""
    return Ledger(tmp_path / "ledger")


@pytest.fixture
async def agent_process(broker: Broker, tmp_path: Path) -> AsyncIterator[AgentProcess]:
    """Make an agent that can be killed."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    for name, text in (("note.sh", _NOTE), ("interrupted.sh", _INTERRUPTED)):
        (handlers / name).write_text(text)
        (handlers / name).chmod(0o700)
    process = AgentProcess(broker.settings(THING), tmp_path, handlers)
    yield process
    await process.stop()


def _three_steps(ledger: Ledger) -> dict[str, object]:
    note = str(ledger.file)
    return document(
        handler_step("note.sh", note),
        handler_step("interrupted.sh", note),
        handler_step("note.sh", note),
        finalStep=handler_step("note.sh", note),
    )


def _is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_the_interrupted_step_is_run_again_and_no_other(
    agent_process: AgentProcess, service: FakeJobsService, ledger: Ledger, way: str
) -> None:
    """Stopped or killed, the job goes on at its step, and the first try is gone by then."""
    await agent_process.start()
    job = service.create_job(_three_steps(ledger))
    await ledger.has("2.1")
    await (agent_process.stop() if way == "stop" else agent_process.kill())
    assert _is_alive(ledger.pids[-1]) == (way == "kill")
    await agent_process.start()
    await service.ended(job)
    assert ledger.attempts == ["1.1", "2.1", "2.2", "3.1", "4.1"]
    assert not _is_alive(ledger.pids[1])
    assert job.status == "SUCCEEDED"
    assert "attempt 2" in job.status_details["stdout"]


async def test_a_result_that_aws_did_not_accept_is_sent_after_the_restart(
    device: Device, service: FakeJobsService, ledger: Ledger
) -> None:
    """The steps are not run again for it."""
    device.handler("note.sh", _NOTE)
    # start-next; then nothing more gets through.
    service.faults.reject.extend([None] + ["InternalError"] * 50)
    job = service.create_job(document(handler_step("note.sh", str(ledger.file))))
    await service.until(
        lambda: any(
            request.get("status") == "SUCCEEDED" for _, request in service.requests
        )
    )
    await device.stop()
    assert job.status == "IN_PROGRESS"
    service.faults.reject.clear()
    await device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert ledger.attempts == ["1.1"]
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert [step.status for step in device.state.last_job.steps] == ["SUCCEEDED"]


async def test_the_journal_tells_that_a_step_was_interrupted(
    device: Device, service: FakeJobsService, ledger: Ledger
) -> None:
    """What a stop did to the running step is on disk before the agent has ended."""
    device.handler("interrupted.sh", _INTERRUPTED)
    service.create_job(document(handler_step("interrupted.sh", str(ledger.file))))
    await ledger.has("1.1")
    await device.stop()
    journal = (device.settings.directory / "journal.log").read_text()
    assert "interrupted: the agent was stopped" in journal
    assert not _is_alive(ledger.pids[0])


async def test_the_time_of_the_job_is_not_that_of_a_step(
    device: Device, service: FakeJobsService, ledger: Ledger
) -> None:
    """After a restart, AWS may tell of the timer of the interrupted step: no other's."""
    device.handler("interrupted.sh", _INTERRUPTED)
    job = service.create_job(
        document(
            handler_step("interrupted.sh", str(ledger.file), timeoutSeconds=60),
            command_step("sleep,2"),
        )
    )
    await ledger.has("1.1")
    await device.stop()
    job.seconds_before_timed_out = 2
    await device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_a_job_canceled_during_the_interruption_is_not_resumed(
    device: Device, service: FakeJobsService, ledger: Ledger
) -> None:
    """Its end is shown as AWS has it, and the next job runs."""
    device.handler("interrupted.sh", _INTERRUPTED)
    job = service.create_job(document(handler_step("interrupted.sh", str(ledger.file))))
    await ledger.has("1.1")
    await device.stop()
    service.end(job, "CANCELED")
    following = service.create_job(document(command_step("true")))
    await device.start()
    await service.ended(following)
    assert following.status == "SUCCEEDED"
    assert ledger.attempts == ["1.1"]
    ended = [state.last_job for state in device.states if state.last_job is not None]
    assert ended[0].key.job_id == job.job_id
    assert ended[0].status is JobStatus.CANCELED


async def test_an_unreadable_journal_is_set_aside_and_told(
    stopped_device: Device, service: FakeJobsService, ledger: Ledger
) -> None:
    """The agent works on; the file is kept for whoever wants to look at it."""
    directory = stopped_device.settings.directory
    directory.mkdir(parents=True)
    (directory / "journal.log").write_text('{"format": 1, "jobId"')
    await stopped_device.start()
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert job.status == "SUCCEEDED"
    aside = directory / "journal.log.corrupt"
    assert stopped_device.state.journal_set_aside == aside
    assert aside.read_text() == '{"format": 1, "jobId"'


async def test_a_handler_that_restarts_the_agent_ends_succeeded(
    agent_process: AgentProcess, service: FakeJobsService, tmp_path: Path
) -> None:
    """It tells "not yet" from "done" by its attempt."""
    restart = agent_process.handlers / "restart.sh"
    restart.write_text(
        '#!/bin/sh\n[ "$AWS_IOT_JOBS_ATTEMPT" -gt 1 ] && echo restarted && exit 0\n'
        f'kill "$(cat {tmp_path / "pid"})"; sleep 60\n'
    )
    restart.chmod(0o700)
    await agent_process.start()
    process = agent_process.process
    assert process is not None
    (tmp_path / "pid").write_text(str(process.pid))
    job = service.create_job(document(handler_step("restart.sh")))
    async with asyncio.timeout(15):
        await process.wait()
    await agent_process.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert job.status_details["stdout"].strip() == "restarted"


async def test_of_a_job_only_its_result_is_left_on_disk(
    device: Device, service: FakeJobsService
) -> None:
    """No temporary file, no directory of the job; the result is known after a restart."""
    await service.ended(service.create_job(document(command_step("true"))))
    await device.until(lambda state: state.last_job is not None)
    last_job = device.state.last_job
    await device.stop()
    left = {
        name for _, _, names in os.walk(device.settings.directory) for name in names
    }
    assert left == {"history.log", "journal.log"}
    assert list((device.settings.directory / "work").iterdir()) == []
    await device.start()
    await device.connected()
    assert device.state.last_job == last_job
