"""Tell AWS of one job execution, and learn from its answers what became of it.

One update is under way at a time, the latest wins. `expectedVersion` keeps an old update
from overwriting a newer one; when it does not match, the state that AWS answers with says
whether an earlier update of ours got through, or the execution has ended otherwise.
"""

import asyncio
from collections.abc import Callable, Mapping
import contextlib
from dataclasses import replace
import logging
from typing import Protocol

from ..aws_iot.backoff import backoff
from ..aws_iot.errors import (
    AwsIotError,
    ConnectError,
    NotAuthorizedError,
    RequestRejectedError,
    RequestTimeoutError,
)
from ..aws_iot.messages import RejectedCode
from ..aws_iot.model import JobStatus
from ..aws_iot.service import JobsService
from .job import Job
from .report import Report, stricter_details
from .timers import NO_TIMER

_LOGGER = logging.getLogger(__name__)

MIN_INTERVAL_SECONDS = 2.0
_MAX_REJECTIONS = 10
_NO_VERSION = 1_000_000
"""So far ahead of an execution's version that it will never be one."""


class ExecutionEndedError(Exception):
    """The execution has ended without us: canceled, timed out, or removed."""

    def __init__(self, status: JobStatus) -> None:
        """Keep the status that AWS has."""
        self.status = status
        super().__init__(f"the job execution has ended as {status}")


class Updates(Protocol):
    """What is told of one job execution, and where it may be ended."""

    def has_begun(self) -> None:
        """Take it that it is known where the job is."""

    async def begin(self, *, withdraw_timer: bool = False) -> None:
        """Say that the job is in progress; return when that is accepted."""

    def probe(self, *, at_once: bool = True) -> None:
        """Have `run` find out whether the execution is still ours."""

    async def check_queued(self) -> None:
        """See whether a job that waits in the queue is there yet."""

    async def run(self) -> JobStatus:
        """Tell what is due; return the status in which others have ended the execution."""

    async def finish(self, status: JobStatus, details: Mapping[str, str]) -> None:
        """Say how the job ended; return when that is accepted."""


