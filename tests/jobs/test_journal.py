"""The journal: readable after a crash at any moment, and after any damage."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
import inspect
import json
import os
from pathlib import Path
import tempfile
import threading
from typing import Any

import aiofiles.os
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

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import document, handler_step

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


class CrashError(BaseException):
    """The power is gone: nothing that the program would do is done any more."""


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


@pytest.fixture
def crash_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what makes the n-th write, fsync, rename or removal from now the last deed."""
    left = [-1]

    def crashing(
        deed: Callable[..., Awaitable[Any]] | Callable[..., Any],
    ) -> Callable[..., Any]:
        def count() -> None:
            if left[0] == 0:
                raise CrashError
            left[0] -= 1

        async def asynchronous(*args: Any) -> Any:
            count()
            return await deed(*args)

        def plain(*args: Any) -> Any:
            count()
            return deed(*args)

        return asynchronous if inspect.iscoroutinefunction(deed) else plain

    monkeypatch.setattr(aiofiles.os, "replace", crashing(aiofiles.os.replace))
    monkeypatch.setattr(aiofiles.os, "unlink", crashing(aiofiles.os.unlink))
    monkeypatch.setattr(os, "fsync", crashing(os.fsync))

    def set_left(deeds: int) -> None:
        left[0] = deeds

    return set_left


def _crashes() -> Iterator[int]:
    """Return after how many deeds to crash; a job of two steps has fewer than the last."""
    return iter(range(24))


@pytest.mark.parametrize("deeds", _crashes())
async def test_a_crash_at_any_write_of_the_journal_is_recovered_from(
    stopped_device: Device,
    service: FakeJobsService,
    tmp_path: Path,
    crash_after: Callable[[int], None],
    deeds: int,
) -> None:
    """The job ends, no step is left out, and none that the journal has as done repeats."""
    ledger = tmp_path / "ledger"
    stopped_device.handler(
        "note.sh",
        f"#!/bin/sh\necho $AWS_IOT_JOBS_STEP.$AWS_IOT_JOBS_ATTEMPT >>{ledger}\n",
    )
    job = service.create_job(
        document(handler_step("note.sh"), finalStep=handler_step("note.sh"))
    )
    crash_after(deeds)
    await stopped_device.start()
    crashed = asyncio.ensure_future(stopped_device.ended())
    idle = asyncio.ensure_future(
        stopped_device.until(lambda state: state.last_job is not None)
    )
    await asyncio.wait((crashed, idle), return_when=asyncio.FIRST_COMPLETED)
    crash_after(-1)
    for task in (crashed, idle):
        task.cancel()
        with contextlib.suppress(CrashError, asyncio.CancelledError):
            await task
    await stopped_device.stop()
    await stopped_device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    noted = ledger.read_text().split()
    assert noted in (
        ["1.1", "2.1"],
        ["1.1", "1.2", "2.1"],
        ["1.1", "2.1", "2.2"],
        # The first attempt never began: the crash was between its note and its start.
        ["1.2", "2.1"],
        ["1.1", "2.2"],
    )
