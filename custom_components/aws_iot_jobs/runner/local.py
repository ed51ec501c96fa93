"""Run steps here, as children of this process, in its event loop."""

import asyncio
from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import errno
import logging
import os
from pathlib import Path
import signal

from .family import Leader
from .job_directory import VARIABLE, job_directory, remove_job_directory
from .launch import Launch, check, prepare
from .leftovers import end_leftovers
from .model import (
    RunEvent,
    RunOutcome,
    RunRefusedError,
    RunResult,
    RunTrace,
    StepCheck,
    StepRequest,
    Stream,
)
from .output import LineCount
from .process import Ended, Process
from .spawn import Spawned, spawn
from .started import begin_start, forget_start, note_start, read_start
from .telling import Telling

_LOGGER = logging.getLogger(__name__)

DEFAULT_GRACE_SECONDS = 10.0


class LocalRunner:
    """Runs each step as a child of this process, in a session of its own."""

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
        self.name = f"here, in {work_directory}"

    async def run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        """Run a step to its end; when cancelled, end its session first.

        Cancelled once more, it gives no grace time any longer. Where the step had come to
        its end before it was cancelled, that is returned, and no CancelledError raised.
        """
        stops = _Stops(stop or asyncio.Event())
        running = asyncio.ensure_future(self._run(request, on_event, stops))
        while not running.done():
            try:
                await asyncio.wait((running,))
            except asyncio.CancelledError:
                stops.cancel()
        result = running.result()
        if result.outcome is RunOutcome.INTERRUPTED:
            raise asyncio.CancelledError
        return result

    async def check(self, request: StepRequest) -> StepCheck:
        """Tell what a run of a step would do here."""
        return await asyncio.to_thread(
            check, request, self._handler_directory, self._work_directory
        )

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        """Tell what is known of a run: none outlives this process.

        One of an earlier life was surely never begun when, in this boot of the system,
        another was the last of its job that was to be started, or none was: that is written
        down before any process is started, and only `release`, or a run that then starts
        nothing, removes it. A write needs no sync for that: what is lost with the system is
        of another boot. Only who knows that the run was to be started here, and in this
        boot, may ask: without any file, no boot is named.
        """
        started = await asyncio.to_thread(read_start, self._work_directory, job_key)
        if started is None:
            known = await asyncio.to_thread(self._work_directory.is_dir)
            return RunTrace.NEVER_BEGUN if known else RunTrace.LOST
        others = started.this_boot and started.run_id not in (None, run_id)
        return RunTrace.NEVER_BEGUN if others else RunTrace.LOST

    async def recover(self, job_key: str) -> None:
        """End the processes of a job that outlived an agent that was killed.

        The session of the process that was started last, whatever has become of its
        environment, and all that carries the job's.
        """
        started = await asyncio.to_thread(read_start, self._work_directory, job_key)
        await end_leftovers(
            self._setting(job_key),
            self._grace,
            leader=started.leader if started else None,
            signal_command=started.signal_command if started else (),
        )

    async def release(self, job_key: str) -> None:
        """Remove the directory that the steps of a job shared, and what is noted of it."""
        await asyncio.to_thread(self._release_now, job_key)

    async def _run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stops: "_Stops",
    ) -> RunResult:
        output = _Output(request.run_id, on_event)
        try:
            process = await self._start(request, stops, output)
        except RunRefusedError as err:
            return RunResult(outcome=RunOutcome.REFUSED, detail=str(err))
        if isinstance(process, RunOutcome):
            return RunResult(outcome=process)
        try:
            output.begin(process.pid)
            outcome = await _watch(process, request.timeout, stops)
            # Where a job is to end, nothing of it works beside the next one. A daemon that
            # a step has left on purpose goes on with the job, and over a restart of its
            # agent.
            of_the_job = outcome in (RunOutcome.STOPPED, RunOutcome.TIMED_OUT)
            ended = await process.end(
                self._grace,
                setting=self._setting(request.job_key) if of_the_job else "",
                hurry=stops.hurry,
            )
        except BaseException:
            process.kill()
            raise
        finally:
            output.end()
        return output.result(outcome, ended)

    async def _start(
        self, request: StepRequest, stops: "_Stops", output: "_Output"
    ) -> Process | RunOutcome:
        """Start the process of a step, or return what it has come to without one.

        A call that is cancelled ends at once what it has started.
        """
        loop = asyncio.get_running_loop()
        starting = loop.run_in_executor(None, self._start_now, request, stops)
        try:
            started = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(RunRefusedError):
                if isinstance(started := await starting, _Started):
                    started.attend(output).kill()
            raise
        if isinstance(started, RunOutcome):
            return started
        return started.attend(output)

    def _start_now(
        self, request: StepRequest, stops: "_Stops"
    ) -> "_Started | RunOutcome":
        """Do so, from the first look-up to the last note, in one go in a thread.

        When the event loop hears of it, the start is on record: whoever is told of the run
        is not ahead of what a next life of the agent will know.
        """
        work, job_key = self._work_directory, request.job_key
        launch = prepare(request, self._handler_directory, work)
        begin_start(work, job_key, request.run_id)
        if outcome := stops.outcome or _without_time(request):
            forget_start(work, job_key)
            return outcome
        try:
            spawned = _spawn(launch)
        except RunRefusedError:
            forget_start(work, job_key)
            raise
        try:
            leader = note_start(
                work, job_key, spawned.process.pid, launch.signal_command
            )
        except BaseException:
            with contextlib.suppress(PermissionError):
                os.killpg(spawned.process.pid, signal.SIGKILL)
            raise
        return _Started(spawned, leader, launch.signal_command)

    def _release_now(self, job_key: str) -> None:
        remove_job_directory(self._work_directory, job_key)
        forget_start(self._work_directory, job_key)

    def _setting(self, job_key: str) -> str:
        return f"{VARIABLE}={job_directory(self._work_directory, job_key)}"


