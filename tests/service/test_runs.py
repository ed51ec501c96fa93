"""Runs are begun once, end for good reasons, and are kept as long as they may be asked for."""

import asyncio
from collections.abc import Callable, Iterator
import contextlib
from itertools import pairwise
import logging
from pathlib import Path
import subprocess
import threading
import time
from typing import Any

import pytest

from custom_components.aws_iot_jobs.runner import (
    kept_events,
    run_files,
    runs as runs_module,
)
from custom_components.aws_iot_jobs.runner.kept_events import KeptEvents
from custom_components.aws_iot_jobs.runner.model import (
    RunEvent,
    RunOutcome,
    RunOutput,
    RunResult,
    StepRequest,
    Stream,
)
from custom_components.aws_iot_jobs.runner.runs import Run, Runs, TooManyRunsError
from custom_components.aws_iot_jobs.runner.wire import Numbered

from .fakes import SilentRunner, TalkativeRunner, request_of


async def _events(runs: Runs, run_id: str, after: int = 0) -> list[Numbered]:
    run = runs.get(run_id)
    assert run is not None
    return [numbered async for numbered in run.read(after)]


@pytest.fixture
def few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs keep the first three and the newest two."""
    monkeypatch.setattr(kept_events, "FIRST_EVENTS", 3)
    monkeypatch.setattr(kept_events, "NEWEST_EVENTS", 2)


async def test_what_is_kept_is_bounded(
    tmp_path: Path, few_events: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of a run, runs with their events, and runs; the result comes always."""
    monkeypatch.setattr(runs_module, "MAX_KEPT_WITH_OUTPUT", 2)
    monkeypatch.setattr(runs_module, "MAX_KEPT", 4)
    runs = Runs(TalkativeRunner(), tmp_path)
    for number in range(6):
        run, begun = await runs.put(request_of(number))
        assert begun
        await _result(runs, run.run_id)
    assert runs.get("run-0") is None
    assert len(list(tmp_path.iterdir())) == 5
    for number in (1, 2):
        assert [e.number for e in await _events(runs, f"run-{number}")] == [16]
    for number in (3, 4, 5):
        events = await _events(runs, f"run-{number}")
        assert [e.number for e in events] == [1, 2, 3, 15, 16]
        assert isinstance(events[-1].event, RunResult)
        for after, left in ((2, [3, 15, 16]), (9, [15, 16]), (15, [16]), (100, [16])):
            later = await _events(runs, f"run-{number}", after)
            assert [e.number for e in later] == left


@pytest.mark.parametrize("size", [1, 1000, 128 * 1024])
def test_of_much_output_the_beginning_and_the_end_are_kept(size: int) -> None:
    """And of each event where it belongs, so that a reader knows what is missing."""
    kept = KeptEvents()
    written = 0
    while written < 5_000_000 and kept.last_number < 20_000:
        data = b"x" * size
        kept.append(
            RunOutput(run_id="run", stream=Stream.STDOUT, data=data, offset=written)
        )
        written += size
    events = [it.event for it in kept.after(0) if isinstance(it.event, RunOutput)]
    total = sum(len(event.data) for event in events)
    assert total <= 1024 * 1024 + 512 * 1024 + size
    assert len(events) <= 10_000
    assert total > min(1_400_000, 9_000 * size)
    assert events[0].offset == 0
    assert events[-1].end == written
    missing = sum(b.offset - a.end for a, b in pairwise(events))
    assert missing == written - total > 0


