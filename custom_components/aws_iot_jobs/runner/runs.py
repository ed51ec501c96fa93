"""The runs of a service that outlive their clients.

A run is begun once, however often it is asked for, and goes on while its client is away. It
is ended for want of a client only when another one has long waited for its place, or after
a week.
Its first and its newest events are kept until it is forgotten, its result for a week after
its end.

Times are those of the monotonic clock: the wall clock of a device without a battery jumps.
For what an earlier life of the service has kept, the week begins anew.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
import contextlib
from dataclasses import dataclass, field, replace
import errno
import logging
import math
from pathlib import Path
import time
from typing import Any

from .kept_events import KeptEvents
from .model import RunEvent, Runner, RunOutcome, RunResult, StepCheck, StepRequest
from .run_files import RunRecord, load_records, remove_record, save_record
from .wire import Numbered

_LOGGER = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 24 * 60 * 60
MAX_KEPT = 100
MAX_KEPT_WITH_OUTPUT = 8
"""Of how many ended runs the events are kept; of the others the result is."""
MAX_RUNNING = 4
YIELD_SECONDS = 10 * 60
"""How long another run waits for a place before one without a client is ended for it."""
WAITING_SECONDS = 60
"""Whoever waits for a place asks again sooner."""
MAX_UNASKED_SECONDS = 7 * 24 * 60 * 60
"""After how long without a client a run is ended in any case."""
CALLED_OFF_SECONDS = 10 * 60
"""For how long a run that was stopped before it was known may not begin."""
TIDY_SECONDS = 60


class TooManyRunsError(Exception):
    """No more runs at this time."""


class ClosedError(Exception):
    """No more runs in this life of the service."""


@dataclass(kw_only=True)
class Run:
    """One run: what it has told so far, and those who wait for more."""

    run_id: str
    job_key: str
    events: KeptEvents = field(default_factory=KeptEvents)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stop_reason: str = ""
    beginning: asyncio.Task[Exception | None] | None = None
    running: asyncio.Future[RunResult] | None = None
    task: asyncio.Task[None] | None = None
    ended_at: float | None = None
    position: int = 0
    saved: bool = True
    left: bool = False
    followers: int = 0
    asked_at: float = field(default_factory=time.monotonic)

    def tell(self, event: RunEvent | RunResult) -> None:
        """Take an event, and have it sent to whoever reads."""
        self.events.append(event)
        self.changed.set()
        self.changed = asyncio.Event()

    async def read(self, after: int) -> AsyncIterator[Numbered]:
        """Yield the events after a number as they come, and the result in any case.

        After a crash of the service the result is all that is known of a run. There is
        none when the service stops before the run has ended.
        """
        while True:
            while told := self.events.after(after):
                for numbered in told:
                    yield numbered
                    if isinstance(numbered.event, RunResult):
                        return
                    after = numbered.number
            if self.ended_at is not None:
                after = self.events.last_number - 1
            elif self.left:
                return
            else:
                await self.changed.wait()

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Count a client that follows the run as one who asks for it all the time."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1
            self.asked_at = time.monotonic()

    def leave(self) -> None:
        """Send those away who wait for more."""
        self.left = True
        self.changed.set()

    def forget_output(self) -> None:
        """Keep the result of an ended run alone."""
        self.events.forget_output()

    @property
    def result(self) -> RunResult | None:
        """How it ended, when it has."""
        return self.events.result

    @property
    def seconds_unasked(self) -> float:
        """For how long no client has asked for it."""
        return 0 if self.followers else time.monotonic() - self.asked_at


class Runs:
    """All runs of a service."""

    def __init__(
        self, runner: Runner, directory: Path, *, max_running: int = MAX_RUNNING
    ) -> None:
        """Run with `runner`, and keep the files of the runs in a directory."""
        self._runner = runner
        self._directory = directory
        self._max_running = max_running
        self._runs: dict[str, Run] = {}
        self._called_off: dict[str, float] = {}
        self._wanted_since = self._wanted_at = -math.inf
        self._last_position = 0
        self._unsaved = False
        self._closed = False
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take note of the runs of an earlier life; those that had no end were interrupted.

        What they have left running is ended first.
        """
        for record in await asyncio.to_thread(load_records, self._directory):
            self._take(record)
        interrupted = [run for run in self._runs.values() if run.result is None]
        job_keys = {run.job_key for run in interrupted}
        await asyncio.gather(*map(self._runner.recover, job_keys))
        for run in interrupted:
            _LOGGER.warning("Run %s was interrupted", run.run_id)
            await self._end(run, RunResult(outcome=RunOutcome.INTERRUPTED))
        self._tidying = asyncio.create_task(self._tidy_at_times())

    async def close(self) -> None:
        """End all runs in an orderly way; to the next life, they are interrupted.

        One that has ended by itself meanwhile keeps its result.
        """
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        await _all_of(run.beginning for run in self._runs.values())
        for run in self._runs.values():
            if run.running is not None:
                run.running.cancel()
        await _all_of(run.task for run in self._runs.values())
        await self._save_again()
        for run in self._runs.values():
            run.leave()

    def get(self, run_id: str) -> Run | None:
        """Return a run that is known; its client has asked for it by that."""
        run = self._runs.get(run_id)
        if run is not None:
            run.asked_at = time.monotonic()
        return run

    async def check(self, request: StepRequest) -> StepCheck:
        """Tell what a run of a step would do. It takes no place."""
        return await self._runner.check(request)

    async def put(self, request: StepRequest) -> tuple[Run, bool]:
        """Begin a run, or find it when it was begun before; tell which.

        Whoever else asks for it meanwhile waits too, and it is begun even if nobody does
        any longer. Raises TooManyRunsError, ClosedError, and OSError when the run cannot
        be saved.
        """
        run = self.get(request.run_id)
        begun = run is None
        if run is None:
            self._admit()
            run = Run(run_id=request.run_id, job_key=request.job_key)
            self._runs[run.run_id] = run
            run.beginning = asyncio.create_task(self._begin(run, request))
        if run.beginning is not None:
            problem = await asyncio.shield(run.beginning)
            if problem is not None:
                raise problem
        return run, begun

    def stop(self, run_id: str) -> bool:
        """End a run; tell whether it is known.

        One that is not known will not run either: the request to begin it may be under
        way still, on another connection.
        """
        if (run := self.get(run_id)) is not None:
            run.stop.set()
            return True
        self._called_off[run_id] = time.monotonic()
        return False

    async def release(self, job_key: str) -> None:
        """End and forget all runs of a job, and remove what its steps shared."""
        runs = [run for run in self._runs.values() if run.job_key == job_key]
        for run in runs:
            run.stop.set()
        await _all_of(run.beginning for run in runs)
        await _all_of(run.task for run in runs)
        for run in runs:
            self._forget(run)
        await self._runner.release(job_key)

    def _take(self, record: RunRecord) -> None:
        """Know a run of an earlier life."""
        run = Run(run_id=record.run_id, job_key=record.job_key)
        self._runs[run.run_id] = run
        if record.result is not None:
            self._note_end(run, record.position)
            run.tell(record.result)

    def _admit(self) -> None:
        """Refuse a run for which there is no place; another may have to make room."""
        if self._closed:
            raise ClosedError
        self._forget_old()
        running = self._running()
        if len(running) < self._max_running:
            return
        self._make_room(running)
        raise TooManyRunsError

    def _make_room(self, running: list[Run]) -> None:
        """End the run that nobody has asked for longest, if another one has waited long.

        Time without a client counts only while another one waits: when a Home Assistant
        comes back after hours, what waits may ask before those whose runs these are.
        """
        now = time.monotonic()
        if now - self._wanted_at > WAITING_SECONDS:
            self._wanted_since = now
        self._wanted_at = now
        longest = max(running, key=lambda run: run.seconds_unasked)
        if min(longest.seconds_unasked, now - self._wanted_since) < YIELD_SECONDS:
            return
        # One at a time: the place of one that ends is free soon.
        if not any(run.stop.is_set() for run in running):
            minutes = longest.seconds_unasked / 60
            self._end_unasked(
                longest,
                f"nobody had asked for it for {minutes:.0f} minutes, and another step "
                "waited for its place",
            )

    def _end_unasked(self, run: Run, reason: str) -> None:
        run.stop_reason = reason
        _LOGGER.warning("Run %s is ended: %s", run.run_id, reason)
        run.stop.set()

    def _running(self) -> list[Run]:
        return [run for run in self._runs.values() if run.ended_at is None]

    async def _begin(self, run: Run, request: StepRequest) -> Exception | None:
        """Save a run, and then start it; return what is in the way, and know it no more."""
        problem: Exception | None = await self._save(run)
        if problem is None and self._closed:
            problem = ClosedError()
        if problem is not None:
            self._forget(run)
            run.leave()
            return problem
        if run.run_id in self._called_off:
            run.stop.set()
        run.running = asyncio.ensure_future(
            self._runner.run(request, run.tell, run.stop)
        )
        run.task = asyncio.create_task(self._run(run, run.running))
        return None

    async def _run(self, run: Run, running: asyncio.Future[RunResult]) -> None:
        """Follow a run to its end. Only what it does is cancelled, never this."""
        try:
            result = await running
        except asyncio.CancelledError:
            # The service ends. The file says that the run had begun.
            return
        except Exception:
            # Whoever waits for it must learn of its end.
            _LOGGER.exception("Run %s cannot be run", run.run_id)
            detail = "internal error of the runner; its log says more"
            result = RunResult(outcome=RunOutcome.REFUSED, detail=detail)
        if run.stop_reason and result.outcome is RunOutcome.STOPPED:
            result = replace(result, detail=run.stop_reason)
        await self._end(run, result)

    async def _end(self, run: Run, result: RunResult) -> None:
        """Note how a run ended before anyone is told."""
        position = self._last_position + 1
        self._last_position = position
        run.saved = await self._save(run, position, result) is None
        if not run.saved:
            _LOGGER.error(
                "The end of run %s cannot be saved; until it can, a crash of the service "
                "makes it one that was interrupted",
                run.run_id,
            )
        self._note_end(run, position)
        run.tell(result)

    def _note_end(self, run: Run, position: int) -> None:
        run.ended_at = time.monotonic()
        run.position = position
        self._last_position = max(self._last_position, position)

    async def _tidy_at_times(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            self._forget_old()
            for run in self._running():
                if run.seconds_unasked > MAX_UNASKED_SECONDS and not run.stop.is_set():
                    days = run.seconds_unasked / (24 * 60 * 60)
                    self._end_unasked(
                        run, f"nobody had asked for it for {days:.0f} days"
                    )
            await self._save_again()

    def _forget_old(self) -> None:
        ended = [run for run in self._runs.values() if run.ended_at is not None]
        newest_first = sorted(ended, key=lambda run: run.position, reverse=True)
        for run in newest_first[MAX_KEPT_WITH_OUTPUT:]:
            run.forget_output()
        oldest = time.monotonic() - KEPT_SECONDS
        for place, run in enumerate(newest_first):
            if place >= MAX_KEPT or (run.ended_at or 0) < oldest:
                self._forget(run)
        begin = time.monotonic() - CALLED_OFF_SECONDS
        self._called_off = {
            run_id: since for run_id, since in self._called_off.items() if since > begin
        }

    def _forget(self, run: Run) -> None:
        self._runs.pop(run.run_id, None)
        remove_record(self._directory, run.run_id)

    async def _save_again(self) -> None:
        """Save the ends for which there was no space."""
        for run in [run for run in self._runs.values() if not run.saved]:
            run.saved = await self._save(run, run.position, run.result) is None
            if run.saved and run.run_id not in self._runs:
                remove_record(self._directory, run.run_id)

    async def _save(
        self, run: Run, position: int = 0, result: RunResult | None = None
    ) -> OSError | None:
        """Save what is known of a run; return why it cannot be. The log says it once."""
        record = RunRecord(
            run_id=run.run_id, job_key=run.job_key, position=position, result=result
        )
        try:
            await asyncio.to_thread(save_record, self._directory, record)
        except OSError as err:
            problem: OSError | None = err
        except RuntimeError as err:
            # The system has no more threads.
            problem = OSError(errno.EAGAIN, str(err))
        else:
            problem = None
        self._tell_of(problem)
        return problem

    def _tell_of(self, problem: OSError | None) -> None:
        if problem is not None and not self._unsaved:
            _LOGGER.error(
                "Runs cannot be saved in %s: %s. None begins until they can",
                self._directory,
                problem.strerror,
            )
        elif problem is None and self._unsaved:
            _LOGGER.warning("Runs can be saved again in %s", self._directory)
        self._unsaved = problem is not None


async def _all_of(tasks: Iterator[asyncio.Task[Any] | None]) -> None:
    """Wait until these tasks have ended, however."""
    if waiting := [task for task in tasks if task is not None]:
        await asyncio.wait(waiting)
