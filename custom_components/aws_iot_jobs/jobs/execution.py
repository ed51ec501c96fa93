"""One job: its steps in order, and what their outcomes mean."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
import logging

from ..aws_iot.model import ExecutionKey, JobStatus
from ..runner.model import (
    RunEvent,
    Runner,
    RunOutcome,
    RunResult,
    RunTrace,
    StepRequest,
)
from .document import JobDocument, Step
from .model import JobOutcome, JobProgress, StepState, StepStatus
from .report import final_details, judge_step, step_label, success_reason
from .timers import Deadline

_LOGGER = logging.getLogger(__name__)

_KEPT_OUTPUT = 16 * 1024


class Execution:
    """The steps of one job, run one at a time.

    A step that fails ends the job, unless its failure is ignored; the final step runs
    only after success. Steps that have ended in `resumed` are not run again.
    """

    def __init__(
        self,
        key: ExecutionKey,
        document: JobDocument,
        *,
        thing_name: str,
        runner: Runner,
        deadline: Deadline,
        default_timeout: float | None = None,
        resumed: JobProgress | None = None,
        save: Callable[[JobProgress], Awaitable[None]],
        on_progress: Callable[[JobProgress], None],
        on_event: Callable[[RunEvent], None],
    ) -> None:
        """Prepare to run a job's steps.

        `default_timeout` in seconds is for steps without a timeout of their own. `save`
        is awaited before each step starts, `on_progress` is told of each change,
        `on_event` of what the runs tell.
        """
        self._key = key
        self._document = document
        self._thing_name = thing_name
        self._runner = runner
        self._deadline = deadline
        self._default_timeout = default_timeout
        self._save = save
        self._on_progress = on_progress
        self._on_event = on_event
        self._progress = _resumable(document, resumed)
        self._stop = asyncio.Event()

    @property
    def progress(self) -> JobProgress:
        """How far the steps are now."""
        return self._progress

    async def run(self) -> JobOutcome:
        """Run the steps that are left; return the outcome, also when it is a failure."""
        for index, step in enumerate(self._document.all_steps):
            if self._stop.is_set():
                break
            state = self._progress.steps[index]
            if not state.status.ended:
                state = await self._run_step(index, step)
            if state.status in (StepStatus.FAILED, StepStatus.STOPPED):
                break
        self._skip_the_rest()
        return self._outcome()

    def stop(self) -> None:
        """End the running step in an orderly way, and run no other."""
        self._stop.set()

    async def _run_step(self, index: int, step: Step) -> StepState:
        """Run a step to its end, again where the runner was interrupted itself."""
        attempt = await self._attempt(index)
        while True:
            result, request = await self._run_attempt(index, attempt, step)
            if result.outcome is not RunOutcome.INTERRUPTED or self._stop.is_set():
                return self._end_step(
                    index, replace(step, timeout=request.timeout), result
                )
            attempt += 1

    async def _run_attempt(
        self, index: int, attempt: int, step: Step
    ) -> tuple[RunResult, StepRequest]:
        self._change(
            index,
            status=StepStatus.IN_PROGRESS,
            reason="",
            attempt=attempt,
            started_at=datetime.now(UTC),
        )
        await self._save(self._progress)
        request = self._request(index, attempt, step)
        try:
            return await self._runner.run(request, self._on_event, self._stop), request
        except asyncio.CancelledError:
            self._change(index, reason="interrupted: the agent was stopped")
            await self._save(self._progress)
            raise

    async def _attempt(self, index: int) -> int:
        """Return which attempt this is: a step that a restart interrupted counts on.

        It stays the same where the runner still has the run, which it then re-attaches.
        """
        state = self._progress.steps[index]
        if state.status is not StepStatus.IN_PROGRESS:
            return 1
        run_id = _run_id(self._key, index, state.attempt)
        trace = await self._runner.trace(str(self._key), run_id)
        return state.attempt + (trace is RunTrace.LOST)

    def _request(self, index: int, attempt: int, step: Step) -> StepRequest:
        return StepRequest(
            run_id=_run_id(self._key, index, attempt),
            job_key=str(self._key),
            call=step.call,
            run_as_user=step.run_as_user,
            timeout=self._deadline.shorten(step.timeout or self._default_timeout),
            environment={
                "AWS_IOT_THING_NAME": self._thing_name,
                "AWS_IOT_JOB_ID": self._key.job_id,
                "AWS_IOT_JOBS_EXECUTION_NUMBER": str(self._key.execution_number),
                "AWS_IOT_JOBS_STEP": str(index + 1),
                "AWS_IOT_JOBS_ATTEMPT": str(attempt),
            },
        )

    def _end_step(self, index: int, step: Step, result: RunResult) -> StepState:
        status, reason = judge_step(step, result, self._deadline.seconds_left)
        if reason:
            label = step_label(self._document, index)
            _LOGGER.info("Job %s, %s: %s", self._key.job_id, label, reason)
        self._progress = replace(
            self._progress,
            stdout=(self._progress.stdout + result.stdout)[-_KEPT_OUTPUT:],
            stderr=(self._progress.stderr + result.stderr)[-_KEPT_OUTPUT:],
        )
        return self._change(
            index, status=status, reason=reason, ended_at=datetime.now(UTC)
        )

    def _change(self, index: int, **changes: object) -> StepState:
        steps = list(self._progress.steps)
        steps[index] = replace(steps[index], **changes)  # type: ignore[arg-type]
        self._progress = replace(self._progress, steps=tuple(steps))
        self._on_progress(self._progress)
        return steps[index]

    def _skip_the_rest(self) -> None:
        for index, step in enumerate(self._progress.steps):
            if step.status is StepStatus.PENDING:
                self._change(index, status=StepStatus.SKIPPED)

    def _outcome(self) -> JobOutcome:
        status, reason = self._verdict()
        details = final_details(
            reason, self._progress, include_stdout=self._document.include_stdout
        )
        return JobOutcome(status=status, reason=reason, status_details=details)

    def _verdict(self) -> tuple[JobStatus, str]:
        steps = self._progress.steps
        for index, step in enumerate(steps):
            if step.status in (StepStatus.FAILED, StepStatus.STOPPED):
                label = step_label(self._document, index)
                return JobStatus.FAILED, f"{label}: {step.reason}"
        if any(step.status is StepStatus.SKIPPED for step in steps):
            return JobStatus.FAILED, "stopped between two steps"
        return JobStatus.SUCCEEDED, success_reason(self._document, steps)


def _run_id(key: ExecutionKey, index: int, attempt: int) -> str:
    return f"{key}.{index + 1}.{attempt}"


def _resumable(document: JobDocument, resumed: JobProgress | None) -> JobProgress:
    """Return where to go on; at the beginning if the progress is of other steps."""
    names = [step.name for step in document.all_steps]
    if resumed is not None and [step.name for step in resumed.steps] == names:
        return resumed
    return JobProgress(steps=tuple(StepState(name=name) for name in names))
