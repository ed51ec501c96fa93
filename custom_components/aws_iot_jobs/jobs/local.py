"""Jobs that AWS knows nothing of: a document that somebody here has run."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
import uuid

from ..aws_iot.model import ExecutionKey, JobExecution, JobStatus
from .record import JobRecord

_PREFIX = "local-"


def local_execution(document: Any) -> JobExecution:
    """Return a new job of a document."""
    now = datetime.now(UTC)
    return _execution(
        ExecutionKey(
            f"{_PREFIX}{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}",
            1,
            int(now.timestamp()),
        ),
        document,
    )


def known_execution(record: JobRecord) -> JobExecution:
    """Return the job of a record that has its document, to go on with."""
    return _execution(record.key, record.document)


def _execution(key: ExecutionKey, document: Any) -> JobExecution:
    return JobExecution(
        key=key, status=JobStatus.IN_PROGRESS, version_number=1, document=document
    )


class NoUpdates:
    """The updates of a job that AWS is told nothing of."""

    def has_begun(self) -> None:
        """Do nothing."""

    async def begin(self, *, withdraw_timer: bool = False) -> None:
        """Do nothing."""

    def probe(self, *, at_once: bool = True) -> None:
        """Do nothing: nobody else can end it."""

    async def check_queued(self) -> None:
        """Do nothing: it is in no queue of AWS's."""

    async def run(self) -> JobStatus:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets this event")

    async def finish(self, status: JobStatus, details: Mapping[str, str]) -> None:
        """Do nothing."""
