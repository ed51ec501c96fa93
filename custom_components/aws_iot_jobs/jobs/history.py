"""The jobs that have ended, newest first: what a person asks for weeks later.

One file, to which each end of a job appends a line; when it has many lines that do not count
any more, it is replaced. The journal keeps the last job durably, so that a loss of power
costs the history no more than what came shortly before.
"""

import asyncio
from collections.abc import Callable, Iterable
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging
from pathlib import Path

from mashumaro.codecs import BasicDecoder

from ..aws_iot.model import ExecutionKey
from .checked_lines import decode_lines, encode_line
from .files import extend_file, replace_file
from .model import JobState
from .redact import without_signatures
from .tasks import to_the_end

_LOGGER = logging.getLogger(__name__)

FILE_NAME = "history.log"
DEFAULT_COUNT = 50
DEFAULT_DAYS = 90
PAUSE_SECONDS = 5.0
"""How long a job waits for others, to be written with them."""

_FORMAT = 1
_UNREADABLE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
_decoder = BasicDecoder(JobState)


class History:
    """The last jobs of one thing."""

    def __init__(
        self,
        directory: Path,
        *,
        count: int = DEFAULT_COUNT,
        days: float = DEFAULT_DAYS,
        on_removed: Callable[[ExecutionKey], None] = lambda _: None,
    ) -> None:
        """Keep so many jobs, for so many days, in the thing's directory.

        `on_removed` is told the key of a job that is not kept any longer.
        """
        self._count = count
        self._age = timedelta(days=days)
        self._on_removed = on_removed
        self._file = _HistoryFile(directory / FILE_NAME, most_lines=2 * count + 2)
        # The newest last.
        self._jobs: dict[ExecutionKey, JobState] = {}
        self._unwritten: list[JobState] = []
        self._writing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._problem_told = False

    async def load(self, last_job: JobState | None = None) -> None:
        """Know the jobs of earlier lives.

        `last_job` is the last one as the journal has it, which may have been lost here. A
        file that cannot be read is set aside, or left where the disk does not give it.
        """
        jobs, problem = await asyncio.to_thread(self._file.load)
        self._take_problem(problem)
        for job in jobs:
            self._put(job)
        self._remove_old()
        if last_job is not None and last_job.key not in self._jobs:
            self.add(last_job)

    def jobs(self, limit: int | None = None) -> tuple[JobState, ...]:
        """Return the jobs, newest first, so many at most."""
        kept = [job for job in reversed(self._jobs.values()) if not self._is_old(job)]
        return tuple(kept[:limit])

    def add(self, job: JobState) -> None:
        """Take a job that has ended; it is written in the background."""
        shown = _without_secrets(job)
        self._put(shown)
        self._remove_old()
        self._unwritten.append(shown)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Wait until all is written."""
        self._stopping.set()
        if self._writing is not None:
            await to_the_end(self._writing)

    def _put(self, job: JobState) -> None:
        """Have a job as the newest; one whose end is told again is there once."""
        self._jobs.pop(job.key, None)
        self._jobs[job.key] = job

    def _remove_old(self) -> None:
        surplus = len(self._jobs) - self._count
        for place, job in enumerate(tuple(self._jobs.values())):
            if place < surplus or self._is_old(job):
                del self._jobs[job.key]
                self._on_removed(job.key)

    def _is_old(self, job: JobState) -> bool:
        ended_at = job.ended_at
        return ended_at is not None and datetime.now(UTC) - ended_at > self._age

    async def _write(self) -> None:
        try:
            while self._unwritten:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_SECONDS):
                        await self._stopping.wait()
                fresh, self._unwritten = self._unwritten, []
                everything = tuple(self._jobs.values())
                self._take_problem(
                    await asyncio.to_thread(self._file.write, fresh, everything)
                )
        except Exception:
            _LOGGER.exception("The history cannot be written")
        finally:
            self._writing = None

    def _take_problem(self, problem: OSError | None) -> None:
        """Log what is wrong with the file: once, until it is right again."""
        if problem is not None and not self._problem_told:
            _LOGGER.warning(
                "The history of jobs cannot be kept in %s: %s. The jobs go on",
                self._file.path,
                problem.strerror or problem,
            )
        self._problem_told = problem is not None


class _HistoryFile:
    """The file. Everything here blocks, and is done by one thread at a time."""

    def __init__(self, path: Path, *, most_lines: int) -> None:
        self.path = path
        self._most_lines = most_lines
        # How many jobs the file has, while another one may be appended to it.
        self._lines: int | None = None

    def load(self) -> tuple[list[JobState], OSError | None]:
        """Return the jobs, the newest last, and what kept them from being read."""
        try:
            jobs, cut = _decode(self.path.read_bytes())
        except FileNotFoundError:
            return [], None
        except OSError as err:
            return [], err
        except _UNREADABLE as err:
            return [], self._set_aside(err)
        self._lines = None if cut else len(jobs)
        return jobs, None

    def write(
        self, fresh: Iterable[JobState], everything: Iterable[JobState]
    ) -> OSError | None:
        """Append jobs, or replace the file by all that there is; return what failed."""
        lines = [encode_line({"job": job}) for job in fresh]
        known, self._lines = self._lines, None
        try:
            if known is None or known + len(lines) > self._most_lines:
                lines = [encode_line({"job": job}) for job in everything]
                known = 0
                self.path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
                header = encode_line({"format": _FORMAT})
                replace_file(self.path, header + b"".join(lines))
            else:
                extend_file(self.path, b"".join(lines))
        except OSError as err:
            return err
        self._lines = known + len(lines)
        return None

    def _set_aside(self, error: Exception) -> OSError | None:
        aside = self.path.with_name(f"{self.path.name}.corrupt")
        _LOGGER.error("%s cannot be read and is now %s: %r", self.path, aside, error)
        try:
            self.path.replace(aside)
        except OSError as err:
            return err
        return None


def _decode(data: bytes) -> tuple[list[JobState], bool]:
    """Return the jobs of a file, and whether its last line was cut off."""
    (header, *lines), cut = decode_lines(data)
    if header.get("format") != _FORMAT:
        raise ValueError(f"format {header.get('format')!r} is not known")
    return [_decoder.decode(line["job"]) for line in lines], cut


def _without_secrets(job: JobState) -> JobState:
    """Return a job as people may see it."""
    return replace(
        job,
        reason=without_signatures(job.reason),
        status_details=without_signatures(job.status_details),
        steps=tuple(
            replace(step, reason=without_signatures(step.reason)) for step in job.steps
        ),
    )
