"""What is on record of the steps, and which of them live: read at an interruption.

A record tells a step's end by the step's own output, which names its job beyond doubt.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from custom_components.aws_iot_jobs.jobs.journal import decode
from custom_components.aws_iot_jobs.jobs.model import StepStatus

from .ledger import Attempt

_STEP_HAS_ENDED = (
    StepStatus.SUCCEEDED,
    StepStatus.FAILED,
    StepStatus.FAILURE_IGNORED,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record has of attempts.

    `running` by the name of the job's execution, `ended` by the job's own account.
    """

    running: frozenset[Attempt] = frozenset()
    ended: frozenset[Attempt] = frozenset()


def read_journal(file: Path) -> Recorded:
    """Return what an agent's journal has of the job under way."""
    try:
        record = decode(file.read_bytes())[0].record
    except FileNotFoundError:
        return Recorded()
    if record is None:
        return Recorded()
    name = str(record.key)
    running, ended = set(), set()
    for number, step in enumerate(record.progress.steps, 1):
        if step.status is StepStatus.IN_PROGRESS:
            running.add(Attempt(name, number, step.attempt))
        elif step.status in _STEP_HAS_ENDED:
            stdout = record.progress.stdout
            ended |= {it for it in ends_in(stdout) if it.step == number}
    return Recorded(frozenset(running), frozenset(ended))


def read_runs(directory: Path, thing_name: str) -> Recorded:
    """Return what a runner service has of its runs."""
    running, ended = set(), set()
    for file in directory.glob("*.run.json"):
        try:
            data: dict[str, Any] = json.loads(file.read_bytes())
        except FileNotFoundError:
            # It has been forgotten meanwhile.
            continue
        if (result := data["result"]) is None:
            run_id = file.name.removesuffix(".run.json").removeprefix(f"{thing_name}.")
            name, step, attempt = run_id.rsplit(".", 2)
            running.add(Attempt(name, int(step), int(attempt)))
        elif result["outcome"] == "exited":
            ended |= set(ends_in(result["stdout"]))
    return Recorded(frozenset(running), frozenset(ended))


def ends_in(output: str) -> Iterator[Attempt]:
    """Yield the attempts that have ended by what they have written last."""
    for line in output.splitlines():
        if line.startswith("end "):
            _, job, step, attempt = line.split()
            yield Attempt(job, int(step), int(attempt))


def living_steps(work_directories: Iterable[Path]) -> set[int]:
    """Return the processes that have the directory of a job in their environment."""
    wanted = tuple(f"AWS_IOT_JOBS_DIR={work}/".encode() for work in work_directories)
    return {int(entry.name) for entry in Path("/proc").iterdir() if _has(entry, wanted)}


def _has(process: Path, settings: tuple[bytes, ...]) -> bool:
    if not process.name.isdecimal():
        return False
    try:
        environment = (process / "environ").read_bytes()
    except OSError:
        # It has ended meanwhile, or is another user's.
        return False
    return any(each.startswith(settings) for each in environment.split(b"\0"))
