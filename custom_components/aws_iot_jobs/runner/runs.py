"""The runs of a service that outlive their clients.

A run's events are kept until it is forgotten, or for a day after its end. A file for each
run says that it was begun, and later how it ended: after a crash of the service, those
without an end were interrupted.
"""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import dataclass, field, replace
import hashlib
import json
import logging
import os
from pathlib import Path
import time
from typing import Any

from .model import RunEvent, Runner, RunOutcome, RunResult, StepRequest
from .wire import Numbered, WireError, request_as_json, result_as_json, result_from_json

_LOGGER = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 60 * 60
MAX_KEPT = 100
MAX_KEPT_WITH_OUTPUT = 8
"""Of how many ended runs all events are kept; of the others the result is."""
MAX_EVENTS = 10_000
"""How many events a run may have besides its result; the result has the output's end."""
MAX_RUNNING = 4
_SUFFIX = ".run.json"


class TooManyRunsError(Exception):
    """No more runs at this time."""


class ClosedError(Exception):
    """No more runs in this life of the service."""


class OtherRunError(Exception):
    """There is a run of that id, of another request."""


@dataclass(kw_only=True)
class Run:
    """One run: what it has told so far, and those who wait for more."""

    run_id: str
    job_key: str
    digest: str
    events: list[Numbered] = field(default_factory=list)
    ended_at: float | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    abandoned: bool = False

    def tell(self, event: RunEvent | RunResult) -> None:
        """Take an event, and have it sent to whoever reads."""
        if len(self.events) >= MAX_EVENTS and not isinstance(event, RunResult):
            return
        self.events.append(Numbered(number=len(self.events) + 1, event=event))
        self.changed.set()
        self.changed = asyncio.Event()

    async def read(self, after: int) -> AsyncIterator[Numbered]:
        """Yield the events after a number as they come, and the result in any case.

        After a crash of the service the result is all that is known of a run. There is
        none when the service stops before the run has ended.
        """
        if self.ended_at is not None:
            after = min(after, len(self.events) - 1)
        while True:
            while after < len(self.events):
                yield self.events[after]
                after += 1
            if self.ended_at is not None or self.abandoned:
                return
            await self.changed.wait()

    def abandon(self) -> None:
        """Send those away who wait for more."""
        self.abandoned = True
        self.changed.set()

    def forget_output(self) -> None:
        """Keep the result of an ended run alone."""
        self.events = self.events[-1:]

    @property
    def result(self) -> RunResult | None:
        """How it ended, when it has."""
        last = self.events[-1].event if self.events else None
        return last if isinstance(last, RunResult) else None


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
        self._closed = False

    async def start(self) -> None:
        """Take note of the runs of an earlier life; those that had no end were interrupted.

        What they have left running is ended first.
        """
        for run in await asyncio.to_thread(_load, self._directory):
            self._runs[run.run_id] = run
        interrupted = [run for run in self._runs.values() if run.result is None]
        job_keys = {run.job_key for run in interrupted}
        await asyncio.gather(*map(self._runner.recover, job_keys))
        for run in interrupted:
            _LOGGER.warning("Run %s was interrupted", run.run_id)
            await self._end(run, RunResult(outcome=RunOutcome.INTERRUPTED))

    async def close(self) -> None:
        """End all runs in an orderly way; to the next life, they are interrupted."""
        self._closed = True
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for run in self._runs.values():
            run.abandon()

    def get(self, run_id: str) -> Run | None:
        """Return a run that is known."""
        return self._runs.get(run_id)

    async def put(self, request: StepRequest) -> tuple[Run, bool]:
        """Begin a run, or find it when it was begun before; tell which.

        Raises OtherRunError, TooManyRunsError, ClosedError, and OSError when the run
        cannot be saved.
        """
        digest = _digest(request)
        if (known := self._runs.get(request.run_id)) is not None:
            if known.digest != digest:
                raise OtherRunError
            return known, False
        if self._closed:
            raise ClosedError
        self._forget_old()
        running = sum(run.ended_at is None for run in self._runs.values())
        if running >= self._max_running:
            raise TooManyRunsError
        run = Run(run_id=request.run_id, job_key=request.job_key, digest=digest)
        self._runs[run.run_id] = run
        try:
            await self._save(run)
        except BaseException:
            del self._runs[run.run_id]
            raise
        run.task = asyncio.create_task(self._run(run, request))
        return run, True

    async def release(self, job_key: str) -> None:
        """End and forget all runs of a job, and remove what its steps shared."""
        runs = [run for run in self._runs.values() if run.job_key == job_key]
        for run in runs:
            run.stop.set()
        if tasks := [run.task for run in runs if run.task is not None]:
            await asyncio.wait(tasks)
        for run in runs:
            self._forget(run)
        await self._runner.release(job_key)

    async def _run(self, run: Run, request: StepRequest) -> None:
        await self._end(run, await self._result(run, request))

    async def _result(self, run: Run, request: StepRequest) -> RunResult:
        try:
            return await self._runner.run(request, run.tell, run.stop)
        except Exception:
            # Whoever waits for it must learn of its end.
            _LOGGER.exception("Run %s cannot be run", run.run_id)
            detail = "internal error of the runner; its log says more"
            return RunResult(outcome=RunOutcome.REFUSED, detail=detail)

    async def _end(self, run: Run, result: RunResult) -> None:
        """Note how a run ended before anyone is told."""
        try:
            await self._save(run, result)
        except OSError as err:
            _LOGGER.error("The end of run %s cannot be saved: %s", run.run_id, err)
        run.ended_at = time.time()
        run.tell(result)

    def _forget_old(self) -> None:
        ended = [run for run in self._runs.values() if run.ended_at is not None]
        newest_first = sorted(ended, key=_age)
        for run in newest_first[MAX_KEPT_WITH_OUTPUT:]:
            run.forget_output()
        for position, run in enumerate(newest_first):
            if position >= MAX_KEPT or _age(run) > KEPT_SECONDS:
                self._forget(run)

    def _forget(self, run: Run) -> None:
        self._runs.pop(run.run_id, None)
        with contextlib.suppress(FileNotFoundError):
            _file(self._directory, run.run_id).unlink()

    async def _save(self, run: Run, result: RunResult | None = None) -> None:
        data = {
            "job_key": run.job_key,
            "digest": run.digest,
            "ended_at": None if result is None else time.time(),
            "result": None if result is None else result_as_json(result),
        }
        await asyncio.to_thread(_write, _file(self._directory, run.run_id), data)


