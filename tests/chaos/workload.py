"""The jobs that an operator makes, cancels, deletes and makes anew."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
import random
from typing import Any

from ..fake_jobs_service import TERMINAL, Execution, FakeJobsService
from .ledger import Course, Interruption, Line, Violation, was_given_up

THING = "thing-1"
MAX_PENDING = 6
HANGING_SECONDS = 60
"""How long a step takes that is only there to be stopped."""

_NO_ROOM = ("No space left", "cannot write", "cannot make")


@dataclass(eq=False, kw_only=True)
class ChaosJob:
    """A job, and how it may end. The token tells it from others of its id."""

    execution: Execution
    token: int
    status: str
    steps: int
    hangs: bool = False
    canceled: bool = False
    removed: bool = False

    @property
    def job(self) -> str:
        """What the ledger calls it."""
        execution = self.execution
        return f"{execution.job_id}.{execution.execution_number}.{self.token}"

    @property
    def name(self) -> str:
        """What the agent and its runner call it: another one may have this name, too."""
        execution = self.execution
        number = execution.execution_number
        return f"{execution.job_id}.{number}.{execution.queued_at}"

    @property
    def pending(self) -> bool:
        """Whether it has not ended."""
        return self.execution.status not in TERMINAL

    def wrong_end(self, allowed: str) -> Violation | None:
        """Return what is wrong with how it has ended, when it may have this status."""
        ends = [each for each in self.execution.history if each in TERMINAL]
        if self.removed:
            # While it was there, it had none.
            return Violation.SEVERAL_ENDS if ends else None
        if not ends:
            return Violation.NOT_ENDED
        if len(ends) > 1:
            return Violation.SEVERAL_ENDS
        if ends[0] == allowed:
            return None
        reason = self.execution.status_details.get("reason", "")
        no_room = any(words in reason for words in _NO_ROOM)
        return Violation.NO_ROOM if no_room else Violation.WRONG_END

    @property
    def course(self) -> Course:
        """What its steps must have done."""
        return Course(
            job=self.job,
            steps=self.steps,
            succeeded=self.execution.status == "SUCCEEDED",
            forbidden=self.status == "REJECTED" or self.execution.started_at is None,
            hangs=self.hangs,
        )


class Workload:
    """All jobs of one run."""

    def __init__(
        self, service: FakeJobsService, ledger: Path, dice: random.Random
    ) -> None:
        """Make jobs at a service whose steps write to a ledger."""
        self._service = service
        self._ledger = ledger
        self._dice = dice
        self._tasks: set[asyncio.Task[None]] = set()
        self.jobs: list[ChaosJob] = []
        self.counts: Counter[str] = Counter()

    async def create_jobs(self) -> None:
        """Keep some jobs pending until cancelled."""
        while True:
            if sum(job.pending for job in self.jobs) < MAX_PENDING:
                self._create_job()
            await asyncio.sleep(self._dice.uniform(0.02, 0.3))

    async def all_ended(self, within: float) -> None:
        """Wait until all have ended. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while self._tasks or any(job.pending for job in self.jobs):
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Do no more of what was to be done later."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel_any(self) -> None:
        """Cancel a pending job."""
        if pending := [job for job in self.jobs if job.pending]:
            self._cancel(self._dice.choice(pending))

    async def delete_any(self) -> None:
        """Delete a pending job, and make it anew under its id at once, later or never."""
        if pending := [job for job in self.jobs if job.pending]:
            self._delete(self._dice.choice(pending))

    def check_ends(
        self, lines: Sequence[Line], interruptions: Sequence[Interruption]
    ) -> Iterator[tuple[Violation, str]]:
        """Yield what is wrong with how the jobs have ended."""
        for job in self.jobs:
            reason = job.execution.status_details.get("reason", "")
            given_up = "interrupted 5 times" in reason
            if given_up and was_given_up(job.job, lines, interruptions):
                allowed = "FAILED"
            else:
                allowed = "CANCELED" if job.canceled else job.status
            if violation := job.wrong_end(allowed):
                yield violation, f"{job.job}: {job.execution.history}: {reason}"

    def _create_job(self, job_id: str | None = None) -> ChaosJob:
        dice = self._dice
        steps = dice.randint(1, 4)
        weights = (8, 1, 1, 2)
        kinds = ("good", "failing", "invalid", "hanging")
        kind = dice.choices(kinds, weights)[0]
        fails = dice.randint(1, steps) if kind == "failing" else None
        token = len(self.jobs) + 1
        document: dict[str, Any] = {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [
                self._step(
                    number,
                    token,
                    exit_status=3 if number == fails else 0,
                    hangs=kind == "hanging" and number == steps,
                )
                for number in range(1, steps + 1)
            ],
        }
        if kind == "invalid":
            del document["version"]
        status = {"failing": "FAILED", "invalid": "REJECTED"}.get(kind, "SUCCEEDED")
        execution = self._service.create_job(
            document,
            thing_name=THING,
            job_id=job_id or f"job-{token}",
            seconds_before_timed_out=dice.choice((None, None, 24 * 60 * 60)),
        )
        job = ChaosJob(
            execution=execution,
            token=token,
            status=status,
            steps=steps,
            hangs=kind == "hanging",
        )
        self.jobs.append(job)
        if job.hangs:
            end = dice.choice((self._cancel, self._cancel, self._delete))
            self._spawn(self._end_when_begun(job, end, dice.uniform(0, 1.2)))
        return job

    def _step(
        self, number: int, token: int, *, exit_status: int, hangs: bool
    ) -> dict[str, Any]:
        takes = self._dice.choice((0, 0.01, 0.1, 0.5))
        seconds = f"{HANGING_SECONDS if hangs else takes:.2f}"
        args = [str(self._ledger), seconds, str(exit_status), str(token)]
        given = {"handler": "step.sh", "args": args, "path": "default"}
        return {
            "action": {"name": f"step {number}", "type": "runHandler", "input": given}
        }

    async def _end_when_begun(self, job: ChaosJob, end: Any, delay: float) -> None:
        """End a job that would not end by itself, some time after it has been handed out."""
        while job.execution.status == "QUEUED":
            await asyncio.sleep(0.02)
        await asyncio.sleep(delay)
        if job.pending:
            end(job)

    def _cancel(self, job: ChaosJob) -> None:
        self.counts["cancels"] += 1
        job.canceled = True
        self._service.end(job.execution, "CANCELED")

    def _delete(self, job: ChaosJob) -> None:
        self.counts["deletions"] += 1
        job.removed = True
        self._service.delete(job.execution)
        if delay := self._dice.choice((0.0, self._dice.uniform(0, 3), None)):
            self._spawn(self._remake_later(job, delay))
        elif delay is not None:
            self._remake(job)

    async def _remake_later(self, job: ChaosJob, delay: float) -> None:
        await asyncio.sleep(delay)
        self._remake(job)

    def _remake(self, job: ChaosJob) -> None:
        self.counts["jobs made anew"] += 1
        new = self._create_job(job.execution.job_id)
        if self._dice.random() < 0.5:
            # As if both had been made within one second.
            new.execution.queued_at = job.execution.queued_at

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
