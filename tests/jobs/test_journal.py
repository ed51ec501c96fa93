"""The journal: readable after a crash at any moment, and after any damage."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
import json
import os
from pathlib import Path
import tempfile
import threading

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.journal import (
    JobRecord,
    Journal,
    JournalContent,
)
from custom_components.aws_iot_jobs.jobs.model import (
    JobOutcome,
    JobProgress,
    JobState,
    StepState,
    StepStatus,
)

pytestmark = pytest.mark.slow

_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_RECORD = JobRecord(
    key=ExecutionKey("job-1", 2),
    started_at=_NOW,
    progress=JobProgress(
        steps=(
            StepState(
                name="Erst é\u2028",
                status=StepStatus.FAILURE_IGNORED,
                reason="exit status 3",
                started_at=_NOW,
                ended_at=_NOW,
            ),
            StepState(
                name="second", status=StepStatus.IN_PROGRESS, attempt=3, started_at=_NOW
            ),
            StepState(name="third"),
        ),
        stdout="out\n",
        stderr="err\n",
    ),
    outcome=JobOutcome(
        status=JobStatus.FAILED, reason="because", status_details={"reason": "because"}
    ),
)


async def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    """Nothing of a record is lost on its way through the file."""
    journal = Journal(tmp_path / "thing")
    assert await journal.load() == JournalContent()
    await journal.save(_RECORD)
    assert await Journal(tmp_path / "thing").load() == JournalContent(record=_RECORD)


async def test_the_last_job_is_kept_beside_the_next_one(tmp_path: Path) -> None:
    """What a job came to can still be shown after a restart."""
    last = JobState(
        key=ExecutionKey("job-0", 1),
        status=JobStatus.FAILED,
        reason="because",
        steps=_RECORD.progress.steps,
        status_details={"reason": "because"},
        started_at=_NOW,
        ended_at=_NOW,
    )
    await Journal(tmp_path).end(last)
    journal = Journal(tmp_path)
    assert await journal.load() == JournalContent(last_job=last)
    await journal.save(_RECORD)
    known = JournalContent(record=_RECORD, last_job=last)
    assert await Journal(tmp_path).load() == known


async def test_the_reserve_goes_with_its_job(tmp_path: Path) -> None:
    """Also where the agent was killed between the job's end and the reserve's."""
    reserve = tmp_path / "journal.reserve"
    journal = Journal(tmp_path)
    await journal.begin(_RECORD)
    left = reserve.read_bytes()
    assert (await Journal(tmp_path).load()).record == _RECORD
    assert reserve.exists()
    await journal.end(_RECORD.state)
    assert not reserve.exists()
    reserve.write_bytes(left)
    await Journal(tmp_path).load()
    assert not reserve.exists()


async def test_a_slow_write_does_not_bring_an_ended_job_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job is canceled while a slow card still writes how far it is; another one begins."""
    fsync, entered, goes_on = os.fsync, threading.Event(), threading.Event()

    def slow_at_first(descriptor: int) -> None:
        if not entered.is_set():
            entered.set()
            goes_on.wait(20)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow_at_first)
    journal = Journal(tmp_path)
    saving = asyncio.ensure_future(journal.save(_RECORD))
    await asyncio.to_thread(entered.wait, 20)
    canceled = JobState(key=_RECORD.key, status=JobStatus.CANCELED)
    another = replace(_RECORD, key=ExecutionKey("job-2", 1))

    async def go_on() -> None:
        await journal.end(canceled)
        await journal.begin(another)

    going_on = asyncio.ensure_future(go_on())
    await asyncio.wait((going_on,), timeout=0.5)
    goes_on.set()
    await asyncio.gather(saving, going_on)
    known = JournalContent(record=another, last_job=canceled)
    assert await Journal(tmp_path).load() == known


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """It holds output of jobs."""
    await Journal(tmp_path).save(_RECORD)
    assert (tmp_path / "journal.json").stat().st_mode & 0o077 == 0


async def test_a_journal_cut_at_any_byte_is_set_aside(tmp_path: Path) -> None:
    """A part of one is never taken for a whole."""
    journal = Journal(tmp_path)
    await journal.save(_RECORD)
    whole = (tmp_path / "journal.json").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "journal.json").write_bytes(whole[:length])
        aside = tmp_path / "journal.json.corrupt"
        assert await journal.load() == JournalContent(set_aside=aside)
        assert (tmp_path / "journal.json.corrupt").read_bytes() == whole[:length]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
async def test_any_content_is_a_record_or_set_aside(written: bytes) -> None:
    """Never fatal."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "journal.json").write_bytes(written)
        content = await Journal(Path(directory)).load()
        assert content.record is None
        assert content.set_aside is not None
