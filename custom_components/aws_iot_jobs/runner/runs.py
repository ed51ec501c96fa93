"""The runs of a service that outlive their clients.

A run's events are kept until it is forgotten, or for a day after its end. A file for each
run says that it was begun, and later how it ended: after a crash of the service, those
without an end were interrupted.
"""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import dataclass, field
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
MAX_RUNNING = 4
_SUFFIX = ".run.json"


class TooManyRunsError(Exception):
    """No more runs at this time."""


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

    def tell(self, event: RunEvent | RunResult) -> None:
        """Take an event, and have it sent to whoever reads."""
        self.events.append(Numbered(number=len(self.events) + 1, event=event))
        self.changed.set()
        self.changed = asyncio.Event()

    async def read(self, after: int) -> AsyncIterator[Numbered]:
        """Yield the events after a number as they come, and the result in any case.

        After a crash of the service the result is all that is known of a run.
        """
        if self.ended_at is not None:
            after = min(after, len(self.events) - 1)
        while True:
            changed = self.changed
            for numbered in self.events[after:]:
                yield numbered
            after = max(after, len(self.events))
            if self.ended_at is not None:
                return
            await changed.wait()

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

    async def start(self) -> None:
        """Take note of the runs of an earlier life; those that had no end were interrupted."""
        for run in await asyncio.to_thread(_load, self._directory):
            self._runs[run.run_id] = run
            if run.result is None:
                await self._runner.recover(run.job_key)
                _LOGGER.warning("Run %s was interrupted", run.run_id)
                await self._end(run, RunResult(outcome=RunOutcome.INTERRUPTED))

    async def close(self) -> None:
        """End all runs in an orderly way; to the next life, they are interrupted."""
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def get(self, run_id: str) -> Run | None:
        """Return a run that is known."""
        return self._runs.get(run_id)

    async def put(self, request: StepRequest) -> tuple[Run, bool]:
        """Begin a run, or find it when it was begun before; tell which.

        Raises OtherRunError and TooManyRunsError.
        """
        digest = _digest(request)
        if (known := self._runs.get(request.run_id)) is not None:
            if known.digest != digest:
                raise OtherRunError
            return known, False
        self._forget_old()
        if (
            sum(run.ended_at is None for run in self._runs.values())
            >= self._max_running
        ):
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

    async def stop(self, run: Run) -> None:
        """End a run that still runs; forget one that has ended."""
        if run.ended_at is None:
            await self._runner.stop(run.run_id)
        else:
            self._forget(run)

    async def release(self, job_key: str) -> None:
        """End and forget all runs of a job, and remove what its steps shared."""
        runs = [run for run in self._runs.values() if run.job_key == job_key]
        for run in runs:
            await self._runner.stop(run.run_id)
            if run.task is not None:
                await asyncio.shield(run.task)
            self._forget(run)
        await self._runner.release(job_key)

    async def _run(self, run: Run, request: StepRequest) -> None:
        await self._end(run, await self._runner.run(request, run.tell))

    async def _end(self, run: Run, result: RunResult) -> None:
        """Note how a run ended before anyone is told."""
        try:
            await self._save(run, result)
        except OSError as err:
            _LOGGER.error("The end of run %s cannot be saved: %s", run.run_id, err)
        run.task = None
        run.ended_at = time.time()
        run.tell(result)

    def _forget_old(self) -> None:
        ended = [run for run in self._runs.values() if run.ended_at is not None]
        too_many = ended[: max(0, len(ended) - MAX_KEPT)]
        too_old = [run for run in ended if _age(run) > KEPT_SECONDS]
        for run in (*too_many, *too_old):
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
    text = json.dumps(request_as_json(request), sort_keys=True)
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
