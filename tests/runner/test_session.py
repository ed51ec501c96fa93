"""A step's session ends in all its process groups, whatever stands in the way of a look."""

import asyncio
from collections.abc import Callable, Iterator
import contextlib
import os
from pathlib import Path
import re
import resource
import signal

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .bench import Bench
from .processes import living

STUBBORN = "trap '' TERM; echo $$; while :; do sleep 0.05; done"
"""A shell that SIGTERM does not end; like the next one, it tells its process id."""
PLAIN = "echo $$; while :; do sleep 0.05; done"
OF_ITS_OWN = {
    "timeout": 'timeout 600 sh -c "$WORK"',
    "timeout in the background": 'timeout 600 sh -c "$WORK" & wait',
    "job control": 'set -m; sh -c "$WORK" & wait',
    "timeout in timeout": 'timeout 600 timeout 500 sh -c "$WORK"',
    "interactive": "bash --norc --noprofile -ic 'sh -c \"$WORK\"; true'",
    "by hand": "python3 -c 'import os; os.setpgid(0, 0); "
    'os.execlp("sh", "sh", "-c", os.environ["WORK"])\' & wait',
}
"""Scripts that do some work in a process group of its own."""


@pytest.fixture(params=OF_ITS_OWN)
def script(request: pytest.FixtureRequest) -> str:
    """Return a script that does its work in a process group of its own."""
    return OF_ITS_OWN[request.param]


async def worker(bench: Bench) -> int:
    """Return the id of the process that works, when it has told it."""
    async with asyncio.timeout(20):
        while not (told := re.findall(rb"^\d+$", bench.output, re.MULTILINE)):
            await asyncio.sleep(0.01)
    return int(told[0])


async def test_groups_of_their_own_are_killed(impatient: Bench, script: str) -> None:
    """Where they do not heed SIGTERM."""
    run = asyncio.ensure_future(impatient.shell(script, environment={"WORK": STUBBORN}))
    pid = await worker(impatient)
    impatient.stop.set()
    assert (await run).outcome is RunOutcome.STOPPED
    assert not living(pid)


async def test_a_timeout_ends_groups_of_their_own(impatient: Bench) -> None:
    """The step ends, and nothing of it works beside the next one."""
    script = OF_ITS_OWN["timeout in the background"]
    result = await impatient.shell(script, timeout=2, environment={"WORK": STUBBORN})
    assert result.outcome is RunOutcome.TIMED_OUT
    assert not living(await worker(impatient))


async def test_a_stop_ends_groups_of_their_own(bench: Bench, script: str) -> None:
    """At once, where they heed SIGTERM: the grace time is ten seconds."""
    run = asyncio.ensure_future(bench.shell(script, environment={"WORK": PLAIN}))
    pid = await worker(bench)
    bench.stop.set()
    async with asyncio.timeout(5):
        assert (await run).outcome is RunOutcome.STOPPED
    assert not living(pid)


async def test_a_cancellation_ends_groups_of_their_own(
    bench: Bench, script: str
) -> None:
    """As when Home Assistant stops."""
    run = asyncio.ensure_future(bench.shell(script, environment={"WORK": PLAIN}))
    pid = await worker(bench)
    run.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await run
    assert not living(pid)


async def test_groups_of_their_own_end_with_the_process(bench: Bench) -> None:
    """What is left in the background ends as it does in the process's own group."""
    async with asyncio.timeout(5):
        result = await bench.shell("set -m; sleep 60 & echo $!")
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 0)
    assert not living(int(result.stdout))


async def test_groups_that_come_to_be_meanwhile_are_killed(impatient: Bench) -> None:
    """One that forks on and on, each time into another group, does not escape."""
    forks = impatient.directory / "forks.py"
    forks.write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        # It ends by itself where the test cannot end it.
        "end = time.monotonic() + 60\n"
        "while time.monotonic() < end:\n"
        "    if os.fork():\n"
        "        os._exit(0)\n"
        "    os.setpgid(0, 0)\n"
        "    time.sleep(0.02)\n"
    )
    run = asyncio.ensure_future(impatient.command("python3", str(forks)))
    await impatient.said(b"ready")
    impatient.stop.set()
    result = await run
    assert not result.detail
    assert not _with_environment(impatient.job_directory)


async def test_a_stopped_process_has_its_grace_time(bench: Bench) -> None:
    """It goes on, to act on SIGTERM: it need not be killed."""
    tidied = bench.directory / "tidied"
    script = (
        f"trap 'touch {tidied}; exit 3' TERM; echo $$; while :; do sleep 0.05; done"
    )
    run = asyncio.ensure_future(bench.shell(script))
    os.kill(await worker(bench), signal.SIGSTOP)
    bench.stop.set()
    async with asyncio.timeout(5):
        result = await run
    assert (result.outcome, result.exit_status) == (RunOutcome.STOPPED, 3)
    assert tidied.exists()


async def test_what_is_started_to_tidy_up_is_not_ended_by_sigterm(bench: Bench) -> None:
    """A handler may tidy up with `timeout` too."""
    script = (
        "trap 'timeout 5 sh -c \"sleep 0.7; echo tidied\"; exit 3' TERM; echo $$;"
        "while :; do sleep 0.05; done"
    )
    run = asyncio.ensure_future(bench.shell(script))
    await worker(bench)
    bench.stop.set()
    result = await run
    assert result.exit_status == 3
    assert result.stdout.endswith("tidied\n")


