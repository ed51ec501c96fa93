"""A runner with directories of its own, and short ways to run something with it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    HandlerCall,
    RunEvent,
    RunOutput,
    RunResult,
    RunStarted,
    StepRequest,
)

JOB = "job-1.1"
RUN = "job-1.1.1.1"


@dataclass
class Bench:
    """A runner, its directories, and the events of what it runs."""

    directory: Path
    grace: float = 10.0
    events: list[RunEvent] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Make the handler directory as the permission rule wants it."""
        self.handlers = self.directory / "handlers"
        self.handlers.mkdir(mode=0o700)
        self.work = self.directory / "work"
        self.runner = LocalRunner(self.handlers, self.work, grace=self.grace)

    @property
    def job_directory(self) -> Path:
        """Where the steps of the job hand things over."""
        return self.work / JOB

    @property
    def output(self) -> bytes:
        """What has been told of the output so far."""
        return b"".join(
            event.data for event in self.events if isinstance(event, RunOutput)
        )

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return [event.pid for event in self.events if isinstance(event, RunStarted)][-1]

    def handler(self, name: str, text: str, mode: int = 0o700) -> Path:
        """Put a handler into the handler directory."""
        return write(self.handlers / name, text, mode)

    async def command(self, *argv: str, **fields: Any) -> RunResult:
        """Run a command to its end."""
        return await self.runner.run(request(*argv, **fields), self._note, self.stop)

    async def shell(self, script: str, *args: str, **fields: Any) -> RunResult:
        """Run a shell script to its end."""
        return await self.command("sh", "-c", script, "sh", *args, **fields)

    async def handle(
        self, handler: str, *args: str, path: str = "default", **fields: Any
    ) -> RunResult:
        """Run a handler to its end."""
        call = HandlerCall(handler=handler, args=args, path=path)
        return await self.runner.run(
            StepRequest(run_id=RUN, job_key=JOB, call=call, **fields),
            self._note,
            self.stop,
        )

    async def said(self, text: bytes) -> None:
        """Wait until the output has a text in it."""
        async with asyncio.timeout(20):
            while text not in self.output:
                self._changed.clear()
                await self._changed.wait()

    def _note(self, event: RunEvent) -> None:
        self.events.append(event)
        self._changed.set()


def request(
    *argv: str,
    run_as_user: str = "",
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> StepRequest:
    """Return a request to run a command."""
    return StepRequest(
        run_id=RUN,
        job_key=JOB,
        call=CommandCall(argv=argv),
        run_as_user=run_as_user,
        timeout=timeout,
        environment=environment or {},
    )


def write(file: Path, text: str, mode: int = 0o700) -> Path:
    """Write a file of a mode, whatever the umask."""
    file.write_text(text)
    file.chmod(mode)
    return file
