"""What the steps of jobs write is kept, of each step, and within bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
import errno
from functools import partial
import logging
from pathlib import Path
import re
import time
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs import log_file, logs as logs_module
from custom_components.aws_iot_jobs.jobs.log_lines import LogLine
from custom_components.aws_iot_jobs.jobs.logs import DIRECTORY_NAME, JobLog, JobLogs
from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    RunEvent,
    RunOutput,
    RunStarted,
    StepRequest,
    Stream,
)

KEY = ExecutionKey("job-1", 1, 1_700_000_000)
NAMES = ("Fetch", "Check", "Install")
_AT = datetime(2026, 10, 5, 12, 0, 0, 250_000, UTC)


class _Writer:
    """Writes to a log as runs do: with offsets that go on."""

    def __init__(self, log: JobLog) -> None:
        self.log = log
        self.offsets: dict[tuple[int, int, Stream], int] = {}
        self.at = _AT

    def write(
        self,
        text: str,
        step: int = 0,
        attempt: int = 1,
        stream: Stream = Stream.STDOUT,
        missing: int = 0,
    ) -> None:
        key = (step, attempt, stream)
        offset = self.offsets.get(key, 0) + missing
        event = RunOutput(
            run_id="run",
            stream=stream,
            data=text.encode(),
            offset=offset,
            at=self.at,
        )
        self.offsets[key] = event.end
        self.log.take(step, attempt, event)


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[JobLogs]:
    """Return the logs of a thing."""
    it = JobLogs(tmp_path)
    yield it
    await it.stop()


@pytest.fixture
def hops(logs: JobLogs, monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., object]]:
    """Return what has been given to threads so far."""
    loop, given = asyncio.get_event_loop(), list[Callable[..., object]]()
    hop = loop.run_in_executor

    def count(executor: Any, call: Any, *args: Any) -> asyncio.Future[Any]:
        given.append(call)
        return hop(executor, call, *args)

    monkeypatch.setattr(loop, "run_in_executor", count)
    return given


def _file(directory: Path) -> Path:
    (file,) = (directory / DIRECTORY_NAME).iterdir()
    return file


async def _reread(directory: Path, **selection: Any) -> list[str]:
    log = await JobLogs(directory).read(KEY, **selection)
    return [step.text() for step in log.steps]


async def test_each_step_has_its_lines(logs: JobLogs, tmp_path: Path) -> None:
    """With the time and the stream of each, while the job runs and afterwards."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    writer.write("one\ntw")
    writer.write("oops\n", stream=Stream.STDERR)
    writer.at += timedelta(seconds=1)
    writer.write("o\n")
    log.take(1, 1, RunStarted(run_id="run", pid=1))
    writer.write("unfinished", step=1)
    running = await logs.read(KEY)
    assert [step.text() for step in running.steps][:1] == ["one\noops\ntwo"]
    await log.close()
    for read in (await logs.read(KEY), await JobLogs(tmp_path).read(KEY)):
        assert [step.name for step in read.steps] == [*NAMES]
        assert [step.text() for step in read.steps] == [
            "one\noops\ntwo",
            "unfinished",
            "",
        ]
        assert [line.stream for line in read.steps[0].lines] == [
            Stream.STDOUT,
            Stream.STDERR,
            Stream.STDOUT,
        ]
        assert read.steps[0].text(timestamps=True) == (
            "2026-10-05T12:00:00.250Z one\n"
            "2026-10-05T12:00:00.250Z oops\n"
            "2026-10-05T12:00:01.250Z two"
        )
        assert not any(step.dropped for step in read.steps)
    file = _file(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


async def test_a_selection_can_be_read(logs: JobLogs) -> None:
    """One step, the last lines, or the last lines of one step."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    writer.write("1\n2\n3\n")
    writer.write("4\n5\n", step=2)
    (step,) = (await logs.read(KEY, step=2)).steps
    assert (step.index, step.name, step.text()) == (2, "Install", "4\n5")
    last = await logs.read(KEY, tail=3)
    assert [step.text() for step in last.steps] == ["3", "", "4\n5"]
    (step,) = (await logs.read(KEY, step=0, tail=1)).steps
    assert step.text() == "3"
    assert (await logs.read(KEY, step=7)).steps == ()
    assert (await logs.read(KEY._replace(job_id="other"))).steps == ()


async def test_a_flood_of_three_steps_keeps_the_head_and_the_tail_of_each(
    tmp_path: Path,
) -> None:
    """And the log says how much is missing, and where; real processes write 10 MB."""
    logs = JobLogs(tmp_path)
    log = logs.open(KEY, NAMES)
    runner = LocalRunner(tmp_path / "handlers", tmp_path / "work")
    sizes = []
    for step in range(3):
        script = f"echo begin {step}; seq 100000 575000; echo end {step}"
        request = StepRequest(
            run_id=f"run.{step}",
            job_key="job",
            call=CommandCall(argv=("sh", "-c", script)),
        )
        await runner.run(request, partial(log.take, step, 1))
        sizes.append(len(f"begin {step}\nend {step}\n") + 475_001 * 7)
    logs.close(KEY)
    await logs.stop()
    assert sum(sizes) > 9_900_000
    assert _file(tmp_path).stat().st_size < 1.25 * 1024 * 1024
    read = await JobLogs(tmp_path).read(KEY)
    kept = []
    for ended, size in zip(read.steps, sizes, strict=True):
        text = ended.text()
        assert text.startswith(f"begin {ended.index}\n100000\n100001\n")
        assert text.endswith(f"\n575000\nend {ended.index}")
        remarks = re.findall(r"\[([\d,]+) bytes of output are left out here\]", text)
        assert sum(int(it.replace(",", "")) for it in remarks) == ended.dropped
        lines = [line.text for line in ended.lines]
        kept.append(sum(len(line) + 1 for line in lines))
        # A line that is cut where something is left out has lost its end.
        assert 0 <= kept[-1] + ended.dropped - size <= len(remarks)
        head = text.partition("\n[")[0].splitlines()
        assert head[1:] == [str(100_000 + n) for n in range(len(head) - 1)]
        assert len("\n".join(head)) > 150_000
    assert min(kept) > 300_000


async def test_what_one_step_does_not_need_others_have(tmp_path: Path) -> None:
    """A flood of the first costs the last nothing; a short one leaves its room."""
    logs = JobLogs(tmp_path, limit=90_000)
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    for number in range(1000):
        writer.write(f"{number:099}\n")
        if number % 100 == 0:
            await log.settle()
    writer.write("short\n", step=1)
    writer.write("".join(f"{number:99}\n" for number in range(300)), step=2)
    await log.close()
    first, second, third = (await logs.read(KEY)).steps
    assert second.text() == "short"
    assert len(third.lines) == 300
    assert third.dropped == 0
    assert first.dropped == 100_000 - 100 * len(first.lines)
    assert 300 < len(first.lines) < 600
    numbers = [int(line.text) for line in first.lines]
    assert numbers[0] == 0
    assert numbers[-1] == 999
    assert [line.dropped for line in first.lines if line.dropped] == [first.dropped]


async def test_a_line_longer_than_the_log_is_kept_in_part(tmp_path: Path) -> None:
    """Its beginning and its end, without half a character."""
    logs = JobLogs(tmp_path, limit=20_000)
    log = logs.open(KEY, ("Only",))
    writer = _Writer(log)
    for _ in range(10):
        writer.write("é" * 6000)
    writer.write("end\n")
    await log.close()
    (step,) = (await logs.read(KEY)).steps
    text = step.text()
    assert text.startswith("é" * 1000)
    assert text.endswith("éend")
    assert "\ufffd" not in text
    assert 15_000 < len(text.encode()) < 21_000
    assert step.dropped + sum(len(it.text.encode()) for it in step.lines) == 120_003


async def test_text_is_what_a_terminal_would_show(logs: JobLogs) -> None:
    """Lines have all that was written, which a card may show in its colours."""
    writer = _Writer(logs.open(KEY, NAMES))
    writer.write("\x1b[31mred\x1b[0m\nplain\n")
    (step, *_) = (await logs.read(KEY)).steps
    assert step.text() == "red\nplain"
    assert step.lines[0].text == "\x1b[31mred\x1b[0m"


async def test_what_the_runner_left_out_is_told(logs: JobLogs) -> None:
    """Where it is missing."""
    writer = _Writer(logs.open(KEY, NAMES))
    writer.write("one\n")
    writer.write("nd\nthree\n", missing=1_234_567)
    (step, *_) = (await logs.read(KEY)).steps
    assert step.dropped == 1_234_567
    assert step.text() == (
        "one\n[1,234,567 bytes of output are left out here]\nnd\nthree"
    )


async def test_a_secret_in_two_chunks_is_hidden(logs: JobLogs, tmp_path: Path) -> None:
    """Also from those who follow, and however long its line takes."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    writer.write("get https://bucket/key?X-Am")
    await log.settle()
    await log.settle()
    writer.write("z-Signature=secret")
    await log.settle()
    await log.settle()
    assert (await logs.read(KEY)).steps[0].text() == "get "
    writer.write("more done\n")
    await log.close()
    assert await _reread(tmp_path, step=0) == ["get https://bucket/key done"]
    assert b"ecret" not in _file(tmp_path).read_bytes()


async def test_after_a_crash_the_log_goes_on(tmp_path: Path) -> None:
    """What is told again is there once; what is not, is missing; lines are whole."""
    life = JobLogs(tmp_path)
    writer = _Writer(life.open(KEY, NAMES))
    writer.write("one\nout\n")
    writer.write("err\nhal", stream=Stream.STDERR)
    await writer.log.settle()
    for _ in range(2):
        life = await _crashed(life, tmp_path)
        again = _Writer(life.open(KEY, NAMES))
        again.log.take(0, 1, RunStarted(run_id="run", pid=1))
        again.write("one\n")
        again.write("err\nhalf\n", stream=Stream.STDERR)
        again.write("out\nmore\n")
        await again.log.settle()
    writer = again
    writer.write("end\n", missing=10)
    writer.write("second attempt\n", attempt=2)
    life.close(KEY)
    await life.stop()
    (text,) = await _reread(tmp_path, step=0)
    assert text.splitlines() == [
        *("one", "out", "err", "half", "more"),
        "[10 bytes of output are left out here]",
        *("end", "[attempt 2]", "second attempt"),
    ]


async def test_after_a_restart_of_a_flood_nothing_is_told_twice(tmp_path: Path) -> None:
    """Also of a stream whose last lines are not kept any longer."""
    life = JobLogs(tmp_path, limit=10_000)
    writer = _Writer(life.open(KEY, NAMES))
    writer.write("first\n", stream=Stream.STDERR)
    writer.write("x" * 99 + "\n")
    writer.write("oops\n", stream=Stream.STDERR)
    for _ in range(300):
        writer.write("x" * 99 + "\n")
    life.close(KEY)
    await life.stop()
    life = JobLogs(tmp_path, limit=10_000)
    again = _Writer(life.open(KEY, NAMES))
    again.write("first\noops\n", stream=Stream.STDERR)
    again.write("x" * 99 + "\n")
    again.write("end\n", missing=30_000)
    life.close(KEY)
    await life.stop()
    (text, *_) = await _reread(tmp_path)
    assert text.count("first") == 1
    assert text.endswith("end")
    assert _file(tmp_path).stat().st_size < 12_000


@pytest.mark.parametrize("cut", [1, 30, 200])
async def test_what_a_crash_cut_off_costs_no_other_line(
    tmp_path: Path, cut: int
) -> None:
    """And the log goes on behind it."""
    life = JobLogs(tmp_path)
    writer = _Writer(life.open(KEY, NAMES))
    lines = [f"line {number}\n" for number in range(50)]
    writer.write(lines[0])
    await writer.log.settle()
    for line in lines[1:]:
        writer.write(line)
    await writer.log.settle()
    life = await _crashed(life, tmp_path)
    file = _file(tmp_path)
    file.write_bytes(b"\xff[1]\n{}\n[]\n" + file.read_bytes()[:-cut])
    again = _Writer(life.open(KEY, NAMES))
    again.write("".join([*lines, "end\n"]))
    life.close(KEY)
    await life.stop()
    (text, *_) = await _reread(tmp_path)
    assert text == "".join(lines) + "end"


async def _crashed(life: JobLogs, directory: Path) -> JobLogs:
    """Return the next life of the logs, which finds what a crash leaves now."""
    left = {file: file.read_bytes() for file in (directory / DIRECTORY_NAME).iterdir()}
    await life.stop()
    for file, data in left.items():
        file.write_bytes(data)
    return JobLogs(directory)


async def test_a_job_without_output_costs_nothing(
    logs: JobLogs, tmp_path: Path, hops: list[Any]
) -> None:
    """No file, and no work."""
    log = logs.open(KEY, NAMES)
    for step in range(3):
        log.take(step, 1, RunStarted(run_id="run", pid=1))
    await log.close()
    assert not hops
    assert not (tmp_path / DIRECTORY_NAME).exists()
    assert [step.text() for step in (await logs.read(KEY)).steps] in ([], [""] * 3)


async def test_a_short_job_takes_one_trip_to_a_thread(
    logs: JobLogs, hops: list[Any]
) -> None:
    """Whatever it writes, and not before its end."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    for step in range(3):
        log.take(step, 1, RunStarted(run_id="run", pid=1))
        for number in range(100):
            writer.write(f"line {number}\n", step)
    await asyncio.sleep(0)
    assert not hops
    await log.close()
    assert len(hops) == 1


async def test_a_full_disk_costs_the_log_alone(
    logs: JobLogs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told once; while the job runs the log can be read, and later written."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"{log_file.__name__}.replace_file", full)
        for number in range(3):
            writer.write(f"{number}\n")
            await log.settle()
        assert (await logs.read(KEY)).steps[0].text() == "0\n1\n2"
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.levelno for r in warnings] == [logging.WARNING]
    assert "No space left on device" in caplog.text
    await log.close()
    assert await _reread(tmp_path, step=0) == ["0\n1\n2"]


async def test_logs_go_with_their_jobs(logs: JobLogs, tmp_path: Path) -> None:
    """One by one, and what is left of jobs that nobody knows."""
    keys = [KEY._replace(queued_at=number) for number in range(1, 5)]
    for key in keys:
        _Writer(logs.open(key, NAMES)).write("text\n")
    await logs.stop()
    directory = tmp_path / DIRECTORY_NAME
    (directory / "left.1.log.tmp").touch()
    assert len(list(directory.iterdir())) == 5
    life = JobLogs(tmp_path)
    life.open(keys[0], NAMES)
    life.remove(keys[1])
    await life.keep_only([keys[2]])
    await life.stop()
    left = {file.name for file in directory.iterdir()}
    assert left == {f"{keys[0]}.log", f"{keys[2]}.log"}
    await logs.keep_only([])
    assert not list(directory.iterdir())


# Those who follow


async def _next(following: AsyncIterator[tuple[LogLine, ...]]) -> list[str]:
    async with asyncio.timeout(10):
        return [line.text for line in await anext(following)]


async def test_a_running_job_can_be_followed(logs: JobLogs) -> None:
    """Line by line as they come, until it has ended."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    writer.write("one\ntwo\n")
    following = logs.follow(KEY)
    assert await _next(following) == ["one", "two"]
    writer.write("Testing disk... ")
    begun = await anext(following)
    writer.write("ok\n")
    rest = await anext(following)
    assert [line.text for line in (*begun, *rest)] == ["Testing disk... ", "ok"]
    assert [line.continues for line in (*begun, *rest)] == [False, True]
    assert (await logs.read(KEY, tail=2)).steps[0].text() == "Testing disk... ok"
    writer.write("three", step=1)
    logs.close(KEY)
    assert [line async for lines in following for line in lines][-1].step == 1
    await logs.stop()
    assert [lines async for lines in logs.follow(KEY)] == []


async def test_who_follows_gets_the_end_of_a_log(logs: JobLogs) -> None:
    """Also while earlier output is still taken in when the log is closed."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    writer.write("one\n")
    following = logs.follow(KEY)
    assert await _next(following) == ["one"]
    writer.write("two\n")
    settling = asyncio.create_task(log.settle(), eager_start=True)
    writer.write("three\n")
    logs.close(KEY)
    lines = [line.text async for lines in following for line in lines]
    assert lines == ["two", "three"]
    await settling


async def test_a_reader_goes_on_where_it_was(logs: JobLogs) -> None:
    """After what it has read, by the number of its last line."""
    writer = _Writer(logs.open(KEY, NAMES))
    writer.write("one\n")
    number = (await logs.read(KEY)).number
    writer.write("two\n")
    following = logs.follow(KEY, after=number)
    (line,) = await anext(following)
    assert (line.text, line.dropped) == ("two", 0)
    assert line.number > number


async def test_who_is_slow_misses_what_the_log_does_not_hold(tmp_path: Path) -> None:
    """And is told how much; nothing waits for it."""
    logs = JobLogs(tmp_path, limit=20_000)
    writer = _Writer(logs.open(KEY, NAMES))
    writer.write("first\n")
    following = logs.follow(KEY)
    assert await _next(following) == ["first"]
    for number in range(2000):
        writer.write(f"{number:049}\n")
    logs.close(KEY)
    await logs.stop()
    lines = [line async for batch in following for line in batch]
    assert int(lines[-1].text) == 1999
    assert sum(line.dropped for line in lines) == 50 * (2000 - len(lines)) > 50_000


async def test_a_flood_can_be_followed_and_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    """10,000 lines in two seconds: all come, and soon."""
    logs = JobLogs(tmp_path)
    log = logs.open(KEY, NAMES)
    runner = LocalRunner(tmp_path / "handlers", tmp_path / "work")
    script = (
        "for i in $(seq 100); do seq -f 'line %.0f of the flood' 100; sleep 0.01; done"
    )
    request = StepRequest(
        run_id="run", job_key="job", call=CommandCall(argv=("sh", "-c", script))
    )
    running = asyncio.create_task(runner.run(request, partial(log.take, 0, 1)))
    running.add_done_callback(lambda _: logs.close(KEY))
    longest_wait = 0.0
    lines = 0
    async for batch in logs.follow(KEY):
        lines += len(batch)
        late = (datetime.now(UTC) - batch[-1].at).total_seconds()
        longest_wait = max(longest_wait, late)
    assert lines == 10_000
    assert longest_wait < 5
    await logs.stop()


async def test_what_waits_is_bounded(
    logs: JobLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a slow card is written, what is too much is left out, and told."""
    monkeypatch.setattr(logs_module, "MAX_WAITING_BYTES", 10_000)
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    for _ in range(1000):
        writer.write("x" * 99 + "\n")
    (step, *_) = (await logs.read(KEY)).steps
    assert step.dropped == 100_000 - 100 * len(step.lines)
    assert step.dropped == step.dropped_at_end > 80_000


async def test_a_reader_that_never_waits_keeps_nobody_else_waiting(
    logs: JobLogs,
) -> None:
    """Of much at once it gets some at a time."""
    log = logs.open(KEY, NAMES)
    writer = _Writer(log)
    writer.write("text\n" * 26_000)
    logs.close(KEY)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    batches = [len(lines) async for lines in logs.follow(KEY)]
    turning.cancel()
    assert sum(batches) == 26_000
    assert max(batches) < 2500
    assert turns > len(batches)


async def test_an_event_is_taken_at_once(logs: JobLogs) -> None:
    """A MiB costs whoever tells it next to nothing."""
    log = logs.open(KEY, NAMES)
    data = b"Updating the packages of the system\n" * 3600
    begun = time.perf_counter()
    for number in range(8):
        event: RunEvent = RunOutput(
            run_id="run", stream=Stream.STDOUT, data=data, offset=number * len(data)
        )
        log.take(0, 1, event)
    assert time.perf_counter() - begun < 0.02
