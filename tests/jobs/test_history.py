"""The jobs that have ended are known weeks later."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import errno
import logging
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs import history as history_module
from custom_components.aws_iot_jobs.jobs.history import FILE_NAME, History
from custom_components.aws_iot_jobs.jobs.model import JobState, StepState, StepStatus

_NOW = datetime.now(UTC)


def _job(number: int, **changes: Any) -> JobState:
    ended_at = _NOW - timedelta(days=1) + timedelta(minutes=number)
    step = StepState(
        name="Check",
        status=StepStatus.FAILED,
        reason="exit status 3",
        attempt=2,
        started_at=ended_at - timedelta(seconds=5),
        ended_at=ended_at,
    )
    job = JobState(
        key=ExecutionKey(f"job-{number}", 1, 1_700_000_000 + number),
        status=JobStatus.FAILED,
        steps=(step, StepState(name="Next", status=StepStatus.SKIPPED)),
        reason="step 1 of 2 'Check': exit status 3",
        status_details={"reason": "why", "stdout": "text"},
        started_at=step.started_at,
        ended_at=ended_at,
    )
    return replace(job, **changes)


async def _reload(directory: Path, **settings: Any) -> History:
    history = History(directory, **settings)
    await history.load()
    return history


async def test_jobs_are_known_after_a_restart(tmp_path: Path) -> None:
    """The newest first, with all that was known of them; nobody else can read them."""
    history = await _reload(tmp_path)
    assert history.jobs() == ()
    jobs = [_job(number) for number in range(5)]
    for job in jobs:
        history.add(job)
    assert history.jobs(2) == (jobs[4], jobs[3])
    await history.stop()
    again = await _reload(tmp_path)
    assert again.jobs() == tuple(reversed(jobs))
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_so_many_jobs_are_kept_for_so_many_days(tmp_path: Path) -> None:
    """Of the others nothing is left, and what goes with them is told."""
    removed: list[str] = []
    history = await _reload(
        tmp_path, count=3, on_removed=lambda key: removed.append(key.job_id)
    )
    for number in range(40):
        history.add(_job(number))
        await history.stop()
    assert [job.key.job_id for job in history.jobs()] == ["job-39", "job-38", "job-37"]
    assert removed == [f"job-{number}" for number in range(37)]
    assert len((tmp_path / FILE_NAME).read_bytes().splitlines()) <= 10
    removed.clear()
    late = await _reload(
        tmp_path,
        days=(datetime.now(UTC) - _NOW + timedelta(days=1)) / timedelta(days=1)
        - 37.5 / 24 / 60,
        on_removed=lambda key: removed.append(key.job_id),
    )
    assert [job.key.job_id for job in late.jobs()] == ["job-39", "job-38"]
    assert "job-37" in removed


async def test_an_end_that_is_told_again_is_there_once(tmp_path: Path) -> None:
    """As after a crash between two files."""
    history = await _reload(tmp_path)
    history.add(_job(1))
    history.add(_job(2))
    history.add(_job(1, reason="again"))
    await history.stop()
    again = await _reload(tmp_path)
    assert again.jobs() == (_job(1, reason="again"), _job(2))


async def test_the_last_job_of_the_journal_is_in_the_history(tmp_path: Path) -> None:
    """A power loss may have cost it, or there was no history before."""
    history = History(tmp_path)
    await history.load(last_job=_job(1))
    assert history.jobs() == (_job(1),)
    await history.stop()
    again = History(tmp_path)
    await again.load(last_job=_job(1))
    assert again.jobs() == (_job(1),)


async def test_a_line_that_was_cut_off_costs_that_job_alone(tmp_path: Path) -> None:
    """And nothing is appended behind it."""
    history = await _reload(tmp_path)
    for number in range(3):
        history.add(_job(number))
    await history.stop()
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes()[:-20])
    again = await _reload(tmp_path)
    assert again.jobs() == (_job(1), _job(0))
    again.add(_job(5))
    await again.stop()
    assert (await _reload(tmp_path)).jobs() == (_job(5), _job(1), _job(0))


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"00000000 {}\n", b"x\ny\n"])
async def test_a_damaged_file_is_set_aside(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The history begins anew, and the log says where the file is."""
    (tmp_path / FILE_NAME).write_bytes(damage)
    history = await _reload(tmp_path)
    assert history.jobs() == ()
    aside = tmp_path / f"{FILE_NAME}.corrupt"
    assert aside.read_bytes() == damage
    assert str(aside) in caplog.text
    history.add(_job(1))
    await history.stop()
    assert (await _reload(tmp_path)).jobs() == (_job(1),)


async def test_a_full_disk_costs_no_job_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is when there is room again."""
    history = await _reload(tmp_path)

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"{history_module.__name__}.replace_file", full)
        for number in range(3):
            history.add(_job(number))
            await history.stop()
    assert len(history.jobs()) == 3
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.levelno for r in warnings] == [logging.WARNING]
    assert "No space left on device" in caplog.text
    history.add(_job(3))
    await history.stop()
    assert len((await _reload(tmp_path)).jobs()) == 4


async def test_secrets_of_a_job_are_not_kept(tmp_path: Path) -> None:
    """A reason may name what was to be downloaded."""
    url = "https://bucket/key?X-Amz-Signature=secret"
    history = await _reload(tmp_path)
    step = StepState(name="Get", reason=f"cannot get {url}")
    details = {"reason": url, "stderr": url}
    history.add(_job(1, reason=url, steps=(step,), status_details=details))
    await history.stop()
    assert b"secret" not in (tmp_path / FILE_NAME).read_bytes()
    assert "secret" not in repr(history.jobs())
    assert history.jobs()[0].steps[0].reason == "cannot get https://bucket/key"
