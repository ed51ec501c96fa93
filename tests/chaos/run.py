"""Run an agent under load and break everything around it, at random from a seed.

python -m tests.chaos.run [--seconds N] [--seed S]
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
import random
import sys
import tempfile
import time
from typing import Any

from custom_components.aws_iot_jobs.runner.proc import groups_with_environment

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import TERMINAL, Execution, FakeJobsService
from .ledger import (
    STEP_HANDLER,
    Expectation,
    Violation,
    check_steps,
    count,
    read_ledger,
)

THING = "thing-1"
MAX_PENDING = 6
SETTLE_SECONDS = 120


@dataclass
class Counts:
    """What was done to the agent and its surroundings."""

    kills: int = 0
    stops: int = 0
    outages: int = 0
    freezes: int = 0
    cancels: int = 0
    interruptions: list[float] = field(default_factory=list)


class Chaos:
    """One run."""

    def __init__(
        self,
        directory: Path,
        broker: Broker,
        service: FakeJobsService,
        agent: AgentProcess,
        dice: random.Random,
    ) -> None:
        """Take what is to be broken."""
        self._ledger = directory / "ledger"
        self._broker = broker
        self._service = service
        self._agent = agent
        self._dice = dice
        self._canceled: set[tuple[str, int, int]] = set()
        self._expected: dict[str, Expectation] = {}
        self.counts = Counts()

    async def run(self, seconds: float) -> None:
        """Create jobs and break things for a time; then let all jobs end."""
        creating = asyncio.ensure_future(self._create_jobs())
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                await asyncio.sleep(self._dice.uniform(0.1, 3))
                await self._dice.choice(self._actions())()
        finally:
            creating.cancel()
            await asyncio.gather(creating, return_exceptions=True)
        self._service.faults.chance = 0.0
        with contextlib.suppress(TimeoutError):
            await self._service.until(self._all_ended, SETTLE_SECONDS)
        await self._agent.stop()
        await self._agent.start()
        # With nothing to do, it clears up after the last one.
        await self._service.until(self._asked_again(), 30)
        await asyncio.sleep(1)
        await self._agent.stop()

    def violations(self, directory: Path) -> list[tuple[Violation, str]]:
        """Return all that must not be."""
        found = [*self._check_ends()]
        lines = read_ledger(self._ledger)
        succeeded = [
            self._expected[job.job_id]
            for job in self._service.executions
            if job.status == "SUCCEEDED"
        ]
        found += check_steps(lines, self.counts.interruptions, succeeded)
        setting = f"AWS_IOT_JOBS_DIR={directory / 'thing' / 'work'}"
        for job in self._service.executions:
            groups = groups_with_environment(f"{setting}/{job.job_id}.1")
            found += [(Violation.LEFTOVER_PROCESS, str(group)) for group in groups]
        thing = directory / "thing"
        found += [
            (Violation.LEFTOVER_FILE, str(file))
            for file in thing.rglob("*")
            if file.name not in ("work", "journal.json")
        ]
        return found

    def _check_ends(self) -> list[tuple[Violation, str]]:
        found = []
        for job in self._service.executions:
            ends = [status for status in job.history if status in TERMINAL]
            if not ends:
                found.append((Violation.NOT_ENDED, job.job_id))
            elif len(ends) > 1:
                found.append((Violation.SEVERAL_ENDS, f"{job.job_id}: {job.history}"))
            elif ends[0] not in self._allowed(job):
                reason = job.status_details.get("reason")
                found.append(
                    (Violation.WRONG_END, f"{job.job_id}: {ends[0]}: {reason}")
                )
        return found

    def _allowed(self, job: Execution) -> frozenset[str]:
        statuses = self._expected[job.job_id].statuses
        return statuses | {"CANCELED"} if job.identity in self._canceled else statuses

    async def _create_jobs(self) -> None:
        while True:
            pending = sum(
                job.status not in TERMINAL for job in self._service.executions
            )
            if pending < MAX_PENDING:
                self._create_job()
            await asyncio.sleep(self._dice.uniform(0.02, 0.3))

    def _create_job(self) -> None:
        steps = self._dice.randint(1, 4)
        kind = self._dice.choices(("good", "failing", "invalid"), (8, 1, 1))[0]
        fails = self._dice.randint(1, steps) if kind == "failing" else None
        document: dict[str, Any] = {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [
                self._step(f"step {number}", exit_status=3 if number == fails else 0)
                for number in range(1, steps + 1)
            ],
        }
        if kind == "invalid":
            del document["version"]
        statuses = {"good": "SUCCEEDED", "failing": "FAILED", "invalid": "REJECTED"}
        job = self._service.create_job(document, thing_name=THING)
        self._expected[job.job_id] = Expectation(
            job_id=job.job_id, statuses=frozenset({statuses[kind]}), steps=steps
        )

    def _step(self, name: str, *, exit_status: int) -> dict[str, Any]:
        seconds = f"{self._dice.choice((0, 0.01, 0.1, 0.5)):.2f}"
        args = [str(self._ledger), seconds, str(exit_status)]
        given = {"handler": "step.sh", "args": args, "path": "default"}
        return {"action": {"name": name, "type": "runHandler", "input": given}}

    def _actions(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._kill_agent,
            self._kill_agent,
            self._stop_agent,
            self._kill_broker,
            self._restart_broker,
            self._freeze_broker,
            self._cancel_job,
            self._change_faults,
        ]

    async def _kill_agent(self) -> None:
        self.counts.kills += 1
        self.counts.interruptions.append(time.time())
        await self._agent.kill()
        await asyncio.sleep(self._dice.uniform(0, 0.5))
        await self._agent.start()

    async def _stop_agent(self) -> None:
        self.counts.stops += 1
        self.counts.interruptions.append(time.time())
        await self._agent.stop()
        await self._agent.start()

    async def _kill_broker(self) -> None:
        self.counts.outages += 1
        await self._broker.kill()
        await asyncio.sleep(self._dice.uniform(0, 3))
        await self._broker.start()

    async def _restart_broker(self) -> None:
        self.counts.outages += 1
        await self._broker.restart()

    async def _freeze_broker(self) -> None:
        self.counts.freezes += 1
        self._broker.freeze()
        await asyncio.sleep(self._dice.uniform(0.1, 5))
        self._broker.thaw()

    async def _cancel_job(self) -> None:
        pending = [
            job for job in self._service.executions if job.status not in TERMINAL
        ]
        if pending:
            self.counts.cancels += 1
            job = self._dice.choice(pending)
            self._canceled.add(job.identity)
            self._service.end(job, "CANCELED")

    async def _change_faults(self) -> None:
        self._service.faults.chance = self._dice.choice((0.0, 0.02, 0.1))
        self._service.faults.max_delay = self._dice.choice((0.0, 0.2))

    def _all_ended(self) -> bool:
        return all(job.status in TERMINAL for job in self._service.executions)

    def _asked_again(self) -> Callable[[], bool]:
        seen = len(self._service.requests)
        return lambda: len(self._service.requests) > seen


async def run(seconds: float, seed: int, directory: Path) -> int:
    """Run and report; return how many violations there were."""
    dice = random.Random(seed)
    handlers = directory / "handlers"
    handlers.mkdir(mode=0o700, parents=True)
    (handlers / "step.sh").write_text(STEP_HANDLER)
    (handlers / "step.sh").chmod(0o700)
    async with (
        Broker(directory / "broker", [THING]) as broker,
        FakeJobsService(
            port=broker.port, tls_context=broker.service_tls_context()
        ) as service,
    ):
        service.faults.random = dice
        agent = AgentProcess(
            broker.settings(THING), directory, handlers, grace=1.0, hurry=True
        )
        await agent.start()
        chaos = Chaos(directory, broker, service, agent, dice)
        try:
            await chaos.run(seconds)
        finally:
            await agent.stop()
        found = chaos.violations(directory)
        _report(seed, service, chaos.counts, found, read_ledger(directory / "ledger"))
    return len(found)


def _report(
    seed: int,
    service: FakeJobsService,
    counts: Counts,
    found: list[tuple[Violation, str]],
    lines: list[Any],
) -> None:
    statuses = sorted({job.status for job in service.executions})
    ends = ", ".join(
        f"{sum(job.status == status for job in service.executions)} {status}"
        for status in statuses
    )
    steps = sum(line.what == "begin" for line in lines)
    repeated = sum(line.what == "begin" and line.attempt > 1 for line in lines)
    print(f"seed {seed}")
    print(f"jobs {len(service.executions)}: {ends}")
    print(f"steps begun {steps}, of these {repeated} again after an interruption")
    print(
        f"agent kills {counts.kills}, stops {counts.stops}; broker outages "
        f"{counts.outages}, freezes {counts.freezes}; cancels {counts.cancels}"
    )
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
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.keep or Path(temporary)
        return min(1, asyncio.run(run(arguments.seconds, arguments.seed, directory)))


if __name__ == "__main__":
    sys.exit(main())
