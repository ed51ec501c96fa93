"""A process from start to reaped: timeouts, stops, cancellation, and its whole group."""

import asyncio
import os
from pathlib import Path
import signal

import pytest

from custom_components.aws_iot_jobs.runner.model import RunEvent, RunOutcome, RunResult

from .bench import Bench, request, write
from .processes import children, living

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
"""A shell that SIGTERM does not end; nor does it end what the shell runs."""


@pytest.mark.parametrize("status", [0, 1, 3, 126, 127, 128, 137, 254, 255])
async def test_an_exit_status_is_what_the_process_said(
    bench: Bench, status: int
) -> None:
    """No status is taken for something else."""
    result = await bench.shell(f"exit {status}")
    assert result == RunResult(outcome=RunOutcome.EXITED, exit_status=status)


@pytest.mark.parametrize("name", ["HUP", "KILL", "TERM", "SEGV", "ABRT", "PIPE"])
async def test_a_signal_is_told_by_its_name(bench: Bench, name: str) -> None:
    """Also where the process leads a shell that would make 128 + number of it."""
    result = await bench.shell(f"kill -s {name} $$")
    assert result == RunResult(outcome=RunOutcome.SIGNALED, signal=f"SIG{name}")


async def test_a_signal_without_a_name_is_told_by_its_number(bench: Bench) -> None:
    """The real-time signals have none but the first and last."""
    result = await bench.command("bash", "-c", "kill -40 $$")
    assert (result.outcome, result.signal) == (RunOutcome.SIGNALED, "40")


async def test_a_timeout_ends_the_process(bench: Bench) -> None:
    """SIGTERM is enough where nothing is done against it."""
    result = await bench.shell("echo begun; sleep 60; echo not reached", timeout=0.2)
    assert result.outcome is RunOutcome.TIMED_OUT
    assert result.signal == "SIGTERM"
    assert result.stdout == "begun\n"


async def test_the_grace_time_lets_a_process_put_things_in_order(bench: Bench) -> None:
    """What it writes and how it exits after SIGTERM is in the result."""
    script = "trap 'echo tidied; exit 4' TERM; while :; do sleep 0.01; done"
    result = await bench.shell(script, timeout=0.2)
    assert result.outcome is RunOutcome.TIMED_OUT
    assert result.exit_status == 4
    assert result.stdout == "tidied\n"


async def test_sigkill_follows_the_grace_time(impatient: Bench) -> None:
    """A process that ignores SIGTERM does not hold the job."""
    result = await impatient.shell(STUBBORN, timeout=0.2)
    assert result.outcome is RunOutcome.TIMED_OUT
    assert result.signal == "SIGKILL"


async def test_a_timeout_ends_grandchildren_too(impatient: Bench) -> None:
    """The whole group, those that ignore SIGTERM by force."""
    script = f"(sleep 60 & echo $!; wait) & sh -c '{STUBBORN}' & echo $!; wait"
    result = await impatient.shell(script, timeout=0.5)
    assert result.outcome is RunOutcome.TIMED_OUT
    pids = [int(line) for line in result.stdout.split() if line.isdecimal()]
    assert len(pids) == 2
    assert not any(map(living, pids))


async def test_without_time_nothing_is_started(bench: Bench) -> None:
    """A step whose time is over before it begins does not begin."""
    result = await bench.shell(f"touch {bench.directory}/ran", timeout=0.0)
    assert result == RunResult(outcome=RunOutcome.TIMED_OUT)
    assert not (bench.directory / "ran").exists()


async def test_a_timeout_is_for_the_process_not_for_what_it_leaves(
    impatient: Bench,
) -> None:
    """A process that exited in time did so, however long its leftovers take to end."""
    stubborn = "trap '' TERM; echo ready >&2; sleep 60"
    script = 'sh -c "$1" & sleep 0.1; exit 7'
    result = await impatient.shell(script, stubborn, timeout=0.25)
    assert result.stderr == "ready\n"
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 7)


async def test_stop_ends_a_run_and_says_so(bench: Bench) -> None:
    """The run returns with what was written until then."""
    run = asyncio.create_task(bench.shell("echo ready; sleep 60"))
    await bench.said(b"ready")
    bench.stop.set()
    result = await run
    assert (result.outcome, result.signal) == (RunOutcome.STOPPED, "SIGTERM")
    assert result.stdout == "ready\n"


async def test_stop_before_the_start_starts_nothing(bench: Bench) -> None:
    """A stop that comes while things are looked up is in time."""
    run = asyncio.create_task(bench.shell(f"touch {bench.directory}/ran"))
    await asyncio.sleep(0)
    bench.stop.set()
    assert (await run).outcome is RunOutcome.STOPPED
    assert not (bench.directory / "ran").exists()


async def test_a_run_that_is_to_stop_already_starts_nothing(bench: Bench) -> None:
    """Whoever stops need not know whether it runs."""
    bench.stop.set()
    result = await bench.shell(f"touch {bench.directory}/ran")
    assert result.outcome is RunOutcome.STOPPED
    assert not (bench.directory / "ran").exists()


