"""Read files, and write them so that a crash leaves the old or the new one, never a part.

What was begun is brought to its end also when cancelled: a file that is being opened in
another thread would otherwise stay open.
"""

import asyncio
from collections.abc import Coroutine
import os
from pathlib import Path
from typing import Any

import aiofiles
import aiofiles.os


async def read(path: Path) -> bytes:
    """Return a file's content. Raises OSError."""
    return await _to_the_end(_read(path))


async def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content durably: temporary file, fsync, rename.

    Nobody but this user can read it. Raises OSError.
    """
    await _to_the_end(_write_atomically(path, data))


async def _to_the_end[T](work: Coroutine[Any, Any, T]) -> T:
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait((working,))
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise
    return working.result()


async def _read(path: Path) -> bytes:
    async with aiofiles.open(path, "rb") as file:
        return await file.read()


async def _write_atomically(path: Path, data: bytes) -> None:
    temporary = temporary_for(path)
    async with aiofiles.open(temporary, "wb", opener=_open_private) as file:
        await file.write(data)
        await file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    await aiofiles.os.replace(temporary, path)
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
