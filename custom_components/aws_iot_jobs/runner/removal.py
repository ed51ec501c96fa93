"""Remove a directory with all that is in it, but nothing that is mounted there.

Blocks: not for an event loop.
"""

import contextlib
from dataclasses import dataclass
import errno
import logging
import os
from pathlib import Path
from typing import Self

_LOGGER = logging.getLogger(__name__)

_told: set[Path] = set()
"""The mount points that were told of: the same directory may be removed again."""


def remove_tree(directory: Path) -> None:
    """Remove a directory and what is in it, as far as that can be.

    What is mounted in it stays as it is, and is told of. No link is followed, whatever
    others do to the directory meanwhile.
    """
    mount_points = _remove(directory)
    if news := [path for path in mount_points if path not in _told]:
        _told.update(news)
        _LOGGER.warning(
            "Something is mounted on %s, so it was left when all else in %s was removed; "
            "unmount it, and remove that directory",
            ", ".join(map(str, news)),
            directory,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """An open directory, and the names in it that are still to be removed."""

    path: Path
    descriptor: int
    mount: str
    names: list[str]

    @classmethod
    def of(cls, path: Path, descriptor: int) -> Self:
        """Return what is known of an open directory before it is read."""
        mount = _mount_of(descriptor)
        return cls(path=path, descriptor=descriptor, mount=mount, names=[])


def _remove(directory: Path) -> list[Path]:
    """Remove a directory; return the mount points that are left."""
    mount_points: list[Path] = []
    try:
        descriptor = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    parent = _Folder.of(directory.parent, descriptor)
    parent.names.append(directory.name)
    folders = [parent]
    try:
        while folders:
            _remove_next(folders, mount_points)
    finally:
        for folder in folders:
            os.close(folder.descriptor)
    return mount_points


def _remove_next(folders: list[_Folder], mount_points: list[Path]) -> None:
    """Remove the next entry of the last folder; go into it, or out of the folder."""
    folder = folders[-1]
    if not folder.names:
        os.close(folders.pop().descriptor)
        if folders:
            with contextlib.suppress(OSError):
                os.rmdir(folder.path.name, dir_fd=folders[-1].descriptor)
        return
    path = folder.path / folder.names.pop()
    try:
        if _is_removed(path.name, folder.descriptor):
            return
        inner = _Folder.of(path, _open(path.name, folder.descriptor))
    except OSError as err:
        # The system removes nothing that something is mounted on.
        if err.errno == errno.EBUSY:
            mount_points.append(path)
        return
    folders.append(inner)
    if inner.mount != folder.mount:
        # It was mounted a moment ago.
        mount_points.append(path)
        return
    # Steps leave directories that they have closed even to themselves.
    with contextlib.suppress(OSError):
        os.fchmod(inner.descriptor, 0o700)
    with contextlib.suppress(OSError), os.scandir(inner.descriptor) as entries:
        inner.names.extend(entry.name for entry in entries)


def _open(name: str, within: int) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=within)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=within, follow_symlinks=False)
        return os.open(name, flags, dir_fd=within)


def _is_removed(name: str, descriptor: int) -> bool:
    """Remove an entry of an open directory, unless it is a directory that is not empty.

    Whatever is mounted there is not even looked at: it may be gone, and never answer.
    """
    try:
        os.rmdir(name, dir_fd=descriptor)
    except NotADirectoryError:
        os.unlink(name, dir_fd=descriptor)
    except OSError as err:
        if err.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _mount_of(descriptor: int) -> str:
    """Return what tells the mount that an open directory lies on from all others.

    A device does not: a directory may be mounted on another one of the same device.
    """
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    except OSError:
        return str(os.fstat(descriptor).st_dev)
    return next(line for line in lines if line.startswith("mnt_id:"))
