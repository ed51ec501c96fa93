"""What is in a handler directory, and whether it may run. Blocks: not for an event loop."""

from dataclasses import dataclass
import os
from pathlib import Path
import stat

from .handlers import DEFAULT_PATH, find_handler
from .model import HandlerCall, RunRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A file in the handler directory; `problem` says why it may not run."""

    name: str
    problem: str | None = None


def list_handlers(directory: Path) -> list[Handler]:
    """Return the handlers of a directory by name; none when there is no directory."""
    return [
        Handler(name=name, problem=_problem(directory, name))
        for name in sorted(_names(directory))
    ]


def fix_permissions(directory: Path) -> list[str]:
    """Make a handler directory and all in it 700 and our own; return what was changed.

    Links are left alone. Raises OSError where we are not allowed to.
    """
    entries = [directory]
    for folder, folders, files in os.walk(directory):
        entries += [Path(folder, name) for name in (*folders, *files)]
    return [str(entry) for entry in entries if _fix(entry)]


def _fix(entry: Path) -> bool:
    found = entry.lstat()
    if stat.S_ISLNK(found.st_mode):
        return False
    wrong_owner = found.st_uid != os.geteuid()
    wrong_mode = stat.S_IMODE(found.st_mode) & 0o777 != 0o700
    if wrong_owner:
        os.chown(entry, os.geteuid(), os.getegid(), follow_symlinks=False)
    if wrong_mode:
        entry.chmod(0o700)
    return wrong_owner or wrong_mode


def _names(directory: Path) -> list[str]:
    return [
        str(Path(folder, name).relative_to(directory))
        for folder, _, files in os.walk(directory)
        for name in files
    ]


def _problem(directory: Path, name: str) -> str | None:
    try:
        find_handler(HandlerCall(handler=name, path=DEFAULT_PATH), directory, "")
    except RunRefusedError as err:
        return str(err)
    return None
