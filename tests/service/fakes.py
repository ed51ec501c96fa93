"""Runners without processes, for what the service makes of their runs."""

import asyncio
from typing import Any

from custom_components.aws_iot_jobs.runner import kept_events
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    Runner,
    RunOutcome,
    RunOutput,
    RunResult,
    RunTrace,
    StepCheck,
    StepRequest,
    Stream,
)


class SilentRunner(Runner):
    """A runner whose runs say nothing until they may end."""

    name = "silent"

    def __init__(self) -> None:
        """Note which runs have begun."""
        self.end = asyncio.Event()
        self.begun: list[str] = []

    async def run(
        self,
        request: StepRequest,
        on_event: object,
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        """Wait for the end, or for the stop."""
        self.begun.append(request.run_id)
        stop = stop or asyncio.Event()
        waiting = [asyncio.ensure_future(it.wait()) for it in (self.end, stop)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if stop.is_set():
            return RunResult(outcome=RunOutcome.STOPPED)
        return RunResult(outcome=RunOutcome.EXITED, exit_status=0)

    async def check(self, request: StepRequest) -> StepCheck:
        """Find nothing."""
        return StepCheck()

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        """Know of none."""
        return RunTrace.LOST

    async def recover(self, job_key: str) -> None:
        """Nothing is lost."""

    async def release(self, job_key: str) -> None:
        """Nothing is shared."""


class TalkativeRunner(SilentRunner):
    """A runner whose runs tell more than anyone keeps."""

    async def run(
        self, request: StepRequest, on_event: Any, stop: Any = None
    ) -> RunResult:
        """Tell one event after the other, and end."""
        told = RunOutput(run_id=request.run_id, stream=Stream.STDOUT, data=b"x")
        for _ in range(kept_events.FIRST_EVENTS + kept_events.NEWEST_EVENTS + 10):
            on_event(told)
        return RunResult(outcome=RunOutcome.EXITED, exit_status=0, stdout="tail")


def request_of(number: int) -> StepRequest:
    """Return a request of its own."""
    call = CommandCall(argv=("true",))
    return StepRequest(run_id=f"run-{number}", job_key=f"job-{number}", call=call)
