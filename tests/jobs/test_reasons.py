"""Reasons in words, and what they were made of."""

from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.conditions import unmet_condition
from custom_components.aws_iot_jobs.jobs.document import Condition, JobDocument, Step
from custom_components.aws_iot_jobs.jobs.job_run import _ENDED_BY_AWS
from custom_components.aws_iot_jobs.jobs.model import StepState, StepStatus
from custom_components.aws_iot_jobs.jobs.reasons import (
    Part,
    Reason,
    Sentence,
    either,
    read,
    translated,
)
from custom_components.aws_iot_jobs.jobs.report import (
    judge_step,
    reason_of_step,
    success_reason,
)
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    RunOutcome,
    RunResult,
)

CALL = CommandCall(argv=("true",))
GERMAN = {
    Reason.FAILURES_IGNORED: (
        "{succeeded} von {count} Schritten gelungen; übergangen: {failures}"
    ),
    Reason.STEP: "Schritt {index} von {count} {name}: {reason}",
    Reason.FINAL_STEP: "letzter Schritt {name}: {reason}",
    Reason.WITH_DETAIL: "{cause}; {detail}",
    Reason.BETWEEN_STEPS: "{cause}, zwischen zwei Schritten",
    Reason.EXIT_STATUS: "Exit-Status {status}",
    Reason.TIMED_OUT: "Zeit abgelaufen",
    Reason.TIMED_OUT_AFTER: "Zeit abgelaufen nach {seconds} s",
    Reason.STOPPED_HERE: "in Home Assistant angehalten",
    Reason.REJECTED_BECAUSE: "in Home Assistant abgelehnt: {detail}",
    Reason.INVALID_DOCUMENT: "ungültiges Jobdokument: {reason}",
    Reason.NOT_FOR_THIS_THING: "nicht für dieses Ding: {reason}",
    Reason.FIELD: "{path}: {cause}",
    Reason.MISSING: "fehlt",
    Reason.OTHER_FACT: "{key} ist {here}, nicht {wanted}",
    Reason.EITHER: "{value} oder {others}",
}

SLY = st.sampled_from(
    [
        "it's",
        'a "b": c',
        "a\nb\t\\n",
        "…",
        "exit status 3",
        "stopped; now",
        "timed out after 5 s between two steps",
        "rejected in Home Assistant: stopped",
        "step 1 of 2 'a': exit status 3",
        "x; final step 'a': exit status 3",
        "' or '",
        "{name}",
    ]
)
"""What could be taken for ours."""

texts = st.text(min_size=1) | SLY
names = texts | st.text("'\"\\: …\n", min_size=90)


def step(name: str = "s", **fields: Any) -> Step:
    """Return a step."""
    return Step(name=name, call=CALL, **fields)


def steps(*named: str) -> JobDocument:
    """Return a document with steps of these names."""
    return JobDocument(steps=tuple(map(step, named)))


def in_german(text: str) -> str:
    """Return a reason in German."""
    return translated(text, GERMAN.__getitem__)


def shown(name: str) -> str:
    """Return how a reason has the name of a step."""
    return repr(name if len(name) <= 100 else f"{name[:100]}…")


def parts_of(part: Part) -> dict[str, Part]:
    """Return the parts of what has to be a sentence."""
    assert isinstance(part, Sentence)
    return dict(part.parts)


# What is made is read back

