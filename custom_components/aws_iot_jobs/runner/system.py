"""What the system is that steps run on. Blocks: not for an event loop."""

import contextlib
import errno
from functools import cache
import os
from pathlib import Path
import platform

_SPARE_FILES = 16


def operating_systems() -> list[str]:
    """Return the names that the system goes by, such as linux, ubuntu and debian."""
    names = [platform.system()]
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
        names += [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    return list(dict.fromkeys(name.lower() for name in names if name))


@cache
def boot_id() -> str:
    """Return what names the time since the last boot; empty where the system does not."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def require_room(directory: Path, size: int) -> None:
    """Require room for so many bytes, in some files, where a directory is.

    Raises OSError where there is none, and where nothing can be written at all.
    """
    found = os.statvfs(directory)
    if found.f_flag & os.ST_RDONLY:
        problem = errno.EROFS
    # Some file systems do not tell how large they are, and some do not count their files.
    elif (found.f_blocks and found.f_bavail * found.f_frsize < size) or (
        found.f_files and found.f_favail < _SPARE_FILES
    ):
        problem = errno.ENOSPC
    else:
        return
    raise OSError(problem, os.strerror(problem), str(directory))
