"""What outlives an agent that was killed is found and ended by the next one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
import os
from pathlib import Path
import signal

import pytest

from .bench import JOB, Bench
from .processes import living
from .programs import ROOT, command_line

type Abandon = Callable[[str, int], Awaitable[list[int]]]


@pytest.fixture
async def abandon(open_path: Path) -> AsyncIterator[Abandon]:
    """Return what has an agent run a script, and kills the agent.

    It returns the process ids that the script writes, one a line, of a given number.
    """
    left: list[int] = []

    async def abandon(script: str, count: int) -> list[int]:
        agent = await asyncio.create_subprocess_exec(
            *command_line("killed_agent", str(open_path), script),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert agent.stdout is not None
        async with asyncio.timeout(20):
            pids = [int(await agent.stdout.readline()) for _ in range(count)]
        left.extend(pids)
        agent.kill()
        await agent.wait()
        assert all(map(living, pids))
        return pids

    yield abandon
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_the_processes_of_a_job_are_ended(
    bench: Bench, abandon: Abandon, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of its group, and those that have left it; the log says so."""
    script = "echo $$; setsid sh -c 'echo $$; sleep 60' & sleep 60 & echo $!; wait"
    pids = await abandon(script, 3)
    await bench.runner.recover(JOB)
    assert not any(map(living, pids))
    assert "that outlived their agent" in caplog.text


@pytest.mark.parametrize(
    "hiding",
    [
        "exec env -i sh -c 'echo $$; sleep 60; sleep 60'",
        "env -i sh -c 'echo $$; sleep 60; sleep 60' & exec sleep 0.3",
        "env -i timeout 60 sh -c 'echo $$; sleep 60; sleep 60'",
        "exec 2>/dev/null; set -m; env -i sh -c 'echo $$; sleep 60; sleep 60' & wait",
        "exec setpriv --reuid=nobody --clear-groups env -i sh -c 'echo $$; sleep 60;:'",
        "su - nobody -s /bin/sh -c 'echo $$; sleep 60; sleep 60' 2>/dev/null",
    ],
)
async def test_those_that_hide_their_environment_are_ended(
    impatient: Bench, abandon: Abandon, hiding: str
) -> None:
    """Whether the process that was started lives or not."""
    pids = await abandon(hiding, 1)
    if "sleep 0.3" in hiding:
        leader = os.getsid(pids[0])
        async with asyncio.timeout(20):
            while living(leader):
                await asyncio.sleep(0.02)
    await impatient.runner.recover(JOB)
    assert not any(map(living, pids))


async def test_those_that_ignore_sigterm_are_killed(
    impatient: Bench, abandon: Abandon
) -> None:
    """After the grace time; when it returns, they are gone."""
    script = "trap '' TERM; echo $$; while :; do sleep 0.05; done"
    pids = await abandon(script, 1)
    await impatient.runner.recover(JOB)
    assert not any(map(living, pids))


async def test_they_have_their_grace_time(bench: Bench, abandon: Abandon) -> None:
    """To put in order what they were at."""
    tidied = bench.directory / "tidied"
    # Nobody reads its pipes any more, and the shell tells of what a signal has ended.
    script = (
        f"trap 'touch {tidied}; exit' TERM; echo $$; exec 2>/dev/null;"
        "while :; do sleep 0.05; done"
    )
    pids = await abandon(script, 1)
    await bench.runner.recover(JOB)
    assert tidied.exists()
    assert not any(map(living, pids))


async def test_those_of_other_jobs_go_on(bench: Bench, abandon: Abandon) -> None:
    """Also of one whose name begins the same."""
    pids = await abandon("echo $$; sleep 60", 1)
    for other in ("job-2.1", "job-1.2", "job-1", "job-1.11"):
        await bench.runner.recover(other)
    assert all(map(living, pids))


async def test_without_any_there_is_nothing_to_do(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing to tell."""
    await bench.runner.recover(JOB)
    assert "outlived" not in caplog.text


async def test_an_agent_that_a_job_has_started_does_not_end_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job may restart the agent, which then has the job's own environment."""
    result = await bench.command(
        *command_line("recovering_agent", str(bench.directory)),
        environment={"PYTHONPATH": str(ROOT)},
    )
    assert (result.exit_status, result.stdout) == (0, "recovered\n")