results = st.one_of(
    st.integers(1, 255).map(
        lambda status: (
            RunResult(outcome=RunOutcome.EXITED, exit_status=status),
            Sentence(Reason.EXIT_STATUS, {"status": str(status)}),
        )
    ),
    st.sampled_from(["SIGKILL", "SIGTERM", "64"]).map(
        lambda signal: (
            RunResult(outcome=RunOutcome.SIGNALED, signal=signal),
            Sentence(Reason.SIGNAL, {"signal": signal}),
        )
    ),
    st.integers(1, 9**9).map(
        lambda lines: (
            RunResult(outcome=RunOutcome.EXITED, exit_status=0, stderr_lines=lines),
            Sentence(Reason.TOO_MUCH_STDERR, {"lines": str(lines), "allowed": "0"}),
        )
    ),
    texts.map(
        lambda detail: (
            RunResult(outcome=RunOutcome.TIMED_OUT, detail=detail),
            Sentence(
                Reason.WITH_DETAIL,
                {
                    "cause": Sentence(Reason.TIMED_OUT_AFTER, {"seconds": "0.5"}),
                    "detail": detail,
                },
            ),
        )
    ),
    texts.map(
        lambda detail: (
            RunResult(outcome=RunOutcome.STOPPED, detail=detail),
            Sentence(
                Reason.WITH_DETAIL,
                {"cause": Sentence(Reason.STOPPED, {}), "detail": detail},
            ),
        )
    ),
    st.just(
        (
            RunResult(outcome=RunOutcome.TIMED_OUT),
            Sentence(Reason.TIMED_OUT_AFTER, {"seconds": "0.5"}),
        )
    ),
    st.just((RunResult(outcome=RunOutcome.STOPPED), Sentence(Reason.STOPPED, {}))),
    st.just(
        (
            RunResult(outcome=RunOutcome.REFUSED, detail="there is no user 'x'"),
            "there is no user 'x'",
        )
    ),
)
"""How a run can end, and what its reason is made of."""


@given(results, names)
def test_the_reason_of_a_step_is_read_back(
    result: tuple[RunResult, Part], name: str
) -> None:
    """Whatever the step is called, and whatever a runner adds."""
    run, expected = result
    _, reason = judge_step(step(name, allow_stderr=0, timeout=0.5), run)
    assert read(reason) == expected
    told = reason_of_step(steps("a", name), 1, reason)
    assert read(told) == Sentence(
        Reason.STEP,
        {"index": "2", "count": "2", "name": shown(name), "reason": expected},
    )
    final = JobDocument(steps=(), final_step=step(name))
    told = reason_of_step(final, 0, reason)
    assert read(told) == Sentence(
        Reason.FINAL_STEP, {"name": shown(name), "reason": expected}
    )


@given(st.lists(st.tuples(names, st.integers(1, 255)), min_size=1, max_size=5))
def test_failures_that_were_ignored_are_read_back_one_by_one(
    failed: list[tuple[str, int]],
) -> None:
    """Their names may look like what stands between them."""
    states = [
        StepState(
            name=name, status=StepStatus.FAILURE_IGNORED, reason=f"exit status {status}"
        )
        for name, status in failed
    ]
    done = StepState(name="done", status=StepStatus.SUCCEEDED)
    document = steps(*(name for name, _ in failed), "done")
    parts = parts_of(read(success_reason(document, [*states, done])))
    assert parts["succeeded"] == "1"
    failures = parts["failures"]
    assert isinstance(failures, tuple)
    assert [parts_of(failure)["name"] for failure in failures] == [
        shown(name) for name, _ in failed
    ]
    assert [parts_of(failure)["reason"] for failure in failures] == [
        Sentence(Reason.EXIT_STATUS, {"status": str(status)}) for _, status in failed
    ]


@given(texts)
def test_what_people_say_is_theirs(said: str) -> None:
    """It is told as they have said it, also where it looks like a sentence of ours."""
    told = Reason.REJECTED_BECAUSE.text(detail=said)
    assert in_german(told) == f"in Home Assistant abgelehnt: {said}"


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
def test_values_of_conditions_are_told(found: list[str], wanted: list[str]) -> None:
    """Each of them; which of them could be told apart otherwise is not ours to say."""
    here, there = either(found), either(wanted)
    told = Reason.OTHER_FACT.text(key="k", here=here, wanted=there)
    assert translated(told, lambda reason: reason.value) == told


def test_a_condition_that_does_not_hold_is_read_back() -> None:
    """Down to its values."""
    wanted = Condition(key="os", values=("a or b", "c", "it's"))
    problem = unmet_condition([wanted], {"os": ["d", "e"]})
    assert problem is not None
    told = Reason.NOT_FOR_THIS_THING.text(reason=problem)
    assert in_german(told) == (
        "nicht für dieses Ding: conditions[0]: "
        "os ist 'd' oder 'e', nicht 'a or b' oder 'c' oder \"it's\""
    )


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_each_sentence_is_read_back(reason: Reason) -> None:
    """With the parts that it has, none as another one."""
    within = {"cause": "required"} if reason is Reason.FIELD else {}
    told = reason.text(**PARTS | within)
    found = read(told)
    assert isinstance(found, Sentence)
    assert found.reason is reason
    assert translated(told, lambda each: f"<{each.value}>").startswith("<")


