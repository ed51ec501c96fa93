"""The ledger's own checks: what they find, and what they let pass."""

from dataclasses import replace
from datetime import UTC, datetime
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs.journal import FILE_NAME, Journal
from custom_components.aws_iot_jobs.jobs.model import JobProgress, StepState, StepStatus
from custom_components.aws_iot_jobs.jobs.record import JobRecord

from .evidence import Recorded, read_journal, read_runs
from .ledger import (
    Attempt,
    Course,
    Interruption,
    Line,
    Violation,
    check_steps,
    was_given_up,
)

_RUN = [
    Line("begin", "job", 1, 1, 10.0),
    Line("end", "job", 1, 1, 11.0),
    Line("begin", "job", 2, 1, 12.0),
    Line("end", "job", 2, 1, 13.0),
]
_AGAIN = [*_RUN, Line("begin", "job", 2, 2, 15.0), Line("end", "job", 2, 2, 16.0)]
_SECOND = frozenset({Attempt("job", 2, 1)})


def _violations(
    lines: list[Line], *interruptions: Interruption, course: Course | None = None
) -> list[Violation]:
    courses = [] if course is None else [course]
    return [violation for violation, _ in check_steps(lines, interruptions, courses)]


@pytest.mark.parametrize("at", [11.5, 12.5, 14.0])
def test_a_step_may_be_repeated_after_it_was_lost(at: float) -> None:
    """Also by an interruption between its start and its first word, or after its last one."""
    assert _violations(_AGAIN, Interruption(at=at, running=_SECOND)) == []


@pytest.mark.parametrize("at", [10.5, 15.5])
def test_an_interruption_of_another_time_is_none_of_it(at: float) -> None:
    """One of an earlier step, and one that came later."""
    interruption = Interruption(at=at, running=_SECOND)
    assert _violations(_AGAIN, interruption) == [Violation.REPEATED]


def test_a_step_may_not_be_repeated_otherwise() -> None:
    """Neither without an interruption, nor when it was not this attempt that was lost."""
    assert _violations(_AGAIN) == [Violation.REPEATED]
    nothing = Interruption(at=14.0)
    assert _violations(_AGAIN, nothing) == [Violation.REPEATED]
    for other in (Attempt("job", 1, 1), Attempt("job", 2, 2), Attempt("new", 2, 1)):
        lost = Interruption(at=14.0, running=frozenset({other}))
        assert _violations(_AGAIN, lost) == [Violation.REPEATED]


def test_a_step_that_is_known_to_have_ended_may_not_be_repeated() -> None:
    """Whatever else was interrupted then or later; one that ends after it may be."""
    known = Interruption(at=13.5, ended=_SECOND)
    lost = Interruption(at=14.0, running=_SECOND)
    for interruptions in ([known], [known, lost], [replace(lost, ended=_SECOND)]):
        assert _violations(_AGAIN, *interruptions) == [Violation.REPEATED_ENDED]
    later = Interruption(at=17.0, ended=_SECOND | {Attempt("job", 2, 2)})
    assert _violations(_AGAIN, lost, later) == []


def test_attempts_count_up() -> None:
    """A second one is told that it is."""
    lines = [*_RUN, Line("begin", "job", 2, 1, 15.0), Line("end", "job", 2, 1, 16.0)]
    lost = Interruption(at=14.0, running=_SECOND)
    assert _violations(lines, lost) == [Violation.ATTEMPTS]
    # One that was lost before its first word has left a gap.
    lines = [*_RUN, Line("begin", "job", 2, 3, 15.0), Line("end", "job", 2, 3, 16.0)]
    assert _violations(lines, lost) == []


def test_an_earlier_step_may_not_come_again() -> None:
    """The order of the document is that of the steps."""
    again = [*_RUN, Line("begin", "job", 1, 2, 15.0), Line("end", "job", 1, 2, 16.0)]
    lost = Interruption(at=14.0, running=frozenset({Attempt("job", 1, 1)}))
    assert _violations(again, lost) == [Violation.ORDER]
    assert _violations(_RUN) == []


def test_two_steps_may_not_run_at_the_same_time() -> None:
    """What ends after another has begun was still running then."""
    lines = [_RUN[0], _RUN[2], _RUN[1], _RUN[3]]
    assert Violation.OVERLAP in _violations(lines)
    other = [
        _RUN[0],
        Line("begin", "new", 1, 1, 10.5),
        _RUN[1],
        Line("end", "new", 1, 1, 11.5),
    ]
    assert Violation.OVERLAP in _violations(other)


