"""What travels between the Jobs agent and whatever runs its steps.

Arguments and output may be secret: their representations, which may end up in a log, have
neither.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

DEFAULT_PATH = "default"
"""The path of a handler that lies in the handler directory."""


class RunOutcome(StrEnum):
    """How a run ended."""

    EXITED = "exited"
    SIGNALED = "signaled"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


class Stream(StrEnum):
    """Where a process wrote its output."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerCall:
    """A handler to run: its name, its arguments, and where to look for it.

    `path` is "default" for the handler directory, a directory, or empty for the
    handler directory first and then PATH.
    """

    handler: str
    args: tuple[str, ...] = field(default=(), repr=False)
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall:
    """A command to run without a shell, as the user that the step names."""

    argv: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """One step to run.

    `run_id` names this attempt of this step, `job_key` the job that it belongs to: all
    steps of a job share one directory. `timeout` is in seconds.
    """

    run_id: str
    job_key: str
    call: HandlerCall | CommandCall
    run_as_user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The process of a run has started."""

    run_id: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutput:
    """A process wrote something.

    `offset` is how many bytes it had written to the stream before, told or not: of much
    output in little time, only the newest is told. `at` is when it was read.
    """

    run_id: str
    stream: Stream
    data: bytes = field(repr=False)
    offset: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def end(self) -> int:
        """How many bytes had been written to the stream with these."""
        return self.offset + len(self.data)


type RunEvent = RunStarted | RunOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended and the end of what it wrote.

    `exit_status` is there when it exited, `signal` (a name such as SIGKILL) when a signal
    ended it, `detail` when it was refused or could not be ended, in words.
    """

    outcome: RunOutcome
    exit_status: int | None = None
    signal: str | None = None
    detail: str = ""
    stdout: str = field(default="", repr=False)
    stderr: str = field(default="", repr=False)
    stderr_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCheck:
    """What a run of a step would do, as far as it can be told without one.

    `path` is the file of its handler or command; None where there is none, or where only
    the step's user can see it. `acts_as_root` tells whether the step's user is root.
    `problem` is what the run would be refused for, in the same words.
    """

    path: str | None = None
    acts_as_root: bool = False
    problem: str | None = None


class RunTrace(StrEnum):
    """What is known of an earlier attempt of a step.

    ATTACHABLE: `run` finds it again. NEVER_BEGUN: surely nothing of it has run. LOST: it
    may have run, and is gone.
    """

    ATTACHABLE = "attachable"
    NEVER_BEGUN = "never_begun"
    LOST = "lost"


class RunRefusedError(Exception):
    """A step may not or cannot run; its message says what was found and what is expected."""


class StepNotCheckedError(Exception):
    """Nobody can tell what a run would do; its message says why, for people."""


class Runner(Protocol):
    """Something that runs steps: here, or elsewhere for us. `name` tells it from others."""

    name: str

    async def run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        """Run a step to its end, or attach to it where it was begun before.

        Once `stop` is set, at whatever moment, the run ends in an orderly way. Failures of
        the step are results, never exceptions. A cancelled call leaves no process behind
        that this runner could not find again; one whose process has ended by itself returns
        that result all the same.
        """

    async def check(self, request: StepRequest) -> StepCheck:
        """Tell what a run of a step would do. Nothing is run, and nothing is changed.

        What is looked at is what a run looks at first. Asks once; raises
        StepNotCheckedError when there is no answer.
        """

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        """Tell what is known of a run of a job."""

    async def recover(self, job_key: str) -> None:
        """End what an earlier life of the agent left running of a job, if it is lost."""

    async def release(self, job_key: str) -> None:
        """Forget a job: end what still runs of it, remove what its steps shared."""
