"""The job that is under way: what is known of it, in one place, and whether it is to stop.

Whoever works on a job changes its record here, and nowhere else; whoever has to stop it sets
`stop`, at whatever moment: all that waits for something of the job looks at it, down to the
runner that has its process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
import logging
from typing import Any

from ..aws_iot.backoff import backoff
from .journal import Journal
from .reasons import Reason
from .record import JobRecord

_LOGGER = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1


class JobStoppedError(Exception):
    """The job was to stop while something was waited for."""


class Job:
    """The job under way. Whoever sets `stop` may say why in `stop_reason` before."""

    def __init__(
        self,
        record: JobRecord,
        journal: Journal,
        *,
        on_storage: Callable[[OSError | None], None],
    ) -> None:
        """Begin with a record.

        `on_storage` is told of what keeps the journal from being written, and None when it
        can be again.
        """
        self._record = record
        self._journal = journal
        self._on_storage = on_storage
        self._listeners: list[Callable[[JobRecord], None]] = []
        self._closed = False
        self.stop = asyncio.Event()
        self.stop_reason = Reason.STOPPED.text()

    @property
    def record(self) -> JobRecord:
        """What is known of the job."""
        return self._record

    def change(self, **changes: Any) -> None:
        """Change the record, and tell of it; one that is closed stays as it is."""
        if not self._closed:
            self._record = replace(self._record, **changes)
            for listener in self._listeners:
                listener(self._record)

    def subscribe(self, listener: Callable[[JobRecord], None]) -> None:
        """Have each change of the record told."""
        self._listeners.append(listener)

    async def until(self, condition: Callable[[JobRecord], bool]) -> None:
        """Wait until something holds of the record."""
        changed = asyncio.Event()
        self._listeners.append(noted := lambda _: changed.set())
        try:
            while not condition(self._record):
                changed.clear()
                await changed.wait()
        finally:
            self._listeners.remove(noted)

    def close(self) -> None:
        """Leave the record as it is from now on, whatever still ends of the job."""
        self._closed = True

    async def keep(self, **changes: Any) -> None:
        """Have the journal know the record with changes before they are made.

        Waits while it cannot be written: a full disk costs time, but no job. Raises
        JobStoppedError when the job is to stop meanwhile.
        """
        for delay in backoff(_FIRST_PAUSE_SECONDS):
            if self.stop.is_set():
                raise JobStoppedError
            try:
                await self._journal.save(replace(self._record, **changes))
            except OSError as err:
                self._on_storage(err)
            else:
                self._on_storage(None)
                if self.stop.is_set():
                    raise JobStoppedError
                return
            await self.unless_stopped(asyncio.sleep(delay))

    async def note(self) -> None:
        """Have the journal know the record, if it can be written."""
        if self._closed:
            return
        try:
            await self._journal.save(self._record)
        except OSError as err:
            _LOGGER.debug("Job %s: %s", self._record.key.job_id, err)
            self._on_storage(err)

    async def unless_stopped[T](self, work: Awaitable[T]) -> T:
        """Wait for something; when the job is to stop first, cancel it.

        Raises JobStoppedError then, and what the work raises.
        """
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise JobStoppedError
        finally:
            stopping.cancel()
            if working.cancel():
                await asyncio.wait((working,))
