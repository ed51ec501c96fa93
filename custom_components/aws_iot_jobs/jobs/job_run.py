"""One job on this thing, from being handed out until AWS has accepted its outcome."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from dataclasses import replace
import logging

from ..aws_iot.errors import RequestRejectedError
from ..aws_iot.model import JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import Runner
from ..runner.system import boot_id
from . import dry_run
from .approval import is_approved, needs_approval, until_decided
from .conditions import unmet_condition
from .digest import digest_of
from .document import JobDocument
from .errors import InvalidJobDocumentError
from .execution import Execution, resumable
from .fences import FencedOffError, read_document
from .home_steps import HomeSteps
from .job import Job, JobStoppedError
from .local import NoUpdates
from .logs import JobLogs
from .model import JobOutcome
from .opening import WAITING, has_taken
from .plan import plan_of_parsed
from .reading import open_job
from .reasons import Reason
from .record import JobRecord, not_run
from .report import Report, running_report
from .settings import AgentSettings
from .signed import NotTrustedError, SignedJob
from .tasks import end_task, to_the_end
from .timers import Deadline, JobTimer, renewed
from .updates import ExecutionEndedError, ExecutionUpdates, Updates

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
        home: HomeSteps,
        opening: Report,
        tidied: Callable[[], Awaitable[None]],
        may_begin: Callable[[], Awaitable[None]],
        may_start: Callable[[], Awaitable[None]],
        logs: JobLogs,
        run_before: Callable[[], tuple[SignedJob, ...]] = tuple,
    ) -> None:
        """Go on with a job where its record is.

        `opening` is what AWS was told of it when it was asked for. `tidied` is awaited
        before its first step: then the runner is done with earlier jobs; `may_start`
        before each. `may_begin` is awaited before a job leaves the queue. `run_before`
        returns the signed jobs that have ended here.
        """
        self.job = job
        self._settings = settings
        self._service = service
        self._runner = runner
        self._home = home
        self._opening = opening
        self._tidied = tidied
        self._may_begin = may_begin
        self._may_start = may_start
        self._logs = logs
        self._run_before = run_before
        self._waits = False
        self._document: JobDocument | None = None
        is_local = job.record.document is not None
        self.updates: Updates = (
            NoUpdates() if is_local else ExecutionUpdates(service, job, self._report)
        )
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
        details = {**outcome.status_details, **self._settings.final_details}
        outcome = replace(outcome, status_details=details)
        self.job.change(outcome=outcome)
        noting = asyncio.create_task(self.job.note())
        try:
            await self.updates.finish(outcome.status, outcome.status_details)
        except ExecutionEndedError as err:
            return _ended(err)
        finally:
            await to_the_end(noting)
        return outcome

    async def end_in_queue(self) -> JobOutcome:
        """Return how a job has ended that AWS had in its queue, and has not any more."""
        try:
            await self.updates.check_queued()
        except ExecutionEndedError as err:
            return _ended(err)
        return not_run(JobStatus.REMOVED, Reason.REMOVED_BY_AWS.text())

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
        """Run the job's document, once it is approved where it has to be.

        Raises ExecutionEndedError when AWS has ended the execution before its first step.
        """
        try:
            document = self._read(execution)
            deadline = self._deadline(execution)
            while True:
                if document.dry_run and not self.job.record.queued:
                    return await self._dry_run(document)
                if await self._needs_approval(document, execution):
                    await self._until_decided(execution, document, deadline)
                    if (outcome := self.job.record.outcome) is not None:
                        return outcome
                    if self.job.record.waits_for_approval:
                        return not_run(JobStatus.REJECTED, Reason.NOT_APPROVED.text())
                elif not self.job.record.queued:
                    break
                execution = await self._delivered_again(execution)
                document = self._read(execution)
                deadline = self._deadline(execution)
            return await self._run_steps(execution, document, deadline)
        except NotRunError as err:
            return not_run(err.status, str(err))
        except JobStoppedError:
            return not_run(JobStatus.FAILED, self.job.stop_reason)
        except RequestRejectedError as err:
            return not_run(JobStatus.FAILED, Reason.START_REFUSED.text(detail=err))

    def _read(self, execution: JobExecution) -> JobDocument:
        """Return what a job is to do here. Raises NotRunError."""
        is_local = self.job.record.document is not None
        try:
            opened = open_job(
                execution,
                self._settings,
                is_local=is_local,
                run_before=() if self.job.record.has_run else self._run_before(),
            )
            document = read_document(opened.document, self._settings.fences)
        except (FencedOffError, NotTrustedError) as err:
            raise NotRunError(JobStatus.REJECTED, str(err)) from err
        except InvalidJobDocumentError as err:
            raise NotRunError(
                JobStatus.REJECTED, Reason.INVALID_DOCUMENT.text(reason=err)
            ) from err
        if problem := unmet_condition(document.conditions, self._settings.facts):
            raise NotRunError(
                JobStatus.REJECTED, Reason.NOT_FOR_THIS_THING.text(reason=problem)
            )
        self.job.change(signed_until=opened.expires_at)
        return document

    async def _needs_approval(
        self, document: JobDocument, execution: JobExecution
    ) -> bool:
        record = self.job.record
        if record.document is not None or record.has_run or document.dry_run:
            return False
        if is_approved(record, execution.document):
            return False
        asking = needs_approval(document, self._settings.approval, self._runner)
        return await self.job.unless_stopped(asking)

    async def _until_decided(
        self, execution: JobExecution, document: JobDocument, deadline: Deadline
    ) -> None:
        """Wait until somebody has decided whether the job is run, and tell AWS that.

        Raises JobStoppedError, and as the updates do.
        """
        # Whoever decides wants to know what there is to do.
        self.job.change(progress=resumable(document, self.job.record.progress))
        self._waits = True
        try:
            async with self._begun(execution):
                await until_decided(
                    self.job,
                    execution.document,
                    limit=self._settings.approval_limit,
                    deadline=deadline,
                )
        finally:
            self._waits = False

    async def _delivered_again(self, execution: JobExecution) -> JobExecution:
        """Return the job with what its document has now, begun at AWS.

        Raises ExecutionEndedError where AWS has ended it.
        """
        if self.job.record.queued:
            await self.job.unless_stopped(self._may_begin())
            await self.job.unless_stopped(self.updates.check_queued())
        was_queued = self.job.record.queued
        asking = self._service.start_next()
        fresh = await self.job.unless_stopped(asking)
        if fresh is not None and self.job.record.is_delivered_by(fresh):
            self.job.change(
                digest=digest_of(fresh.document),
                version_number=fresh.version_number,
                queued=False,
            )
            if was_queued:
                # Its timer has begun to run now.
                left = fresh.seconds_before_timed_out
                self.job.change(timer=JobTimer.of(left))
            return fresh
        self.job.change(queued=False)
        # What became of it, the answer to an update tells.
        await self.updates.begin()
        return execution

    async def _dry_run(self, document: JobDocument) -> JobOutcome:
        """Return what the steps of a document would do, as the outcome of the job.

        Raises JobStoppedError.
        """
        self.job.change(progress=resumable(document, self.job.record.progress))
        planning = plan_of_parsed(
            document,
            facts=self._settings.facts,
            runner=self._runner,
            home=self._home,
            default_timeout=self._settings.default_timeout,
        )
        plan = await self.job.unless_stopped(planning)
        return dry_run.outcome_of(document, plan)

    async def _run_steps(
        self, execution: JobExecution, document: JobDocument, deadline: Deadline
    ) -> JobOutcome:
        names = [step.name for step in document.all_steps]
        log = self._logs.open(self.job.record.key, names)
        steps = Execution(
            self.job,
            document,
            thing_name=self._settings.connection.thing_name,
            runner=self._runner,
            home=self._home,
            deadline=deadline,
            default_timeout=self._settings.default_timeout,
            tidied=self._tidied,
            may_start=self._may_start,
            on_event=log.take,
        )
        self._document = document
        async with self._begun(execution) as beginning:
            return await steps.run(beginning)

    @contextlib.asynccontextmanager
    async def _begun(
        self, execution: JobExecution
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Have AWS told where the job is now, while something else is done.

        Raises as the updates do.
        """
        # At once, so that nothing else is told of where the job is before.
        beginning = asyncio.create_task(self._begin(execution), eager_start=True)
        try:
            yield beginning
            if beginning.done():
                beginning.result()
        finally:
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)

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

    def _deadline(self, execution: JobExecution) -> Deadline:
        """Return when AWS ends the job, and keep it on record."""
        timer = renewed(
            self.job.record.timer,
            execution.seconds_before_timed_out,
            same_boot=self.job.record.boot_id == boot_id(),
        )
        self.job.change(timer=timer)
        return Deadline(None if timer is None else timer.left(same_boot=True))

    def _report(self) -> Report:
        """Return what AWS is told of the running job."""
        if self._waits:
            return WAITING
        if (document := self._document) is None:
            return Report()
        progress = self.job.record.progress
        index = progress.last_started_index or 0
        return running_report(
            document,
            index,
            percent=progress.steps[index].percent,
            default_timeout=self._settings.default_timeout,
            outage_allowance=self._settings.outage_allowance,
        )


