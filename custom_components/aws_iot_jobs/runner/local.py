"""Run steps here, as children of this process, in its event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import signal

from .handlers import find_handler
from .leftovers import end_leftovers
from .model import (
    HandlerCall,
    RunEvent,
    RunOutcome,
    RunOutput,
    RunRefusedError,
    RunResult,
    RunStarted,
    StepRequest,
    Stream,
)
from .output import Tail
from .process import Process
from .users import User, find_user, switch_to

DEFAULT_GRACE_SECONDS = 10.0
EVENT_OUTPUT_LIMIT = 1024 * 1024
"""How many bytes of output a run tells as events; the rest shows in its result's tail."""

_DIRECTORY_VARIABLE = "AWS_IOT_JOBS_DIR"
_DEFAULT_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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
        self._stops: dict[str, asyncio.Event] = {}

    async def run(
        self, request: StepRequest, on_event: Callable[[RunEvent], None]
    ) -> RunResult:
        """Run a step to its end; when cancelled, end its process group first."""
        stop = self._stops.setdefault(request.run_id, asyncio.Event())
        try:
            return await self._run(request, on_event, stop)
        except RunRefusedError as err:
            return RunResult(outcome=RunOutcome.REFUSED, detail=str(err))
        finally:
            del self._stops[request.run_id]

    async def stop(self, run_id: str) -> None:
        """End a run: SIGTERM to its process group, the grace time, SIGKILL."""
        if stop := self._stops.get(run_id):
            stop.set()

    async def has_run(self, run_id: str) -> bool:
        """Tell whether a run is under way: none outlives this process."""
        return run_id in self._stops

    async def recover(self, job_key: str) -> None:
        """End the processes of a job that outlived an agent that was killed."""
        directory = _job_directory(self._work_directory, job_key)
        await end_leftovers(f"{_DIRECTORY_VARIABLE}={directory}", self._grace)

    async def release(self, job_key: str) -> None:
        """Remove the directory that the steps of a job shared."""
        directory = _job_directory(self._work_directory, job_key)
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event,
    ) -> RunResult:
        launch = await asyncio.to_thread(self._prepare, request)
        output = _Output(request.run_id, on_event)
        try:
            process = await Process.start(
                launch.argv,
                environment=launch.environment,
                directory=launch.directory,
                on_output=output.feed,
                signal_command=launch.signal_command,
            )
        except OSError as err:
            raise RunRefusedError(
                f"{launch.argv[0]} cannot be run: {err.strerror}"
            ) from err
        except ValueError as err:
            raise RunRefusedError(f"{launch.argv[0]!r} cannot be run: {err}") from err
        on_event(RunStarted(run_id=request.run_id, pid=process.pid))
        outcome, returncode = await self._watch(process, request.timeout, stop)
        return output.result(outcome, returncode)

    async def _watch(
        self, process: Process, timeout: float | None, stop: asyncio.Event
    ) -> tuple[RunOutcome, int]:
        """Wait for a process, its time limit or a stop, whichever is first."""
        ended = asyncio.ensure_future(process.wait(self._grace))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait(
                (ended, stopped), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if ended in done:
                return RunOutcome.EXITED, ended.result()
            await process.stop(self._grace)
            outcome = RunOutcome.STOPPED if stopped in done else RunOutcome.TIMED_OUT
            return outcome, await ended
        except asyncio.CancelledError:
            await self._stop_or_kill(process, ended)
            raise
        finally:
            stopped.cancel()
            ended.cancel()

    async def _stop_or_kill(self, process: Process, ended: asyncio.Future[int]) -> None:
        """End a process in its time, or at once when cancelled again."""
        try:
            await process.stop(self._grace)
            await ended
        except asyncio.CancelledError:
            process.kill()
            raise

    def _prepare(self, request: StepRequest) -> _Launch:
        """Look everything up that the step needs. Blocks: not for an event loop."""
        user = find_user(request.run_as_user)
        job_directory = self._make_job_directory(request.job_key, user)
        environment = {
            **request.environment,
            _DIRECTORY_VARIABLE: str(job_directory),
        }
        if isinstance(request.call, HandlerCall):
            # A handler runs as the agent's user and becomes the step's user by itself:
            # its first argument names it.
            return self._prepare_handler(request.call, environment)
        return _prepare_command(request.call.argv, environment, user)

    def _prepare_handler(
        self, call: HandlerCall, environment: dict[str, str]
    ) -> _Launch:
        environment = _base_environment(find_user("")) | environment
        file = find_handler(call, self._handler_directory, environment["PATH"])
        return _Launch(
            argv=(str(file), *call.args),
            environment=environment,
            directory=_working_directory(environment["HOME"]),
        )

    def _make_job_directory(self, job_key: str, user: User) -> Path:
        """Make the directory that the job's steps share, for the user of this step."""
        directory = _job_directory(self._work_directory, job_key)
        try:
            self._work_directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            directory.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(directory, user.uid, user.gid)
            elif user.uid != os.geteuid():
                directory.chmod(0o1777)
        except OSError as err:
            raise RunRefusedError(f"cannot make {directory}: {err.strerror}") from err
        return directory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    """A process to start, everything looked up."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: Path
    signal_command: tuple[str, ...] = ()


def _prepare_command(
    argv: tuple[str, ...], environment: dict[str, str], user: User
) -> _Launch:
    base = _base_environment(user)
    switch = switch_to(user, environment)
    if shutil.which(argv[0], path=base["PATH"]) is None:
        raise RunRefusedError(
            f"command {argv[0]!r} was not found on PATH, or may not run"
        )
    return _Launch(
        argv=(*switch.run, *argv),
        environment=base | environment,
        directory=_working_directory(base["HOME"]),
        signal_command=switch.signal,
    )


def _base_environment(user: User) -> dict[str, str]:
    """Return what every step finds in its environment, whatever the agent's own holds."""
    search_path = os.environ.get("PATH", _DEFAULT_SEARCH_PATH).split(":")
    return {
        "PATH": ":".join(entry for entry in search_path if entry.startswith("/"))
        or _DEFAULT_SEARCH_PATH,
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }


def _working_directory(home: str) -> Path:
    """Return where a process starts: at home, or at the root where there is none."""
    directory = Path(home)
    if directory.is_dir() and os.access(directory, os.X_OK):
        return directory
    return Path("/")


def _job_directory(work_directory: Path, job_key: str) -> Path:
    return work_directory / job_key


class _Output:
    """The output of one run: its tails, and events up to a limit."""

    def __init__(self, run_id: str, on_event: Callable[[RunEvent], None]) -> None:
        self._run_id = run_id
        self._on_event = on_event
        self._tails = {stream: Tail() for stream in Stream}
        self._left = EVENT_OUTPUT_LIMIT

    def feed(self, stream: Stream, data: bytes) -> None:
        self._tails[stream].feed(data)
        if self._left > 0:
            told = data[: self._left]
            self._left -= len(told)
            self._on_event(RunOutput(run_id=self._run_id, stream=stream, data=told))

    def result(self, outcome: RunOutcome, returncode: int) -> RunResult:
        stderr = self._tails[Stream.STDERR]
        by_signal = returncode < 0
        if outcome is RunOutcome.EXITED and by_signal:
            outcome = RunOutcome.SIGNALED
        return RunResult(
            outcome=outcome,
            exit_status=None if by_signal else returncode,
            signal=_signal_name(-returncode) if by_signal else None,
            stdout=self._tails[Stream.STDOUT].text(),
            stderr=stderr.text(),
            stderr_lines=stderr.lines,
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
