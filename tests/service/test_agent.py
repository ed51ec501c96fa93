"""An agent whose steps run in the service: both may die at any moment, not the job."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from ..jobs.conftest import THING
from ..jobs.documents import document, handler_step
from ..runner.processes import living
from ..runner_service import RunnerService

# Notes its process, speaks, and ends when it may.
_LONG = """#!/bin/sh
trap 'echo "stopped in order"; exit 7' TERM
echo "$AWS_IOT_JOBS_STEP.$AWS_IOT_JOBS_ATTEMPT $$" >>"$2"
echo "attempt $AWS_IOT_JOBS_ATTEMPT begins"
until [ -e "$2.end" ]; do sleep 0.05; done
echo "attempt $AWS_IOT_JOBS_ATTEMPT ends"
"""


class Notes:
    """What the step has noted of itself."""

    def __init__(self, file: Path) -> None:
        """Read it from a file."""
        self.file = file

    @property
    def attempts(self) -> list[str]:
        """Step and attempt of each process."""
        return [line.split()[0] for line in self._lines()]

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [int(line.split()[1]) for line in self._lines()]

    def let_end(self) -> None:
        """Let the step end."""
        Path(f"{self.file}.end").touch()

    async def has(self, attempt: str) -> None:
        """Wait for an attempt."""
        await _until(lambda: attempt in self.attempts)

    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """Return notes of nothing."""
    return Notes(tmp_path / "notes")


@pytest.fixture
async def agent(
    broker: Broker, runner_service: RunnerService, tmp_path: Path
) -> AsyncIterator[AgentProcess]:
    """Run an agent that can be killed."""
    runner_service.handler("long.sh", _LONG)
    process = AgentProcess(
        broker.settings(THING),
        tmp_path / "agent",
        runner_service.handlers,
        runner=runner_service.address,
    )
    await process.start()
    yield process
    await process.stop()


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_a_step_goes_on_while_the_agent_is_away(
    agent: AgentProcess, service: FakeJobsService, notes: Notes, way: str
) -> None:
    """The same process, run once; its whole output and its result count."""
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await notes.has("1.1")
    await (agent.kill() if way == "kill" else agent.stop())
    assert living(notes.pids[0])
    await agent.start()
    await service.until(
        lambda: (
            len([topic for topic, _ in service.requests if "start-next" in topic]) > 1
        )
    )
    assert living(notes.pids[0])
    notes.let_end()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1"]
    words = job.status_details["stdout"].split()
    assert words == ["attempt", "1", "begins", "attempt", "1", "ends"]


async def test_a_step_that_ended_while_the_agent_was_away_counts(
    agent: AgentProcess, service: FakeJobsService, notes: Notes
) -> None:
    """Its result waits; also with a job's time limit, of which less is left by then."""
    job = service.create_job(
        document(handler_step("long.sh", str(notes.file))),
        seconds_before_timed_out=300,
    )
    await notes.has("1.1")
    await agent.kill()
    notes.let_end()
    await _until(lambda: not living(notes.pids[0]))
    job.seconds_before_timed_out = 200
    await agent.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1"]
    assert "attempt 1 ends" in job.status_details["stdout"]


async def test_a_step_with_a_presigned_url_goes_on(
    agent: AgentProcess, service: FakeJobsService, notes: Notes
) -> None:
    """Which AWS signs anew each time it hands the job out."""

    def signed(signature: str) -> dict[str, object]:
        url = f"https://example.s3.amazonaws.com/file?X-Amz-Signature={signature}"
        return document(handler_step("long.sh", str(notes.file), url))

    job = service.create_job(signed("one"))
    await notes.has("1.1")
    await agent.stop()
    job.document = signed("two")
    await agent.start()
    await service.until(
        lambda: (
            len([topic for topic, _ in service.requests if "start-next" in topic]) > 1
        )
    )
    notes.let_end()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1"]
    assert "attempt 1 ends" in job.status_details["stdout"]


async def test_a_step_that_ends_its_service_leaves_it_in_order(
    agent: AgentProcess,
    service: FakeJobsService,
    runner_service: RunnerService,
    notes: Notes,
) -> None:
    """Each time it is another attempt, and nothing of the earlier ones is left."""
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    for attempt in (1, 2, 3):
        await notes.has(f"1.{attempt}")
        await runner_service.kill()
        await runner_service.start()
    await notes.has("1.4")
    assert [living(pid) for pid in notes.pids] == [False, False, False, True]
    notes.let_end()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1", "1.2", "1.3", "1.4"]
    await _until(lambda: not list((runner_service.data / "runs").iterdir()))
    await _until(lambda: not list((runner_service.data / "work").iterdir()))


async def test_a_step_whose_service_was_killed_is_run_again(
    agent: AgentProcess,
    service: FakeJobsService,
    runner_service: RunnerService,
    notes: Notes,
) -> None:
    """As attempt 2, when the first process is gone."""
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await notes.has("1.1")
    await runner_service.kill()
    await runner_service.start()
    await notes.has("1.2")
    assert not living(notes.pids[0])
    notes.let_end()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1", "1.2"]
    assert "attempt 2 ends" in job.status_details["stdout"]


async def test_both_killed_at_once(
    agent: AgentProcess,
    service: FakeJobsService,
    runner_service: RunnerService,
    notes: Notes,
) -> None:
    """As after a power failure of a host that runs both."""
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await notes.has("1.1")
    await agent.kill()
    await runner_service.kill()
    await runner_service.start()
    await agent.start()
    await notes.has("1.2")
    assert not living(notes.pids[0])
    notes.let_end()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1", "1.2"]


@pytest.mark.usefixtures("agent")
async def test_a_cancel_stops_the_process_in_the_service(
    service: FakeJobsService, notes: Notes, runner_service: RunnerService
) -> None:
    """In an orderly way, and the next job is run."""
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await notes.has("1.1")
    service.end(job, "CANCELED")
    await _until(lambda: not living(notes.pids[0]))
    notes.let_end()
    following = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await service.ended(following)
    assert following.status == "SUCCEEDED"
    await _until(lambda: not list((runner_service.data / "runs").iterdir()))


async def test_a_job_canceled_while_the_agent_was_away_is_ended(
    agent: AgentProcess, service: FakeJobsService, notes: Notes
) -> None:
    """Nothing goes on in the service that AWS has ended."""
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await notes.has("1.1")
    await agent.stop()
    service.end(job, "CANCELED")
    assert living(notes.pids[0])
    await agent.start()
    await _until(lambda: not living(notes.pids[0]))


@pytest.mark.usefixtures("agent")
async def test_a_job_waits_for_the_service(
    service: FakeJobsService, runner_service: RunnerService, notes: Notes
) -> None:
    """A stopped app delays a job, and fails none."""
    await runner_service.stop()
    notes.let_end()
    job = service.create_job(document(handler_step("long.sh", str(notes.file))))
    await service.until(lambda: job.status == "IN_PROGRESS")
    await runner_service.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert notes.attempts == ["1.1"]
