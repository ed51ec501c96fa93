"""The loop: next job, execute, report, until told to stop."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging
from typing import Any

from ..aws_iot.backoff import backoff
from ..aws_iot.connection import ConnectionSettings
from ..aws_iot.errors import AwsIotError, RequestRejectedError
from ..aws_iot.model import ExecutionKey, JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import Runner
from ..runner.system import boot_id
from .approval import approve, reject
from .digest import digest_of
from .errors import NoSuchJobError
from .events import JobEvent, events_between
from .execution import stopped
from .gate import Gate
from .history import History
from .job import Job, JobStoppedError
from .job_run import JobRun, given_up
from .journal import Journal
from .listeners import Listeners
from .local import local_execution
from .logs import JobLogs
from .model import AgentState, Hold, JobOutcome, JobState
from .opening import NOTHING, seconds_of_job
from .peek import Peek
from .plan import Plan, plan_of
from .queue import JobQueue
from .reasons import Reason
from .record import JobRecord, JournalContent, not_run
from .settings import AgentSettings
from .tasks import end_task, to_the_end
from .tidying import Tidying
from .timers import JobTimer

_LOGGER = logging.getLogger(__name__)

_REFUSED_PAUSE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1
_TIDYING_SECONDS = 0.5
"""How long the end of a job waits to be shown until what is left of it is gone, too."""

type Listener = Callable[[AgentState], None]
type EventListener = Callable[[JobEvent], None]


class Agent:
    """One thing's agent: takes jobs, one at a time, until it is cancelled."""

    def __init__(self, settings: AgentSettings, runner: Runner) -> None:
        """Prepare to run the jobs of a thing with a runner."""
        self._settings = settings
        self._thing_name = settings.connection.thing_name
        self._runner = runner
        self._journal = Journal(settings.directory)
        self._tidying = Tidying(runner, on_tidied=self._journal.tidied)
        self.logs = JobLogs(settings.directory, limit=settings.log_bytes)
        self.history = History(
            settings.directory,
            count=settings.history_count,
            days=settings.history_days,
            on_removed=self.logs.remove,
        )
        self._service = JobsService(
            settings.connection,
            on_ready=self._ready,
            on_problem=self._problem,
            on_next=self._notified,
            on_unclear=self._look_again,
            on_wait=self._wait_for_try,
        )
        self._gate = Gate(settings.window, now=settings.now, on_change=self._take_holds)
        self._state = AgentState(
            holds=self._gate.holds, next_window=self._gate.next_window
        )
        self._untold: deque[tuple[AgentState, AgentState]] = deque()
        self._listeners = Listeners[AgentState](self._listener_failed)
        self._event_listeners = Listeners[JobEvent](self._listener_failed)
        self._peek = Peek(
            self._service, settings, runner, self._gate, on_waiting=self._take_waiting
        )
        self._queue = JobQueue(
            self._service,
            settings,
            self._gate,
            self._peek,
            for_room=self._wait_for_room,
        )
        self._wanted_here: dict[ExecutionKey, asyncio.Future[JobState]] = {}
        self._loaded = False
        self._job: Job | None = None
        self._run: JobRun | None = None
        self._problem_told = False
        self._errors_told: set[str] = set()
        self._serving = False

    @property
    def state(self) -> AgentState:
        """What the agent knows now."""
        return self._state

    @property
    def jobs(self) -> tuple[JobState, ...]:
        """All jobs that are known: the one under way, and then those that have ended."""
        job = self._state.job
        return (*(() if job is None else (job,)), *self.history.jobs())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have each new state told, in the event loop; returns what ends that."""
        # What was before is no news to who begins to listen.
        self._tell()
        return self._listeners.add(listener)

    def subscribe_events(self, listener: EventListener) -> Callable[[], None]:
        """Have told what happens to jobs, after the state that it led to."""
        self._tell()
        return self._event_listeners.add(listener)

    async def approve(self, job_id: str | None = None) -> None:
        """Have the job run that waits for approval. Raises NoSuchJobError."""
        await _unless_stopped(approve(self._waiting(job_id)), job_id)

    async def reject(self, job_id: str | None = None, reason: str = "") -> None:
        """End the job that waits for approval. Raises NoSuchJobError."""
        rejecting = reject(self._waiting(job_id), reason.strip())
        await _unless_stopped(rejecting, job_id)

    async def stop_job(self, job_id: str | None = None) -> None:
        """End the job that is under way: it fails, as a thing cannot cancel it at AWS.

        Raises NoSuchJobError.
        """
        job = self._under_way(job_id)
        job.stop_reason = Reason.STOPPED_HERE.text()
        job.stop.set()

    def check_for_jobs(self) -> None:
        """Ask AWS at once whether there is a job, and connect at once where it is lost."""
        self._service.retry_now()
        self._peek.try_again()
        self._look_again()

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish something that has nothing to do with jobs, over the same connection.

        Raises DisconnectedError, and NotAuthorizedError where the policy refuses it.
        """
        await self._service.publish(topic, payload)

    async def take_jobs(self, *, takes: bool) -> None:
        """Ask for jobs, or for no other one, from now on and after restarts.

        Raises OSError where that cannot be remembered.
        """
        await self._journal.take_jobs(takes=takes)
        self._gate.set(Hold.SWITCHED_OFF, holds=not takes)

    def hold(self, hold: Hold) -> None:
        """Ask for no job until this is released; in a backup, start no step either."""
        self._gate.set(hold, holds=True)

    def release(self, hold: Hold) -> None:
        """Ask for jobs again, unless something else holds."""
        self._gate.set(hold, holds=False)

    async def run_document(self, document: Any) -> JobState:
        """Run a document without AWS, as a job of its own; return it when it has ended.

        It waits for the job that is under way, and goes on without its caller.
        """
        execution = local_execution(document)
        ended: asyncio.Future[JobState] = asyncio.get_running_loop().create_future()
        self._wanted_here[execution.key] = ended
        self._queue.want(execution)
        return await asyncio.shield(ended)

    async def check_document(self, document: Any) -> Plan:
        """Return what a document would do here. Nothing is run."""
        return await plan_of(
            document,
            facts=self._settings.facts,
            runner=self._runner,
            home=self._settings.home,
            default_timeout=self._settings.default_timeout,
            fences=self._settings.fences,
            trust=self._settings.trust,
            thing_name=self._thing_name,
        )

    async def plan_of_waiting(self, job_id: str | None = None) -> Plan:
        """Return what the job would do that waits for approval. Raises NoSuchJobError."""
        approval = self._waiting(job_id).record.approval
        assert approval is not None
        return await self.check_document(approval.document)

    def retry_now(self) -> None:
        """Connect at once: there is reason to believe that the network is back."""
        self._service.retry_now()

    @contextlib.asynccontextmanager
    async def disconnected(self) -> AsyncIterator[None]:
        """Leave the thing's name to another client for a while; a running job goes on."""
        try:
            await self._service.stop()
            self._take_connection(connected=False, next_try_at=None)
            yield
        finally:
            if self._serving:
                await self._service.start()

    def use(self, connection: ConnectionSettings) -> None:
        """Connect as the same thing by other settings the next time, with jobs as they are."""
        self._service.use(connection)

    async def load(self) -> None:
        """Know what there was before, if it can be read now; `run` waits until it can."""
        try:
            known = await self._journal.load()
        except OSError as err:
            self._take_storage(err)
        else:
            await self._recall(known)

    async def run(self) -> None:
        """Serve until cancelled; then the running step is ended in an orderly way.

        Raises CredentialsError for a key or certificate of no use.
        """
        following = asyncio.create_task(self._gate.run())
        peeking = asyncio.create_task(self._peek.run())
        try:
            if not self._loaded:
                await self._recall(await self._load())
            await self._recover()
            self._serving = True
            await self._service.start()
            await self._serve_for_ever()
        finally:
            self._serving = False
            await end_task(following)
            await end_task(peeking)
            for ended in self._wanted_here.values():
                ended.cancel()
            await self._tidying.stop()
            await self.logs.stop()
            await self.history.stop()
            await self._service.stop()
            self._take_connection(connected=False, next_try_at=None)
            self._tell()

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

    async def _recall(self, known: JournalContent) -> None:
        """Show what there was before, without telling of it once more."""
        self._loaded = True
        await self.history.load(known.last_job)
        await self.logs.keep_only(job.key for job in self._known_jobs(known))
        self._gate.set(Hold.SWITCHED_OFF, holds=not known.takes_jobs)
        self._tidying.recover(known.tidying)
        record = known.record
        if record is not None:
            self._job = self._hold(record)
        self._show(
            replace(
                self._state,
                job=None if record is None else record.state,
                last_job=known.last_job,
                journal_set_aside=known.set_aside,
                storage_problem=None,
                jobs_succeeded=known.jobs_succeeded,
                jobs_failed=known.jobs_failed,
            ),
            is_news=False,
        )

    def _known_jobs(self, known: JournalContent) -> Iterator[JobState | JobRecord]:
        """Yield the jobs whose logs are kept."""
        yield from self.history.jobs()
        if known.record is not None:
            yield known.record

    async def _recover(self) -> None:
        """Go on where an earlier life was."""
        # Read here, as the event loop must not.
        await asyncio.to_thread(boot_id)
        if (job := self._job) is not None:
            await self._runner.recover(str(job.record.key))
            if job.record.document is not None:
                self._queue.look()

    async def _serve_for_ever(self) -> None:
        """Serve whenever there may be something to do, whatever goes wrong with it."""
        pauses = backoff(_FIRST_PAUSE_SECONDS)
        while True:
            await self._queue.changed()
            try:
                while (execution := await self._next()) is not None:
                    await self._serve(execution)
                    pauses = backoff(_FIRST_PAUSE_SECONDS)
            except Exception as err:  # noqa: BLE001
                self._tell_once("The agent of %s goes on after an error", err)
                self._queue.look()
                await asyncio.sleep(next(pauses))

    async def _next(self) -> JobExecution | None:
        """Return the next job, and settle what is left of another one before."""
        job = self._job
        try:
            execution = await self._queue.next(None if job is None else job.record)
        except RequestRejectedError as err:
            _LOGGER.error(
                "AWS IoT Jobs hands out no job to %s: %s", self._thing_name, err
            )
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
            self._queue.look()
            return None
        if job is not None and (execution is None or not job.record.is_of(execution)):
            await self._settle(job, execution)
            if execution is None or execution.status is JobStatus.QUEUED:
                # What is only looked at may have to wait for jobs to be taken, and what
                # somebody here wants has not been looked at.
                self._queue.look()
                return None
        return execution

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
            outcome = not_run(JobStatus.REMOVED, Reason.REMOVED_BY_AWS.text())
        elif job.record.queued and job.record.outcome is None:
            outcome = await self._run_of(job).end_in_queue()
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
            job = self._hold(self._new_record(execution))
        self._job = job
        self._run = self._run_of(job)
        is_local = job.record.document is not None
        job.change(
            version_number=execution.version_number,
            queued=execution.status is JobStatus.QUEUED and not is_local,
        )
        if self._queue.doubtful:
            self._probe(self._queue.announced)
        try:
            outcome = await self._run.run(execution)
            await self._end(job, outcome, self._run.steps)
        except RequestRejectedError as err:
            _LOGGER.error(
                "Job %s: AWS IoT did not accept its result: %s",
                execution.key.job_id,
                err,
            )
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
        finally:
            self._run = None

    def _new_record(self, execution: JobExecution) -> JobRecord:
        is_local = execution.key in self._wanted_here
        opening = NOTHING if is_local else self._queue.opening
        return JobRecord(
            key=execution.key,
            boot_id=boot_id(),
            started_at=datetime.now(UTC),
            timer=JobTimer.of(seconds_of_job(execution, opening)),
            document=execution.document if is_local else None,
            digest=digest_of(execution.document),
        )

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
            home=self._settings.home,
            opening=NOTHING if job.record.document is not None else self._queue.opening,
            tidied=self._tidying.wait,
            may_begin=self._gate.opened,
            may_start=self._gate.for_step,
            logs=self.logs,
            run_before=lambda: self._journal.signed,
        )

    async def _end(
        self,
        job: Job,
        outcome: JobOutcome,
        steps: asyncio.Task[JobOutcome] | None = None,
    ) -> None:
        """Forget a job whose outcome AWS knows, and what is left of it in the background."""
        if job.record.has_run or (steps is not None and not steps.done()):
            self._tidying.begin(str(job.record.key), steps)
            await self._tidying.wait(_TIDYING_SECONDS)
        job.change(progress=stopped(job.record.progress))
        job.close()
        ended = replace(
            job.record.state,
            approval=None,
            status=outcome.status,
            reason=outcome.reason,
            status_details=outcome.status_details,
            ended_at=datetime.now(UTC),
        )
        self._job = None
        # What is on record as ended is told as that, whoever stops the agent meanwhile.
        await to_the_end(self._put_away(ended, steps))

    async def _put_away(
        self, ended: JobState, steps: asyncio.Task[JobOutcome] | None
    ) -> None:
        """Have a job on record as the last one, and show it as that."""
        try:
            await self._journal.end(ended, self._tidying.names)
        except OSError as err:
            self._take_storage(err)
        _LOGGER.info(
            "Job %s has ended as %s: %s",
            ended.key.job_id,
            ended.status,
            ended.reason,
        )
        self.logs.close(ended.key, steps)
        self.history.add(ended)
        self._change(job=None, last_job=ended, **self._journal.counts)
        self._peek.again()
        if (wanted := self._wanted_here.pop(ended.key, None)) is not None:
            wanted.set_result(ended)

    def _ready(self) -> None:
        if not self._state.connected:
            _LOGGER.info("%s is connected to AWS IoT", self._thing_name)
        self._problem_told = False
        self._take_connection(connected=True, error=None)
        self._peek.try_again()
        self._look_again()

    def _problem(self, error: AwsIotError) -> None:
        level = logging.DEBUG if self._problem_told else logging.WARNING
        self._problem_told = True
        _LOGGER.log(level, "%s: %s", self._thing_name, error)
        self._take_connection(connected=self._service.ready, error=error)

    def _take_connection(self, *, connected: bool, **changes: object) -> None:
        """Show whether AWS is connected, and since when it is not."""
        since = self._state.disconnected_since or datetime.now(UTC)
        self._change(
            connected=connected,
            disconnected_since=None if connected else since,
            **changes,
        )

    def _wait_for_try(self, seconds: float | None) -> None:
        """Show when the next try to connect comes, or that it has begun."""
        at = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        self._change(next_try_at=at)

    def _take_storage(self, error: OSError | None) -> None:
        """Take what keeps the thing's files from being written, or that nothing does."""
        problem = None
        if error is not None:
            problem = f"{self._settings.directory}: {error.strerror or error}"
            if self._state.storage_problem is None:
                _LOGGER.warning("The jobs of %s wait: %s", self._thing_name, problem)
        self._change(storage_problem=problem)

    def _under_way(self, job_id: str | None) -> Job:
        """Return a job, or any, that has not ended. Raises NoSuchJobError."""
        job = self._job
        if job is None or job_id not in (None, job.record.key.job_id):
            raise NoSuchJobError(job_id)
        if job.record.outcome is not None or job.stop.is_set():
            raise NoSuchJobError(job_id)
        return job

    def _waiting(self, job_id: str | None) -> Job:
        """Return a job, or any, that waits for approval. Raises NoSuchJobError."""
        job = self._under_way(job_id)
        if not job.record.waits_for_approval:
            raise NoSuchJobError(job_id)
        return job

    def _take_holds(self) -> None:
        holds = self._gate.holds
        waiting = self._state.waiting if holds else None
        self._change(holds=holds, next_window=self._gate.next_window, waiting=waiting)
        self._peek.again()

    def _take_waiting(self, waiting: JobState | None) -> None:
        """Show what waits until jobs are taken; what is under way is no such job."""
        if waiting is not None and self._job is not None:
            waiting = None
        self._change(waiting=waiting)

    def _notified(self, execution: JobExecution | None) -> None:
        """Take what AWS has next for us, which is nothing where it is None."""
        self._peek.again()
        if execution is None:
            self._probe(None)
        elif self._job is None or not self._job.record.is_of(execution):
            self._look_again(execution)

    def _look_again(self, announced: JobExecution | None = None) -> None:
        """Find out what AWS has for us: the next job, and whether this one is still ours."""
        self._queue.look()
        self._probe(announced)

    def _probe(self, announced: JobExecution | None) -> None:
        """Find out whether the job that runs is still ours, now that another one is next.

        What is announced as queued may be the one that runs, told late; it may also have
        been deleted and made anew within a second.
        """
        self._queue.announced = announced
        self._queue.doubtful = True
        if self._run is not None and self._job is not None:
            late = announced is not None and announced.key == self._job.record.key
            if late:
                self._queue.announced = None
            self._run.updates.probe(at_once=not late)

    def _change(self, **changes: object) -> None:
        self._show(replace(self._state, **changes))  # type: ignore[arg-type]

    def _show(self, state: AgentState, *, is_news: bool = True) -> None:
        """Have a state, and tell of it soon: who listens must not keep a job waiting.

        What led to one that is no news is not told.
        """
        if state == self._state:
            return
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._tell)
        self._untold.append((self._state if is_news else state, state))
        self._state = state

    def _tell(self) -> None:
        """Tell of states, and after each of what has happened to lead to it."""
        while self._untold:
            before, after = self._untold.popleft()
            self._listeners.tell(after)
            for event in events_between(before, after):
                self._event_listeners.tell(event)

    def _listener_failed(self, error: Exception) -> None:
        self._tell_once("A listener to the agent of %s has failed", error)

    def _tell_once(self, message: str, error: Exception) -> None:
        """Log an error that should not be: once for each kind, then for debugging."""
        kind = f"{message} {error!r}"
        level = logging.DEBUG if kind in self._errors_told else logging.ERROR
        self._errors_told.add(kind)
        _LOGGER.log(level, message, self._thing_name, exc_info=error)


async def _unless_stopped(deciding: Awaitable[None], job_id: str | None) -> None:
    """Decide on a job. Raises NoSuchJobError where it ends meanwhile."""
    try:
        await deciding
    except JobStoppedError:
        raise NoSuchJobError(job_id) from None