@pytest.mark.parametrize("way", ["stop", "timeout"])
async def test_with_a_job_that_is_to_end_all_of_it_ends(bench: Bench, way: str) -> None:
    """What has left the session too, unless it has left the job's environment as well."""
    script = (
        'setsid sh -c "$WORK" & setsid env -u AWS_IOT_JOBS_DIR sh -c "$WORK; true" &'
        "sleep 60"
    )
    pids = []
    try:
        run = asyncio.ensure_future(
            bench.shell(
                script,
                environment={"WORK": "echo $$; sleep 60"},
                timeout=3 if way == "timeout" else None,
            )
        )
        async with asyncio.timeout(20):
            while len(pids := bench.output.split()) < 2:
                await asyncio.sleep(0.02)
        if way == "stop":
            bench.stop.set()
        await run
        alive = [int(pid) for pid in pids if living(int(pid))]
        assert len(alive) == 1
        environment = Path(f"/proc/{alive[0]}/environ").read_bytes()
        assert b"AWS_IOT_JOBS_DIR=" not in environment
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes others unasked")
async def test_what_su_runs_in_its_own_session_is_killed_with_it(
    impatient: Bench,
) -> None:
    """It has no environment of the job; `su`, which waits for it, is of the session."""
    script = (
        "su - nobody -s /bin/sh -c \"trap '' TERM; echo \\$\\$; sleep 60; sleep 60\""
    )
    run = asyncio.ensure_future(impatient.shell(script))
    pid = await worker(impatient)
    assert os.getsid(pid) != impatient.pid
    impatient.stop.set()
    await run
    assert not living(pid)


# An end by itself


@pytest.mark.parametrize("way", ["cancel", "stop"])
async def test_a_process_that_has_ended_by_itself_has_done_so(
    impatient: Bench, way: str
) -> None:
    """Also while what it left behind has its grace time: it need not run again."""
    impatient.runner._grace = 1.0
    script = 'sh -c "$WORK" & sleep 0.3; echo done; exit 4'
    run = asyncio.ensure_future(impatient.shell(script, environment={"WORK": STUBBORN}))
    await impatient.said(b"done")
    async with asyncio.timeout(20):
        while living(impatient.pid):
            await asyncio.sleep(0.01)
    if way == "cancel":
        run.cancel()
    else:
        impatient.stop.set()
    result = await run
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 4)
    assert result.stdout.endswith("done\n")
    assert not living(int(result.stdout.split()[0]))


async def test_a_process_that_has_ended_while_a_daemon_holds_its_output(
    bench: Bench,
) -> None:
    """Its result is returned to the cancelled call."""
    script = 'setsid sh -c "$WORK" & sleep 0.3; echo done'
    run = asyncio.ensure_future(
        bench.shell(script, environment={"WORK": "echo $$; exec sleep 60"})
    )
    await bench.said(b"done")
    async with asyncio.timeout(20):
        while living(bench.pid):
            await asyncio.sleep(0.01)
    try:
        run.cancel()
        result = await run
        assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 0)
    finally:
        os.kill(await worker(bench), signal.SIGKILL)


async def test_a_process_that_ends_as_it_is_cancelled_is_told_as_it_was(
    bench: Bench,
) -> None:
    """It had succeeded, or was ended: a result with exit status 0 is never thrown away."""
    for turns in range(40):
        done = bench.directory / f"done-{turns}"
        run = asyncio.ensure_future(bench.shell(f"sleep 0.02; : >{done}"))
        await asyncio.sleep(0.015 + 0.0005 * turns)
        run.cancel()
        try:
            result = await run
        except asyncio.CancelledError:
            continue
        assert result == RunResult(outcome=RunOutcome.EXITED, exit_status=0)
        assert done.exists()


async def test_cancelled_twice_what_is_left_behind_has_no_grace_time(
    bench: Bench,
) -> None:
    """The result is returned all the same."""
    run = asyncio.ensure_future(
        bench.shell('sh -c "$WORK" & sleep 0.3; exit 4', environment={"WORK": STUBBORN})
    )
    pid = await worker(bench)
    async with asyncio.timeout(20):
        while living(bench.pid):
            await asyncio.sleep(0.01)
    run.cancel()
    await asyncio.sleep(0.1)
    run.cancel()
    async with asyncio.timeout(5):
        assert (await run).exit_status == 4
    assert not living(pid)


# What cannot be looked at


@pytest.fixture
def take_descriptors() -> Iterator[Callable[[], None]]:
    """Return what takes all file descriptors of this process, until the test has ended."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))

    def take() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))

    yield take
    for descriptor in taken:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "script", ['sh -c "$WORK"', 'timeout 600 sh -c "$WORK" & wait; true']
)
@pytest.mark.parametrize("way", ["cancel", "stop"])
async def test_a_stubborn_process_is_killed_without_a_free_descriptor(
    impatient: Bench, take_descriptors: Callable[[], None], script: str, way: str
) -> None:
    """A look that cannot be taken is not for a process that is dead."""
    run = asyncio.ensure_future(impatient.shell(script, environment={"WORK": STUBBORN}))
    pid = await worker(impatient)
    take_descriptors()
    if way == "cancel":
        run.cancel()
    else:
        impatient.stop.set()
    async with asyncio.timeout(8):
        with contextlib.suppress(asyncio.CancelledError):
            await run
    assert not living(pid)
    assert not living(impatient.pid)


def _with_environment(directory: Path) -> list[int]:
    """Return the living processes that know of a job's directory."""
    wanted = f"AWS_IOT_JOBS_DIR={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and living(int(entry.name)):
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
