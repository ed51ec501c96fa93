"""A crash at any write, and at any message to or from AWS: nothing lost, nothing done twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..agent_process import CRASHED, AgentProcess
from ..broker import Broker
from ..fake_jobs_service import Execution, FakeJobsService
from .conftest import THING
from .documents import document, handler_step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# With the last of them, all is over before the crash.
_ALL_DEEDS = 34
_NOTE = "#!/bin/sh\necho $AWS_IOT_JOBS_STEP.$AWS_IOT_JOBS_ATTEMPT >>"


@pytest.fixture
async def agent_process(broker: Broker, tmp_path: Path) -> AsyncIterator[AgentProcess]:
    """Make an agent with a handler that notes each of its runs."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    note = handlers / "note.sh"
    note.write_text(f"{_NOTE}{tmp_path / 'ledger'}\n")
    note.chmod(0o700)
    process = AgentProcess(broker.settings(THING), tmp_path, handlers, hurry=True)
    yield process
    await process.stop()


@pytest.mark.parametrize("deeds", range(_ALL_DEEDS))
async def test_a_crash_at_any_deed_is_recovered_from(
    agent_process: AgentProcess, service: FakeJobsService, tmp_path: Path, deeds: int
) -> None:
    """The job ends as it should, no step is left out, and what is repeated says so."""
    job = service.create_job(
        document(handler_step("note.sh"), finalStep=handler_step("note.sh"))
    )
    agent_process.crash_after = deeds
    await agent_process.start()
    process = agent_process.process
    assert process is not None
    crashed = asyncio.ensure_future(process.wait())
    idle = asyncio.ensure_future(_is_idle(service, job))
    await asyncio.wait((crashed, idle), return_when=asyncio.FIRST_COMPLETED)
    assert idle.done() or crashed.result() == CRASHED
    assert idle.done() or deeds < _ALL_DEEDS - 1, "the range has not all deeds"
    idle.cancel()
    await agent_process.kill()
    agent_process.crash_after = None
    await agent_process.start()
    service.requests.clear()
    await _is_idle(service, job)
    assert job.status == "SUCCEEDED"
    noted = (tmp_path / "ledger").read_text().split()
    assert noted in (
        ["1.1", "2.1"],
        ["1.1", "1.2", "2.1"],
        ["1.1", "2.1", "2.2"],
        # The first attempt never began: the crash was between its note and its start.
        ["1.2", "2.1"],
        ["1.1", "2.2"],
    )


async def _is_idle(service: FakeJobsService, job: Execution) -> None:
    """Wait until the job has ended, and the agent has asked for another one."""
    await service.ended(job, within=60)
    asked = len(service.requests)
    await service.until(
        lambda: any(
            topic.endswith("/start-next") for topic, _ in service.requests[asked:]
        ),
        within=60,
    )
