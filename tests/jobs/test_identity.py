"""A job that is deleted in AWS and made anew under its old id is another job."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.journal import Journal

from ..fake_jobs_service import Execution, FakeJobsService
from .conftest import Device
from .documents import command_step, document

type Remake = Callable[[Execution, dict[str, object]], Execution]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return what the steps write to."""
    return tmp_path / "log"


@pytest.fixture(params=["another second", "the same second"])
def remake(request: pytest.FixtureRequest, service: FakeJobsService) -> Remake:
    """Delete a job, and make it anew under its id, later or at once."""

    def remade(job: Execution, new_document: dict[str, object]) -> Execution:
        service.delete(job)
        new = service.create_job(new_document, job_id=job.job_id)
        assert new.execution_number == job.execution_number
        later = 5 if request.param == "another second" else 0
        new.queued_at = job.queued_at + later
        return new

    return remade


def _steps(log: Path, *words: str, gate: Path | None = None) -> dict[str, object]:
    """Return steps of these names, each of which notes a word; the last waits for a gate."""
    wait = "" if gate is None else f"; until [ -e {gate} ]; do sleep 0.02; done"
    ends = ["" for _ in words[1:]] + [wait]
    return document(
        *(
            command_step(f"sh,-c,echo {word} >>{log}{end}", name=f"step {number}")
            for number, (word, end) in enumerate(zip(words, ends, strict=True))
        )
    )


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def _noted(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


async def test_steps_of_the_old_one_are_not_those_of_the_new_one(
    device: Device,
    service: FakeJobsService,
    log: Path,
    tmp_path: Path,
    remake: Remake,
) -> None:
    """The thing is off while the job is remade: what was done is not taken as done."""
    job = service.create_job(_steps(log, "old-1", "old-2", gate=tmp_path / "gate"))
    await _until(lambda: "old-2" in _noted(log))
    await device.stop()
    new = remake(job, _steps(log, "new-1", "new-2"))
    await device.start()
    assert (await service.ended(new)).status == "SUCCEEDED"
    assert _noted(log) == ["old-1", "old-2", "new-1", "new-2"]
    ended = [state.last_job for state in device.states if state.last_job is not None]
    assert [job.status for job in ended[:1]] == [JobStatus.REMOVED]


async def test_an_outcome_that_waits_is_not_that_of_the_new_one(
    device: Device,
    service: FakeJobsService,
    log: Path,
    tmp_path: Path,
    remake: Remake,
) -> None:
    """The new job runs, and fails by itself."""
    gate = tmp_path / "gate"
    job = service.create_job(_steps(log, "old", gate=gate))
    await _until(lambda: _noted(log) == ["old"])
    # Neither end is heard: not by AWS, and not of AWS.
    service.faults.lose_requests = 10**6
    gate.touch()
    journal = Journal(device.settings.directory)
    async with asyncio.timeout(20):
        while (record := (await journal.load()).record) is None or not record.outcome:
            await asyncio.sleep(0.05)
    await device.stop()
    service.faults.lose_requests = 0
    assert job.status == "IN_PROGRESS"
    new = remake(job, document(command_step(f"sh,-c,echo new >>{log}; exit 3")))
    await device.start()
    assert (await service.ended(new)).status == "FAILED"
    assert "exit status 3" in new.status_details["reason"]
    assert _noted(log) == ["old", "new"]


async def test_the_old_one_ends_when_it_is_remade_while_it_runs(
    device: Device,
    service: FakeJobsService,
    log: Path,
    tmp_path: Path,
    remake: Remake,
) -> None:
    """It is stopped, the new one is left as it is by it, and runs from its beginning."""
    job = service.create_job(
        document(command_step(f"sh,-c,echo old >>{log}; sleep 60"))
    )
    await _until(lambda: _noted(log) == ["old"])
    new = remake(job, _steps(log, "new"))
    assert (await service.ended(new)).status == "SUCCEEDED"
    assert _noted(log) == ["old", "new"]
    # Told with its start, or after it.
    assert list(dict.fromkeys(new.history)) == ["IN_PROGRESS", "SUCCEEDED"]


async def test_a_remade_job_behind_another_one_gets_no_old_outcome(
    device: Device, service: FakeJobsService, log: Path, tmp_path: Path
) -> None:
    """AWS hands out another job first, so that the old one is settled meanwhile."""
    job = service.create_job(_steps(log, "old", gate=tmp_path / "gate"))
    await _until(lambda: _noted(log) == ["old"])
    await device.stop()
    service.delete(job)
    other = service.create_job(_steps(log, "other"), job_id="other")
    new = service.create_job(_steps(log, "new"), job_id=job.job_id)
    assert new.execution_number == job.execution_number
    await device.start()
    for expected in (other, new):
        assert (await service.ended(expected)).status == "SUCCEEDED"
    assert _noted(log) == ["old", "other", "new"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a", 1, 5), ("a", 1, 5), True),
        (("a", 1, 5), ("a", 1, 6), False),
        (("a", 1, 5), ("a", 2, 5), False),
        (("a", 1, 5), ("b", 1, 5), False),
        # A journal of an earlier version, or an answer without it.
        (("a", 1, 0), ("a", 1, 6), True),
        (("a", 1, 5), ("a", 1, 0), True),
        (("a", 2, 0), ("a", 1, 6), False),
    ],
)
def test_what_makes_an_execution_the_same(
    one: tuple[str, int, int], other: tuple[str, int, int], *, same: bool
) -> None:
    """The id, the number, and when it was queued as far as that is known."""
    assert ExecutionKey(*one).is_same(ExecutionKey(*other)) == same
