"""What the steps of jobs write, kept for people: a file for each job execution.

Nothing here keeps a job waiting: what is written is taken at once, and put into the file
later, in a thread, much of it in one go. What a disk that is full does not take is lost to
the file, and to nothing else.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
import contextlib
import logging
from pathlib import Path
from typing import Any

import aiofiles.os

from ..aws_iot.model import ExecutionKey
from ..runner.model import RunEvent, RunOutput
from .listeners import Listeners
from .log_file import LogFile, read_log
from .log_lines import JobLogText, LineReader, LogLine
from .log_parts import after as parts_after
from .log_writing import Written
from .tasks import to_the_end

_LOGGER = logging.getLogger(__name__)

DIRECTORY_NAME = "logs"
DEFAULT_LIMIT = 1024 * 1024
"""How many bytes of output the log of a job holds; its file is little larger."""
PAUSE_SECONDS = 1.0
"""How long output waits for more, to be put into the log with it."""
FOLLOWED_PAUSE_SECONDS = 0.2
"""How long it waits while somebody follows the log."""
FULL_PAUSE_SECONDS = 10.0
"""How often a log that is full is written: what comes then replaces what came before."""
WAITING_BYTES = 256 * 1024
"""How much output waits at most while it can be taken in."""
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""How much waits in any case; what comes then is left out."""
MAX_LINES = 500
"""With how many lines at once somebody who follows has enough."""

_SUFFIX = ".log"


