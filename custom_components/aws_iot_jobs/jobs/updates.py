"""Tell AWS of one job execution, and learn from its answers what became of it.

One update is under way at a time, the latest wins. `expectedVersion` keeps an old update
from overwriting a newer one; when it does not match, the state that AWS answers with says
whether an earlier update of ours got through, or the execution has ended otherwise.
"""

import asyncio
from collections.abc import Mapping
import contextlib
from dataclasses import dataclass
import logging

from ..aws_iot.errors import AwsIotError, RequestRejectedError
from ..aws_iot.messages import RejectedCode
from ..aws_iot.model import ExecutionState, JobExecution, JobStatus
from ..aws_iot.service import JobsService
from .report import stricter_details

_LOGGER = logging.getLogger(__name__)

MIN_INTERVAL_SECONDS = 2.0
_MAX_VERSION_CHANGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What AWS is told of a running job.

    `step_timer_minutes` is the step timer to set, -1 for none from now on, None to leave
    it as it is.
    """

    details: Mapping[str, str]
    step_timer_minutes: int | None = None


class ExecutionEndedError(AwsIotError):
    """The execution has ended without us: canceled, timed out, or removed."""

    def __init__(self, status: JobStatus) -> None:
        """Keep the status that AWS has."""
        self.status = status
        super().__init__(f"the job execution has ended as {status}")


class ExecutionUpdates:
    """The updates of one job execution."""

    def __init__(self, service: JobsService, execution: JobExecution) -> None:
        """Begin with the version that the execution was handed out with."""
        self._service = service
        self._key = execution.key
        self._version = execution.version_number
        self._report: Report | None = None
        self._due = asyncio.Event()

    async def begin(self, report: Report) -> None:
        """Say that the job is in progress; return when AWS has accepted it.

        Raises ExecutionEndedError, and RequestRejectedError where AWS does not accept it
        for another reason.
        """
        self._report = report
        await self._send_progress()

    def progress(self, report: Report) -> None:
        """Have `run` tell where the job is."""
        if report != self._report:
            self._report = report
            self._due.set()

    def probe(self) -> None:
        """Have `run` find out whether the execution is still ours."""
        self._due.set()

    async def run(self) -> JobStatus:
        """Send what is due, not too often; return the status in which AWS ended it."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._send_progress()
            except ExecutionEndedError as err:
                return err.status
            except RequestRejectedError as err:
                # The job's end is told all the same, and then AWS's answer counts.
                _LOGGER.debug(
                    "Job %s: progress not accepted: %s", self._key.job_id, err
                )
            await asyncio.sleep(MIN_INTERVAL_SECONDS)

    async def finish(self, status: JobStatus, details: Mapping[str, str]) -> None:
        """Say how the job ended; return when AWS has accepted it.

        Raises as `begin` does.
        """
        await self._send(status, details)

    async def _send_progress(self) -> None:
        report = self._report
        if report is None:
            await self._send(JobStatus.IN_PROGRESS, None)
        else:
            await self._send(
                JobStatus.IN_PROGRESS, report.details, report.step_timer_minutes
            )

    async def _send(
        self,
        status: JobStatus,
        details: Mapping[str, str] | None,
        step_timer_minutes: int | None = None,
    ) -> None:
        """Send an update, with ever simpler details while AWS refuses them."""
        attempts = [details]
        if details is not None:
            attempts.extend(stricter_details(details))
        for attempt in attempts[:-1]:
            with contextlib.suppress(_DetailsRefusedError):
                await self._send_exactly(status, attempt, step_timer_minutes)
                return
        await self._send_exactly(status, attempts[-1], step_timer_minutes)

    async def _send_exactly(
        self,
        status: JobStatus,
        details: Mapping[str, str] | None,
        step_timer_minutes: int | None,
    ) -> None:
        for _ in range(_MAX_VERSION_CHANGES):
            try:
                state = await self._service.update(
                    self._key,
                    status,
                    expected_version=self._version,
                    status_details=details,
                    step_timeout_minutes=step_timer_minutes,
                )
            except RequestRejectedError as err:
                state = self._state_of(err)
                if state.status.terminal and state.status is not status:
                    raise ExecutionEndedError(state.status) from err
            else:
                self._version = state.version_number
                return
            if state.status is status and status.terminal:
                # An earlier try got through, only its answer did not.
                return
            self._version = state.version_number
        raise RequestRejectedError(
            RejectedCode.VERSION_MISMATCH, "the version changes all the time", None
        )

    def _state_of(self, err: RequestRejectedError) -> ExecutionState:
        """Return the real state of the execution behind a rejection.

        Raises what the rejection means when there is none.
        """
        match err.code:
            case RejectedCode.INVALID_REQUEST:
                raise _DetailsRefusedError(err) from err
            case RejectedCode.RESOURCE_NOT_FOUND:
                raise ExecutionEndedError(JobStatus.REMOVED) from err
        if err.state is None:
            raise err
        return err.state


class _DetailsRefusedError(RequestRejectedError):
    """AWS answered InvalidRequest: most likely it does not like the status details."""

    def __init__(self, err: RequestRejectedError) -> None:
        super().__init__(err.code, str(err), err.state)