class _Stops:
    """Why a run is to end before its time: a state that is looked at after every wait."""

    def __init__(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        self.stop = stop
        self.cancelled: asyncio.Future[None] = loop.create_future()
        self.hurry: asyncio.Future[None] = loop.create_future()

    def cancel(self) -> None:
        """Have the run end; the second time, without grace."""
        for how in (self.cancelled, self.hurry):
            if not how.done():
                how.set_result(None)
                return

    @property
    def outcome(self) -> RunOutcome | None:
        """What a run has come to that ends by them, if it is to end."""
        if self.stop.is_set():
            return RunOutcome.STOPPED
        return RunOutcome.INTERRUPTED if self.cancelled.done() else None


class _Output:
    """What one run tells, and what its result has of what it wrote."""

    def __init__(self, run_id: str, on_event: Callable[[RunEvent], None]) -> None:
        self._telling = Telling(run_id, on_event)
        self._stderr_lines = LineCount()

    def begin(self, pid: int) -> None:
        self._telling.begin(pid)

    def feed(self, stream: Stream, data: bytearray, size: int) -> None:
        if stream is Stream.STDERR:
            self._stderr_lines.feed(data, size)
        self._telling.feed(stream, data, size)

    def end(self) -> None:
        self._telling.end()

    def result(self, outcome: RunOutcome, ended: Ended) -> RunResult:
        returncode = ended.returncode
        by_signal = returncode is not None and returncode < 0
        if ended.by_itself:
            outcome = RunOutcome.EXITED
        if outcome is RunOutcome.EXITED and by_signal:
            outcome = RunOutcome.SIGNALED
        return RunResult(
            outcome=outcome,
            exit_status=None if by_signal else returncode,
            signal=_signal_name(-returncode) if returncode and by_signal else None,
            detail=_not_ended(ended),
            stdout=self._telling.text(Stream.STDOUT),
            stderr=self._telling.text(Stream.STDERR),
            stderr_lines=self._stderr_lines.lines,
        )


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that runs and is on record, and that nobody attends to yet."""

    spawned: Spawned
    leader: Leader
    signal_command: tuple[str, ...]

    def attend(self, output: _Output) -> Process:
        """Read its output, and wait for its end."""
        return Process(self.spawned, self.leader, output.feed, self.signal_command)


def _spawn(launch: Launch) -> Spawned:
    """Start a process. Raises RunRefusedError when the system does not."""
    try:
        return spawn(
            launch.argv, launch.executable, launch.environment, launch.directory
        )
    except OSError as err:
        problem = err.strerror
        if err.errno == errno.ENOENT:
            # The file is there, or it would have been refused before.
            problem = "the interpreter that it names does not exist"
        raise RunRefusedError(f"{launch.argv[0]} cannot be run: {problem}") from err
    except ValueError as err:
        raise RunRefusedError(f"{launch.argv[0]!r} cannot be run: {err}") from err


async def _watch(process: Process, timeout: float | None, stops: _Stops) -> RunOutcome:
    """Wait for a process, its time limit or a stop, whichever is first."""
    stopped = asyncio.ensure_future(stops.stop.wait())
    try:
        await asyncio.wait(
            (process.exited, stopped, stops.cancelled),
            timeout=timeout,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        stopped.cancel()
    if process.exited.done():
        return RunOutcome.EXITED
    return stops.outcome or RunOutcome.TIMED_OUT


def _without_time(request: StepRequest) -> RunOutcome | None:
    spent = request.timeout is not None and request.timeout <= 0
    return RunOutcome.TIMED_OUT if spent else None


def _not_ended(ended: Ended) -> str:
    """Say what of a run could not be ended, if anything."""
    if ended.returncode is None:
        return "its process could not be ended"
    if ended.left:
        groups = ", ".join(map(str, sorted(ended.left)))
        return f"what it left running could not be ended: process group {groups}"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