class ExecutionUpdates:
    """The updates of one job execution, to AWS."""

    def __init__(
        self, service: JobsService, job: Job, report: Callable[[], Report]
    ) -> None:
        """Begin with the version in the job's record; `report` says where the job is."""
        self._service = service
        self._job = job
        self._report = report
        self._told = Report()
        self._doubtful = False
        self._probed = asyncio.Event()
        self._due = asyncio.Event()
        self._next_at = 0.0
        self._pauses = backoff(MIN_INTERVAL_SECONDS)
        self._sending = asyncio.Lock()
        job.subscribe(lambda _: self._due.set())

    def has_begun(self) -> None:
        """Take it that AWS knows where the job is."""
        self._has_told(self._report())

    async def begin(self, *, withdraw_timer: bool = False) -> None:
        """Say that the job is in progress; return when AWS has accepted it.

        With `withdraw_timer`, a step timer that runs ends where no other one is to run.
        One that is in the queue yet is not begun by this. Raises ExecutionEndedError, and the
        job is to stop by then. Raises RequestRejectedError where AWS does not accept it for
        another reason.
        """
        if self._job.record.queued:
            return
        try:
            await self._send_report(withdraw_timer=withdraw_timer)
        except ExecutionEndedError:
            self._job.stop.set()
            raise

    def probe(self, *, at_once: bool = True) -> None:
        """Have `run` find out whether the execution is still ours, or when it is time."""
        self._doubtful = True
        if at_once:
            self._probed.set()
        self._due.set()

    async def run(self) -> JobStatus:
        """Send what is due, not too often; return the status in which AWS ended it.

        The job is to stop by then.
        """
        while True:
            await self._due.wait()
            await self._turn()
            self._due.clear()
            if not self._doubtful and (
                self._job.record.queued or self._report() == self._told
            ):
                continue
            try:
                if self._job.record.queued:
                    await self.check_queued()
                else:
                    await self._send_report()
            except ExecutionEndedError as err:
                self._job.stop.set()
                return err.status
            except RequestRejectedError as err:
                # The job's end is told all the same, and then AWS's answer counts.
                job_id = self._job.record.key.job_id
                _LOGGER.debug("Job %s: progress not accepted: %s", job_id, err)

    async def check_queued(self) -> None:
        """See whether a job that waits in the queue is there yet.

        Raises ExecutionEndedError where it is not. What cannot be found out now, `run` finds
        out later, or the answer to its beginning tells.
        """
        self._doubtful = False
        self._probed.clear()
        record = self._job.record
        try:
            first = await self._service.peek()
        except AwsIotError as err:
            _LOGGER.debug("Job %s: not looked at: %s", record.key.job_id, err)
            if not isinstance(err, NotAuthorizedError):
                self._check_later()
            return
        self._pauses = backoff(MIN_INTERVAL_SECONDS)
        if first is not None and record.is_of(first):
            return
        if (status := await self._status_in_queue()) is not None:
            self._job.stop.set()
            raise ExecutionEndedError(status)

    async def _status_in_queue(self) -> JobStatus | None:
        """Return how AWS has ended a job that was in the queue, None where it has not.

        AWS tells that with its refusal of an update for a version that there is not.
        """
        record = self._job.record
        try:
            await self._service.update_once(
                record.key,
                JobStatus.IN_PROGRESS,
                expected_version=record.version_number + _NO_VERSION,
            )
        except RequestRejectedError as err:
            if err.code == RejectedCode.RESOURCE_NOT_FOUND:
                return JobStatus.REMOVED
            if err.state is None:
                self._check_later()
            elif err.state.status.terminal:
                return err.state.status
        except (ConnectError, RequestTimeoutError) as err:
            _LOGGER.debug("Job %s: not known to be queued: %s", record.key.job_id, err)
            self._check_later()
        return None

    def _check_later(self) -> None:
        """Have `run` look once more, after a pause that grows while nothing is found out."""
        self._next_at = asyncio.get_running_loop().time() + next(self._pauses)
        self.probe(at_once=False)

    async def _turn(self) -> None:
        """Wait until progress may be told again; whoever has to find out may at once.

        Of many quick steps, only the last is looked at.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._next_at):
                await self._probed.wait()

    async def finish(self, status: JobStatus, details: Mapping[str, str]) -> None:
        """Say how the job ended; return when AWS has accepted it.

        Raises ExecutionEndedError, and RequestRejectedError as `begin` does.
        """
        await self._send(status, Report(details=details))

    async def _send_report(self, *, withdraw_timer: bool = False) -> None:
        self._doubtful = False
        self._probed.clear()
        report = self._report()
        self._has_told(report)
        if withdraw_timer and report.step_timer_minutes is None:
            report = replace(report, step_timer_minutes=NO_TIMER)
        try:
            await self._send(JobStatus.IN_PROGRESS, report)
        finally:
            self._has_told(self._told)

    def _has_told(self, report: Report) -> None:
        self._told = report
        now = asyncio.get_running_loop().time()
        self._next_at = now + MIN_INTERVAL_SECONDS

    async def _send(self, status: JobStatus, report: Report) -> None:
        """Send an update until AWS has it, with simpler details while it refuses them."""
        async with self._sending:
            await self._send_one(status, report)

    async def _send_one(self, status: JobStatus, report: Report) -> None:
        details = report.details
        simpler = iter(()) if details is None else stricter_details(details)
        for _ in range(_MAX_REJECTIONS):
            try:
                state = await self._service.update(
                    self._job.record.key,
                    status,
                    expected_version=self._job.record.version_number,
                    status_details=details,
                    step_timeout_minutes=report.step_timer_minutes,
                )
            except RequestRejectedError as err:
                rejected = err
            else:
                self._job.change(version_number=state.version_number)
                return
            if rejected.code == RejectedCode.INVALID_REQUEST:
                # Most likely AWS does not like the status details.
                if (details := next(simpler, None)) is None:
                    break
            elif self._has_taken(status, rejected):
                return
        raise rejected

    def _has_taken(self, status: JobStatus, rejected: RequestRejectedError) -> bool:
        """Tell whether an earlier try got through, of which only the answer did not.

        Otherwise the version is known now. Raises ExecutionEndedError, and the rejection
        where it says nothing of the execution's state.
        """
        if rejected.code == RejectedCode.RESOURCE_NOT_FOUND:
            raise ExecutionEndedError(JobStatus.REMOVED) from rejected
        if (state := rejected.state) is None:
            raise rejected
        if self._job.record.is_another(state):
            raise ExecutionEndedError(JobStatus.REMOVED) from rejected
        if state.status.terminal and state.status is not status:
            raise ExecutionEndedError(state.status) from rejected
        self._job.change(version_number=state.version_number)
        return state.status.terminal
