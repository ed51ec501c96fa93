"""The loop: next job, execute, report, until told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
import logging
from pathlib import Path

from ..runner.model import RunEvent, Runner
from .conditions import Facts, unmet_condition
from .connection import ConnectionSettings
from .document import JobDocument, parse_job_document
from .errors import InvalidJobDocumentError, JobsError, RequestRejectedError
from .execution import Execution
from .journal import JobRecord, Journal
from .model import (
    AgentState,
    JobExecution,
    JobOutcome,
    JobProgress,
    JobState,
    JobStatus,
)
from .report import reason_details, running_details
from .service import JobsService
from .timers import Deadline, step_timer_minutes
from .updates import ExecutionEndedError, ExecutionUpdates, Report

_LOGGER = logging.getLogger(__name__)

_REFUSED_PAUSE_SECONDS = 60.0

type Listener = Callable[[AgentState], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What an agent needs to know.

    `directory` is the thing's own, for what must survive a restart. `facts` are for the
    conditions of jobs. `default_timeout` in seconds is for steps without one.
    """

    connection: ConnectionSettings
    directory: Path
    facts: Facts
    default_timeout: float | None = None


class Agent:
    """One thing's agent: takes jobs, one at a time, until it is cancelled."""

    def __init__(self, settings: AgentSettings, runner: Runner) -> None:
        """Prepare to run the jobs of a thing with a runner."""
        self._settings = settings
        self._thing_name = settings.connection.thing_name
        self._runner = runner
        self._journal = Journal(settings.directory)
        self._service = JobsService(
            settings.connection,
            on_ready=self._ready,
            on_problem=self._problem,
            on_next=self._notified,
        )
        self._state = AgentState()
        self._listeners: list[Listener] = []
        self._wake = asyncio.Event()
        self._updates: ExecutionUpdates | None = None
        self._record: JobRecord | None = None
        self._problem_told = False
        self._serving = False

    @property
    def state(self) -> AgentState:
        """What the agent knows now."""
        return self._state

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have each new state told, in the event loop; returns what ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            self._listeners.remove(listener)

        return unsubscribe

    def retry_now(self) -> None:
        """Connect at once: there is reason to believe that the network is back."""
        self._service.retry_now()

    @contextlib.asynccontextmanager
    async def disconnected(self) -> AsyncIterator[None]:
        """Leave the thing's name to another client for a while; a running job goes on."""
        await self._service.stop()
        self._change(connected=False)
        try:
            yield
        finally:
            if self._serving:
                await self._service.start()

    async def run(self) -> None:
        """Serve until cancelled; then the running step is ended in an orderly way.

        Raises CredentialsError for a key or certificate of no use, and OSError when the
        journal can be neither read nor set aside.
        """
        known = await self._journal.load()
        self._record = known.record
        self._change(last_job=known.last_job, journal_set_aside=known.set_aside)
        if self._record is not None:
            await self._runner.recover(str(self._record.key))
        self._serving = True
        try:
            await self._service.start()
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (execution := await self._next()) is not None:
                    await self._serve(execution)
        finally:
            self._serving = False
            await self._service.stop()
            self._change(connected=False)

    async def _next(self) -> JobExecution | None:
        """Ask for the next job, and settle what is left of another one before."""
        try:
            execution = await self._service.start_next()
        except RequestRejectedError as err:
            _LOGGER.error(
                "AWS IoT Jobs hands out no job to %s: %s", self._thing_name, err
            )
            return None
        if self._record is not None and (
            execution is None or execution.key != self._record.key
        ):
            await self._settle(self._record)
        return execution

    async def _settle(self, record: JobRecord) -> None:
        """Give a job up that AWS no longer hands out: it has ended there."""
        _LOGGER.warning(
            "Job %s was under way, and AWS IoT Jobs hands it out no more",
            record.key.job_id,
        )
        self._begin(record)
        outcome = record.outcome or _not_run(
            JobStatus.FAILED, "interrupted, and not handed out again"
        )
        # The version is not known any more: AWS's answer tells it, or how the job ended.
        execution = JobExecution(
            key=record.key,
            status=JobStatus.IN_PROGRESS,
            version_number=1,
            document=None,
        )
        try:
            updates = ExecutionUpdates(self._service, execution)
            await updates.finish(outcome.status, outcome.status_details)
        except ExecutionEndedError as err:
            outcome = _ended_by_aws(err.status)
        except RequestRejectedError as err:
            _LOGGER.error("Job %s: %s", record.key.job_id, err)
        await self._end(outcome)

    async def _serve(self, execution: JobExecution) -> None:
        """See one job through to its end, whatever that is."""
        _LOGGER.info("Job %s has been received", execution.key.job_id)
        if self._record is None:
            self._record = JobRecord(
                key=execution.key,
                started_at=datetime.now(UTC),
                ends_at=_in_seconds(execution.seconds_before_timed_out),
                progress=JobProgress(steps=()),
            )
        self._begin(self._record)
        self._updates = ExecutionUpdates(self._service, execution)
        try:
            outcome = await self._outcome(execution, self._updates)
        except RequestRejectedError as err:
            # The journal keeps the outcome: it is sent again when the job is handed out
            # again.
            _LOGGER.error(
                "Job %s: AWS IoT did not accept its result: %s",
                execution.key.job_id,
                err,
            )
            self._change(job=None)
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
            return
        finally:
            self._updates = None
        await self._end(outcome)

    async def _outcome(
        self, execution: JobExecution, updates: ExecutionUpdates
    ) -> JobOutcome:
        """Run what is left of a job, and have AWS accept its outcome."""
        assert self._record is not None
        try:
            if (outcome := self._record.outcome) is None:
                outcome = await self._execute(execution, updates)
                await self._remember(replace(self._record, outcome=outcome))
            await updates.finish(outcome.status, outcome.status_details)
        except ExecutionEndedError as err:
            return _ended_by_aws(err.status)
        return outcome

    async def _execute(
        self, execution: JobExecution, updates: ExecutionUpdates
    ) -> JobOutcome:
        """Run a job's document, and tell AWS of its progress.

        Raises ExecutionEndedError when AWS ends the execution meanwhile.
        """
        assert self._record is not None
        try:
            document = parse_job_document(execution.document)
        except InvalidJobDocumentError as err:
            return _not_run(JobStatus.REJECTED, f"invalid job document: {err}")
        if problem := unmet_condition(document.conditions, self._settings.facts):
            return _not_run(JobStatus.REJECTED, f"not for this thing: {problem}")
        job = Execution(
            execution.key,
            document,
            thing_name=self._thing_name,
            runner=self._runner,
            deadline=Deadline(_seconds_until(self._record.ends_at)),
            default_timeout=self._settings.default_timeout,
            resumed=self._record.progress,
            save=self._remember_progress,
            on_progress=lambda progress: self._progress(document, progress, updates),
            on_event=self._event,
        )
        try:
            await self._journal.save(replace(self._record, progress=job.progress))
            await updates.begin(self._report(document, job.progress))
        except OSError as err:
            return _not_run(JobStatus.FAILED, f"the journal cannot be written: {err}")
        except RequestRejectedError as err:
            return _not_run(
                JobStatus.FAILED, f"AWS IoT did not accept its start: {err}"
            )
        return await self._run_and_tell(job, updates)

    async def _run_and_tell(
        self, job: Execution, updates: ExecutionUpdates
    ) -> JobOutcome:
        running = asyncio.ensure_future(job.run())
        telling = asyncio.ensure_future(updates.run())
        try:
            await asyncio.wait((running, telling), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return _result(running)
            status = telling.result()
            await job.stop()
            await running
            raise ExecutionEndedError(status)
        finally:
            for task in (running, telling):
                task.cancel()
            await asyncio.gather(running, telling, return_exceptions=True)

    def _begin(self, record: JobRecord) -> None:
        job = JobState(
            key=record.key,
            status=JobStatus.IN_PROGRESS,
            steps=record.progress.steps,
            started_at=record.started_at,
        )
        self._change(job=job)

    async def _end(self, outcome: JobOutcome) -> None:
        """Forget a job whose outcome AWS knows."""
        job = self._state.job
        assert job is not None
        ended = replace(
            job,
            status=outcome.status,
            reason=outcome.reason,
            status_details=outcome.status_details,
            ended_at=datetime.now(UTC),
        )
        await self._runner.release(str(job.key))
        self._record = None
        try:
            await self._journal.end(ended)
        except OSError as err:
            _LOGGER.error("The journal cannot be written: %s", err)
        _LOGGER.info(
            "Job %s has ended as %s: %s",
            job.key.job_id,
            outcome.status,
            outcome.reason,
        )
        self._change(job=None, last_job=ended)

    async def _remember_progress(self, progress: JobProgress) -> None:
        assert self._record is not None
        await self._remember(replace(self._record, progress=progress))

    async def _remember(self, record: JobRecord) -> None:
        """Note how far a job is. One that has begun goes on without, if it must."""
        self._record = record
        try:
            await self._journal.save(record)
        except OSError as err:
            _LOGGER.error(
                "Job %s: the journal cannot be written: %s", record.key.job_id, err
            )

    def _progress(
        self, document: JobDocument, progress: JobProgress, updates: ExecutionUpdates
    ) -> None:
        assert self._state.job is not None
        assert self._record is not None
        self._record = replace(self._record, progress=progress)
        self._change(job=replace(self._state.job, steps=progress.steps))
        updates.progress(self._report(document, progress))

    def _report(self, document: JobDocument, progress: JobProgress) -> Report:
        """Return what AWS is told of a running job."""
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

    def _event(self, event: RunEvent) -> None:
        _LOGGER.debug("%s", event)

    def _ready(self) -> None:
        if not self._state.connected:
            _LOGGER.info("%s is connected to AWS IoT", self._thing_name)
        self._problem_told = False
        self._change(connected=True, error=None)
        self._look_again()

    def _problem(self, error: JobsError) -> None:
        level = logging.DEBUG if self._problem_told else logging.WARNING
        self._problem_told = True
        _LOGGER.log(level, "%s: %s", self._thing_name, error)
        self._change(connected=self._service.ready, error=error)

    def _notified(self, execution: JobExecution | None) -> None:
        job = self._state.job
        if job is None or execution is None or execution.key != job.key:
            self._look_again()

    def _look_again(self) -> None:
        """Find out what AWS has for us: the next job, and whether this one is still ours."""
        self._wake.set()
        if self._updates is not None:
            self._updates.probe()

    def _change(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state == self._state:
            return
        self._state = state
        for listener in tuple(self._listeners):
            listener(state)


def _result(running: asyncio.Future[JobOutcome]) -> JobOutcome:
    """Return the outcome of a run; that of one that broke is a failure like any other."""
    if (error := running.exception()) is None:
        return running.result()
    _LOGGER.error("A job ended with an unexpected error", exc_info=error)
    return _not_run(JobStatus.FAILED, "internal error of the agent; its log says more")


def _in_seconds(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


def _seconds_until(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - datetime.now(UTC)).total_seconds()


def _not_run(status: JobStatus, reason: str) -> JobOutcome:
    return JobOutcome(
        status=status, reason=reason, status_details=reason_details(reason)
    )


def _ended_by_aws(status: JobStatus) -> JobOutcome:
    return JobOutcome(status=status, reason=_ENDED_BY_AWS[status])


_ENDED_BY_AWS = {
    JobStatus.CANCELED: "canceled in AWS IoT Jobs",
    JobStatus.TIMED_OUT: "timed out in AWS IoT Jobs",
    JobStatus.REMOVED: "removed from AWS IoT Jobs",
    JobStatus.SUCCEEDED: "AWS IoT Jobs has it as succeeded already",
    JobStatus.FAILED: "AWS IoT Jobs has it as failed already",
    JobStatus.REJECTED: "AWS IoT Jobs has it as rejected already",
}
