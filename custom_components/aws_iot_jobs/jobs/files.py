"""Read files, and write them so that a crash leaves the old or the new, never a part of both.

What writes blocks, most of it until it is durable: not for an event loop.
"""

import os
from pathlib import Path

import aiofiles


async def read(path: Path) -> bytes:
    """Return a file's content. Raises OSError."""
    async with aiofiles.open(path, "rb") as file:
        return await file.read()


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file's content: temporary file, fsync, rename.

    Nobody but this user can read it. Where it need not be `durable`, there is no fsync: a
    loss of power may cost the content. Raises OSError.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    try:
        _write_whole(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    if durable:
        _sync_directory(path.parent)


def append_to_file(path: Path, data: bytes) -> None:
    """Append to a file that is there, durably. Raises OSError.

    After an error, or a crash, a part of it may be there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        _write_whole(descriptor, data)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def extend_file(path: Path, data: bytes) -> None:
    """Append to a file that is there, which a loss of power may undo. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        _write_whole(descriptor, data)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it: a disk that fills up takes a part first, and then nothing."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_directory(directory: Path) -> None:
    """Make a rename or removal in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
