"""What is in a handler directory, and whether it may run. Blocks: not for an event loop."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import stat

from .handlers import find_handler
from .model import DEFAULT_PATH, HandlerCall, RunRefusedError
from .trust import require_trusted_way_to
from .users import user_name

_MODE = 0o700
# Opened in this way, anything can be looked at: no pipe waits, no mode is in the way. A
# system that does not know it opens files, and the links themselves.
_O_PATH = getattr(os, "O_PATH", 0)
_LOOK = os.O_NOFOLLOW | (
    _O_PATH or os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_SYMLINK", 0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A file in the handler directory; `problem` says why it may not run."""

    name: str
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFile:
    """What is left to a person to decide on; `reason` says why, with its path."""

    path: str
    owner: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionsFix:
    """The paths that were changed, and what was left as it is."""

    changed: tuple[str, ...] = ()
    left: tuple[LeftFile, ...] = ()


def list_handlers(directory: Path) -> list[Handler]:
    """Return the handlers of a directory by name; none when there is no directory."""
    return [
        Handler(name=name, problem=_problem(directory, name))
        for name in sorted(_names(directory))
    ]


def fix_permissions(directory: Path) -> PermissionsFix:
    """Give a handler directory and all in it that is our own mode 700.

    What belongs to others stays as it is: they may have written it. No link is followed,
    and nothing that others put in the place of something meanwhile is changed. Raises
    OSError where the system refuses.
    """
    try:
        require_trusted_way_to(directory)
    except RunRefusedError as err:
        # Others could lead this to any of our files.
        return PermissionsFix(left=(_left(directory, directory.stat(), str(err)),))
    changed: list[str] = []
    left: list[LeftFile] = []
    for path, mended in _mend_all(directory):
        if isinstance(mended, LeftFile):
            left.append(mended)
        elif mended:
            changed.append(str(path))
    return PermissionsFix(changed=tuple(changed), left=tuple(left))


type _Mended = LeftFile | bool


def _mend_all(directory: Path) -> Iterator[tuple[Path, _Mended]]:
    top = directory.resolve()
    mended = _mend(directory, str(top), None)
    yield directory, mended
    if isinstance(mended, LeftFile):
        return
    for folder, folders, files, descriptor in os.fwalk(top):
        for name in (*folders, *files):
            path = directory / Path(folder, name).relative_to(top)
            mended = _mend(path, name, descriptor)
            yield path, mended
            if isinstance(mended, LeftFile) and name in folders:
                # Whoever owns a folder decides what is in it.
                folders.remove(name)


def _mend(path: Path, name: str, within: int | None) -> _Mended:
    """Give something of our own mode 700; tell whether it was changed, or why it was left."""
    try:
        descriptor = os.open(name, _LOOK, dir_fd=within)
    except FileNotFoundError:
        return False
    try:
        found = os.fstat(descriptor)
        if stat.S_ISLNK(found.st_mode):
            return False
        if found.st_uid != os.geteuid():
            owner, own = user_name(found.st_uid), user_name(os.geteuid())
            return _left(path, found, f"{path} belongs to {owner}, not to {own}")
        if stat.S_IMODE(found.st_mode) & 0o777 == _MODE:
            return False
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            return _left(
                path, found, f"{path} is also known by another name (a hard link)"
            )
        _set_mode(descriptor)
    except OSError as err:
        raise OSError(err.errno, err.strerror, str(path)) from err
    finally:
        os.close(descriptor)
    return True


def _set_mode(descriptor: int) -> None:
    if _O_PATH:
        Path(f"/proc/self/fd/{descriptor}").chmod(_MODE)
    else:
        os.fchmod(descriptor, _MODE)


def _left(path: Path, found: os.stat_result, reason: str) -> LeftFile:
    return LeftFile(path=str(path), owner=user_name(found.st_uid), reason=reason)


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
