"""What has to be started for a step: everything looked up before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import shutil

from .environment import base_environment, working_directory
from .handlers import find_handler
from .job_directory import VARIABLE, make_job_directory
from .model import CommandCall, HandlerCall, RunRefusedError, StepRequest
from .users import User, find_user, switch_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start.

    `signal_command` begins the argv of a command that signals it where the agent may not.
    """

    argv: tuple[str, ...]
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
    directory = make_job_directory(work_directory, request.job_key, user)
    settings = {**request.environment, VARIABLE: str(directory)}
    if isinstance(request.call, HandlerCall):
        # A handler runs as the agent's user and becomes the step's user by itself: its
        # first argument names it.
        return _prepare_handler(request.call, settings, handler_directory)
    return _prepare_command(request.call, settings, user)


def _prepare_handler(
    call: HandlerCall, settings: Mapping[str, str], handler_directory: Path
) -> Launch:
    user = find_user("")
    environment = {**base_environment(user), **settings}
    file = find_handler(call, handler_directory, environment["PATH"])
    return Launch(
        argv=(str(file), *call.args),
        environment=environment,
        directory=working_directory(user),
    )


def _prepare_command(
    call: CommandCall, settings: Mapping[str, str], user: User
) -> Launch:
    environment = {**base_environment(user), **settings}
    directory = working_directory(user)
    switch = switch_to(user, environment)
    # Where sudo switches, only the other user may know whether the command is there.
    if not switch.signal:
        _require_command(call.argv[0], environment["PATH"], directory)
    return Launch(
        argv=(*switch.run, *call.argv),
        environment=environment,
        directory=directory,
        signal_command=switch.signal,
    )


def _require_command(name: str, search_path: str, directory: Path) -> None:
    if "/" not in name:
        if shutil.which(name, path=search_path) is None:
            raise RunRefusedError(f"there is no command {name!r} on PATH {search_path}")
        return
    file = directory / name
    if not file.is_file():
        raise RunRefusedError(f"there is no command {str(file)!r}")
    if not os.access(file, os.X_OK):
        raise RunRefusedError(f"command {str(file)!r} is not executable")