async def test_a_cancelled_run_ends_its_process_first(bench: Bench) -> None:
    """In an orderly way, before the cancellation goes on."""
    tidied = bench.directory / "tidied"
    script = (
        f"trap 'touch {tidied}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    )
    run = asyncio.create_task(bench.shell(script))
    await bench.said(b"ready")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert tidied.exists()
    assert not living(bench.pid)


async def test_a_second_cancellation_gives_no_grace_time(bench: Bench) -> None:
    """With ten seconds of it, this would take ten seconds."""
    run = asyncio.create_task(bench.shell(STUBBORN))
    await bench.said(b"ready")
    run.cancel()
    await asyncio.sleep(0.1)
    assert not run.done()
    run.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await run
    assert not living(bench.pid)


async def test_cancelled_at_any_moment_nothing_is_left(bench: Bench) -> None:
    """From the first look-up to the running process, one turn of the event loop apart."""
    before = children()
    for turns in range(40):
        run = asyncio.create_task(bench.shell("sleep 60 & sleep 60"))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert children() == before, turns
    assert not _processes_with(bench.job_directory)


async def test_cancelled_twice_at_any_moment_nothing_is_left(bench: Bench) -> None:
    """The same, with no patience."""
    for turns in range(40):
        run = asyncio.create_task(bench.shell("trap '' TERM; sleep 60"))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        run.cancel()
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert not _processes_with(bench.job_directory)


async def test_what_runs_in_the_background_ends_with_the_process(bench: Bench) -> None:
    """A grandchild of the group holds neither the job nor the machine."""
    async with asyncio.timeout(5):
        result = await bench.shell("sleep 60 & echo $!")
    assert result == RunResult(
        outcome=RunOutcome.EXITED, exit_status=0, stdout=result.stdout
    )
    assert not living(int(result.stdout))


async def test_a_daemon_that_holds_the_pipes_does_not_hold_the_job(
    bench: Bench,
) -> None:
    """It has left the group on purpose, so it goes on; its later output is nobody's."""
    pid_file = bench.directory / "pid"
    daemon = f"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60"
    script = (
        f'setsid sh -c "$1" & until [ -e {pid_file} ]; do sleep 0.01; done; echo end'
    )
    try:
        async with asyncio.timeout(5):
            result = await bench.shell(script, daemon)
        assert (result.exit_status, result.stdout) == (0, "end\n")
        assert living(int(pid_file.read_text()))
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


async def test_a_leader_killed_from_outside_leaves_no_group(bench: Bench) -> None:
    """Its children end as they would have with it."""
    run = asyncio.create_task(bench.shell("sleep 60 & echo $! ready; wait"))
    await bench.said(b"ready")
    os.kill(bench.pid, signal.SIGKILL)
    result = await run
    assert (result.outcome, result.signal) == (RunOutcome.SIGNALED, "SIGKILL")
    assert not living(int(result.stdout.split()[0]))


async def test_a_script_without_an_interpreter_line_runs_by_sh(bench: Bench) -> None:
    """As `execvp` does it: as a handler, by its path, by its name, and from home."""
    bench.handler("bare.sh", 'echo "$0" "$@"\n')
    result = await bench.handle("bare.sh", "a b")
    assert result.stdout == f"{bench.handlers}/bare.sh a b\n"
    result = await bench.command(f"{bench.handlers}/bare.sh", "c")
    assert result.stdout == f"{bench.handlers}/bare.sh c\n"


async def test_a_bare_script_on_path_runs_by_sh(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was found, not where the process starts."""
    write(bench.directory / "bare", "echo found $1\n", 0o755)
    monkeypatch.setenv("PATH", f"{bench.directory}:{os.environ['PATH']}")
    assert (await bench.command("bare", "x")).stdout == "found x\n"


async def test_an_interpreter_that_is_missing_is_told(bench: Bench) -> None:
    """The file is there, so «no such file» would help nobody."""
    file = bench.handler("x.sh", "#!/no/such/interpreter\n")
    result = await bench.handle("x.sh")
    assert result == RunResult(
        outcome=RunOutcome.REFUSED,
        detail=f"{file} cannot be run: the interpreter that it names does not exist",
    )


async def test_a_process_starts_at_home_and_without_input(bench: Bench) -> None:
    """Wherever the agent is, and whatever its input is."""
    result = await bench.shell("pwd; cat; echo end")
    assert result.stdout == f"{Path.home()}\nend\n"


async def test_a_command_with_a_path_is_looked_for_from_home(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process starts, and not where the agent is."""
    monkeypatch.chdir(bench.directory)
    write(bench.directory / "here", "#!/bin/sh\necho here\n", 0o755)
    result = await bench.command("./here")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail == f"there is no command '{Path.home() / 'here'}'"


async def test_commands_that_cannot_run_are_refused(bench: Bench) -> None:
    """Each with what was found."""
    plain = write(bench.directory / "plain", "", 0o644)
    for argv0, detail in (
        ("no-such-command", "there is no command 'no-such-command' on PATH "),
        ("/no/such", "there is no command '/no/such'"),
        (str(bench.directory), f"there is no command '{bench.directory}'"),
        (str(plain), f"command '{plain}' is not executable"),
    ):
        result = await bench.command(argv0)
        assert result.outcome is RunOutcome.REFUSED
        assert result.detail.startswith(detail)


async def test_a_listener_that_raises_does_not_disturb_the_step(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, once."""

    def fail(event: RunEvent) -> None:
        raise ValueError("no such sensor")

    script = "for i in 1 2 3; do echo $i; sleep 0.1; done"
    result = await bench.runner.run(request("sh", "-c", script), fail)
    assert (result.exit_status, result.stdout) == (0, "1\n2\n3\n")
    assert caplog.text.count("ValueError: no such sensor") == 1


async def test_runs_side_by_side_keep_apart(bench: Bench) -> None:
    """Many jobs of many things may share one runner's process."""
    benches = []
    for number in range(8):
        directory = bench.directory / str(number)
        directory.mkdir()
        benches.append(Bench(directory))
    results = await asyncio.gather(
        *(one.shell(f"echo {index}") for index, one in enumerate(benches))
    )
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(8)]


def _processes_with(directory: Path) -> list[int]:
    """Return the living processes that know of a job's directory."""
    wanted = f"AWS_IOT_JOBS_DIR={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and living(int(entry.name)):
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(entry.name))
    return found
