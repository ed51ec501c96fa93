"""Run steps here, as children of this process, in its event loop."""

import asyncio
from collections.abc import Callable
import errno
from pathlib import Path
import signal

from .job_directory import VARIABLE, job_directory, remove_job_directory
from .launch import Launch, prepare
from .leftovers import end_leftovers
from .model import (
    RunEvent,
    RunOutcome,
    RunOutput,
    RunRefusedError,
    RunResult,
    RunStarted,
    RunTrace,
    StepRequest,
    Stream,
)
from .output import Tail
from .process import Process

DEFAULT_GRACE_SECONDS = 10.0
EVENT_OUTPUT_LIMIT = 1024 * 1024
"""How many bytes of output a run tells as events; the rest shows in its result's tail."""


class LocalRunner:
    """Runs each step as a child of this process, in a process group of its own."""

    def __init__(
        self,
        handler_directory: Path,
        work_directory: Path,
        *,
        grace: float = DEFAULT_GRACE_SECONDS,
    ) -> None:
        """Take handlers from one directory and keep the jobs' directories in another.

        `grace` is the time in seconds between SIGTERM and SIGKILL.
        """
        self._handler_directory = handler_directory
        self._work_directory = work_directory
        self._grace = grace

    async def run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        """Run a step to its end; when cancelled, end its process group first.

        Cancelled once more, it gives no grace time any longer.
        """
        halt = asyncio.Event()
        running = asyncio.ensure_future(
            self._run(request, on_event, stop or asyncio.Event(), halt)
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            halt.set()
            result = await running
            if result.outcome in (RunOutcome.EXITED, RunOutcome.SIGNALED):
                return result
            raise

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        """Tell what is known of a run: none outlives this process."""
        return RunTrace.LOST

    async def recover(self, job_key: str) -> None:
        """End the processes of a job that outlived an agent that was killed."""
        directory = job_directory(self._work_directory, job_key)
        await end_leftovers(f"{VARIABLE}={directory}", self._grace)

    async def release(self, job_key: str) -> None:
        """Remove the directory that the steps of a job shared."""
        await asyncio.to_thread(remove_job_directory, self._work_directory, job_key)

    async def _run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event,
        halt: asyncio.Event,
    ) -> RunResult:
        output = _Output(request.run_id, on_event)
        try:
            launch = await asyncio.to_thread(
                prepare, request, self._handler_directory, self._work_directory
            )
            if stop.is_set() or halt.is_set():
                return RunResult(outcome=RunOutcome.STOPPED)
            if request.timeout is not None and request.timeout <= 0:
                return RunResult(outcome=RunOutcome.TIMED_OUT)
            process = await _start(launch, output)
        except RunRefusedError as err:
            return RunResult(outcome=RunOutcome.REFUSED, detail=str(err))
        try:
            outcome = await _watch(process, request.timeout, stop, halt)
            return output.result(outcome, await process.end(self._grace))
        except BaseException:
            await process.end(grace=0)
            raise


class _Output:
    """What one run tells: its start, its output up to a limit, and the tails of that."""

    def __init__(self, run_id: str, on_event: Callable[[RunEvent], None]) -> None:
        self._run_id = run_id
        self._on_event = on_event
        self._tails = {stream: Tail() for stream in Stream}
        self._left = EVENT_OUTPUT_LIMIT

    def begin(self, pid: int) -> None:
        self._on_event(RunStarted(run_id=self._run_id, pid=pid))

    def feed(self, stream: Stream, data: bytes) -> None:
        self._tails[stream].feed(data)
        if self._left > 0:
            told = data[: self._left]
            self._left -= len(told)
            self._on_event(RunOutput(run_id=self._run_id, stream=stream, data=told))

    def result(self, outcome: RunOutcome, returncode: int | None) -> RunResult:
        by_signal = returncode is not None and returncode < 0
        if outcome is RunOutcome.EXITED and by_signal:
            outcome = RunOutcome.SIGNALED
        stderr = self._tails[Stream.STDERR]
        return RunResult(
            outcome=outcome,
            exit_status=None if by_signal else returncode,
            signal=_signal_name(-returncode) if returncode and by_signal else None,
            detail="" if returncode is not None else "its process could not be ended",
            stdout=self._tails[Stream.STDOUT].text(),
            stderr=stderr.text(),
            stderr_lines=stderr.lines,
        )


async def _start(launch: Launch, output: _Output) -> Process:
    """Start a process. Raises RunRefusedError when the system does not."""
    try:
        return await Process.start(
            launch.argv,
            environment=launch.environment,
            directory=launch.directory,
            on_start=output.begin,
            on_output=output.feed,
            signal_command=launch.signal_command,
        )
    except OSError as err:
        problem = err.strerror
        if err.errno == errno.ENOENT:
            # The file is there, or it would have been refused before.
            problem = "the interpreter that it names does not exist"
        raise RunRefusedError(f"{launch.argv[0]} cannot be run: {problem}") from err
    except ValueError as err:
        raise RunRefusedError(f"{launch.argv[0]!r} cannot be run: {err}") from err


async def _watch(
    process: Process, timeout: float | None, *stops: asyncio.Event
) -> RunOutcome:
    """Wait for a process, its time limit or a stop, whichever is first."""
    exited = asyncio.ensure_future(process.exited())
    stopped = [asyncio.ensure_future(stop.wait()) for stop in stops]
    try:
        done, _ = await asyncio.wait(
            (exited, *stopped), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for waiting in (exited, *stopped):
            waiting.cancel()
    if exited in done:
        return RunOutcome.EXITED
    return RunOutcome.STOPPED if done else RunOutcome.TIMED_OUT


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
