"""What is on record of the last start of a job, and what that tells a later life."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
import errno
import json
import os
from pathlib import Path
import signal
import stat
import threading
from typing import Any

import pytest

from custom_components.aws_iot_jobs.runner import local, started
from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunTrace

from .bench import JOB, RUN, Bench, write
from .processes import living


@pytest.fixture
async def stranger() -> AsyncIterator[int]:
    """Return the id of a process that leads a session, and has nothing to do with a job."""
    process = await asyncio.create_subprocess_exec(
        "sleep", "60", start_new_session=True
    )
    yield process.pid
    process.kill()
    await process.wait()


def record(bench: Bench) -> Path:
    """Return the file that tells of the job's last start."""
    return bench.work / f"{JOB}.started"


def lines(bench: Bench) -> list[dict[str, Any]]:
    """Return what it says."""
    return [json.loads(line) for line in record(bench).read_text().splitlines()]


def change(bench: Bench, **changes: object) -> None:
    """Have it say something else."""
    text = [
        json.dumps(
            {**line, **{name: changes[name] for name in line if name in changes}}
        )
        for line in lines(bench)
    ]
    record(bench).write_text("\n".join(text) + "\n")


def start_time(pid: int) -> int:
    """Return when a process was started, in ticks after the boot."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return int(text.rpartition(")")[2].split()[19])


# What is on record


async def test_a_start_is_on_record(bench: Bench) -> None:
    """For as long as the job lasts, for nobody else to read or write."""
    run = asyncio.ensure_future(bench.shell("echo ready; sleep 60"))
    await bench.said(b"ready")
    begun, noted = lines(bench)
    assert begun["run_id"] == RUN
    assert noted["pid"] == bench.pid
    assert noted["started"] == start_time(bench.pid)
    assert stat.S_IMODE(record(bench).stat().st_mode) == 0o600
    assert record(bench).parent == bench.job_directory.parent
    bench.stop.set()
    await run
    assert record(bench).exists()
    await bench.runner.release(JOB)
    assert list(bench.work.iterdir()) == []


async def test_it_is_there_before_the_process(bench: Bench) -> None:
    """A process finds it, however quick it is."""
    result = await bench.command("head", "-n", "1", str(record(bench)))
    assert json.loads(result.stdout)["run_id"] == RUN


async def test_the_last_start_is_on_record_alone(bench: Bench) -> None:
    """It does not grow."""
    for _ in range(3):
        await bench.shell("true")
    assert len(lines(bench)) == 2


@pytest.mark.parametrize("kind", ["stop", "time", "user", "interpreter", "command"])
async def test_what_has_not_started_is_not_on_record(bench: Bench, kind: str) -> None:
    """Whatever kept it from starting."""
    if kind == "stop":
        bench.stop.set()
        await bench.shell("true")
    elif kind == "time":
        await bench.shell("true", timeout=0.0)
    elif kind == "user":
        await bench.shell("true", run_as_user="no-such-user")
    elif kind == "interpreter":
        bench.handler("x.sh", "#!/no/such\n")
        await bench.handle("x.sh")
    else:
        await bench.command("no-such-command")
    assert not record(bench).exists()


async def test_a_run_that_is_cancelled_before_its_start_is_not_on_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the next life, it has not begun."""
    loop = asyncio.get_running_loop()
    cancelled = threading.Event()

    def cancel() -> None:
        run.cancel()
        loop.call_soon(loop.call_soon, cancelled.set)

    def begin_start(*args: Any) -> None:
        started.begin_start(*args)
        assert record(bench).exists()
        loop.call_soon_threadsafe(cancel)
        assert cancelled.wait(20)

    monkeypatch.setattr(local, "begin_start", begin_start)
    run = asyncio.ensure_future(bench.shell("true"))
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await _next_life(bench).trace(JOB, RUN) is RunTrace.NEVER_BEGUN


async def test_where_it_cannot_be_written_nothing_starts(bench: Bench) -> None:
    """No process starts that a later life would not know of."""
    record(bench).mkdir(parents=True)
    result = await bench.shell(f"touch {bench.directory}/ran")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail == f"cannot write {record(bench)}: Is a directory"
    assert not (bench.directory / "ran").exists()


