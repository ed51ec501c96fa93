"""The ledger's own checks: what they find, and what they let pass."""

from .ledger import Line, Violation, check_steps

_RUN = [
    Line("begin", "job", 1, 1, 10.0),
    Line("end", "job", 1, 1, 11.0),
    Line("begin", "job", 2, 1, 12.0),
    Line("end", "job", 2, 1, 13.0),
]


def _violations(lines: list[Line], interruptions: list[float]) -> list[Violation]:
    return [violation for violation, _ in check_steps(lines, interruptions, [])]


def test_a_step_may_be_repeated_after_an_interruption() -> None:
    """Also after one between its start and its first word."""
    again = [*_RUN, Line("begin", "job", 2, 2, 15.0), Line("end", "job", 2, 2, 16.0)]
    assert _violations(again, [12.5]) == []
    assert _violations(again, [11.5]) == []
    assert _violations(again, [14.0]) == []


def test_a_step_may_not_be_repeated_otherwise() -> None:
    """An interruption of an earlier step is none of this one."""
    again = [*_RUN, Line("begin", "job", 2, 2, 15.0), Line("end", "job", 2, 2, 16.0)]
    assert _violations(again, []) == [Violation.REPEATED]
    assert _violations(again, [10.5]) == [Violation.REPEATED]
    assert _violations(again, [17.0]) == [Violation.REPEATED]


def test_an_earlier_step_may_not_come_again() -> None:
    """The order of the document is that of the steps."""
    again = [*_RUN, Line("begin", "job", 1, 2, 15.0), Line("end", "job", 1, 2, 16.0)]
    assert Violation.ORDER in _violations(again, [14.0])


def test_two_steps_may_not_run_at_the_same_time() -> None:
    """What ends after another has begun was still running then."""
    lines = [_RUN[0], _RUN[2], _RUN[1], _RUN[3]]
    assert Violation.OVERLAP in _violations(lines, [])
