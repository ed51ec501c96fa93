"""Who decides what a path leads to, looked at as sshd does with StrictModes.

Blocks: not for an event loop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import errno
import os
from pathlib import Path
import stat
from typing import NamedTuple, Self

from .model import RunRefusedError

_MAX_LINKS = 40
_ROOT = "/"


def require_trusted_way(path: Path) -> None:
    """Require that nobody decides what an absolute path leads to but whom we trust.

    Every directory from the root down to the file must belong to somebody trusted and be
    writable by nobody else: those of the path as it is written, and those of whatever its
    links lead to. A directory with the sticky bit, such as /tmp, may be writable by all
    when the next entry below it belongs to somebody trusted: only its owner can replace
    that.

    Trusted are root and our own user, and whoever may change this package's own code: they
    can do whatever we can, so that a configuration folder that belongs to somebody else
    makes no difference. Raises RunRefusedError, or OSError when something is missing.
    """
    trusted = _Trusted.by_our_code()
    for entry in _entries(path):
        _require_trusted(entry, path, trusted)


def require_trusted_way_to(path: Path) -> None:
    """Require the same of the way alone, whatever the mode and the owner of its end is."""
    trusted, end = _Trusted.by_our_code(), str(path.resolve())
    for entry in _entries(path):
        if entry.path != end:
            _require_trusted(entry, path, trusted)


class _Entry(NamedTuple):
    """An entry of the file system, and the directory that it is in; "/" is in itself."""

    path: str
    found: os.stat_result
    directory: os.stat_result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trusted:
    """Users by their number, groups by theirs, and whether everybody is trusted."""

    users: frozenset[int]
    groups: frozenset[int]
    everybody: bool

    @classmethod
    def by_our_code(cls) -> Self:
        """Return root, our own user, and who may change the way to this package."""
        found = [entry.found for entry in _entries(Path(__file__))]
        ours = [entry for entry in found if not stat.S_ISLNK(entry.st_mode)]
        # The sticky bit lets others add entries, but not change ours.
        open_to_others = [entry for entry in ours if not entry.st_mode & stat.S_ISVTX]
        return cls(
            users=frozenset({0, os.geteuid(), *(entry.st_uid for entry in ours)}),
            groups=frozenset(
                entry.st_gid for entry in open_to_others if entry.st_mode & stat.S_IWGRP
            ),
            everybody=any(entry.st_mode & stat.S_IWOTH for entry in open_to_others),
        )

    def alone_may_write(self, found: os.stat_result) -> bool:
        """Tell whether nobody may write to a file or directory but whom we trust."""
        if self.everybody:
            return True
        by_group = found.st_mode & stat.S_IWGRP and found.st_gid not in self.groups
        return not by_group and not found.st_mode & stat.S_IWOTH


def _entries(path: Path) -> Iterator[_Entry]:
    """Yield all entries of the file system on the way to a path, links among them.

    Each is yielded before anything below it is looked at.
    """
    root = os.lstat(_ROOT)
    yield _Entry(_ROOT, root, root)
    way, names, links = [("", root)], list(reversed(path.parts[1:])), 0
    while names:
        if (name := names.pop()) == "..":
            # The root is above itself.
            way = way[:-1] or way
            continue
        here, directory = way[-1]
        entry = f"{here}/{name}"
        found = os.lstat(entry)
        yield _Entry(entry, found, directory)
        if not stat.S_ISLNK(found.st_mode):
            way.append((entry, found))
            continue
        if (links := links + 1) > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = Path(entry).readlink()
        if target.is_absolute():
            del way[1:]
        names += reversed(target.parts[target.is_absolute() :])


def _require_trusted(entry: _Entry, path: Path, trusted: _Trusted) -> None:
    found = entry.found
    is_link = stat.S_ISLNK(found.st_mode)
    # Whoever owns a link cannot change it; what counts is who can put another in its place.
    if not is_link and not _may_stay(found, trusted):
        raise RunRefusedError(
            f"{_on_the_way(entry, path)} has mode {stat.S_IMODE(found.st_mode):03o} and "
            f"owner {found.st_uid}; expected no write permission for group and others, "
            f"and owner {os.geteuid()} or 0"
        )
    open_directory = not trusted.alone_may_write(entry.directory)
    if open_directory and found.st_uid not in trusted.users:
        raise RunRefusedError(
            f"{_on_the_way(entry, path)} has owner {found.st_uid}, and "
            f"{Path(entry.path).parent} is open to all; expected owner "
            f"{os.geteuid()} or 0"
        )


def _may_stay(found: os.stat_result, trusted: _Trusted) -> bool:
    is_sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    may_write = is_sticky or trusted.alone_may_write(found)
    return found.st_uid in trusted.users and bool(may_write)


def _on_the_way(entry: _Entry, path: Path) -> str:
    if entry.path == str(path):
        return entry.path
    return f"{entry.path}, on the way to {path},"