async def test_a_week_old_result_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has come for it."""
    runs = Runs(TalkativeRunner(), tmp_path)
    await runs.put(request_of(1))
    await _events(runs, "run-1")
    monkeypatch.setattr(runs_module, "KEPT_SECONDS", 0)
    await runs.put(request_of(2))
    assert runs.get("run-1") is None
    assert not (tmp_path / "run-1.run.json").exists()


async def test_a_slow_reader_misses_nothing(tmp_path: Path) -> None:
    """What is told while it is busy, it reads afterwards."""
    told: list[Any] = []

    class Slow(SilentRunner):
        async def run(
            self, request: StepRequest, on_event: Any, stop: Any = None
        ) -> RunResult:
            told.append(on_event)
            return await super().run(request, on_event, stop)

    runner = Slow()
    runs = Runs(runner, tmp_path)
    run, _ = await runs.put(request_of(1))
    while not told:
        await asyncio.sleep(0)

    def tell(data: bytes) -> None:
        event: RunEvent = RunOutput(run_id="run-1", stream=Stream.STDOUT, data=data)
        told[0](event)

    tell(b"1")
    reading = run.read(0)
    numbers = [(await anext(reading)).number]
    tell(b"2")
    runner.end.set()
    assert run.task is not None
    await run.task
    numbers += [numbered.number async for numbered in reading]
    assert numbers == [1, 2, 3]


async def test_no_run_begins_in_a_service_that_stops(tmp_path: Path) -> None:
    """It would be ended at once."""
    runs = Runs(SilentRunner(), tmp_path)
    await runs.close()
    with pytest.raises(runs_module.ClosedError):
        await runs.put(request_of(1))


async def test_an_error_of_the_runner_ends_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits for it learns of it, and the log says what it was."""

    class Broken(SilentRunner):
        async def run(
            self, request: StepRequest, on_event: object, stop: Any = None
        ) -> RunResult:
            raise RuntimeError("broken")

    runs = Runs(Broken(), tmp_path)
    await runs.put(request_of(1))
    (ended,) = await _events(runs, "run-1")
    assert isinstance(ended.event, RunResult)
    assert ended.event.outcome is RunOutcome.REFUSED
    assert "RuntimeError: broken" in caplog.text


async def _result(runs: Runs, run_id: str) -> RunResult:
    """Follow a run to its result."""
    event = (await _events(runs, run_id))[-1].event
    assert isinstance(event, RunResult)
    return event


async def _full(runner: SilentRunner, directory: Path) -> tuple[Runs, list[Run]]:
    """Return runs that take all places."""
    runs = Runs(runner, directory)
    taken = [(await runs.put(request_of(n)))[0] for n in range(runs_module.MAX_RUNNING)]
    return runs, taken


async def test_a_run_goes_on_while_nobody_waits(tmp_path: Path) -> None:
    """And for some minutes even if somebody does: clients restart, too."""
    runs, taken = await _full(SilentRunner(), tmp_path)
    with pytest.raises(TooManyRunsError):
        await runs.put(request_of(9))
    assert not any(run.stop.is_set() for run in taken)
    await runs.close()


async def test_the_run_that_nobody_asks_for_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One for each that waits; who comes back for it learns why it was stopped."""
    runs, taken = await _full(SilentRunner(), tmp_path)
    monkeypatch.setattr(runs_module, "YIELD_SECONDS", 0.5)
    for run, minutes in zip(taken, (2, 1, 3, 99), strict=True):
        run.asked_at -= minutes * 60
    with taken[3].followed():
        await _refused_for(runs, 0.2)
        while runs.get("run-9") is None:
            with contextlib.suppress(TooManyRunsError):
                await runs.put(request_of(9))
            await asyncio.sleep(0.05)
        assert [run.run_id for run in taken if run.stop.is_set()] == ["run-2"]
        result = await _result(runs, "run-2")
        assert result.outcome is RunOutcome.STOPPED
        assert result.detail == (
            "nobody had asked for it for 3 minutes, and another step waited for its place"
        )
    assert result.detail in caplog.text
    await runs.close()


async def test_a_client_that_comes_back_finds_its_run_though_another_asks_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after hours without Home Assistant, which then has more things than places."""
    runs, taken = await _full(SilentRunner(), tmp_path)
    monkeypatch.setattr(runs_module, "YIELD_SECONDS", 0.5)
    for run in taken:
        run.asked_at -= 3600
    await _refused_for(runs, 0)
    for run in taken:
        assert await runs.put(request_of(int(run.run_id[-1]))) == (run, False)
    await _refused_for(runs, 0.3)
    assert not any(run.stop.is_set() for run in taken)
    await runs.close()


async def test_a_client_that_asks_now_and_then_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever request."""
    runs, taken = await _full(SilentRunner(), tmp_path)
    monkeypatch.setattr(runs_module, "YIELD_SECONDS", 0.5)
    for _ in range(10):
        await _refused_for(runs, 0.1)
        for run in taken:
            runs.get(run.run_id)
    assert not any(run.stop.is_set() for run in taken)
    await runs.close()


async def _refused_for(runs: Runs, seconds: float) -> None:
    """Ask for one run too many, again and again for a time."""
    end = time.monotonic() + seconds
    while True:
        with pytest.raises(TooManyRunsError):
            await runs.put(request_of(9))
        if time.monotonic() >= end:
            return
        await asyncio.sleep(0.05)


async def test_a_run_whose_client_is_gone_for_good_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a week, though nobody waits; the followed one does not."""
    monkeypatch.setattr(runs_module, "TIDY_SECONDS", 0.02)
    runs = Runs(SilentRunner(), tmp_path)
    await runs.start()
    lonely, _ = await runs.put(request_of(1))
    followed, _ = await runs.put(request_of(2))
    with followed.followed():
        for run in (lonely, followed):
            run.asked_at -= runs_module.MAX_UNASKED_SECONDS + 1
        await asyncio.wait_for(lonely.stop.wait(), 15)
        result = await _result(runs, "run-1")
        assert not followed.stop.is_set()
    assert result.outcome is RunOutcome.STOPPED
    assert result.detail == "nobody had asked for it for 7 days"
    await runs.close()


