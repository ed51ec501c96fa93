"""One job on this thing, from being handed out until AWS has accepted its outcome."""

import asyncio
from collections.abc import Awaitable, Callable
import logging

from ..aws_iot.errors import RequestRejectedError
from ..aws_iot.model import JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import Runner
from ..runner.system import boot_id
from .conditions import unmet_condition
from .document import JobDocument, parse_job_document
from .errors import InvalidJobDocumentError
from .execution import Execution
from .job import Job
from .model import JobOutcome
from .opening import has_taken
from .record import JobRecord
from .report import Report, reason_details, running_report
from .settings import AgentSettings
from .tasks import end_task, to_the_end
from .timers import Deadline, renewed
from .updates import ExecutionEndedError, ExecutionUpdates

_LOGGER = logging.getLogger(__name__)


class JobRun:
    """A job that is run, or gone on with after a restart."""

    def __init__(
        self,
        job: Job,
        *,
        settings: AgentSettings,
        service: JobsService,
        runner: Runner,
        opening: Report,
        tidied: Callable[[], Awaitable[None]],
    ) -> None:
        """Go on with a job where its record is.

        `opening` is what AWS was told of it when it was asked for. `tidied` is awaited before its first step: then the runner is done with earlier jobs.
        """
        self.job = job
        self._settings = settings
        self._runner = runner
        self._opening = opening
        self._tidied = tidied
        self._document: JobDocument | None = None
        self.updates = ExecutionUpdates(service, job, self._report)
        self.steps: asyncio.Task[JobOutcome] | None = None

    async def run(self, execution: JobExecution) -> JobOutcome:
        """Run what is left of the job, and have AWS accept its outcome.

        Returns the outcome as AWS has it; `steps` may still be coming to its end then.
        Raises RequestRejectedError when AWS does not accept it: the record keeps it, to be
        sent when the job is handed out again.
        """
        outcome = self.job.record.outcome
        if outcome is None:
            self.steps = asyncio.create_task(self._execute(execution))
            try:
                outcome = await self._until_ended(self.steps)
            except ExecutionEndedError as err:
                return _ended(err)
            except asyncio.CancelledError:
                # What has ended by then must not run again.
                await self.job.note()
                raise
        return await self.conclude(outcome)

    async def conclude(self, outcome: JobOutcome) -> JobOutcome:
        """Have AWS accept an outcome; return it, or how the job has ended there already.

        It is put on record meanwhile; the journal says why that may be.
        """
        self.job.change(outcome=outcome)
        noting = asyncio.create_task(self.job.note())
        try:
            await self.updates.finish(outcome.status, outcome.status_details)
        except ExecutionEndedError as err:
            return _ended(err)
        finally:
            await to_the_end(noting)
        return outcome

    async def _until_ended(self, steps: asyncio.Task[JobOutcome]) -> JobOutcome:
        """Wait for the outcome of the steps, and tell AWS of their progress meanwhile.

        Raises ExecutionEndedError when AWS ends the execution before. Cancelled, it ends
        the running step first.
        """
        telling = asyncio.create_task(self.updates.run())
        try:
            await asyncio.wait((steps, telling), return_when=asyncio.FIRST_COMPLETED)
            if steps.done():
                return _outcome(steps)
            status = telling.result()
        except BaseException:
            await end_task(steps)
            raise
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        raise ExecutionEndedError(status)

    async def _execute(self, execution: JobExecution) -> JobOutcome:
        """Run the job's document.

        Raises ExecutionEndedError when AWS has ended the execution before its first step.
        """
        try:
            document = parse_job_document(execution.document)
        except InvalidJobDocumentError as err:
            return not_run(JobStatus.REJECTED, f"invalid job document: {err}")
        if problem := unmet_condition(document.conditions, self._settings.facts):
            return not_run(JobStatus.REJECTED, f"not for this thing: {problem}")
        steps = self._steps_of(document, execution)
        self._document = document
        # At once, so that nothing else is told of where the job is before.
        beginning = asyncio.create_task(self._begin(execution), eager_start=True)
        try:
            outcome = await steps.run(beginning)
            if beginning.done():
                beginning.result()
        except RequestRejectedError as err:
            return not_run(JobStatus.FAILED, f"AWS IoT did not accept its start: {err}")
        finally:
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
        return outcome

    async def _begin(self, execution: JobExecution) -> None:
        """Have AWS accept that the job is in progress, and where.

        Raises as the updates do.
        """
        taken = has_taken(execution, self._opening, self._report())
        if taken and not self.job.record.has_run:
            self.updates.has_begun()
            return
        withdraw = self._opening.step_timer_minutes is not None
        await self.updates.begin(withdraw_timer=withdraw)

    def _steps_of(self, document: JobDocument, execution: JobExecution) -> Execution:
        same_boot = self.job.record.boot_id == boot_id()
        timer = renewed(
            self.job.record.timer,
            execution.seconds_before_timed_out,
            same_boot=same_boot,
        )
        self.job.change(timer=timer)
        return Execution(
            self.job,
            document,
            thing_name=self._settings.connection.thing_name,
            runner=self._runner,
            deadline=Deadline(None if timer is None else timer.left(same_boot=True)),
            default_timeout=self._settings.default_timeout,
            tidied=self._tidied,
        )

    def _report(self) -> Report:
        """Return what AWS is told of the running job."""
        if (document := self._document) is None:
            return Report()
        return running_report(
            document,
            self.job.record.progress.last_started_index or 0,
            default_timeout=self._settings.default_timeout,
            outage_allowance=self._settings.outage_allowance,
        )


def not_run(status: JobStatus, reason: str) -> JobOutcome:
    """Return the outcome of a job that has not been run."""
    return JobOutcome(
        status=status, reason=reason, status_details=reason_details(reason)
    )


def given_up(record: JobRecord) -> JobOutcome:
    """Return the outcome of a job that AWS hands out no more."""
    return record.outcome or not_run(
        JobStatus.FAILED, "interrupted, and not handed out again"
    )


def _outcome(steps: asyncio.Task[JobOutcome]) -> JobOutcome:
    """Return the outcome of a run; that of one that broke is a failure like any other."""
    if isinstance(error := steps.exception(), ExecutionEndedError):
        raise error
    if error is None:
        return steps.result()
    _LOGGER.error("A job ended with an unexpected error", exc_info=error)
    return not_run(JobStatus.FAILED, "internal error of the agent; its log says more")


def _ended(err: ExecutionEndedError) -> JobOutcome:
    return JobOutcome(status=err.status, reason=_ENDED_BY_AWS[err.status])


_ENDED_BY_AWS = {
    JobStatus.CANCELED: "canceled in AWS IoT Jobs",
    JobStatus.TIMED_OUT: "timed out in AWS IoT Jobs",
    JobStatus.REMOVED: "removed from AWS IoT Jobs",
    JobStatus.SUCCEEDED: "AWS IoT Jobs has it as succeeded already",
    JobStatus.FAILED: "AWS IoT Jobs has it as failed already",
    JobStatus.REJECTED: "AWS IoT Jobs has it as rejected already",
}
