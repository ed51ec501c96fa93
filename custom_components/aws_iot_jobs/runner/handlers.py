"""Which file a handler name means, and whether it may run.

A handler is trusted by who can change it. In the handler directory, directory and file
are 700 and belong to the user that runs them. Elsewhere, neither is writable by group or
others, and each belongs to that user or to root.
"""

from collections.abc import Iterator
import os
from pathlib import Path
import shutil
import stat

from .model import HandlerCall, RunRefusedError

DEFAULT_PATH = "default"


def find_handler(call: HandlerCall, handler_directory: Path, search_path: str) -> Path:
    """Return the file to run for a call.

    `search_path` is the PATH for handlers that are named without one. Reads the file
    system: not for an event loop. Raises RunRefusedError when there is none or it may
    not run.
    """
    try:
        return _find(call, _normalized(handler_directory), search_path)
    except OSError as err:
        raise RunRefusedError(f"{err.filename}: {err.strerror}") from err


def _find(call: HandlerCall, handler_directory: Path, search_path: str) -> Path:
    if call.path == DEFAULT_PATH:
        return _in_handler_directory(handler_directory, call.handler)
    if call.path:
        return _in_directory(_normalized(Path(call.path)), call.handler)
    # A link without a target is there, too: it must not make way for PATH.
    if os.path.lexists(_within(handler_directory, call.handler)):
        return _in_handler_directory(handler_directory, call.handler)
    return _on_search_path(call.handler, handler_directory, search_path)


def _in_handler_directory(directory: Path, name: str) -> Path:
    file = _existing(directory, name)
    for path in _trusted(directory, file):
        _require_private(path)
    return file


def _in_directory(directory: Path, name: str) -> Path:
    if not directory.is_absolute():
        raise RunRefusedError(
            f"path {str(directory)!r} is not absolute; give an absolute path, or "
            f"{DEFAULT_PATH!r} for the handler directory"
        )
    file = _existing(directory, name)
    for path in _trusted(directory, file):
        _require_protected(path)
    if not os.access(file, os.X_OK):
        raise RunRefusedError(f"{file} is not executable; expected mode 700 or 755")
    return file


def _on_search_path(name: str, handler_directory: Path, search_path: str) -> Path:
    found = shutil.which(name, path=search_path) if "/" not in name else None
    if found is None:
        raise RunRefusedError(
            f"handler {name!r} is neither in the handler directory {handler_directory} "
            "nor on PATH"
        )
    file = Path(found)
    for path in (file.parent, file.resolve().parent, file):
        _require_protected(path)
    return file


def _existing(directory: Path, name: str) -> Path:
    """Return the file of that name: the name itself, not what it links to.

    Programs that have many names look which one they were started with.
    """
    file = _within(directory, name)
    if not directory.is_dir():
        raise RunRefusedError(f"there is no directory {directory} to find handlers in")
    if not os.path.lexists(file):
        raise RunRefusedError(f"there is no handler {name!r} in {directory}")
    if not file.resolve().is_relative_to(directory.resolve()):
        raise RunRefusedError(f"handler {name!r} is a link that leaves {directory}")
    if not file.is_file():
        raise RunRefusedError(f"handler {file} is not a regular file")
    return file


def _normalized(path: Path) -> Path:
    if "\0" in str(path):
        raise RunRefusedError(f"{str(path)!r} is not a file name")
    return Path(os.path.normpath(path))


def _within(directory: Path, name: str) -> Path:
    file = _normalized(directory / name)
    if file == directory or not file.is_relative_to(directory):
        raise RunRefusedError(f"handler {name!r} is outside its directory {directory}")
    return file


def _trusted(directory: Path, file: Path) -> Iterator[Path]:
    """Yield all that decides what runs: a directory, a file in it, what is between them."""
    yield directory
    yield from _folders_between(directory, file)
    yield from _folders_between(directory.resolve(), file.resolve())
    yield file


def _folders_between(directory: Path, file: Path) -> Iterator[Path]:
    return (parent for parent in file.parents if directory in parent.parents)


def _require_private(path: Path) -> None:
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode) & 0o777
    if mode != 0o700 or found.st_uid != os.geteuid():
        raise RunRefusedError(
            f"{path} has mode {mode:03o} and owner {found.st_uid}; expected mode 700 and "
            f"owner {os.geteuid()}"
        )


def _require_protected(path: Path) -> None:
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode) & 0o777
    if mode & 0o022 or found.st_uid not in (0, os.geteuid()):
        raise RunRefusedError(
            f"{path} has mode {mode:03o} and owner {found.st_uid}; expected no write "
            f"permission for group and others, and owner {os.geteuid()} or 0"
        )