async def test_without_space_for_it_the_step_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """To a later life it may have run, as all that it knows is that there is a file."""

    def write_nothing(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"{started.__name__}.os.write", write_nothing)
        assert (await bench.shell("true")).exit_status == 0
    assert "No space left" in caplog.text
    assert await _next_life(bench).trace(JOB, "another") is RunTrace.LOST


async def test_a_link_in_its_place_is_not_followed(bench: Bench) -> None:
    """It would have another file written to."""
    other = write(bench.directory / "other", "content")
    bench.work.mkdir()
    record(bench).symlink_to(other)
    assert (await bench.shell("true")).outcome is RunOutcome.REFUSED
    assert other.read_text() == "content"


# What it tells a later life


async def test_a_run_that_has_started_may_have_run(bench: Bench) -> None:
    """It is lost, for it has not outlived its agent."""
    await bench.shell("true")
    assert await _next_life(bench).trace(JOB, RUN) is RunTrace.LOST


async def test_a_run_that_was_not_the_last_to_start_has_not_begun(bench: Bench) -> None:
    """The last one was that of the step before, or of an earlier attempt."""
    await bench.shell("true")
    assert await _next_life(bench).trace(JOB, "job-1.1.2.1") is RunTrace.NEVER_BEGUN


async def test_the_first_run_of_a_job_that_was_not_started_has_not_begun(
    bench: Bench,
) -> None:
    """Nothing of the job is on record, and that of others does not count."""
    bench.work.mkdir()
    runner = _next_life(bench)
    assert await runner.trace(JOB, RUN) is RunTrace.NEVER_BEGUN
    await bench.shell("true")
    assert await runner.trace("job-1.11", "job-1.11.1.1") is RunTrace.NEVER_BEGUN


async def test_without_the_work_directory_nothing_is_known(bench: Bench) -> None:
    """Somebody has removed it, and what was on record."""
    assert await bench.runner.trace(JOB, RUN) is RunTrace.LOST


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null\n", "\xff", "{}\n{}\n{}\n"]
)
async def test_what_cannot_be_read_proves_nothing(bench: Bench, text: str) -> None:
    """It was cut off, or somebody wrote there; what the job runs is still found."""
    await bench.shell("true")
    record(bench).write_text(text, encoding="latin-1")
    assert await bench.runner.trace(JOB, "job-1.1.2.1") is RunTrace.LOST
    await bench.runner.recover(JOB)


async def test_what_is_of_another_boot_proves_nothing(bench: Bench) -> None:
    """What was written later may be lost with the system."""
    await bench.shell("true")
    change(bench, boot_id="0c37d5a4-0000-4000-8000-000000000000")
    assert await bench.runner.trace(JOB, "job-1.1.2.1") is RunTrace.LOST


# Whom it has ended


async def test_a_stranger_with_the_process_id_goes_on(
    bench: Bench, stranger: int
) -> None:
    """Process ids are used again; with the start time, they are not."""
    await bench.shell("true")
    change(bench, pid=stranger, started=start_time(stranger) - 1)
    await bench.runner.recover(JOB)
    assert living(stranger)


@pytest.mark.parametrize("name", ["boot_id", "namespace_started", "started"])
async def test_a_stranger_of_another_life_of_the_system_goes_on(
    bench: Bench, stranger: int, name: str
) -> None:
    """Of another boot, of a container that was started anew, or of who knows when."""
    await bench.shell("true")
    change(bench, pid=stranger, started=start_time(stranger))
    change(bench, **{name: None if name == "started" else 1})
    await bench.runner.recover(JOB)
    assert living(stranger)


async def test_a_session_that_began_earlier_is_a_strangers(bench: Bench) -> None:
    """Also where the process that led it has ended."""
    script = "sleep 60 >/dev/null 2>&1 & echo $$ $!"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script), start_new_session=True, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    leader, member = map(int, (await process.stdout.read()).split())
    await process.wait()
    try:
        await bench.shell("true")
        change(bench, pid=leader, started=start_time(member) + 1)
        await bench.runner.recover(JOB)
        assert living(member)
        change(bench, started=start_time(member))
        await bench.runner.recover(JOB)
        assert not living(member)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def _next_life(bench: Bench) -> LocalRunner:
    return LocalRunner(bench.handlers, bench.work)
