"""The loop: next job, execute, report, until told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging

from ..aws_iot.errors import AwsIotError, RequestRejectedError
from ..aws_iot.model import JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import Runner
from .job_run import JobRun
from .journal import JobRecord, Journal
from .model import AgentState, JobOutcome, JobProgress, JobState, StepState
from .settings import AgentSettings

_LOGGER = logging.getLogger(__name__)

_REFUSED_PAUSE_SECONDS = 60.0

type Listener = Callable[[AgentState], None]


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
        self._job_run: JobRun | None = None
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
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
            self._wake.set()
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
        # The version is not known any more: AWS's answer tells it, or how the job ended.
        execution = JobExecution(
            key=record.key,
            status=JobStatus.IN_PROGRESS,
            version_number=1,
            document=None,
        )
        await self._end(await self._begin(execution, record).give_up())

    async def _serve(self, execution: JobExecution) -> None:
        """See one job through to its end, whatever that is."""
        _LOGGER.info("Job %s has been received", execution.key.job_id)
        record = self._record or JobRecord(
            key=execution.key,
            started_at=datetime.now(UTC),
            ends_at=_in_seconds(execution.seconds_before_timed_out),
            progress=JobProgress(steps=()),
        )
        self._job_run = self._begin(execution, record)
        try:
            outcome = await self._job_run.run()
        except RequestRejectedError as err:
            _LOGGER.error(
                "Job %s: AWS IoT did not accept its result: %s",
                execution.key.job_id,
                err,
            )
            self._record = self._job_run.record
            self._change(job=None)
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
        else:
            await self._end(outcome)
        finally:
            self._job_run = None

    def _begin(self, execution: JobExecution, record: JobRecord) -> JobRun:
        """Show a job as the one that runs."""
        job = JobState(
            key=record.key,
            status=JobStatus.IN_PROGRESS,
            steps=record.progress.steps,
            started_at=record.started_at,
        )
        self._change(job=job)
        return JobRun(
            execution,
            record,
            settings=self._settings,
            service=self._service,
            runner=self._runner,
            journal=self._journal,
            on_steps=self._take_steps,
        )

    def _take_steps(self, steps: tuple[StepState, ...]) -> None:
        assert self._state.job is not None
        self._change(job=replace(self._state.job, steps=steps))

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

    def _notified(self, execution: JobExecution | None) -> None:
        job = self._state.job
        if job is None or execution is None or execution.key != job.key:
            self._look_again()

    def _look_again(self) -> None:
        """Find out what AWS has for us: the next job, and whether this one is still ours."""
        self._wake.set()
        if self._job_run is not None:
            self._job_run.probe()

    def _change(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state == self._state:
            return
        self._state = state
        for listener in tuple(self._listeners):
            listener(state)


def _in_seconds(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
