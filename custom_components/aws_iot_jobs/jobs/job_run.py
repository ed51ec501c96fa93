"""One job on this thing, from being handed out until AWS has accepted its outcome."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
import logging

from ..aws_iot.errors import RequestRejectedError
from ..aws_iot.model import JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import RunEvent, Runner
from .conditions import unmet_condition
from .document import JobDocument, parse_job_document
from .errors import InvalidJobDocumentError
from .execution import Execution
from .journal import JobRecord, Journal
from .model import JobOutcome, JobProgress, StepState
from .report import reason_details, running_details
from .settings import AgentSettings
from .timers import Deadline, step_timer_minutes
from .updates import ExecutionEndedError, ExecutionUpdates, Report

_LOGGER = logging.getLogger(__name__)


class JobRun:
    """A job that is run, or gone on with after a restart."""

    def __init__(
        self,
        execution: JobExecution,
        record: JobRecord,
        *,
        settings: AgentSettings,
        service: JobsService,
        runner: Runner,
        journal: Journal,
        on_steps: Callable[[tuple[StepState, ...]], None],
    ) -> None:
        """Go on with a job where its record is; `on_steps` is told of each change."""
        self._execution = execution
        self._settings = settings
        self._runner = runner
        self._journal = journal
        self._on_steps = on_steps
        self._updates = ExecutionUpdates(service, execution)
        self.record = record

    def probe(self) -> None:
        """Find out whether AWS still has the job as ours."""
        self._updates.probe()

    async def run(self) -> JobOutcome:
        """Run what is left of the job, and have AWS accept its outcome.

        Returns the outcome as AWS has it. Raises RequestRejectedError when AWS does not
        accept it: the record keeps it, to be sent when the job is handed out again.
        """
        try:
            if (outcome := self.record.outcome) is None:
                outcome = await self._execute()
                await self._remember(replace(self.record, outcome=outcome))
            await self._updates.finish(outcome.status, outcome.status_details)
        except ExecutionEndedError as err:
            return JobOutcome(status=err.status, reason=_ENDED_BY_AWS[err.status])
        return outcome

    async def give_up(self) -> JobOutcome:
        """Tell the outcome of a job that AWS hands out no more; return how it ended there."""
        outcome = self.record.outcome or _not_run(
            JobStatus.FAILED, "interrupted, and not handed out again"
        )
        self.record = replace(self.record, outcome=outcome)
        try:
            return await self.run()
        except RequestRejectedError as err:
            _LOGGER.error("Job %s: %s", self.record.key.job_id, err)
            return outcome

    async def _execute(self) -> JobOutcome:
        """Run the job's document, and tell AWS of its progress.

        Raises ExecutionEndedError when AWS ends the execution meanwhile.
        """
        try:
            document = parse_job_document(self._execution.document)
        except InvalidJobDocumentError as err:
            return _not_run(JobStatus.REJECTED, f"invalid job document: {err}")
        if problem := unmet_condition(document.conditions, self._settings.facts):
            return _not_run(JobStatus.REJECTED, f"not for this thing: {problem}")
        steps = self._steps_of(document)
        try:
            await self._journal.save(replace(self.record, progress=steps.progress))
            await self._updates.begin(self._report(document, steps.progress))
        except OSError as err:
            return _not_run(JobStatus.FAILED, f"the journal cannot be written: {err}")
        except RequestRejectedError as err:
            return _not_run(
                JobStatus.FAILED, f"AWS IoT did not accept its start: {err}"
            )
        return await self._run_and_tell(steps)

    def _steps_of(self, document: JobDocument) -> Execution:
        return Execution(
            self.record.key,
            document,
            thing_name=self._settings.connection.thing_name,
            runner=self._runner,
            deadline=Deadline(_seconds_until(self.record.ends_at)),
            default_timeout=self._settings.default_timeout,
            resumed=self.record.progress,
            save=self._remember_progress,
            on_progress=lambda progress: self._progress(document, progress),
            on_event=_note,
        )

    async def _run_and_tell(self, steps: Execution) -> JobOutcome:
        running = asyncio.ensure_future(steps.run())
        telling = asyncio.ensure_future(self._updates.run())
        try:
            await asyncio.wait((running, telling), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return _result(running)
            status = telling.result()
            steps.stop()
            await running
            raise ExecutionEndedError(status)
        finally:
            for task in (running, telling):
                task.cancel()
            await asyncio.gather(running, telling, return_exceptions=True)

    async def _remember_progress(self, progress: JobProgress) -> None:
        await self._remember(replace(self.record, progress=progress))

    async def _remember(self, record: JobRecord) -> None:
        """Note how far the job is. Once begun, it goes on without, if it must."""
        self.record = record
        try:
            await self._journal.save(record)
        except OSError as err:
            _LOGGER.error(
                "Job %s: the journal cannot be written: %s", record.key.job_id, err
            )

    def _progress(self, document: JobDocument, progress: JobProgress) -> None:
        self.record = replace(self.record, progress=progress)
        self._on_steps(progress.steps)
        self._updates.progress(self._report(document, progress))

    def _report(self, document: JobDocument, progress: JobProgress) -> Report:
        """Return what AWS is told of the running job."""
        index = progress.last_started_index or 0
        step = document.all_steps[index]
        timeout = step.timeout or self._settings.default_timeout
        # Where any step has a timer, the others must take it back.
        timed = self._settings.default_timeout is not None or any(
            other.timeout is not None for other in document.all_steps
        )
        return Report(
            details=running_details(step.name, index, len(document.all_steps)),
            step_timer_minutes=step_timer_minutes(timeout) if timed else None,
        )


def _note(event: RunEvent) -> None:
    _LOGGER.debug("%s", event)


def _result(running: asyncio.Future[JobOutcome]) -> JobOutcome:
    """Return the outcome of a run; that of one that broke is a failure like any other."""
    if (error := running.exception()) is None:
        return running.result()
    _LOGGER.error("A job ended with an unexpected error", exc_info=error)
    return _not_run(JobStatus.FAILED, "internal error of the agent; its log says more")


def _seconds_until(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - datetime.now(UTC)).total_seconds()


def _not_run(status: JobStatus, reason: str) -> JobOutcome:
    return JobOutcome(
        status=status, reason=reason, status_details=reason_details(reason)
    )


_ENDED_BY_AWS = {
    JobStatus.CANCELED: "canceled in AWS IoT Jobs",
    JobStatus.TIMED_OUT: "timed out in AWS IoT Jobs",
    JobStatus.REMOVED: "removed from AWS IoT Jobs",
    JobStatus.SUCCEEDED: "AWS IoT Jobs has it as succeeded already",
    JobStatus.FAILED: "AWS IoT Jobs has it as failed already",
    JobStatus.REJECTED: "AWS IoT Jobs has it as rejected already",
}
