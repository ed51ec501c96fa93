"""The journal: readable after a crash at any moment, and after any damage."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
import json
import os
from pathlib import Path
import tempfile
import threading

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.checked_lines import encode_line
from custom_components.aws_iot_jobs.jobs.journal import FILE_NAME, MAX_BYTES, Journal
from custom_components.aws_iot_jobs.jobs.model import (
    JobOutcome,
    JobProgress,
    JobState,
    StepState,
    StepStatus,
)
from custom_components.aws_iot_jobs.jobs.record import JobRecord, JournalContent

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
    assert await journal.load() == JournalContent(last_job=last, jobs_failed=1)
    await journal.save(_RECORD)
    known = JournalContent(record=_RECORD, last_job=last, jobs_failed=1)
    assert await Journal(tmp_path).load() == known


async def test_the_reserve_goes_with_its_job(tmp_path: Path) -> None:
    """Also where the agent was killed between the job's end and the reserve's."""
    reserve = tmp_path / "journal.reserve"
    journal = Journal(tmp_path)
    await journal.save(_RECORD)
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

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, slow_at_first)
    journal = Journal(tmp_path)
    saving = asyncio.ensure_future(journal.save(_RECORD))
    await asyncio.to_thread(entered.wait, 20)
    canceled = JobState(key=_RECORD.key, status=JobStatus.CANCELED)
    another = replace(_RECORD, key=ExecutionKey("job-2", 1))

    async def go_on() -> None:
        await journal.end(canceled)
        await journal.save(another)

    going_on = asyncio.ensure_future(go_on())
    await asyncio.wait((going_on,), timeout=0.5)
    goes_on.set()
    await asyncio.gather(saving, going_on)
    known = JournalContent(record=another, last_job=canceled)
    assert await Journal(tmp_path).load() == known


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """It holds output of jobs."""
    await Journal(tmp_path).save(_RECORD)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def _life_of_a_job() -> Iterator[JobRecord]:
    """Yield what is known of a job of three steps, from its begin to its outcome."""
    steps = [StepState(name=name) for name in ("first", "second", "third")]
    record = replace(_RECORD, outcome=None, progress=JobProgress(steps=tuple(steps)))
    for index, step in enumerate(steps):
        running = replace(step, status=StepStatus.IN_PROGRESS, started_at=_NOW)
        for after in (running, replace(running, status=StepStatus.SUCCEEDED)):
            steps[index] = after
            stdout = f"{record.progress.stdout}{index}\u2028\n"
            progress = JobProgress(
                steps=tuple(steps), stdout=stdout, stderr="x" * index
            )
            record = replace(record, progress=progress, version_number=index + 2)
            yield record
    yield replace(record, outcome=_RECORD.outcome)


async def test_each_deed_of_a_job_is_read_again(tmp_path: Path) -> None:
    """By the life that has written it, and by another one that goes on with it."""
    journal = Journal(tmp_path)
    await journal.load()
    for record in _life_of_a_job():
        await journal.save(record)
        other = Journal(tmp_path)
        assert (await other.load()).record == record
        journal = other
    lines = (tmp_path / FILE_NAME).read_bytes().splitlines()
    assert len(lines) == len(list(_life_of_a_job()))


async def test_a_journal_cut_anywhere_knows_what_was_whole(tmp_path: Path) -> None:
    """A last line that is not whole was not written; the next one comes in its place."""
    journal = Journal(tmp_path)
    records = list(_life_of_a_job())
    for record in records:
        await journal.save(record)
    file = tmp_path / FILE_NAME
    whole = file.read_bytes()
    ends = [index for index, byte in enumerate(whole) if byte == ord("\n")]
    lengths = {
        *range(ends[0] + 1, len(whole), 7),
        *(end + near for end in ends[1:] for near in (-2, -1, 0, 1, 2)),
    }
    for length in sorted(lengths - {len(whole), len(whole) + 1}):
        for cut in (whole[:length], whole[:length] + b"\0" * 40):
            file.write_bytes(cut)
            known = sum(end < length for end in ends)
            other = Journal(tmp_path)
            content = await other.load()
            assert content == JournalContent(record=records[known - 1])
            await other.save(records[-1])
            assert (await Journal(tmp_path).load()).record == records[-1]


async def test_a_journal_without_a_whole_line_is_set_aside(tmp_path: Path) -> None:
    """It is never made so, but by a broken disk."""
    journal = Journal(tmp_path)
    await journal.save(_RECORD)
    file, aside = tmp_path / FILE_NAME, tmp_path / "journal.log.corrupt"
    whole = file.read_bytes()
    for length in range(len(whole) - 1):
        file.write_bytes(whole[:length])
        assert await Journal(tmp_path).load() == JournalContent(set_aside=aside)
        assert aside.read_bytes() == whole[:length]


async def test_a_journal_that_is_damaged_in_the_middle_is_set_aside(
    tmp_path: Path,
) -> None:
    """What follows a damaged line cannot be made sense of."""
    journal = Journal(tmp_path)
    for record in _life_of_a_job():
        await journal.save(record)
    file, aside = tmp_path / FILE_NAME, tmp_path / "journal.log.corrupt"
    whole = file.read_bytes()
    last = whole.rindex(b"\n", 0, -1)
    for place in range(0, last, 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        assert await Journal(tmp_path).load() == JournalContent(set_aside=aside)


async def test_a_journal_does_not_grow_for_ever(tmp_path: Path) -> None:
    """It is replaced by what of it still counts."""
    journal = Journal(tmp_path)
    await journal.load()
    output = "x" * 16 * 1024
    sizes = []
    for number in range(200):
        progress = replace(_RECORD.progress, stdout=f"{output}{number}"[-len(output) :])
        record = replace(_RECORD, progress=progress)
        await journal.save(record)
        sizes.append((tmp_path / FILE_NAME).stat().st_size)
        assert (await Journal(tmp_path).load()).record == record
    assert max(sizes) <= MAX_BYTES
    assert sum(after < before for before, after in pairwise(sizes)) > 3


@pytest.mark.parametrize("queued_at", [None, 1800000000])
async def test_a_journal_of_an_older_format_is_read_and_replaced(
    tmp_path: Path, queued_at: int | None
) -> None:
    """A job goes on over an update of the integration."""
    old = {
        "format": 1 if queued_at is None else 2,
        "job": _OLD_JOB | ({} if queued_at is None else {"queuedAt": queued_at}),
        "lastJob": None,
        "tidying": ["job-0.1"],
    }
    (tmp_path / "journal.json").write_text(json.dumps(old))
    journal = Journal(tmp_path)
    content = await journal.load()
    record = replace(_RECORD, key=ExecutionKey("job-1", 2, queued_at or 0))
    assert content == JournalContent(record=record, tidying=("job-0.1",))
    goes_on = replace(record, version_number=7)
    await journal.save(goes_on)
    assert {file.name for file in tmp_path.iterdir()} == {FILE_NAME}
    known = JournalContent(record=goes_on, tidying=("job-0.1",))
    assert await Journal(tmp_path).load() == known


_OLD_JOB = {
    "jobId": "job-1",
    "executionNumber": 2,
    "startedAt": _NOW.isoformat(),
    "steps": [
        {
            "name": step.name,
            "status": step.status,
            "reason": step.reason,
            "attempt": step.attempt,
            "startedAt": step.started_at and step.started_at.isoformat(),
            "endedAt": step.ended_at and step.ended_at.isoformat(),
        }
        for step in _RECORD.progress.steps
    ],
    "stdout": "out\n",
    "stderr": "err\n",
    "outcome": {
        "status": "FAILED",
        "reason": "because",
        "statusDetails": {"reason": "because"},
    },
}


@pytest.mark.parametrize("name", [FILE_NAME, "journal.json"])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.dictionaries(
            st.sampled_from(["format", "record", "last_job", "tidying", "changes"]),
            st.none() | st.just(3) | st.text() | st.just({"steps": {"9": 1}}),
        ).map(encode_line),
    )
)
async def test_any_content_is_a_record_or_set_aside(name: str, written: bytes) -> None:
    """Never fatal."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, name).write_bytes(written)
        content = await Journal(Path(directory)).load()
        assert content.record is None
        assert content.set_aside is not None or b'"format"' in written
