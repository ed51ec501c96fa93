"""The loop: next job, execute, report, until told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
import logging

from ..aws_iot.backoff import backoff
from ..aws_iot.errors import AwsIotError, RequestRejectedError
from ..aws_iot.messages import RejectedCode
from ..aws_iot.model import JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import Runner
from ..runner.system import boot_id
from .execution import stopped
from .job import Job
from .job_run import JobRun, given_up, not_run
from .journal import Journal
from .model import AgentState, JobOutcome
from .opening import NOTHING, opening_of, seconds_of_job
from .record import JobRecord, JournalContent
from .report import Report
from .settings import AgentSettings
from .tidying import Tidying
from .timers import JobTimer

_LOGGER = logging.getLogger(__name__)

_REFUSED_PAUSE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1
_TIDYING_SECONDS = 0.5
"""How long the end of a job waits to be shown until what is left of it is gone, too."""

type Listener = Callable[[AgentState], None]


class Agent:
    """One thing's agent: takes jobs, one at a time, until it is cancelled."""

    def __init__(self, settings: AgentSettings, runner: Runner) -> None:
        """Prepare to run the jobs of a thing with a runner."""
        self._settings = settings
        self._thing_name = settings.connection.thing_name
        self._runner = runner
        self._journal = Journal(settings.directory)
        self._tidying = Tidying(runner, on_tidied=self._journal.tidied)
        self._service = JobsService(
            settings.connection,
            on_ready=self._ready,
            on_problem=self._problem,
            on_next=self._notified,
            on_unclear=self._look_again,
        )
        self._state = AgentState()
        self._listeners: list[Listener] = []
        self._wake = asyncio.Event()
        self._job: Job | None = None
        self._run: JobRun | None = None
        self._announced: JobExecution | None = None
        self._opening = NOTHING
        # Whether AWS has told of a change since it was asked for a job.
        self._doubtful = False
        self._problem_told = False
        self._errors_told: set[str] = set()
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
        try:
            await self._service.stop()
            self._change(connected=False)
            yield
        finally:
            if self._serving:
                await self._service.start()

    async def run(self) -> None:
        """Serve until cancelled; then the running step is ended in an orderly way.

        Raises CredentialsError for a key or certificate of no use.
        """
        try:
            await self._recover(await self._load())
            self._serving = True
            await self._service.start()
            await self._serve_for_ever()
        finally:
            self._serving = False
            await self._tidying.stop()
            await self._service.stop()
            self._change(connected=False)

    async def _load(self) -> JournalContent:
        """Read the journal, however long its disk cannot be used."""
        for delay in backoff(_FIRST_PAUSE_SECONDS):
            try:
                known = await self._journal.load()
            except OSError as err:
                self._take_storage(err)
                await asyncio.sleep(delay)
            else:
                self._take_storage(None)
                return known
        raise AssertionError("a backoff never ends")

    async def _recover(self, known: JournalContent) -> None:
        """Go on where an earlier life was."""
        # Read here, as the event loop must not.
        await asyncio.to_thread(boot_id)
        self._change(last_job=known.last_job, journal_set_aside=known.set_aside)
        self._tidying.recover(known.tidying)
        if (record := known.record) is not None:
            self._job = self._hold(record)
            await self._runner.recover(str(record.key))

    async def _serve_for_ever(self) -> None:
        """Serve whenever there may be something to do, whatever goes wrong with it."""
        pauses = backoff(_FIRST_PAUSE_SECONDS)
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while (execution := await self._next()) is not None:
                    await self._serve(execution)
                    pauses = backoff(_FIRST_PAUSE_SECONDS)
            except Exception as err:  # noqa: BLE001
                self._tell_once("The agent of %s goes on after an error", err)
                self._wake.set()
                await asyncio.sleep(next(pauses))

    async def _next(self) -> JobExecution | None:
        """Ask for the next job, and settle what is left of another one before."""
        await self._wait_for_room()
        # What is asked for from here on answers all that there was to ask before.
        self._wake.clear()
        self._doubtful = False
        try:
            execution = await self._start_next()
        except RequestRejectedError as err:
            _LOGGER.error(
                "AWS IoT Jobs hands out no job to %s: %s", self._thing_name, err
            )
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
            self._wake.set()
            return None
        if (job := self._job) is not None:
            if execution is None or not job.record.is_of(execution):
                await self._settle(job, execution)
        return execution

    async def _start_next(self) -> JobExecution | None:
        """Ask for the next job, and say of the one that was announced where it begins."""
        self._opening = opening_of(self._announced, self._settings)
        self._announced = None
        try:
            return await self._service.start_next(
                status_details=self._opening.details,
                step_timeout_minutes=self._opening.step_timer_minutes,
            )
        except RequestRejectedError as err:
            if err.code != RejectedCode.INVALID_REQUEST or self._opening == NOTHING:
                raise
            _LOGGER.debug("AWS IoT Jobs takes no details with start-next: %s", err)
        self._opening = NOTHING
        return await self._service.start_next()

    async def _wait_for_room(self) -> None:
        """Take no job while the disk is full: each would fail."""
        for delay in backoff(_FIRST_PAUSE_SECONDS):
            try:
                await self._journal.check_room()
            except OSError as err:
                self._take_storage(err)
                await asyncio.sleep(delay)
            else:
                self._take_storage(None)
                return

    async def _settle(self, job: Job, handed_out: JobExecution | None) -> None:
        """Give a job up that AWS no longer hands out: it has ended there."""
        _LOGGER.warning(
            "Job %s was under way, and AWS IoT Jobs hands it out no more",
            job.record.key.job_id,
        )
        outcome = given_up(job.record)
        if handed_out is not None and handed_out.key[:2] == job.record.key[:2]:
            # What has its name at AWS is another job: it must not get this one's end.
            outcome = not_run(JobStatus.REMOVED, "removed from AWS IoT Jobs")
        else:
            try:
                outcome = await self._run_of(job).conclude(outcome)
            except RequestRejectedError as err:
                _LOGGER.error("Job %s: %s", job.record.key.job_id, err)
        await self._end(job, outcome)

    async def _serve(self, execution: JobExecution) -> None:
        """See one job through to its end, whatever that is."""
        _LOGGER.info("Job %s has been received", execution.key.job_id)
        if (job := self._job) is None:
            job = self._hold(_new_record(execution, self._opening))
        self._job = job
        self._run = self._run_of(job)
        job.change(version_number=execution.version_number)
        if self._doubtful:
            self._probe(self._announced)
        try:
            outcome = await self._run.run(execution)
            await self._end(job, outcome, self._run.steps)
        except RequestRejectedError as err:
            _LOGGER.error(
                "Job %s: AWS IoT did not accept its result: %s",
                execution.key.job_id,
                err,
            )
            self._change(job=None)
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
        finally:
            self._run = None

    def _hold(self, record: JobRecord) -> Job:
        """Return the job of a record, whose changes are shown."""
        job = Job(record, self._journal, on_storage=self._take_storage)
        job.subscribe(lambda record: self._change(job=record.state))
        return job

    def _run_of(self, job: Job) -> JobRun:
        return JobRun(
            job,
            settings=self._settings,
            service=self._service,
            runner=self._runner,
            opening=self._opening,
            tidied=self._tidying.wait,
        )

    async def _end(
        self,
        job: Job,
        outcome: JobOutcome,
        steps: asyncio.Task[JobOutcome] | None = None,
    ) -> None:
        """Forget a job whose outcome AWS knows, and what is left of it in the background."""
        if job.record.has_run:
            self._tidying.begin(str(job.record.key), steps)
            await self._tidying.wait(_TIDYING_SECONDS)
        job.change(progress=stopped(job.record.progress))
        job.close()
        ended = replace(
            job.record.state,
            status=outcome.status,
            reason=outcome.reason,
            status_details=outcome.status_details,
            ended_at=datetime.now(UTC),
        )
        self._job = None
        try:
            await self._journal.end(ended, self._tidying.names)
        except OSError as err:
            self._take_storage(err)
        _LOGGER.info(
            "Job %s has ended as %s: %s",
            ended.key.job_id,
            outcome.status,
            outcome.reason,
        )
        self._change(job=None, last_job=ended)

    def _ready(self) -> None:
        if not self._state.connected:
            _LOGGER.info("%s is connected to AWS IoT", self._thing_name)
        self._problem_told = False
        self._change(connected=True, error=None)
        self._look_again()

    def _problem(self, error: AwsIotError) -> None:
        level = logging.DEBUG if self._problem_told else logging.WARNING
        self._problem_told = True
        _LOGGER.log(level, "%s: %s", self._thing_name, error)
        self._change(connected=self._service.ready, error=error)

    def _take_storage(self, error: OSError | None) -> None:
        """Take what keeps the thing's files from being written, or that nothing does."""
        problem = None
        if error is not None:
            problem = f"{self._settings.directory}: {error.strerror or error}"
            if self._state.storage_problem is None:
                _LOGGER.warning("The jobs of %s wait: %s", self._thing_name, problem)
        self._change(storage_problem=problem)

    def _notified(self, execution: JobExecution | None) -> None:
        """Take what AWS has next for us, which is nothing where it is None."""
        if execution is None:
            self._probe(None)
        elif self._job is None or not self._job.record.is_of(execution):
            self._look_again(execution)

    def _look_again(self, announced: JobExecution | None = None) -> None:
        """Find out what AWS has for us: the next job, and whether this one is still ours."""
        self._wake.set()
        self._probe(announced)

    def _probe(self, announced: JobExecution | None) -> None:
        """Find out whether the job that runs is still ours, now that another one is next.

        What is announced as queued may be the one that runs, told late; it may also have
        been deleted and made anew within a second.
        """
        self._announced = announced
        self._doubtful = True
        if self._run is not None and self._job is not None:
            late = announced is not None and announced.key == self._job.record.key
            if late:
                self._announced = None
            self._run.updates.probe(at_once=not late)

    def _change(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state == self._state:
            return
        self._state = state
        for listener in tuple(self._listeners):
            try:
                listener(state)
            except Exception as err:  # noqa: BLE001
                self._tell_once("A listener to the agent of %s has failed", err)

    def _tell_once(self, message: str, error: Exception) -> None:
        """Log an error that should not be: once for each kind, then for debugging."""
        kind = f"{message} {error!r}"
        level = logging.DEBUG if kind in self._errors_told else logging.ERROR
        self._errors_told.add(kind)
        _LOGGER.log(level, message, self._thing_name, exc_info=error)


def _new_record(execution: JobExecution, opening: Report) -> JobRecord:
    return JobRecord(
        key=execution.key,
        boot_id=boot_id(),
        started_at=datetime.now(UTC),
        timer=JobTimer.of(seconds_of_job(execution, opening)),
    )