class JobLog:
    """The log of a job that is under way."""

    def __init__(
        self, file: LogFile, *, on_problem: Callable[[OSError | None], None]
    ) -> None:
        """Write a log. `on_problem` is told of what keeps it from its file, and None."""
        self._file = file
        self._on_problem = on_problem
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Written] = []
        self._waiting_bytes = 0
        self._used = False
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._saved_at = self._loop.time()
        self._changed = asyncio.Event()
        self._followers = 0
        self.closed = False
        self._complete = False

    def take(self, step: int, attempt: int, event: RunEvent) -> None:
        """Take what a runner tells of an attempt of a step, by its place from 0."""
        if self.closed:
            return
        match event:
            case RunOutput() as output:
                self._take_output(step, attempt, output)
            case _ if self._used:
                # The end of another step may wait for the rest of a line.
                self._waiting.append(Written(step=step, attempt=attempt))
                self._work_later()

    async def close(self) -> None:
        """Have all of it in its file; what is told later is not taken."""
        self.closed = True
        try:
            if self._used:
                await self.settle()
        finally:
            self._complete = True
            if self._timer is not None:
                self._timer.cancel()
            self._tell_followers()

    async def settle(self) -> None:
        """Have the log know all that has been told."""
        async with self._lock:
            await self._work()

    async def text(self) -> JobLogText:
        """Return all that it has."""
        async with self._lock:
            await self._work()
            return await asyncio.to_thread(lambda: self._file.text)

    async def follow(self, after: int) -> AsyncGenerator[tuple[LogLine, ...]]:
        """Yield the lines that come after a number, until the log is complete."""
        reader = LineReader()
        known = 0
        self._followers += 1
        try:
            await self.settle()
            for part in self._file.parts:
                if part.number <= after:
                    reader.pass_over(part)
            known = after
            while True:
                complete, changed = self._complete, self._changed
                lines = list[LogLine]()
                for part in parts_after(self._file.parts, known):
                    lines += reader.read((part,))
                    known = part.number
                    if len(lines) >= MAX_LINES:
                        break
                if lines:
                    yield tuple(lines)
                    # Also where the reader waits for nothing.
                    await asyncio.sleep(0)
                elif complete:
                    return
                else:
                    await changed.wait()
        finally:
            self._followers -= 1

    def _take_output(self, step: int, attempt: int, output: RunOutput) -> None:
        self._used = True
        if self._waiting_bytes > MAX_WAITING_BYTES:
            # That it is missing is told by its end alone.
            output = RunOutput(
                run_id=output.run_id,
                stream=output.stream,
                data=b"",
                offset=output.end,
                at=output.at,
            )
        self._waiting.append(Written(step=step, attempt=attempt, output=output))
        self._waiting_bytes += len(output.data)
        self._work_later()

    def _work_later(self) -> None:
        if self._working is not None:
            return
        if self._waiting_bytes > WAITING_BYTES:
            self._begin_work()
        elif self._timer is None:
            pause = FOLLOWED_PAUSE_SECONDS if self._followers else PAUSE_SECONDS
            self._timer = self._loop.call_later(pause, self._begin_work)

    def _begin_work(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._working = asyncio.create_task(self.settle())
        self._working.add_done_callback(self._work_done)

    def _work_done(self, work: asyncio.Task[None]) -> None:
        _log_error(work)
        self._working = None
        if not self.closed and (self._waiting or self._file.waits):
            self._work_later()

    async def _work(self) -> None:
        """Take in what waits, and write it; alone."""
        written, self._waiting, self._waiting_bytes = self._waiting, [], 0
        now = self._loop.time()
        final = self.closed
        due = now - self._saved_at > FULL_PAUSE_SECONDS
        save = final or due or not self._file.lossy
        work = self._loop.run_in_executor(None, self._work_now, written, save, final)
        problem = await to_the_end(work)
        if save:
            self._saved_at = now
            self._on_problem(problem)
        self._tell_followers()

    def _work_now(
        self, written: Sequence[Written], save: bool, final: bool
    ) -> OSError | None:
        try:
            self._file.take(written, final=final)
            if save:
                self._file.save(final=final)
        except OSError as err:
            return err
        return None

    def _tell_followers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class JobLogs:
    """The logs of one thing's jobs."""

    def __init__(self, directory: Path, *, limit: int = DEFAULT_LIMIT) -> None:
        """Keep them below the thing's directory; each holds `limit` bytes of output."""
        self._directory = directory / DIRECTORY_NAME
        self._limit = limit
        self._open: dict[ExecutionKey, JobLog] = {}
        self._listeners = Listeners[ExecutionKey](_log_listener_error)
        self._closing: set[JobLog] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._problem_told = False

    def open(self, key: ExecutionKey, step_names: Sequence[str]) -> JobLog:
        """Begin the log of a job, or go on with it, also after a restart."""
        if (log := self._open.get(key)) is None:
            file = LogFile(self._path(key), step_names, self._limit)
            log = self._open[key] = JobLog(file, on_problem=self._take_problem)
            self._listeners.tell(key)
        return log

    def subscribe(self, listener: Callable[[ExecutionKey], None]) -> Callable[[], None]:
        """Have told which log can be followed from now on; returns what ends that."""
        return self._listeners.add(listener)

    def close(
        self, key: ExecutionKey, ended: asyncio.Future[Any] | None = None
    ) -> None:
        """End the log of a job in the background, once its steps have `ended`."""
        if (log := self._open.get(key)) is not None and log not in self._closing:
            self._closing.add(log)
            self._begin(self._close(key, log, ended))

    async def read(
        self, key: ExecutionKey, *, step: int | None = None, tail: int | None = None
    ) -> JobLogText:
        """Return the log of a job, which is empty where there is none.

        Of one step alone, by its place from 0, or so many last lines, or both. Raises
        OSError.
        """
        if (log := self._open.get(key)) is not None:
            text = await log.text()
        else:
            text = await asyncio.to_thread(read_log, self._path(key))
        return text.selected(step=step, tail=tail)

    async def follow(
        self, key: ExecutionKey, after: int = 0
    ) -> AsyncGenerator[tuple[LogLine, ...]]:
        """Yield the lines that a running job writes, those first that come after a number.

        Some at a time; whoever is slow misses what the log does not hold by then, which
        `dropped` of a line tells. Ends with the log; at once where the job does not run.
        """
        if (log := self._open.get(key)) is not None:
            async with contextlib.aclosing(log.follow(after)) as following:
                async for lines in following:
                    yield lines

    def remove(self, key: ExecutionKey) -> None:
        """Remove the log of a job that has ended, in the background."""
        self._begin(self._remove(self._path(key)))

    async def keep_only(self, keys: Iterable[ExecutionKey]) -> None:
        """Remove all logs but these jobs' and those under way."""
        kept = {self._path(key).name for key in (*keys, *self._open)}
        try:
            names = await aiofiles.os.listdir(self._directory)
        except OSError:
            return
        for name in set(names) - kept:
            await self._remove(self._directory / name)

    async def stop(self) -> None:
        """Have all in the files: that of jobs which go on in the next life, too."""
        for key in tuple(self._open):
            self.close(key)
        while self._tasks:
            await to_the_end(asyncio.wait(tuple(self._tasks)))

    async def _close(
        self, key: ExecutionKey, log: JobLog, ended: asyncio.Future[Any] | None
    ) -> None:
        if ended is not None:
            await asyncio.wait((ended,))
        try:
            await log.close()
        finally:
            self._closing.discard(log)
            del self._open[key]

    async def _remove(self, path: Path) -> None:
        try:
            await aiofiles.os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as err:
            _LOGGER.warning("%s cannot be removed: %s", path, err)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_error)

    def _path(self, key: ExecutionKey) -> Path:
        return self._directory / f"{key}{_SUFFIX}"

    def _take_problem(self, problem: OSError | None) -> None:
        """Log what keeps logs from being written: once, until they can be again."""
        if problem is not None and not self._problem_told:
            _LOGGER.warning(
                "What jobs write cannot be kept in %s: %s. The jobs go on",
                self._directory,
                problem.strerror or problem,
            )
        self._problem_told = problem is not None


def _log_listener_error(error: Exception) -> None:
    _LOGGER.error("A listener to the logs of jobs has failed", exc_info=error)


def _log_error(task: asyncio.Task[None]) -> None:
    """Log what went wrong with work that nobody waits for: no job is harmed by it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOGGER.error("A log of a job cannot be kept", exc_info=error)
