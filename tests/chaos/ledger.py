"""What the steps did, by their own account, and what may be wrong with it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

MAX_ATTEMPTS = 5
"""How many times a step may be interrupted before its job fails."""

# Appends one line in one write when it begins, and another when it ends; the second is its
# output, too. The token tells a job from another one of the same id and execution number.
STEP_HANDLER = """#!/bin/sh
note() {
    echo "$1 $this $(date +%s.%N)" >>"$ledger"
}
ledger=$2
this="$AWS_IOT_JOB_ID.$AWS_IOT_JOBS_EXECUTION_NUMBER.$5"
this="$this $AWS_IOT_JOBS_STEP $AWS_IOT_JOBS_ATTEMPT"
note begin
sleep "$3"
echo "end $this"
note end
exit "$4"
"""


class Violation(StrEnum):
    """What must never be."""

    NOT_ENDED = "job without an end"
    SEVERAL_ENDS = "job with several ends"
    WRONG_END = "job with a wrong end"
    NO_ROOM = "job failed for want of disk"
    NOT_RUN = "step of a succeeded job that never ran to its end"
    NOT_HANDED_OUT = "step of a job that was not to be run"
    REPEATED = "step repeated without an interruption"
    REPEATED_ENDED = "step repeated though it had ended"
    NOT_STOPPED = "step that went on to its end though its job had ended"
    LATE = "step of a job that was over"
    ATTEMPTS = "attempts not numbered one after the other"
    ORDER = "steps out of order"
    OVERLAP = "two steps at the same time"
    LEFTOVER_PROCESS = "process left"
    LEFTOVER_FILE = "file left"


class Attempt(NamedTuple):
    """One attempt of a step. `job` has its id, execution number and token."""

    job: str
    step: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger. `at` is in seconds since the epoch."""

    what: str
    job: str
    step: int
    attempt: int
    at: float

    @property
    def of(self) -> Attempt:
        """Whose line it is."""
        return Attempt(self.job, self.step, self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """An end of what runs the steps, at `at`, and what was known then.

    `running` are the attempts that were lost by it: on record as begun and not as ended.
    `noted` are those that the agent had as begun, lost or not. `ended` are those that must
    be known to have ended.
    """

    at: float
    running: frozenset[Attempt] = frozenset()
    noted: frozenset[Attempt] = frozenset()
    ended: frozenset[Attempt] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a job must have done: how many steps, when it has succeeded.

    `forbidden`: it was not to be run at all. `hangs`: its last step takes longer than it
    may ever have.
    """

    job: str
    steps: int
    succeeded: bool = False
    forbidden: bool = False
    hangs: bool = False


def read_ledger(file: Path) -> list[Line]:
    """Return the lines in the order in which they were written."""
    lines = []
    for text in file.read_text().splitlines() if file.exists() else []:
        what, job, step, attempt, at = text.split()
        lines.append(Line(what, job, int(step), int(attempt), float(at)))
    return lines


def check_steps(
    lines: Sequence[Line],
    interruptions: Sequence[Interruption],
    courses: Iterable[Course],
) -> Iterator[tuple[Violation, str]]:
    """Yield what is wrong with what the steps did."""
    by_job: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_job[line.job].append(line)
    # A step has been started some time before it writes that it begins: at the earliest
    # when the line before was written.
    earliest = {line: before.at for before, line in pairwise(lines)}
    for job, own in by_job.items():
        yield from _check_attempts(job, own, interruptions, earliest)
        yield from _check_order(job, own)
    yield from _check_overlap(lines)
    yield from _check_late(lines)
    for course in courses:
        yield from _check_course(course, by_job[course.job])


def was_given_up(
    job: str, lines: Iterable[Line], interruptions: Iterable[Interruption]
) -> bool:
    """Tell whether a step of a job was really interrupted as often as it may be.

    Each of its attempts was begun by its own account, or on record when it was lost.
    """
    recorded = {it for each in interruptions for it in each.running | each.noted}
    lost = {each for each in recorded if each.job == job}
    known = lost | {line.of for line in lines if line.job == job}
    tried: defaultdict[int, set[int]] = defaultdict(set)
    for each in known:
        tried[each.step].add(each.attempt)
    whole = set(range(1, MAX_ATTEMPTS + 1))
    return any(
        attempts == whole and Attempt(job, step, MAX_ATTEMPTS) in lost
        for step, attempts in tried.items()
    )


def _check_attempts(
    job: str,
    lines: Sequence[Line],
    interruptions: Sequence[Interruption],
    earliest: Mapping[Line, float],
) -> Iterator[tuple[Violation, str]]:
    begins: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.what == "begin":
            begins[line.step].append(line)
    for step, tries in begins.items():
        for one, next_one in pairwise(tries):
            name = f"{job} step {step}: {next_one.attempt} at {next_one.at}"
            if next_one.attempt <= one.attempt:
                yield Violation.ATTEMPTS, name
            before = [each for each in interruptions if each.at <= next_one.at]
            started = earliest.get(one, 0.0)
            if any(one.of in each.ended for each in before):
                yield Violation.REPEATED_ENDED, name
            elif not any(
                started <= each.at and one.of in each.running for each in before
            ):
                yield Violation.REPEATED, name


def _check_order(job: str, lines: Sequence[Line]) -> Iterator[tuple[Violation, str]]:
    begun = [line.step for line in lines if line.what == "begin"]
    if begun != sorted(begun) or set(begun) != set(range(1, max(begun, default=0) + 1)):
        yield Violation.ORDER, f"{job}: {begun}"


def _check_overlap(lines: Sequence[Line]) -> Iterator[tuple[Violation, str]]:
    """Find what ended after something else had begun.

    A step that was killed has no end; then nothing tells when it was over.
    """
    current: Line | None = None
    for line in lines:
        if line.what == "begin":
            current = line
        elif current is None or line.of != current.of:
            yield Violation.OVERLAP, f"{line} while {current}"


def _check_late(lines: Sequence[Line]) -> Iterator[tuple[Violation, str]]:
    """Find what began although another job had begun since its own: jobs take turns."""
    over: set[str] = set()
    current: str | None = None
    for line in lines:
        if line.what != "begin":
            continue
        if line.job in over:
            yield Violation.LATE, f"{line} after {current}"
        elif current is not None and line.job != current:
            over.add(current)
        current = line.job


def _check_course(
    course: Course, lines: Sequence[Line]
) -> Iterator[tuple[Violation, str]]:
    ended = {line.step for line in lines if line.what == "end"}
    if course.succeeded and ended != set(range(1, course.steps + 1)):
        yield (
            Violation.NOT_RUN,
            f"{course.job}: only {sorted(ended)} of {course.steps}",
        )
    if course.forbidden and lines:
        yield Violation.NOT_HANDED_OUT, f"{course.job}: {lines[0]}"
    if course.hangs and course.steps in ended:
        yield Violation.NOT_STOPPED, course.job


def count(violations: Iterable[tuple[Violation, str]]) -> Counter[Violation]:
    """Return how often each violation was found."""
    return Counter(violation for violation, _ in violations)
