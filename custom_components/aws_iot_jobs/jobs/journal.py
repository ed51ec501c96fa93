"""What must survive a restart: the job that runs, what is done of it, and its outcome.

One file to which each deed appends a line, durably, in one go. The first line is all that
was known when the file was made, each later one what has changed since. When it has grown,
it is replaced by one with a single line. A last line that a crash has cut off was not
written: what was to follow it has not happened.

What is saved before what, and why a crash between any two is right:

1. AWS hands the job out. Crash: it does so again, and nothing has run.
2. Its first step is saved as running, while AWS is told of it. Nothing is started before
   both have come through. Crash: saved or not, the job is handed out again; nothing of it
   has run, which the runner can tell.
3. The step is started. Crash: the step is on record, and its next attempt has a number of
   its own.
4. The next step is saved as running, together with how the one before has ended. Crash
   before: the one before is repeated, as its next attempt. Crash after: as with the first.
5. The outcome is saved, while AWS is told of it. Crash with neither: the last step is
   repeated, as its next attempt. Only saved: it is sent when the job is handed out again.
   Only told: AWS hands the job out no more, and what is sent then for the record that is
   left is refused with the outcome that AWS has, which is taken.
6. The job is forgotten, but as the last one, when AWS has accepted its outcome, or has said
   that it has ended otherwise. Crash before: as above, and nothing changes at AWS.

While a job is under way, a reserve lies beside the file: where the disk is full, it makes
room for what is left of the job.
"""

import asyncio
from collections.abc import Callable
import contextlib
from dataclasses import fields, replace
from datetime import UTC, datetime
import errno
import logging
import os
from pathlib import Path
from typing import Any

import aiofiles.os
from mashumaro.codecs import BasicDecoder

from ..aws_iot.model import JobStatus
from ..runner.system import require_room
from . import journal_format_2
from .checked_lines import decode_lines, encode_line
from .files import append_to_file, read, replace_file
from .model import JobState
from .record import JobRecord, JournalContent
from .signed import SignedJob, remembered
from .tasks import to_the_end

_LOGGER = logging.getLogger(__name__)

FILE_NAME = "journal.log"
_FORMAT_2_NAME = "journal.json"
_RESERVE_NAME = "journal.reserve"
RESERVE_BYTES = 64 * 1024
MAX_BYTES = 256 * 1024
"""How large the file may grow before it is replaced by what of it still counts."""
MAX_SIGNED = 100
"""How many signed jobs are remembered at most, until they expire."""

_FORMAT = 3
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNREADABLE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    # mashumaro's errors are of this kind, too.
    ValueError,
)
_STEPS = "steps"
_WRITTEN = [field.name for field in fields(JournalContent) if field.name != "set_aside"]
_FAILED = (JobStatus.FAILED, JobStatus.REJECTED, JobStatus.TIMED_OUT)
_decoder = BasicDecoder(JournalContent)


