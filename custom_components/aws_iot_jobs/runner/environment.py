"""What a step finds in its environment, whatever the agent's own holds."""

import os
from pathlib import Path

from .users import User

_DEFAULT_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_environment(user: User) -> dict[str, str]:
    """Return the variables of every step that runs as `user`."""
    return {
        "PATH": search_path(),
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }


def search_path() -> str:
    """Return the agent's PATH without relative entries: those depend on the moment."""
    entries = os.environ.get("PATH", "").split(":")
    return ":".join(filter(os.path.isabs, entries)) or _DEFAULT_SEARCH_PATH


def working_directory(user: User) -> Path:
    """Return where a process of `user` starts: at home, or at the root without one."""
    directory = Path(user.home)
    if directory.is_dir() and os.access(directory, os.X_OK):
        return directory
    return Path("/")
