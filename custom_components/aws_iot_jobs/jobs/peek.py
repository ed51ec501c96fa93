"""What is next for a thing, seen without beginning it: its timer at AWS does not run then.

That takes three more lines in the policy. Where they are not there, that is said once, and
tried again with the next connection; jobs go on as without it.
"""

import asyncio
from collections.abc import Callable
import logging
from typing import NoReturn

from ..aws_iot.backoff import backoff
from ..aws_iot.errors import (
    AwsIotError,
    DisconnectedError,
    NotAuthorizedError,
    RequestTimeoutError,
)
from ..aws_iot.model import JobExecution, JobStatus
from ..aws_iot.service import JobsService
from ..runner.model import Runner
from .approval import ApprovalPolicy, needs_approval
from .conditions import unmet_condition
from .errors import InvalidJobDocumentError
from .gate import Gate
from .model import JobState, StepState
from .reading import read_job
from .settings import AgentSettings

_LOGGER = logging.getLogger(__name__)

_TRIES = 3
_FIRST_PAUSE_SECONDS = 1
_LOSSES = 3
"""How many connections in a row may end while it is looked until that is taken for the
reason: AWS may end a connection over what its policy does not allow."""


class NotSeenError(Exception):
    """What is next cannot be looked at: it is not wanted, or AWS does not allow it."""


class Peek:
    """Looks at the job that AWS has next.

    While the gate is closed it follows that job. `on_waiting` is told of it, and None where
    there is none.
    """

    def __init__(
        self,
        service: JobsService,
        settings: AgentSettings,
        runner: Runner,
        gate: Gate,
        *,
        on_waiting: Callable[[JobState | None], None],
    ) -> None:
        """Prepare to look, if that is wanted."""
        self._service = service
        self._settings = settings
        self._runner = runner
        self._gate = gate
        self._on_waiting = on_waiting
        self._due = asyncio.Event()
        self._refused = False
        self._refusal_told = False
        self._losses = 0

    def try_again(self) -> None:
        """Take it that the policy may allow it now: it may have been mended."""
        self._refused = self._losses >= _LOSSES
        self.again()

    def again(self) -> None:
        """Have a job that waits looked at: it may be another one by now."""
        self._due.set()

    async def run(self) -> None:
        """Follow what waits while the gate is closed, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            waiting: JobExecution | None = None
            if self._gate.holds:
                try:
                    waiting = await self.look()
                except NotSeenError:
                    waiting = None
            self._on_waiting(
                _waiting_job(waiting, self._settings)
                if waiting is not None and self._gate.holds
                else None
            )

    async def look(self) -> JobExecution | None:
        """Return what is next, as soon as AWS answers; None where nothing is.

        Raises NotSeenError.
        """
        if not self._settings.peek or self._refused:
            raise NotSeenError
        delays = backoff(_FIRST_PAUSE_SECONDS)
        for tries_left in reversed(range(_TRIES)):
            try:
                execution = await self._service.peek()
            except NotAuthorizedError as err:
                self._refuse(err)
            except DisconnectedError as err:
                self._losses += 1
                if self._losses >= _LOSSES:
                    self._refuse(err)
            except RequestTimeoutError as err:
                # What the policy does not let us receive looks like this, too.
                if not tries_left:
                    self._refuse(err)
            except AwsIotError as err:
                _LOGGER.debug("AWS IoT Jobs does not tell what is next: %s", err)
            else:
                self._losses = 0
                return execution
            if tries_left:
                await asyncio.sleep(next(delays))
        raise NotSeenError

    async def look_ahead(self) -> JobExecution | None:
        """Do what `look` does, where a job may have to be approved before it is begun.

        Raises NotSeenError.
        """
        if self._settings.approval is ApprovalPolicy.NEVER:
            raise NotSeenError
        return await self.look()

    async def has_to_wait(self, execution: JobExecution) -> bool:
        """Tell whether a job has to be approved before it is begun."""
        if execution.status is not JobStatus.QUEUED:
            return False
        try:
            document = read_job(execution, self._settings)
        except InvalidJobDocumentError:
            return False
        if unmet_condition(document.conditions, self._settings.facts):
            return False
        return await needs_approval(document, self._settings.approval, self._runner)

    def _refuse(self, error: AwsIotError) -> NoReturn:
        """Look no more with this connection, and say so once. Raises NotSeenError."""
        self._refused = True
        level = logging.DEBUG if self._refusal_told else logging.WARNING
        self._refusal_told = True
        _LOGGER.log(
            level,
            "%s cannot look at jobs before it begins them: %s. Jobs go on. Add the "
            "statements Peek of docs/aws.md to the policy, or switch looking ahead off",
            self._settings.connection.thing_name,
            error,
        )
        raise NotSeenError from error


def _waiting_job(execution: JobExecution, settings: AgentSettings) -> JobState:
    """Return what is shown of a job that waits; why it will not be run is its reason."""
    reason = ""
    names: tuple[str, ...] = ()
    try:
        document = read_job(execution, settings)
    except InvalidJobDocumentError as err:
        reason = str(err)
    else:
        names = tuple(step.name for step in document.all_steps)
    return JobState(
        key=execution.key,
        status=execution.status,
        steps=tuple(StepState(name=name) for name in names),
        reason=reason,
    )