class NotRunError(Exception):
    """A job is not run; its message says why."""

    def __init__(self, status: JobStatus, reason: str) -> None:
        """Keep the status in which it ends."""
        self.status = status
        super().__init__(reason)


def given_up(record: JobRecord) -> JobOutcome:
    """Return the outcome of a job that AWS hands out no more."""
    return record.outcome or not_run(JobStatus.FAILED, Reason.NOT_HANDED_OUT.text())


def _outcome(steps: asyncio.Task[JobOutcome]) -> JobOutcome:
    """Return the outcome of a run; that of one that broke is a failure like any other."""
    if isinstance(error := steps.exception(), ExecutionEndedError):
        raise error
    if error is None:
        return steps.result()
    _LOGGER.error("A job ended with an unexpected error", exc_info=error)
    return not_run(JobStatus.FAILED, Reason.INTERNAL_ERROR.text())


def _ended(err: ExecutionEndedError) -> JobOutcome:
    return JobOutcome(status=err.status, reason=_ENDED_BY_AWS[err.status].text())


_ENDED_BY_AWS = {
    JobStatus.CANCELED: Reason.CANCELED_BY_AWS,
    JobStatus.TIMED_OUT: Reason.TIMED_OUT_BY_AWS,
    JobStatus.REMOVED: Reason.REMOVED_BY_AWS,
    JobStatus.SUCCEEDED: Reason.SUCCEEDED_ALREADY,
    JobStatus.FAILED: Reason.FAILED_ALREADY,
    JobStatus.REJECTED: Reason.REJECTED_ALREADY,
}
