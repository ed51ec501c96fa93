"""What the steps did, by their own account, and what may be wrong with it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

# Appends one line in one write when it begins, and another when it ends.
STEP_HANDLER = """#!/bin/sh
note() {
    echo "$1 $AWS_IOT_JOB_ID $AWS_IOT_JOBS_STEP $AWS_IOT_JOBS_ATTEMPT $(date +%s.%N)" \\
        >>"$ledger"
}
ledger=$2
note begin
sleep "$3"
note end
exit "$4"
"""


class Violation(StrEnum):
    """What must never be."""

    NOT_ENDED = "job without an end"
    SEVERAL_ENDS = "job with several ends"
    WRONG_END = "job with a wrong end"
    NOT_RUN = "step of a succeeded job that never ran to its end"
    REPEATED = "step repeated without an interruption"
    ATTEMPTS = "attempts not numbered one after the other"
    ORDER = "steps out of order"
    OVERLAP = "two steps at the same time"
    LEFTOVER_PROCESS = "process left"
    LEFTOVER_FILE = "file left"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger. `at` is in seconds since the epoch."""

    what: str
    job_id: str
    step: int
    attempt: int
    at: float


def read_ledger(file: Path) -> list[Line]:
    """Return the lines in the order in which they were written."""
    lines = []
    for text in file.read_text().splitlines() if file.exists() else []:
        what, job_id, step, attempt, at = text.split()
        lines.append(Line(what, job_id, int(step), int(attempt), float(at)))
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """How a job must have ended: its status, and how many steps have then been run."""

    job_id: str
    statuses: frozenset[str]
    steps: int


def check_steps(
    lines: Sequence[Line],
    interruptions: Sequence[float],
    succeeded: Iterable[Expectation],
) -> Iterator[tuple[Violation, str]]:
    """Yield what is wrong with what the steps did.

    `interruptions` are the times at which the agent was stopped or killed.
    """
    by_job: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_job[line.job_id].append(line)
    # A step has been started some time before it writes that it begins: at the earliest
    # when the line before was written.
    earliest = {line: before.at for before, line in pairwise(lines)}
    for job_id, own in by_job.items():
        yield from _check_attempts(job_id, own, interruptions, earliest)
        yield from _check_order(job_id, own)
    yield from _check_overlap(lines)
    for job in succeeded:
        ended = {line.step for line in by_job[job.job_id] if line.what == "end"}
        if ended != set(range(1, job.steps + 1)):
            yield (
                Violation.NOT_RUN,
                f"{job.job_id}: only {sorted(ended)} of {job.steps}",
            )


def _check_attempts(
    job_id: str,
    lines: Sequence[Line],
    interruptions: Sequence[float],
    earliest: Mapping[Line, float],
) -> Iterator[tuple[Violation, str]]:
    begins: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.what == "begin":
            begins[line.step].append(line)
    for step, tries in begins.items():
        for one, next_one in pairwise(tries):
            if next_one.attempt <= one.attempt:
                yield Violation.ATTEMPTS, f"{job_id} step {step}: {next_one.attempt}"
            started = earliest.get(one, 0.0)
            if not any(started <= at <= next_one.at for at in interruptions):
                yield Violation.REPEATED, f"{job_id} step {step}: {next_one.attempt}"


def _check_order(job_id: str, lines: Sequence[Line]) -> Iterator[tuple[Violation, str]]:
    begun = [line.step for line in lines if line.what == "begin"]
    if begun != sorted(begun) or set(begun) != set(range(1, max(begun, default=0) + 1)):
        yield Violation.ORDER, f"{job_id}: {begun}"


def _check_overlap(lines: Sequence[Line]) -> Iterator[tuple[Violation, str]]:
    """Find what ended after something else had begun.

    A step that was killed has no end; then nothing tells when it was over.
    """
    current: Line | None = None
    for line in lines:
        if line.what == "begin":
            current = line
        elif current is None or (line.job_id, line.step, line.attempt) != (
            current.job_id,
            current.step,
            current.attempt,
        ):
            yield Violation.OVERLAP, f"{line} while {current}"


def count(violations: Iterable[tuple[Violation, str]]) -> Counter[Violation]:
    """Return how often each violation was found."""
    return Counter(violation for violation, _ in violations)