def _age(run: Run) -> float:
    return time.time() - (run.ended_at or 0)


def _digest(request: StepRequest) -> str:
    # A client that comes back asks for the same run with the time that is left by then.
    text = json.dumps(request_as_json(replace(request, timeout=None)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _file(directory: Path, run_id: str) -> Path:
    return directory / f"{run_id}{_SUFFIX}"


def _write(file: Path, data: dict[str, Any]) -> None:
    """Replace a file's content durably; nobody else may read it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    with temporary.open("w", encoding="utf-8") as opened:
        json.dump(data, opened)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)


def _load(directory: Path) -> list[Run]:
    """Return the runs that have files; those that cannot be read are removed."""
    runs = []
    for file in directory.glob(f"*{_SUFFIX}"):
        try:
            runs.append(_read(file))
        except (OSError, ValueError, KeyError, TypeError) as err:
            _LOGGER.error("%s cannot be read and is removed: %r", file, err)
            file.unlink(missing_ok=True)
    return runs


def _read(file: Path) -> Run:
    data = json.loads(file.read_bytes())
    run = Run(
        run_id=file.name.removesuffix(_SUFFIX),
        job_key=str(data["job_key"]),
        digest=str(data["digest"]),
        ended_at=data["ended_at"],
    )
    if data["result"] is not None:
        try:
            run.tell(result_from_json(data["result"]))
        except WireError as err:
            raise ValueError(str(err)) from err
    return run