@pytest.mark.parametrize("jump", [-40 * 365, -2, 30])
async def test_no_result_is_lost_by_a_clock_that_jumps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    """By days, as at the start of a device without a battery; in either direction."""
    day = 24 * 60 * 60
    right = time.time
    runs = Runs(TalkativeRunner(), tmp_path)
    for number in (1, 2):
        await runs.put(request_of(number))
        await _events(runs, f"run-{number}")
        monkeypatch.setattr(time, "time", lambda: right() + jump * day)
    await runs.close()
    monkeypatch.setattr(runs_module, "MAX_KEPT", 2)
    later = Runs(TalkativeRunner(), tmp_path)
    await later.start()
    monkeypatch.setattr(time, "time", right)
    for number in (1, 2):
        assert (await _result(later, f"run-{number}")).exit_status == 0
    await later.put(request_of(3))
    await _events(later, "run-3")
    await later.put(request_of(4))
    # The one that ended first goes first, whatever the clock said.
    assert later.get("run-1") is None
    assert later.get("run-2") is not None
    await later.close()


async def test_a_result_that_is_there_when_the_service_stops_is_saved(
    tmp_path: Path,
) -> None:
    """A step that has ended by itself is not run again."""

    class Tidying(SilentRunner):
        async def run(
            self, request: StepRequest, on_event: object, stop: Any = None
        ) -> RunResult:
            self.begun.append(request.run_id)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return RunResult(outcome=RunOutcome.EXITED, exit_status=0)
            raise AssertionError

    runner = Tidying()
    runs = Runs(runner, tmp_path)
    await runs.put(request_of(1))
    await _until(lambda: runner.begun)
    following = asyncio.create_task(_result(runs, "run-1"))
    await asyncio.sleep(0)
    await runs.close()
    assert (await following).exit_status == 0
    later = Runs(runner, tmp_path)
    await later.start()
    assert (await _result(later, "run-1")).outcome is RunOutcome.EXITED
    await later.close()


async def test_a_result_that_is_being_saved_when_the_service_stops_is_kept(
    tmp_path: Path, slow_disk: threading.Event
) -> None:
    """However slow the disk is."""
    runner = SilentRunner()
    runner.end.set()
    runs = Runs(runner, tmp_path)
    slow_disk.set()
    await runs.put(request_of(1))
    slow_disk.clear()
    await _until(lambda: runner.begun)
    closing = asyncio.create_task(runs.close())
    await asyncio.sleep(0.1)
    slow_disk.set()
    await closing
    later = Runs(runner, tmp_path)
    await later.start()
    assert (await _result(later, "run-1")).outcome is RunOutcome.EXITED
    await later.close()


async def test_no_run_begins_while_the_service_stops(
    tmp_path: Path, slow_disk: threading.Event
) -> None:
    """It is not even known to the next life."""
    runner = SilentRunner()
    runs = Runs(runner, tmp_path)
    putting = asyncio.create_task(runs.put(request_of(1)))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(runs.close())
    await asyncio.sleep(0.05)
    slow_disk.set()
    await closing
    with pytest.raises(runs_module.ClosedError):
        await putting
    assert runner.begun == []
    assert list(tmp_path.iterdir()) == []


async def test_a_run_whose_client_is_gone_begins_all_the_same(
    tmp_path: Path, slow_disk: threading.Event
) -> None:
    """And is found by the client that comes back."""
    runner = SilentRunner()
    runs = Runs(runner, tmp_path)
    putting = asyncio.create_task(runs.put(request_of(1)))
    await asyncio.sleep(0.05)
    putting.cancel()
    await asyncio.wait((putting,))
    slow_disk.set()
    run, begun = await runs.put(request_of(1))
    assert not begun
    await _until(lambda: runner.begun)
    await runs.close()
    assert run.run_id == "run-1"


