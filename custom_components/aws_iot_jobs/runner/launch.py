"""What has to be started for a step: everything looked up before anything runs."""

from collections.abc import Callable, Mapping
import contextlib
from dataclasses import dataclass
import os
from pathlib import Path
import shutil

from .environment import base_environment, working_directory
from .executable import (
    Executable,
    require_interpreter,
    require_program_or_script,
    require_runnable,
)
from .handlers import find_handler
from .job_directory import VARIABLE, job_directory, make_job_directory
from .model import CommandCall, HandlerCall, RunRefusedError, StepCheck, StepRequest
from .users import Switch, User, find_user, switch_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start.

    What runs is `executable`, whatever `argv` begins with. `file` is that of the handler or
    command itself, which may be started by another; None where only its user can see it.
    `signal_command` begins the argv of a command that signals it where the agent may not.
    """

    argv: tuple[str, ...]
    executable: Executable
    file: Path | None
    environment: dict[str, str]
    directory: Path
    signal_command: tuple[str, ...] = ()


def prepare(
    request: StepRequest, handler_directory: Path, work_directory: Path
) -> Launch:
    """Return what to start for a step, and make its job's directory.

    Blocks: not for an event loop. Raises RunRefusedError when the step may not or cannot
    run.
    """
    user = find_user(request.run_as_user)
    launch = _look_up(request, user, handler_directory, work_directory)
    make_job_directory(work_directory, request.job_key, user)
    return launch


def check(
    request: StepRequest, handler_directory: Path, work_directory: Path
) -> StepCheck:
    """Return what `prepare` would say of a step, and make nothing. Blocks, as above."""
    acts_as_root = False
    try:
        user = find_user(request.run_as_user)
        acts_as_root = user.uid == 0
        launch = _look_up(request, user, handler_directory, work_directory)
    except RunRefusedError as err:
        return StepCheck(acts_as_root=acts_as_root, problem=str(err))
    path = None if launch.file is None else str(launch.file)
    return StepCheck(path=path, acts_as_root=acts_as_root)


def _look_up(
    request: StepRequest, user: User, handler_directory: Path, work_directory: Path
) -> Launch:
    """Return what to start for a step of `user`. Raises RunRefusedError."""
    directory = job_directory(work_directory, request.job_key)
    settings = {**request.environment, VARIABLE: str(directory)}
    try:
        if isinstance(request.call, HandlerCall):
            # A handler runs as the agent's user and becomes the step's user by itself:
            # its first argument names it.
            return _prepare_handler(request.call, settings, handler_directory)
        return _prepare_command(request.call, settings, user)
    except OSError as err:
        raise RunRefusedError(f"{err.filename}: {err.strerror}") from err


def _prepare_handler(
    call: HandlerCall, settings: Mapping[str, str], handler_directory: Path
) -> Launch:
    user = find_user("")
    environment = {**base_environment(user), **settings}
    executable = find_handler(call, handler_directory, environment["PATH"])
    _look(require_runnable, executable.path)
    _look(require_interpreter, executable.path)
    return Launch(
        argv=(str(executable.path), *call.args),
        executable=executable,
        file=executable.path,
        environment=environment,
        directory=working_directory(user),
    )


def _prepare_command(
    call: CommandCall, settings: Mapping[str, str], user: User
) -> Launch:
    environment = {**base_environment(user), **settings}
    directory = working_directory(user)
    switch = switch_to(user, environment)
    file = _file_of(call.argv[0], environment["PATH"], directory, switch)
    # Only a command of another user has no file that is seen here.
    started = Path(switch.run[0]) if switch.run or file is None else file
    return Launch(
        argv=(*switch.run, *call.argv),
        executable=Executable.at(started),
        file=file,
        environment=environment,
        directory=directory,
        signal_command=switch.signal,
    )


def _file_of(
    name: str, search_path: str, directory: Path, switch: Switch
) -> Path | None:
    """Return the file of a command; None where only its user can see it."""
    if switch.signal and not _is_seen(name, directory):
        # Where sudo switches, only the other user may know whether the command is there.
        return None
    command = _find_command(name, search_path, directory)
    _look(require_runnable, command)
    _look(require_interpreter, command)
    if switch.run:
        # What switches has a shell run all that the system does not.
        _look(require_program_or_script, command)
    return command


def _is_seen(name: str, directory: Path) -> bool:
    is_path = "/" in name and "\0" not in name
    return is_path and os.access(directory / name, os.R_OK | os.X_OK)


def _find_command(name: str, search_path: str, directory: Path) -> Path:
    if "/" not in name:
        found = shutil.which(name, path=search_path)
        if found is None:
            raise RunRefusedError(f"there is no command {name!r} on PATH {search_path}")
        return Path(found)
    file = directory / name
    if file.is_dir():
        raise RunRefusedError(f"there is no command {str(file)!r}: it is a directory")
    if not file.is_file():
        raise RunRefusedError(f"there is no command {str(file)!r}")
    if not os.access(file, os.X_OK):
        raise RunRefusedError(f"command {str(file)!r} is not executable")
    return file


def _look(require: Callable[[Path], None], file: Path) -> None:
    # A file may be executable and yet not readable.
    with contextlib.suppress(PermissionError):
        require(file)
