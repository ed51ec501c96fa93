"""Write a file so that a crash leaves the old one or the new one, never a part."""

import asyncio
import contextlib
import os
from pathlib import Path

import aiofiles
import aiofiles.os


async def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content durably: temporary file, fsync, rename.

    Nobody but this user can read it. Raises OSError.
    """
    temporary = temporary_for(path)
    async with aiofiles.open(temporary, "wb", opener=_open_private) as file:
        await file.write(data)
        await file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    await aiofiles.os.replace(temporary, path)
    await asyncio.to_thread(_sync_directory, path.parent)


async def remove(path: Path) -> None:
    """Remove a file durably, and what a crash left beside it. Raises OSError."""
    for file in (temporary_for(path), path):
        with contextlib.suppress(FileNotFoundError):
            await aiofiles.os.unlink(file)
    await asyncio.to_thread(_sync_directory, path.parent)


def temporary_for(path: Path) -> Path:
    """Return where a file's next content is written first."""
    return path.with_name(f"{path.name}.tmp")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _sync_directory(directory: Path) -> None:
    """Make a rename or removal in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