@pytest.mark.parametrize("how", ["stop", "release"])
async def test_a_run_that_is_to_end_before_it_is_saved_does_not_begin(
    tmp_path: Path, slow_disk: threading.Event, how: str
) -> None:
    """Neither is anything left of a job that was released."""
    runs = Runs(SilentRunner(), tmp_path)
    putting = asyncio.create_task(runs.put(request_of(1)))
    await asyncio.sleep(0.05)
    if how == "stop":
        assert runs.stop("run-1")
        slow_disk.set()
        await putting
        assert (await _result(runs, "run-1")).outcome is RunOutcome.STOPPED
    releasing = asyncio.create_task(runs.release("job-1"))
    await asyncio.sleep(0.05)
    slow_disk.set()
    await releasing
    assert runs.get("run-1") is None
    assert list(tmp_path.iterdir()) == []
    await runs.close()


async def test_a_run_that_cannot_be_saved_is_not_begun_for_anyone(
    tmp_path: Path, slow_disk: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asked for it meanwhile learns it too; its place is free, and it is said once."""
    caplog.set_level(logging.INFO)
    directory = tmp_path / "runs"
    directory.touch()
    runner = SilentRunner()
    runs = Runs(runner, directory, max_running=1)
    for _ in range(2):
        asking = [asyncio.create_task(runs.put(request_of(1))) for _ in range(2)]
        await asyncio.sleep(0.05)
        slow_disk.set()
        for put in asking:
            with pytest.raises(FileExistsError):
                await put
    assert runner.begun == []
    assert caplog.text.count("cannot be saved") == 1
    directory.unlink()
    _, begun = await runs.put(request_of(2))
    assert begun
    assert caplog.text.count("can be saved again") == 1
    await runs.close()


@pytest.mark.parametrize("scarce", ["bytes", "files"])
async def test_no_run_begins_where_there_is_no_room_for_what_it_needs(
    small_disk: Path, scarce: str
) -> None:
    """Its record would find a place, but not its directory, nor its end: it has to wait."""
    runner = SilentRunner()
    runs = Runs(runner, small_disk / "runs")
    number, content = (52, b"") if scarce == "files" else (1, bytes(224 * 1024))
    fillers = [small_disk / f"filler-{n}" for n in range(number)]
    for filler in fillers:
        filler.write_bytes(content)
    with pytest.raises(OSError, match="No space left on device"):
        await runs.put(request_of(1))
    assert runner.begun == []
    for filler in fillers:
        filler.unlink()
    _, begun = await runs.put(request_of(1))
    assert begun
    await runs.close()


async def test_an_end_that_cannot_be_saved_is_told_and_saved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As soon as there is space."""
    monkeypatch.setattr(runs_module, "TIDY_SECONDS", 0.02)
    directory = tmp_path / "runs"
    runner = SilentRunner()
    runs = Runs(runner, directory)
    await runs.start()
    await runs.put(request_of(1))
    directory.rename(tmp_path / "away")
    directory.touch()
    runner.end.set()
    assert (await _result(runs, "run-1")).exit_status == 0
    assert "The end of run run-1 cannot be saved" in caplog.text
    directory.unlink()
    (tmp_path / "away").rename(directory)
    await _until(lambda: "can be saved again" in caplog.text)
    # As after a crash: nothing is closed.
    later = Runs(runner, directory)
    await later.start()
    assert (await _result(later, "run-1")).exit_status == 0
    for each in (later, runs):
        await each.close()


async def test_a_reader_gets_the_result_of_a_run_whose_output_is_forgotten(
    tmp_path: Path, few_events: None
) -> None:
    """Also when it is in the midst of it."""
    runs = Runs(TalkativeRunner(), tmp_path)
    run, _ = await runs.put(request_of(1))
    reading = run.read(0)
    first = await anext(reading)
    assert run.task is not None
    await run.task
    run.forget_output()
    rest = [numbered async for numbered in reading]
    assert first.number == 1
    assert isinstance(rest[-1].event, RunResult)
    assert rest[-1].number == 16


async def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    """With the space that it takes."""
    (tmp_path / "run-1.run.tmp").write_text("{")
    runs = Runs(SilentRunner(), tmp_path)
    await runs.start()
    assert list(tmp_path.iterdir()) == []
    await runs.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk that little fills."""
    options = "size=256k,nr_inodes=64"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)]
    subprocess.run(mount, check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let nothing be saved until this event is set."""
    free = threading.Event()
    save = run_files.save_record

    def slowly(*args: Any) -> None:
        assert free.wait(20)
        save(*args)

    monkeypatch.setattr(runs_module, "save_record", slowly)
    return free


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)