class Journal:
    """The journal of one thing."""

    def __init__(self, directory: Path) -> None:
        """Keep it in the thing's directory."""
        self._path = directory / FILE_NAME
        self._old_path = directory / _FORMAT_2_NAME
        self._reserve = directory / _RESERVE_NAME
        # What is to be on record beside the job that is under way, and what is.
        self._kept = self._written = JournalContent()
        # The size of the file, while another line may be appended to it.
        self._size: int | None = None
        self._reserved = False
        # What is written later must not be overtaken by what a slow card still writes.
        self._writing = asyncio.Lock()

    async def load(self) -> JournalContent:
        """Return what is known from before.

        An unreadable journal is set aside: its job then starts over, as on a new device.
        Raises OSError.
        """
        await asyncio.to_thread(_make_directory, self._path.parent)
        content = await self._load(self._path, self._take)
        if content is None:
            content = await self._load(self._old_path, journal_format_2.decode)
        content = content or JournalContent()
        self._kept = self._written = content
        self._reserved = content.record is not None
        if content.record is None:
            # Its job has ended, but not the life in which it did.
            with contextlib.suppress(FileNotFoundError):
                await aiofiles.os.unlink(self._reserve)
        return content

    async def _load(
        self, path: Path, decode: Callable[[bytes], JournalContent]
    ) -> JournalContent | None:
        try:
            return decode(await read(path))
        except FileNotFoundError:
            return None
        except _UNREADABLE as err:
            aside = path.with_name(f"{path.name}.corrupt")
            _LOGGER.error("%s cannot be read and is now %s: %r", path, aside, err)
            await aiofiles.os.replace(path, aside)
            return JournalContent(set_aside=aside)

    def _take(self, data: bytes) -> JournalContent:
        content, cut = decode(data)
        # Nothing is appended behind a part of a line.
        self._size = None if cut else len(data)
        return content

    async def check_room(self) -> None:
        """Raise OSError where another job would soon find that nothing can be written."""
        await asyncio.to_thread(self._check_room)

    async def save(self, record: JobRecord) -> None:
        """Remember how far a job is, durably. Raises OSError."""
        async with self._writing:
            await self._write(record)

    async def end(self, job: JobState, tidying: tuple[str, ...] = ()) -> None:
        """Forget the job that was under way, but as the last one, and count it.

        One that was signed is remembered as that. `tidying` names what the runner has yet to forget. Raises OSError.
        """
        kept = self._kept
        self._kept = replace(
            kept,
            last_job=job,
            signed=self._signed_with(job),
            tidying=tidying,
            jobs_succeeded=kept.jobs_succeeded + (job.status is JobStatus.SUCCEEDED),
            jobs_failed=kept.jobs_failed + (job.status in _FAILED),
        )
        async with self._writing:
            await self._write(None)

    @property
    def signed(self) -> tuple[SignedJob, ...]:
        """The signed jobs that have ended here, as far as they could be run again."""
        return self._kept.signed

    def _signed_with(self, job: JobState) -> tuple[SignedJob, ...]:
        record = self._written.record
        if record is None or record.signed_until is None or record.key != job.key:
            return self._kept.signed
        ended = SignedJob(
            job_id=job.key.job_id,
            execution_number=job.key.execution_number,
            expires_at=record.signed_until,
        )
        now = datetime.now(UTC)
        return remembered(self._kept.signed, ended, now=now, count=MAX_SIGNED)

    async def take_jobs(self, *, takes: bool) -> None:
        """Remember whether jobs are to be asked for. Raises OSError."""
        self._kept = replace(self._kept, takes_jobs=takes)
        async with self._writing:
            await self._write(self._written.record)

    def tidied(self, name: str) -> None:
        """Leave out of what is written next that the runner has yet to forget a job."""
        tidying = tuple(other for other in self._kept.tidying if other != name)
        self._kept = replace(self._kept, tidying=tidying)

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs have succeeded, and how many failed."""
        return {
            "jobs_succeeded": self._kept.jobs_succeeded,
            "jobs_failed": self._kept.jobs_failed,
        }

    async def _write(self, record: JobRecord | None) -> None:
        content = replace(self._kept, record=record)
        loop = asyncio.get_running_loop()
        await to_the_end(loop.run_in_executor(None, self._put, content))

    # What is below blocks, and is done in another thread, one at a time.

    def _put(self, content: JournalContent) -> None:
        changes = _changes(self._written, content)
        if (changes or self._size is None) and not self._append(changes):
            self._replace(content)
        self._written = content
        if content.record is None:
            self._reserve.unlink(missing_ok=True)
        elif not self._reserved:
            _make_reserve(self._reserve)
        self._reserved = content.record is not None

    def _append(self, changes: dict[str, Any]) -> bool:
        """Append what has changed, and return whether that went well."""
        if self._size is None:
            return False
        line = encode_line(changes)
        if self._size + len(line) > MAX_BYTES:
            return False
        size, self._size = self._size, None
        try:
            append_to_file(self._path, line)
        except OSError as err:
            _LOGGER.debug("%s cannot be appended to: %s", self._path, err)
            return False
        self._size = size + len(line)
        return True

    def _replace(self, content: JournalContent) -> None:
        _make_directory(self._path.parent)
        line = encode_line({"format": _FORMAT, **_whole(content)})
        try:
            replace_file(self._path, line)
        except OSError as err:
            if err.errno not in _DISK_FULL:
                raise
            self._reserve.unlink(missing_ok=True)
            replace_file(self._path, line)
        self._size = len(line)
        self._old_path.unlink(missing_ok=True)

    def _check_room(self) -> None:
        _make_directory(self._path.parent)
        # One reserve for the next job, and as much again for the journal itself.
        require_room(self._path.parent, 2 * RESERVE_BYTES)


def decode(data: bytes) -> tuple[JournalContent, bool]:
    """Return what a journal holds, and whether its last line was cut off.

    Raises one of _UNREADABLE.
    """
    (content, *changes), cut = decode_lines(data)
    if content["format"] != _FORMAT:
        raise ValueError(f"format {content['format']!r} is not known")
    for line in changes:
        _apply(line, content)
    return _decoder.decode(content), cut


def _make_directory(path: Path) -> None:
    path.mkdir(mode=0o711, parents=True, exist_ok=True)


def _make_reserve(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, mode=0o600)
    try:
        # Zeros are no reserve on a file system that compresses them.
        os.pwrite(descriptor, os.urandom(RESERVE_BYTES), 0)
    finally:
        os.close(descriptor)


def _whole(content: JournalContent) -> dict[str, Any]:
    """Return what of a journal's content is written, by its name."""
    return {name: getattr(content, name) for name in _WRITTEN}


def _changes(before: JournalContent, after: JournalContent) -> dict[str, Any]:
    """Return what of a journal's content has become another, by its name."""
    changes = {
        name: value
        for name, value in _whole(after).items()
        if value != getattr(before, name)
    }
    old, new = before.record, after.record
    if "record" in changes and old and new and _is_continued(old, new):
        changes["changes"] = _changes_of_record(old, changes.pop("record"))
    return changes


def _is_continued(old: JobRecord, new: JobRecord) -> bool:
    begun = (old.key, old.started_at) == (new.key, new.started_at)
    return begun and len(old.progress.steps) == len(new.progress.steps)


def _changes_of_record(old: JobRecord, new: JobRecord) -> dict[str, Any]:
    changes = {
        name: getattr(new, name)
        for name in (
            "version_number",
            "boot_id",
            "runner",
            "timer",
            "outcome",
            "approval",
            "digest",
            "queued",
            "signed_until",
        )
        if getattr(new, name) != getattr(old, name)
    }
    for name in ("stdout", "stderr"):
        if (value := getattr(new.progress, name)) != getattr(old.progress, name):
            changes[name] = value
    steps = zip(old.progress.steps, new.progress.steps, strict=True)
    changes[_STEPS] = {
        index: after
        for index, (before, after) in enumerate(steps)
        # Most are the same object, which is quick to tell.
        if before is not after and before != after
    }
    return changes


def _apply(line: dict[str, Any], content: dict[str, Any]) -> None:
    """Have the changes of a line in a journal's content."""
    if (changes := line.pop("changes", None)) is not None:
        record = content["record"]
        progress = record["progress"]
        for index, step in changes.pop(_STEPS).items():
            progress[_STEPS][int(index)] = step
        for name in changes.keys() & progress.keys():
            progress[name] = changes.pop(name)
        record.update(changes)
    content.update(line)