def test_a_job_that_is_over_does_not_begin_another_step() -> None:
    """As one that was removed while another one of its id has begun already."""
    new = [Line("begin", "new", 1, 1, 11.2), Line("end", "new", 1, 1, 11.8)]
    assert _violations([*_RUN, *new]) == []
    assert _violations([*_RUN[:2], *new, *_RUN[2:]]) == [Violation.LATE]


def test_a_job_that_has_succeeded_has_run_all_its_steps() -> None:
    """To their ends."""
    course = Course(job="job", steps=2, succeeded=True)
    assert _violations(_RUN, course=course) == []
    assert _violations(_RUN[:3], course=course) == [Violation.NOT_RUN]
    unsuccessful = replace(course, succeeded=False)
    assert _violations(_RUN[:3], course=unsuccessful) == []


def test_a_job_that_was_never_handed_out_does_nothing() -> None:
    """Nor one that was rejected."""
    course = Course(job="job", steps=2, forbidden=True)
    assert _violations([], course=course) == []
    assert _violations(_RUN, course=course) == [Violation.NOT_HANDED_OUT]


def test_a_step_that_hangs_is_stopped_with_its_job() -> None:
    """It has no end of its own."""
    course = Course(job="job", steps=2, hangs=True)
    assert _violations(_RUN[:3], course=course) == []
    assert _violations(_RUN, course=course) == [Violation.NOT_STOPPED]


def test_a_job_is_given_up_after_five_interruptions_of_a_step() -> None:
    """Each attempt has begun, or was on record when it was lost; the last one was lost."""
    lines = [Line("begin", "job", 1, attempt, 10.0 + attempt) for attempt in (1, 2, 4)]
    noted = Interruption(at=13.0, noted=frozenset({Attempt("job", 1, 3)}))
    last = Interruption(at=15.0, running=frozenset({Attempt("job", 1, 5)}))
    assert was_given_up("job", lines, [noted, last])
    assert not was_given_up("job", lines, [last])
    assert not was_given_up("new", lines, [noted, last])
    all_begun = [Line("begin", "job", 1, attempt, 10.0) for attempt in range(1, 6)]
    assert not was_given_up("job", all_begun, [noted])


async def _journal(directory: Path, *statuses: StepStatus) -> Path:
    steps = tuple(
        StepState(name="step", status=status, attempt=2) for status in statuses
    )
    output = "end j.1.9 1 1\nhello\nend j.1.9 2 2\n"
    record = JobRecord(
        key=ExecutionKey("j", 1, 7),
        started_at=datetime.now(UTC),
        progress=JobProgress(steps=steps, stdout=output),
    )
    await Journal(directory).save(record)
    return directory / FILE_NAME


async def test_a_journal_tells_what_is_lost_and_what_has_ended(tmp_path: Path) -> None:
    """By its statuses; what a step has written counts only for one that has ended."""
    succeeded, failed = StepStatus.SUCCEEDED, StepStatus.FAILED
    assert read_journal(tmp_path / FILE_NAME) == Recorded()
    running = (StepStatus.IN_PROGRESS, StepStatus.PENDING)
    known = read_journal(await _journal(tmp_path, succeeded, *running))
    assert known.running == {Attempt("j.1.7", 2, 2)}
    assert known.ended == {Attempt("j.1.9", 1, 1)}
    known = read_journal(await _journal(tmp_path, succeeded, failed))
    assert known.running == set()
    assert known.ended == {Attempt("j.1.9", 1, 1), Attempt("j.1.9", 2, 2)}


def test_a_runner_tells_what_is_lost_and_what_has_ended(tmp_path: Path) -> None:
    """A run without a result is lost; one that was interrupted has not ended."""
    results: dict[str, Any] = {
        "1.1": {"outcome": "exited", "stdout": "end j.1.9 1 1\n"},
        "2.1": {"outcome": "interrupted", "stdout": "end j.1.9 2 1\n"},
        "2.2": None,
    }
    for name, result in results.items():
        file = tmp_path / f"thing-1.j.1.7.{name}.run.json"
        file.write_text(json.dumps({"result": result}))
    known = read_runs(tmp_path, "thing-1")
    assert known.running == {Attempt("j.1.7", 2, 2)}
    assert known.ended == {Attempt("j.1.9", 1, 1)}
