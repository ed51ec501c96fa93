"""Write a file so that it is either the old or the new one, whenever the power fails."""

import contextlib
import os
from pathlib import Path


def replace_file(file: Path, text: str) -> None:
    """Replace a file's content; nobody else may read it.

    Blocks: not for an event loop. Raises OSError, and then leaves what was there.
    """
    temporary = file.with_suffix(".tmp")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600, exist_ok=False)
        with temporary.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    # Not every file system can; the file is there in any case.
    with contextlib.suppress(OSError):
        _sync(file.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
