"""Run an agent under load and break everything around it, at random from a seed.

python -m tests.chaos.run [--seconds N] [--seed S]

With an even seed the agent runs the steps itself, with an odd one a service does.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
import random
import sys
import tempfile
import time

from custom_components.aws_iot_jobs.jobs import history, logs
from custom_components.aws_iot_jobs.jobs.journal import FILE_NAME
from custom_components.aws_iot_jobs.runner.client import RunnerAddress

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from ..runner_service import Line, RunnerService
from .disk import SmallDisk, mount_privately
from .evidence import Recorded, living_steps, read_journal, read_runs
from .ledger import (
    STEP_HANDLER,
    Attempt,
    Interruption,
    Violation,
    check_steps,
    count,
    read_ledger,
)
from .workload import THING, Workload

SETTLE_SECONDS = 120
TIDY_SECONDS = 20
GRACE_SECONDS = 1.0
DAY_SECONDS = 24 * 60 * 60

type Fault = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class World:
    """What can be broken. `app` is the runner's service and `line` leads to it, if any."""

    directory: Path
    broker: Broker
    service: FakeJobsService
    agent: AgentProcess
    disk: SmallDisk
    app: RunnerService | None = None
    line: Line | None = None

    @property
    def ledger(self) -> Path:
        """Where the steps write."""
        return self.directory / "ledger"