PARTS = {
    "succeeded": 1,
    "count": 3,
    "failures": "step 2 of 3 'Check': exit status 3",
    "index": 2,
    "name": "'Check'",
    "reason": "there is no handler 'x'",
    "cause": "stopped in Home Assistant",
    "detail": "because",
    "status": 3,
    "signal": "SIGKILL",
    "lines": 3,
    "allowed": 2,
    "seconds": "0.5",
    "attempts": 5,
    "path": "steps[1].action.name",
    "version": "1.0",
    "found": "'x'",
    "max_seconds": 604800,
    "known": "architecture, thingName",
    "meant": '"callAction"',
    "what": "core",
    "target": "lock.front, area 'x'",
    "key": "architecture",
    "here": "'x86_64'",
    "wanted": "'aarch64' or 'armv7l'",
    "value": "'a'",
    "others": "'b'",
}


def test_each_end_in_aws_has_a_reason() -> None:
    """Whoever ends a job there: it is told how."""
    ends = {status for status in JobStatus if status.terminal}
    assert _ENDED_BY_AWS.keys() == ends


# What is told in another language

IGNORED = (
    """2 of 4 steps succeeded; failure ignored: step 2 of 4 "b; it's": exit status 1; """
    "step 3 of 4 'c': there is no handler 'c' in /handlers"
)
IGNORED_IN_GERMAN = (
    """2 von 4 Schritten gelungen; übergangen: Schritt 2 von 4 "b; it's": Exit-Status 1; """
    "Schritt 3 von 4 'c': there is no handler 'c' in /handlers"
)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "step 2 of 3 'Check': exit status 3",
            "Schritt 2 von 3 'Check': Exit-Status 3",
        ),
        (
            "final step 'Clean up': timed out after 5 s; a process of it is left",
            "letzter Schritt 'Clean up': Zeit abgelaufen nach 5 s; a process of it is left",
        ),
        (IGNORED, IGNORED_IN_GERMAN),
        (
            "stopped in Home Assistant between two steps",
            "in Home Assistant angehalten, zwischen zwei Schritten",
        ),
        (
            "invalid job document: steps[1].action.name: required",
            "ungültiges Jobdokument: steps[1].action.name: fehlt",
        ),
        ("steps[1].action.name: required", "steps[1].action.name: fehlt"),
        ("anything else; between two steps", "anything else; between two steps"),
        ("", ""),
    ],
)
def test_reasons_in_german(reason: str, words: str) -> None:
    """What is ours is German, all else as it was."""
    assert in_german(reason) == words


fragments = st.lists(
    st.sampled_from(list(Reason)).map(lambda reason: reason.text(**PARTS))
    | SLY
    | st.text(max_size=5)
    | st.sampled_from(["; ", ": ", "'", '"', "\\", " or ", "\n"]),
    max_size=8,
).map("".join)


@given(fragments)
def test_in_english_nothing_changes(text: str) -> None:
    """Of no text at all, however it was made."""
    assert translated(text, lambda reason: reason.value) == text


@pytest.mark.parametrize(
    "piece",
    [
        "step 1 of 1 'a': ",
        "'a' or ",
        "x; ",
        "timed out; ",
        "conditions[0]: a is 'b', not 'c' or ",
        "1 of 2 steps succeeded; failure ignored: step 1 of 2 'a': ",
        "\\'",
    ],
)
@pytest.mark.parametrize("beginning", ["", "0 of 9 steps succeeded; failure ignored: "])
def test_a_long_text_is_no_burden(beginning: str, piece: str) -> None:
    """What a program or a document has put there may be of any length and shape."""
    text = beginning + piece * 20_000
    assert translated(text, lambda reason: reason.value) == text
