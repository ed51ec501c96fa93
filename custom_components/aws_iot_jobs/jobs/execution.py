"""One job: its steps in order, and what their outcomes mean."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
import logging
from typing import Any

from ..aws_iot.model import JobStatus
from ..runner.model import (
    CommandCall,
    HandlerCall,
    RunEvent,
    Runner,
    RunOutcome,
    RunResult,
    RunTrace,
    StepRequest,
)
from ..runner.system import boot_id
from .calls import HomeAssistantCall
from .document import JobDocument, Step
from .home_steps import NO_HOME, Attempt, HomeSteps, run_attempt
from .job import Job, JobStoppedError
from .model import JobOutcome, JobProgress, StepState, StepStatus
from .reasons import Reason
from .report import final_details, judge_step, reason_of_step, success_reason
from .tasks import end_task
from .timers import Deadline

_LOGGER = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""How many times a step is begun that never comes to an end: what ends the agent or the
runner with itself would do so for ever."""

_KEPT_OUTPUT = 16 * 1024


class Execution:
    """The steps of one job, run one at a time.

    A step that fails ends the job, unless its failure is ignored; the final step runs
    only after success. Steps that have ended in an earlier life are not run again.
    """

    def __init__(
        self,
        job: Job,
        document: JobDocument,
        *,
        thing_name: str,
        runner: Runner,
        home: HomeSteps = NO_HOME,
        deadline: Deadline,
        default_timeout: float | None = None,
        tidied: Callable[[], Awaitable[None]],
        may_start: Callable[[], Awaitable[None]],
        on_event: Callable[[int, int, RunEvent], None] = lambda *_: None,
    ) -> None:
        """Prepare to run a job's steps: programs at the runner, others in Home Assistant.

        `default_timeout` in seconds is for steps without a timeout of their own. `tidied`
        is awaited before the first one: then the runner is done with earlier jobs;
        `may_start` before each. `on_event` is told what a runner tells, after the step's
        place and its attempt.
        """
        self._job = job
        self._document = document
        self._thing_name = thing_name
        self._runner = runner
        self._home = home
        self._deadline = deadline
        self._default_timeout = default_timeout
        self._tidied = tidied
        self._may_start = may_start
        self._on_event = on_event
        self._accepted: asyncio.Future[None] | None = None
        job.change(progress=resumable(document, job.record.progress))

    async def run(self, accepted: asyncio.Future[None] | None = None) -> JobOutcome:
        """Run the steps that are left; return the outcome, also when it is a failure.

        `accepted` is waited for when the first one is on record: then AWS knows that the
        job is in progress. Raises what it raises.
        """
        self._accepted = accepted
        try:
            await self._job.unless_stopped(self._tidied())
            if self._has_to_look_before:
                await self._job.unless_stopped(self._look_before())
            for index, step in enumerate(self._document.all_steps):
                state = self._progress.steps[index]
                if not state.status.ended:
                    await self._job.unless_stopped(self._may_start())
                    state = await self._run_step(index, step)
                if state.status in (StepStatus.FAILED, StepStatus.STOPPED):
                    break
        except JobStoppedError:
            pass
        self._job.change(progress=stopped(self._progress))
        return self._outcome()

    @property
    def _has_to_look_before(self) -> bool:
        """Whether a step may want to know how it was before the job, which begins now."""
        return self._progress.last_started_index is None and any(
            isinstance(step.call, HomeAssistantCall)
            for step in self._document.all_steps
        )

    async def _look_before(self) -> None:
        """Know how it was before the job, where a step is to compare with that."""
        for index, step in enumerate(self._document.all_steps):
            if isinstance(step.call, HomeAssistantCall):
                known = await self._home.before(step.call)
                if known is not None:
                    self._job.change(progress=self._with_step(index, known=known))

    @property
    def _progress(self) -> JobProgress:
        return self._job.record.progress

    async def _run_step(self, index: int, step: Step) -> StepState:
        """Run a step to its end, again where the runner was interrupted itself."""
        attempt = 1
        if self._progress.steps[index].status is StepStatus.IN_PROGRESS:
            attempt = await self._job.unless_stopped(self._next_attempt(index, step))
        while attempt <= MAX_ATTEMPTS:
            timeout = self._deadline.shorten(step.timeout or self._default_timeout)
            tried = replace(step, timeout=timeout)
            result = await self._run_attempt(index, attempt, tried)
            if result.outcome is not RunOutcome.INTERRUPTED or self._job.stop.is_set():
                return self._end_step(index, tried, result)
            attempt += 1
        return self._end_step(index, step, _NO_MORE_ATTEMPTS)

    async def _next_attempt(self, index: int, step: Step) -> int:
        """Return which attempt comes next of a step that a restart interrupted.

        It stays the same where the runner still has the run, which it then re-attaches,
        and where it knows that the run never began.
        """
        record = self._job.record
        state = record.progress.steps[index]
        if isinstance(step.call, HomeAssistantCall):
            return state.attempt + 1
        run_id = self._run_id(index, state.attempt)
        trace = await self._runner.trace(str(record.key), run_id)
        # Another runner knows nothing of it, and what was noted here may not have outlived
        # the end of the machine.
        noted = (record.runner, record.boot_id) == (self._runner.name, boot_id())
        begun = trace is RunTrace.LOST or (trace is RunTrace.NEVER_BEGUN and not noted)
        return state.attempt + begun

    async def _run_attempt(self, index: int, attempt: int, step: Step) -> RunResult:
        known = self._progress.steps[index]
        attached = known.status is StepStatus.IN_PROGRESS and known.attempt == attempt
        progress = self._with_step(
            index,
            status=StepStatus.IN_PROGRESS,
            reason="",
            attempt=attempt,
            started_at=known.started_at if attached else datetime.now(UTC),
        )
        begun = {
            "progress": progress,
            "boot_id": boot_id(),
            "runner": self._runner.name,
        }
        await self._job.keep(**begun)
        if (accepted := self._accepted) is not None:
            await self._job.unless_stopped(asyncio.shield(accepted))
            self._accepted = None
        self._job.change(**begun)
        running = asyncio.ensure_future(self._running(index, attempt, step))
        try:
            await asyncio.wait((running,))
        except asyncio.CancelledError:
            await end_task(running)
            if running.cancelled() or running.exception() is not None:
                self._change(index, reason=Reason.AGENT_STOPPED.text())
            else:
                # It had come to its end by itself.
                self._end_step(index, step, running.result())
            raise
        return running.result()

    def _running(
        self, index: int, attempt: int, step: Step
    ) -> Coroutine[Any, Any, RunResult]:
        """Return an attempt of a step, where steps of its kind run."""
        on_event = partial(self._on_event, index, attempt)
        if isinstance(call := step.call, HomeAssistantCall):
            trial = Attempt(
                call,
                key=self._job.record.key,
                run_id=self._run_id(index, attempt),
                known=self._progress.steps[index].known,
                keep=partial(self._keep_known, index),
                on_event=on_event,
                on_percent=lambda percent: self._take_percent(index, percent),
            )
            return run_attempt(
                self._home, trial, timeout=step.timeout, stop=self._job.stop
            )
        request = self._request(index, attempt, step, call)
        return self._runner.run(request, on_event, self._job.stop)

    async def _keep_known(self, index: int, known: Any) -> None:
        """Have on record what a step's next attempt has to know. Raises JobStoppedError."""
        await self._job.keep(progress=self._with_step(index, known=known))
        self._change(index, known=known)

    def _take_percent(self, index: int, percent: int) -> None:
        self._change(index, percent=percent)

    def _request(
        self, index: int, attempt: int, step: Step, call: HandlerCall | CommandCall
    ) -> StepRequest:
        key = self._job.record.key
        return StepRequest(
            run_id=self._run_id(index, attempt),
            job_key=str(key),
            call=call,
            run_as_user=step.run_as_user,
            timeout=step.timeout,
            environment={
                "AWS_IOT_THING_NAME": self._thing_name,
                "AWS_IOT_JOB_ID": key.job_id,
                "AWS_IOT_JOBS_EXECUTION_NUMBER": str(key.execution_number),
                "AWS_IOT_JOBS_STEP": str(index + 1),
                "AWS_IOT_JOBS_ATTEMPT": str(attempt),
            },
        )

    def _run_id(self, index: int, attempt: int) -> str:
        return f"{self._job.record.key}.{index + 1}.{attempt}"

    def _end_step(self, index: int, step: Step, result: RunResult) -> StepState:
        status, reason = judge_step(
            step,
            result,
            seconds_left=self._deadline.seconds_left,
            stop_reason=self._job.stop_reason,
        )
        if reason:
            told = reason_of_step(self._document, index, reason)
            _LOGGER.info("Job %s, %s", self._job.record.key.job_id, told)
        return self._change(
            index,
            result,
            status=status,
            reason=reason,
            ended_at=datetime.now(UTC),
            percent=None,
            known=None,
        )

    def _change(
        self, index: int, result: RunResult | None = None, **changes: object
    ) -> StepState:
        """Change the state of a step, and add what it has written."""
        progress = self._with_step(index, **changes)
        if result is not None:
            progress = replace(
                progress,
                stdout=(progress.stdout + result.stdout)[-_KEPT_OUTPUT:],
                stderr=(progress.stderr + result.stderr)[-_KEPT_OUTPUT:],
            )
        self._job.change(progress=progress)
        return progress.steps[index]

    def _with_step(self, index: int, **changes: object) -> JobProgress:
        """Return the progress with the state of a step changed."""
        steps = list(self._progress.steps)
        steps[index] = replace(steps[index], **changes)  # type: ignore[arg-type]
        return replace(self._progress, steps=tuple(steps))

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
                reason = reason_of_step(self._document, index, step.reason)
                return JobStatus.FAILED, reason
        if any(step.status is StepStatus.SKIPPED for step in steps):
            reason = Reason.BETWEEN_STEPS.text(cause=self._job.stop_reason)
            return JobStatus.FAILED, reason
        return JobStatus.SUCCEEDED, success_reason(self._document, steps)


_NO_MORE_ATTEMPTS = RunResult(
    outcome=RunOutcome.REFUSED,
    detail=Reason.INTERRUPTED_TOO_OFTEN.text(attempts=MAX_ATTEMPTS),
)


def stopped(progress: JobProgress) -> JobProgress:
    """Return the progress of a job that goes no further: no step is or will be running."""
    ends = {
        StepStatus.IN_PROGRESS: StepStatus.STOPPED,
        StepStatus.PENDING: StepStatus.SKIPPED,
    }
    steps = (
        replace(step, status=ends.get(step.status, step.status))
        for step in progress.steps
    )
    return replace(progress, steps=tuple(steps))


def resumable(document: JobDocument, resumed: JobProgress) -> JobProgress:
    """Return where to go on; at the beginning if the progress is of other steps."""
    names = [step.name for step in document.all_steps]
    if [step.name for step in resumed.steps] == names:
        return resumed
    return JobProgress(steps=tuple(StepState(name=name) for name in names))