class Chaos:
    """One run."""

    def __init__(self, world: World, dice: random.Random) -> None:
        """Take what is to be broken."""
        self._directory = world.directory
        self._ledger = world.ledger
        self._broker = world.broker
        self._service = world.service
        self._agent = world.agent
        self._disk = world.disk
        self._dice = dice
        self._app = world.app
        self._line = world.line
        self._disk_full = False
        self._interruptions: list[Interruption] = []
        self.workload = Workload(world.service, world.ledger, dice)
        self.counts: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Create jobs and break things for a time; then let all jobs end."""
        await self._start_agent()
        creating = asyncio.ensure_future(self.workload.create_jobs())
        deadline = time.monotonic() + seconds
        faults = self._faults()
        try:
            while time.monotonic() < deadline:
                await asyncio.sleep(self._dice.uniform(0.1, 3))
                await self._dice.choice(faults)()
        finally:
            creating.cancel()
            await asyncio.gather(creating, return_exceptions=True)
        self._service.faults.chance = 0.0
        with contextlib.suppress(TimeoutError):
            await self.workload.all_ended(SETTLE_SECONDS)
        await self.workload.close()
        await self._agent.stop()
        await self._agent.start()
        # With nothing to do, it clears up after the last one.
        await self._service.until(self._asked_again(), 30)
        await self._until_tidy()
        await self._agent.stop()

    def violations(self) -> list[tuple[Violation, str]]:
        """Return all that must not be."""
        lines = read_ledger(self._ledger)
        courses = [job.course for job in self.workload.jobs]
        living = living_steps(self._work_directories)
        return [
            *self.workload.check_ends(lines, self._interruptions),
            *check_steps(lines, self._interruptions, courses),
            *((Violation.LEFTOVER_PROCESS, str(pid)) for pid in living),
            *((Violation.LEFTOVER_FILE, str(file)) for file in self._leftover_files()),
        ]

    def _faults(self) -> list[Fault]:
        """Return what may go wrong, each as often as it may come before others."""
        faults: list[Fault] = [
            self._kill_agent,
            self._kill_agent,
            self._stop_agent,
            self._freeze_agent,
            self._kill_broker,
            self._restart_broker,
            self._freeze_broker,
            self._change_faults,
            self.workload.cancel_any,
            self.workload.delete_any,
        ]
        if self._disk.mounted:
            faults.append(self._fill_disk)
        if self._app is not None:
            faults += [
                self._kill_runner,
                self._kill_runner,
                self._stop_runner,
                self._freeze_runner,
                self._cut_line,
                self._hold_line,
                self._forsake_line,
            ]
        return faults

    # The agent

    async def _start_agent(self) -> None:
        """Start it, with another wall clock, after a boot, or with a slow card, at times."""
        dice, agent = self._dice, self._agent
        if dice.random() < 0.3:
            self.counts["clock jumps"] += 1
            agent.clock_offset = dice.uniform(-30, 30) * DAY_SECONDS
            if dice.random() < 0.5:
                agent.boot = f"boot {self.counts['clock jumps']}"
        agent.write_seconds = dice.choice((0.0, dice.uniform(0, 0.15)))
        await agent.start()

    async def _kill_agent(self) -> None:
        self.counts["agent kills"] += 1
        at = time.time()
        await self._agent.kill()
        self._agent_interrupted(at)
        await asyncio.sleep(self._seconds(0.5))
        await self._start_agent()

    async def _stop_agent(self) -> None:
        self.counts["agent stops"] += 1
        # What has ended before is on record afterwards, if only there is room for that.
        ended = self._surely_ended() if self._app is None else frozenset()
        at = time.time()
        await self._agent.stop()
        self._agent_interrupted(at, frozenset() if self._disk_full else ended)
        await self._start_agent()

    async def _freeze_agent(self) -> None:
        self.counts["agent freezes"] += 1
        self._agent.freeze()
        await asyncio.sleep(self._seconds(6))
        self._agent.thaw()

    async def _fill_disk(self) -> None:
        self.counts["full disks"] += 1
        self._disk_full = True
        for _ in range(self._dice.randint(1, 5)):
            self._disk.fill()
            await self._meanwhile(2)
        self._disk.free()
        self._disk_full = False

    def _seconds(self, longest: float) -> float:
        """Return how long something lasts: mostly short, so that much can happen."""
        return 0.05 + float(longest * self._dice.random() ** 2)

    async def _meanwhile(self, longest: float) -> None:
        """Let something last, and the agent be killed or stopped in it at times."""
        seconds = self._seconds(longest)
        await asyncio.sleep(seconds / 2)
        match self._dice.random():
            case chance if chance < 0.2:
                await self._kill_agent()
            case chance if chance < 0.3:
                await self._stop_agent()
        await asyncio.sleep(seconds / 2)

    # What is between it and AWS

    async def _kill_broker(self) -> None:
        self.counts["broker outages"] += 1
        await self._broker.kill()
        await asyncio.sleep(self._seconds(3))
        await self._broker.start()

    async def _restart_broker(self) -> None:
        self.counts["broker outages"] += 1
        await self._broker.restart()

    async def _freeze_broker(self) -> None:
        self.counts["broker freezes"] += 1
        self._broker.freeze()
        await asyncio.sleep(self._seconds(5))
        self._broker.thaw()

    async def _change_faults(self) -> None:
        self._service.faults.chance = self._dice.choice((0.0, 0.02, 0.1))
        self._service.faults.max_delay = self._dice.choice((0.0, 0.2))

    # The runner's service, and what is between the agent and it

    async def _kill_runner(self) -> None:
        self.counts["runner kills"] += 1
        assert self._app is not None
        at = time.time()
        await self._app.kill()
        self._runner_interrupted(at)
        await self._meanwhile(1)
        await self._app.start()

    async def _stop_runner(self) -> None:
        self.counts["runner stops"] += 1
        assert self._app is not None
        ended = self._surely_ended()
        at = time.time()
        await self._app.stop()
        self._runner_interrupted(at, ended)
        await self._meanwhile(1)
        await self._app.start()

    async def _freeze_runner(self) -> None:
        self.counts["runner freezes"] += 1
        assert self._app is not None
        self._app.freeze()
        await self._meanwhile(6)
        self._app.thaw()

    async def _cut_line(self) -> None:
        self.counts["line cuts"] += 1
        assert self._line is not None
        self._line.cut()

    async def _hold_line(self) -> None:
        self.counts["line black holes"] += 1
        assert self._line is not None
        self._line.hold()
        await self._meanwhile(6)
        self._line.release()

    async def _forsake_line(self) -> None:
        self.counts["line black holes"] += 1
        assert self._line is not None
        self._line.forsake()

    # What is known

    @property
    def _work_directories(self) -> list[Path]:
        service = [] if self._app is None else [self._app.data / "work"]
        return [self._directory / "thing" / "work", *service]

    def _agent_interrupted(
        self, at: float, ended: frozenset[Attempt] = frozenset()
    ) -> None:
        known = self._interruption(at, self._journal(), ended)
        if self._app is not None:
            # Its steps go on.
            known = replace(known, running=frozenset())
        self._interruptions.append(known)

    def _runner_interrupted(
        self, at: float, ended: frozenset[Attempt] = frozenset()
    ) -> None:
        assert self._app is not None
        runs = read_runs(self._app.data / "runs", THING)
        known = self._interruption(at, runs, ended | self._journal().ended)
        self._interruptions.append(known)

    def _journal(self) -> Recorded:
        return read_journal(self._directory / "thing" / FILE_NAME)

    def _interruption(
        self, at: float, recorded: Recorded, ended: frozenset[Attempt]
    ) -> Interruption:
        running = {
            each._replace(job=job.job)
            for each in recorded.running
            for job in self.workload.jobs
            if job.name == each.job
        }
        accepted = {
            job.job
            for job in self.workload.jobs
            if job.execution.status in ("SUCCEEDED", "FAILED")
        }
        of_accepted = {
            line.of for line in read_ledger(self._ledger) if line.job in accepted
        }
        return Interruption(
            at=at,
            running=frozenset(running),
            noted=frozenset(running),
            ended=recorded.ended | ended | of_accepted,
        )

    def _surely_ended(self) -> frozenset[Attempt]:
        """Return the attempts that have told their end, and whose processes are gone."""
        lines = read_ledger(self._ledger)
        ended = {line.of for line in lines if line.what == "end"}
        if lines and living_steps(self._work_directories):
            ended.discard(lines[-1].of)
        return frozenset(ended)

    def _leftover_files(self) -> list[Path]:
        thing = self._directory / "thing"
        left = [file for file in thing.rglob("*") if not _is_kept(file)]
        if self._app is not None:
            for name in ("work", "runs"):
                left += (self._app.data / name).rglob("*")
        return left

    async def _until_tidy(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIDY_SECONDS):
                while self._leftover_files():
                    await asyncio.sleep(0.1)

    def _asked_again(self) -> Callable[[], bool]:
        seen = len(self._service.requests)
        return lambda: len(self._service.requests) > seen


def _is_kept(file: Path) -> bool:
    """Tell whether a file is there for good: the journal, the history, the logs of jobs."""
    if file.parent.name == logs.DIRECTORY_NAME:
        return file.suffix == ".log"
    return file.name in ("work", FILE_NAME, history.FILE_NAME, logs.DIRECTORY_NAME)


async def run(seconds: float, seed: int, directory: Path) -> int:
    """Run and report; return how many violations there were."""
    dice = random.Random(seed)
    async with _world(directory, dice, with_app=bool(seed % 2)) as world:
        chaos = Chaos(world, dice)
        await chaos.run(seconds)
        found = chaos.violations()
        _report(seed, world, chaos, found)
    return len(found)


@contextlib.asynccontextmanager
async def _world(
    directory: Path, dice: random.Random, *, with_app: bool
) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Broker(directory / "broker", [THING]))
        tls_context = broker.service_tls_context()
        service = await stack.enter_async_context(
            FakeJobsService(port=broker.port, tls_context=tls_context)
        )
        service.faults.random = dice
        disk = stack.enter_context(SmallDisk(directory / "thing"))
        app = line = address = None
        if with_app:
            app = RunnerService(directory / "app", grace=GRACE_SECONDS)
            stack.push_async_callback(app.stop)
            await app.start()
            line = await stack.enter_async_context(Line(app.port))
            url = f"http://127.0.0.1:{line.port}"
            address = RunnerAddress(url=url, token=app.token)
        handlers = directory / "handlers" if app is None else app.handlers
        _write_handler(handlers)
        agent = AgentProcess(
            broker.settings(THING),
            directory,
            handlers,
            grace=GRACE_SECONDS,
            hurry=True,
            runner=address,
        )
        stack.push_async_callback(agent.stop)
        yield World(
            directory=directory,
            broker=broker,
            service=service,
            agent=agent,
            disk=disk,
            app=app,
            line=line,
        )


def _write_handler(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = directory / "step.sh"
    file.write_text(STEP_HANDLER)
    file.chmod(0o700)


def _report(
    seed: int, world: World, chaos: Chaos, found: list[tuple[Violation, str]]
) -> None:
    jobs = chaos.workload.jobs
    statuses = Counter(job.execution.status for job in jobs)
    ends = ", ".join(f"{statuses[status]} {status}" for status in sorted(statuses))
    begun = [line for line in read_ledger(world.ledger) if line.what == "begin"]
    repeated = sum(line.attempt > 1 for line in begun)
    where = "the agent" if world.app is None else "a service"
    print(f"seed {seed}: the steps run in {where}")
    print(f"jobs {len(jobs)}: {ends}")
    print(f"steps begun {len(begun)}, of these {repeated} again after an interruption")
    if not world.disk.mounted:
        print("full disks: none, as only root may mount a small one")
    counts = chaos.counts | chaos.workload.counts
    print(", ".join(f"{name} {number}" for name, number in sorted(counts.items())))
    numbers = count(found)
    for violation in Violation:
        print(f"{violation}: {numbers[violation]}")
    for violation, detail in found[:20]:
        print(f"  {violation}: {detail}", file=sys.stderr)


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--keep", type=Path, help="leave the files in this directory")
    arguments = parser.parse_args()
    mount_privately()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.keep or Path(temporary)
        return min(1, asyncio.run(run(arguments.seconds, arguments.seed, directory)))


if __name__ == "__main__":
    sys.exit(main())
