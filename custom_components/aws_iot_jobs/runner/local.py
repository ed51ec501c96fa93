"""Run steps here, as children of this process, in its event loop."""

import asyncio
from collections.abc import Callable
import errno
import logging
from pathlib import Path
import signal

from .family import Leader
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
from .process import Ended, Process
from .started import begin_start, forget_start, note_start, read_start

_LOGGER = logging.getLogger(__name__)

DEFAULT_GRACE_SECONDS = 10.0
EVENT_OUTPUT_LIMIT = 1024 * 1024
"""How many bytes of output a run tells as events; the rest shows in its result's tail."""


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
        await asyncio.to_thread(remove_job_directory, self._work_directory, job_key)
        await self._forget(job_key)

    async def _run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stops: "_Stops",
    ) -> RunResult:
        output = _Output(request.run_id, on_event)
        try:
            launch = await asyncio.to_thread(self._prepare, request)
            if outcome := stops.outcome or _without_time(request):
                await self._forget(request.job_key)
                return RunResult(outcome=outcome)
            process = await self._start(request, launch, output)
        except RunRefusedError as err:
            return RunResult(outcome=RunOutcome.REFUSED, detail=str(err))
        try:
            return await self._attend(request, launch, process, stops, output)
        except BaseException:
            process.kill()
            raise

    def _prepare(self, request: StepRequest) -> Launch:
        launch = prepare(request, self._handler_directory, self._work_directory)
        begin_start(self._work_directory, request.job_key, request.run_id)
        return launch

    async def _start(
        self, request: StepRequest, launch: Launch, output: "_Output"
    ) -> Process:
        try:
            return await _start(launch, output)
        except RunRefusedError:
            await self._forget(request.job_key)
            raise

    async def _attend(
        self,
        request: StepRequest,
        launch: Launch,
        process: Process,
        stops: "_Stops",
        output: "_Output",
    ) -> RunResult:
        """Wait for a process that has started, and end all of it."""
        leader, outcome = await asyncio.gather(
            self._note(request, launch, process, output),
            _watch(process, request.timeout, stops),
        )
        # Where a job is to end, nothing of it works beside the next one. A daemon that a
        # step has left on purpose goes on with the job, and over a restart of its agent.
        of_the_job = outcome in (RunOutcome.STOPPED, RunOutcome.TIMED_OUT)
        ended = await process.end(
            self._grace,
            leader=leader,
            setting=self._setting(request.job_key) if of_the_job else "",
            hurry=stops.hurry,
        )
        return output.result(outcome, ended)

    async def _note(
        self,
        request: StepRequest,
        launch: Launch,
        process: Process,
        output: "_Output",
    ) -> Leader:
        """Have it on record that a process has started, then tell of it."""
        leader = await asyncio.to_thread(
            note_start,
            self._work_directory,
            request.job_key,
            process.pid,
            launch.signal_command,
        )
        output.tell_held()
        return leader

    async def _forget(self, job_key: str) -> None:
        await asyncio.to_thread(forget_start, self._work_directory, job_key)

    def _setting(self, job_key: str) -> str:
        return f"{VARIABLE}={job_directory(self._work_directory, job_key)}"


class _Stops:
    """Why a run is to end before its time: a state that is looked at after every wait."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop
        self.cancelled = asyncio.Event()
        self.hurry = asyncio.Event()

    def cancel(self) -> None:
        """Have the run end; the second time, without grace."""
        (self.hurry if self.cancelled.is_set() else self.cancelled).set()

    @property
    def outcome(self) -> RunOutcome | None:
        """What a run has come to that ends by them, if it is to end."""
        if self.stop.is_set():
            return RunOutcome.STOPPED
        return RunOutcome.INTERRUPTED if self.cancelled.is_set() else None


class _Output:
    """What one run tells: its start, its output up to a limit, and the tails of that.

    Nothing is told until its start is on record: whoever acts on it must not be ahead of
    what a next life of the agent will know.
    """

    def __init__(self, run_id: str, on_event: Callable[[RunEvent], None]) -> None:
        self._run_id = run_id
        self._on_event = on_event
        self._tails = {stream: Tail() for stream in Stream}
        self._left = EVENT_OUTPUT_LIMIT
        self._held: list[RunEvent] | None = []
        self._failed = False

    def tell_held(self) -> None:
        """Tell what has been held back, and from here on all at once."""
        held, self._held = self._held or [], None
        for event in held:
            self._tell(event)

    def begin(self, pid: int) -> None:
        self._tell(RunStarted(run_id=self._run_id, pid=pid))

    def feed(self, stream: Stream, data: bytes) -> None:
        self._tails[stream].feed(data)
        if self._left > 0:
            told = data[: self._left]
            self._left -= len(told)
            self._tell(RunOutput(run_id=self._run_id, stream=stream, data=told))

    def _tell(self, event: RunEvent) -> None:
        if self._held is not None:
            self._held.append(event)
            return
        try:
            self._on_event(event)
        except Exception:
            if not self._failed:
                _LOGGER.exception("An event of run %s cannot be told", self._run_id)
            self._failed = True

    def result(self, outcome: RunOutcome, ended: Ended) -> RunResult:
        returncode = ended.returncode
        by_signal = returncode is not None and returncode < 0
        if ended.by_itself:
            outcome = RunOutcome.EXITED
        if outcome is RunOutcome.EXITED and by_signal:
            outcome = RunOutcome.SIGNALED
        stderr = self._tails[Stream.STDERR]
        return RunResult(
            outcome=outcome,
            exit_status=None if by_signal else returncode,
            signal=_signal_name(-returncode) if returncode and by_signal else None,
            detail=_not_ended(ended),
            stdout=self._tails[Stream.STDOUT].text(),
            stderr=stderr.text(),
            stderr_lines=stderr.lines,
        )


async def _start(launch: Launch, output: _Output) -> Process:
    """Start a process. Raises RunRefusedError when the system does not."""
    try:
        return await Process.start(
            launch.argv,
            executable=launch.executable,
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


async def _watch(process: Process, timeout: float | None, stops: _Stops) -> RunOutcome:
    """Wait for a process, its time limit or a stop, whichever is first."""
    exited = asyncio.ensure_future(process.exited())
    stopped = [
        asyncio.ensure_future(event.wait()) for event in (stops.stop, stops.cancelled)
    ]
    try:
        done, _ = await asyncio.wait(
            (exited, *stopped), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for waiting in (exited, *stopped):
            waiting.cancel()
    if exited in done:
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
