"""What a step costs that does nothing: counts, which are the same on every machine."""

import asyncio
from typing import Any

import pytest

from custom_components.aws_iot_jobs.runner import family
from custom_components.aws_iot_jobs.runner.proc import processes

from .bench import JOB, Bench


@pytest.fixture
async def hops(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what has been given to threads so far."""
    loop, given = asyncio.get_running_loop(), list[Any]()
    hop = loop.run_in_executor

    def count(executor: Any, call: Any, *args: Any) -> asyncio.Future[Any]:
        given.append(call)
        return hop(executor, call, *args)

    monkeypatch.setattr(loop, "run_in_executor", count)
    return given


async def test_a_step_takes_one_trip_to_a_thread(bench: Bench, hops: list[Any]) -> None:
    """And so does the end of a job."""
    bench.handler("tiny.sh", "#!/bin/sh\necho hello\n")
    assert (await bench.handle("tiny.sh")).stdout == "hello\n"
    assert len(hops) == 1
    await bench.runner.release(JOB)
    assert len(hops) == 2


async def test_where_nothing_is_left_of_a_step_nobody_looks_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at all processes costs more than all else, and the more of them there are."""
    looks: list[None] = []

    def look() -> list[Any]:
        looks.append(None)
        return processes()

    monkeypatch.setattr(f"{family.__name__}.processes", look)
    assert (await bench.shell("exit 3")).exit_status == 3
    assert not looks
    await bench.shell("sleep 0.05 & exit 3")
    assert looks
