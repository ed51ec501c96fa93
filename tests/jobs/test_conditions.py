"""Whether a job is meant for this thing."""

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.jobs.conditions import unmet_condition
from custom_components.aws_iot_jobs.jobs.document import Condition

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document

FACTS = {
    "architecture": ["x86_64"],
    "operatingSystem": ["linux", "debian"],
    "thingName": ["thing-1"],
    "unknownHere": [],
    "version": ["2026.10.4"],
}


def condition(key: str, *values: str, type: str = "stringEqual") -> Condition:
    """Return a condition."""
    return Condition(key=key, values=values, type=type)


@pytest.mark.parametrize(
    "conditions",
    [
        (),
        (condition("operatingSystem", "linux"),),
        (condition("operatingSystem", "debian"),),
        (condition("operatingSystem", "windows", "debian"),),
        (condition("thingName", "thing-1"), condition("architecture", "x86_64")),
        (condition("version", "2026.10.5", type="versionLessThan"),),
        (condition("version", "2027", type="versionLessThan"),),
        (condition("version", "2026.9", type="versionAtLeast"),),
        (condition("version", "2026.10.4", type="versionAtLeast"),),
        (condition("version", "2026.10.4b1", type="versionAtLeast"),),
    ],
)
def test_conditions_hold_where_any_value_of_each_is_a_fact(
    conditions: tuple[Condition, ...],
) -> None:
    """A fact may have several values; so may a condition."""
    assert unmet_condition(conditions, FACTS) is None


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        (
            (condition("operatingSystem", "windows"),),
            "conditions[0]: operatingSystem is 'debian' or 'linux', not 'windows'",
        ),
        (
            (condition("thingName", "thing-1"), condition("thingName", "a", "b")),
            "conditions[1]: thingName is 'thing-1', not 'a' or 'b'",
        ),
        (
            (condition("thingName", "Thing-1"),),
            "conditions[0]: thingName is 'thing-1', not 'Thing-1'",
        ),
        (
            (condition("thingname", "thing-1"),),
            f"conditions[0].key: unknown key 'thingname'; known are {', '.join(FACTS)}",
        ),
        (
            (condition("thingName", "thing-1", type="stringNotEqual"),),
            """conditions[0].type: must be "stringEqual", not 'stringNotEqual'""",
        ),
        (
            (condition("version", "2026.10.3", type="versionLessThan"),),
            "conditions[0]: version is '2026.10.4', not less than '2026.10.3'",
        ),
        (
            (condition("version", "2026.11", "2027", type="versionAtLeast"),),
            "conditions[0]: version is '2026.10.4', not at least '2026.11' or '2027'",
        ),
        (
            (condition("thingName", "2026.10", type="versionAtLeast"),),
            (
                "conditions[0]: thingName is 'thing-1', which cannot be compared with "
                "'2026.10'"
            ),
        ),
        (
            (condition("version", "2026", type="versionLess"),),
            """conditions[0].type: must be "versionLessThan", not 'versionLess'""",
        ),
        (
            (condition("unknownHere", "1", type="versionLessThan"),),
            "conditions[0]: unknownHere is unknown, not '1'",
        ),
        (
            (condition("unknownHere", "a"),),
            "conditions[0]: unknownHere is unknown, not 'a'",
        ),
    ],
)
def test_a_condition_that_does_not_hold_is_told(
    conditions: tuple[Condition, ...], problem: str
) -> None:
    """The first of them, with what was found and what was wanted."""
    assert unmet_condition(conditions, FACTS) == problem


def test_without_facts_every_key_is_unknown() -> None:
    """And the reason says that none is known."""
    assert unmet_condition([condition("a", "b")], {}) == (
        "conditions[0].key: unknown key 'a'; known are none"
    )


texts = st.text(max_size=2000)


@given(
    st.lists(
        st.builds(Condition, key=texts, values=st.lists(texts).map(tuple), type=texts)
    )
)
def test_a_reason_is_never_long(conditions: list[Condition]) -> None:
    """However long what the document wants is."""
    problem = unmet_condition(conditions, FACTS)
    assert problem is None or len(problem) < 600


async def test_a_job_for_another_thing_is_rejected_and_nothing_runs(
    device: Device, service: FakeJobsService
) -> None:
    """One that is meant for this one runs."""
    wanted = {"key": "operatingSystem", "value": ["windows", "linux"]}
    other = {"key": "thingName", "value": ["thing-2"]}
    unknown = {"key": "colour", "value": ["blue"]}
    strange = {"key": "thingName", "value": ["thing"], "type": "stringStartsWith"}
    ran = device.handlers / "ran"
    jobs = [
        service.create_job(
            document(command_step(f"touch,{ran}"), conditions=conditions)
        )
        for conditions in ([wanted, other], [unknown], [strange])
    ]
    reasons = [(await service.ended(job)).status_details["reason"] for job in jobs]
    assert [job.history[-1] for job in jobs] == ["REJECTED"] * 3
    assert reasons == [
        "not for this thing: conditions[1]: thingName is 'thing-1', not 'thing-2'",
        (
            "not for this thing: conditions[0].key: unknown key 'colour'; known are "
            "operatingSystem, thingName"
        ),
        (
            "not for this thing: conditions[0].type: "
            """must be "stringEqual", not 'stringStartsWith'"""
        ),
    ]
    assert not ran.exists()
    job = service.create_job(
        document(command_step(f"touch,{ran}"), conditions=[wanted])
    )
    assert (await service.ended(job)).status == "SUCCEEDED"
    assert ran.exists()
