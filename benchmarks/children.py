"""Processes of a run, which last for as long as their contexts."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import sys
from typing import Any

from stack.process import Child, StackError, log_tail

from .service import JobsService

STOP_SECONDS = 20
READY_SECONDS = 120
PROGRAMS = Path(__file__).parent / "programs"
"""What runs in processes of its own."""


@asynccontextmanager
async def program(
    name: str, directory: Path, settings: dict[str, Any]
) -> AsyncIterator[Child]:
    """Run one of the programs, which is given a file with its settings."""
    directory.mkdir()
    file = directory / "settings.json"
    file.write_text(json.dumps(settings))
    command: list[str | Path] = [sys.executable, PROGRAMS / name, file]
    async with running(name, command, directory) as child:
        yield child


@asynccontextmanager
async def running(
    name: str,
    command: Sequence[str | Path],
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Child]:
    """Run a command in a directory, with more environment; its log is there, too."""
    child = await Child.start(
        name,
        command,
        directory=directory,
        environment={**os.environ, **(environment or {})},
        log=directory / "log",
    )
    try:
        yield child
    finally:
        await child.stop(STOP_SECONDS)


async def ready(service: JobsService, child: Child, things: Collection[str]) -> None:
    """Wait until all things have asked for a job. Raises StackError if one does not."""

    async def all_ready() -> bool | None:
        return service.has_answered(things) or None

    try:
        await child.until(all_ready, READY_SECONDS)
    except StackError as err:
        raise StackError(f"{err}\n{log_tail(child.log)}", child.log) from None
