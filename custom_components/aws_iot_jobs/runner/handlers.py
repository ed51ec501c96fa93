"""Which file a handler name means, and whether it may run.

A handler is trusted by who can change it. In the handler directory, directory and file
are 700 and belong to the user that runs them. Elsewhere, neither is writable by group or
others, and each belongs to that user or to root. On the way to it, nobody else decides
where it leads.
"""

from collections.abc import Iterator
import os
from pathlib import Path
import shutil
import stat

from .executable import Executable
from .model import DEFAULT_PATH, HandlerCall, RunRefusedError
from .trust import require_trusted_way


def find_handler(
    call: HandlerCall, handler_directory: Path, search_path: str
) -> Executable:
    """Return the file to run for a call.

    `search_path` is the PATH for handlers that are named without one. Reads the file
    system: not for an event loop. Raises RunRefusedError when there is none or it may
    not run.
    """
    try:
        return _find(call, _normalized(handler_directory), search_path)
    except OSError as err:
        raise RunRefusedError(f"{err.filename}: {err.strerror}") from err


def _find(call: HandlerCall, handler_directory: Path, search_path: str) -> Executable:
    if call.path == DEFAULT_PATH:
        return _in_handler_directory(handler_directory, call.handler)
    if call.path:
        return _in_directory(call, handler_directory)
    # A link without a target is there, too: it must not make way for PATH.
    if os.path.lexists(_within(handler_directory, call.handler)):
        return _in_handler_directory(handler_directory, call.handler)
    return _on_search_path(call.handler, handler_directory, search_path)


def _in_handler_directory(directory: Path, name: str) -> Executable:
    file = _existing(directory, name)
    _require_inside(directory, file, name)
    executable = _regular(file)
    for path in _trusted(directory, file):
        _require_private(path)
    require_trusted_way(file)
    return executable


def _in_directory(call: HandlerCall, handler_directory: Path) -> Executable:
    directory = _explicit_directory(call.path)
    file = _existing(directory, call.handler)
    if directory.resolve().is_relative_to(handler_directory.resolve()):
        _require_inside(handler_directory, file, call.handler)
    executable = _regular(file)
    for path in (*_trusted(directory, file), file.resolve().parent):
        _require_protected(path)
    require_trusted_way(file)
    if not os.access(file, os.X_OK):
        raise RunRefusedError(f"{file} is not executable; expected mode 700 or 755")
    return executable


def _explicit_directory(path: str) -> Path:
    directory = _normalized(Path(path))
    if str(directory) == DEFAULT_PATH:
        raise RunRefusedError(
            f"path {path!r} is neither absolute nor {DEFAULT_PATH!r}; write "
            f"{DEFAULT_PATH!r} for the handler directory"
        )
    if not directory.is_absolute():
        raise RunRefusedError(
            f"path {str(directory)!r} is not absolute; give an absolute path, or "
            f"{DEFAULT_PATH!r} for the handler directory"
        )
    return directory


def _on_search_path(name: str, handler_directory: Path, search_path: str) -> Executable:
    found = shutil.which(name, path=search_path) if "/" not in name else None
    if found is None:
        raise RunRefusedError(
            f"handler {name!r} is neither in the handler directory {handler_directory} "
            "nor on PATH"
        )
    file = Path(found)
    executable = Executable.at(file)
    for path in (file.parent, file.resolve().parent, file):
        _require_protected(path)
    require_trusted_way(file)
    return executable


def _existing(directory: Path, name: str) -> Path:
    """Return the file of that name: the name itself, not what it links to.

    Programs that have many names look which one they were started with.
    """
    file = _within(directory, name)
    if not directory.is_dir():
        raise RunRefusedError(f"there is no directory {directory} to find handlers in")
    if not os.path.lexists(file):
        raise RunRefusedError(f"there is no handler {name!r} in {directory}")
    return file


def _require_inside(directory: Path, file: Path, name: str) -> None:
    if not file.resolve().is_relative_to(directory.resolve()):
        raise RunRefusedError(f"handler {name!r} is a link that leaves {directory}")


def _regular(file: Path) -> Executable:
    if not file.is_file():
        raise RunRefusedError(f"handler {file} is not a regular file")
    return Executable.at(file)


def _normalized(path: Path) -> Path:
    if "\0" in str(path):
        raise RunRefusedError(f"{str(path)!r} is not a file name")
    return Path(os.path.normpath(path))


def _within(directory: Path, name: str) -> Path:
    file = _normalized(directory / name)
    if file == directory or not file.is_relative_to(directory):
        raise RunRefusedError(
            f"handler {name!r} is outside its directory {directory}{_rewritten(name)}"
        )
    return file


def _rewritten(name: str) -> str:
    """Return how a handler is written that was named by an absolute path."""
    if not name.startswith("/") or not name.strip("/"):
        return ""
    file = Path(os.path.normpath("/" + name.lstrip("/")))
    return f"; write it as handler {file.name!r} with path {str(file.parent)!r}"


def _trusted(directory: Path, file: Path) -> Iterator[Path]:
    """Yield all that decides what runs: a directory, a file in it, what is between them."""
    yield directory
    yield from _folders_between(directory, file)
    yield from _folders_between(directory.resolve(), file.resolve())
    yield file


def _folders_between(directory: Path, file: Path) -> Iterator[Path]:
    """Yield the folders above a file that are below a directory, if it is below it."""
    parents = list(file.parents)
    if directory in parents:
        yield from parents[: parents.index(directory)]


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
