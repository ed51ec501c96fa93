"""What the system is that steps run on. Blocks: not for an event loop."""

import contextlib
from functools import cache
from pathlib import Path
import platform


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
