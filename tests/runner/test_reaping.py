"""A process is reaped whether or not the kernel tells an event loop of its end."""

import asyncio
import errno
import os

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .bench import Bench


@pytest.fixture(params=["told", "not told"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be told by the kernel, or not: some containers forbid to ask for that."""

    def forbid(pid: int, flags: int = 0) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "not told":
        monkeypatch.setattr(os, "pidfd_open", forbid)


@pytest.mark.usefixtures("kernel")
async def test_an_end_is_noticed(bench: Bench) -> None:
    """At once, with its exit status."""
    async with asyncio.timeout(10):
        result = await bench.shell("echo end; exit 3")
    assert result == RunResult(outcome=RunOutcome.EXITED, exit_status=3, stdout="end\n")


@pytest.mark.usefixtures("kernel")
async def test_a_signal_is_noticed(bench: Bench) -> None:
    """By its number."""
    result = await bench.shell("kill -s KILL $$")
    assert result == RunResult(outcome=RunOutcome.SIGNALED, signal="SIGKILL")


@pytest.mark.usefixtures("kernel")
async def test_a_stop_is_noticed_while_it_waits(bench: Bench) -> None:
    """Nothing waits for the end alone."""
    run = asyncio.create_task(bench.shell("echo ready; sleep 60"))
    await bench.said(b"ready")
    bench.stop.set()
    async with asyncio.timeout(10):
        assert (await run).outcome is RunOutcome.STOPPED


async def test_who_was_reaped_by_others_has_not_succeeded(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """How it ended is not known, and the log says so."""
    run = asyncio.create_task(bench.shell("echo ready; sleep 0.3"))
    await bench.said(b"ready")
    _reap(bench.pid)
    assert (await run).exit_status == 255
    assert f"process {bench.pid}" in caplog.text


def _reap(pid: int) -> None:
    """Be quicker than the event loop, which waits for this."""
    os.waitpid(pid, 0)
