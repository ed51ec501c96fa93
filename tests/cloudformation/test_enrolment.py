"""Homes enrol with a claim of the stack, and then may do what its policies say."""

import asyncio
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from stack.aws import Thing
from stack.fleet import fleet_bundle

from ..agent_process import AgentProcess
from .conftest import SharedFleet
from .home import (
    FIRST_FAILURE,
    NOT_AUTHORIZED,
    NotConnectedError,
    NotProvisionedError,
    claim_connection,
    connected,
    enrol,
    enrolment,
    publish,
    subscribe,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]


def principals(shared: SharedFleet, thing: str) -> list[str]:
    """Return the certificates of a thing."""
    found: list[str] = shared.aws.iot.list_thing_principals(thingName=thing)[
        "principals"
    ]
    return found


def test_a_home_becomes_a_thing_of_the_fleet(shared: SharedFleet) -> None:
    """Named after its serial number, in the group, with its site; one claim is for many."""
    settings = shared.run(enrol(shared.bundle, "serial-1"))
    assert settings.thing_name == "home-serial-1"
    thing = shared.aws.iot.describe_thing(thingName=settings.thing_name)
    assert thing["attributes"] == {"serialNumber": "serial-1", "site": "harbour"}
    assert shared.run(enrol(shared.bundle, "serial-2")).thing_name == "home-serial-2"
    group = shared.aws.iot.list_things_in_thing_group(thingGroupName=shared.fleet.name)
    assert {"home-serial-1", "home-serial-2"} <= set(group["things"])


def test_a_known_serial_number_is_refused(shared: SharedFleet) -> None:
    """Whoever has the claim cannot take over the jobs of another home."""
    shared.run(enrol(shared.bundle, "taken"))
    before = principals(shared, "home-taken")
    with pytest.raises(NotProvisionedError) as refused:
        shared.run(enrol(shared.bundle, "taken"))
    assert (refused.value.status, refused.value.code) == (403, "AccessDenied")
    assert principals(shared, "home-taken") == before
    assert len(before) == 1


def test_a_lost_answer_is_asked_for_again(shared: SharedFleet) -> None:
    """The same home, which shows the same certificate, is not refused."""

    async def ask_twice() -> None:
        async with enrolment(shared.bundle) as home:
            new = await home.new_certificate()
            first = await home.register(new, "asks-twice")
            assert await home.register(new, "asks-twice") == first

    shared.run(ask_twice())
    assert len(principals(shared, "home-asks-twice")) == 1


@pytest.mark.parametrize("serial", ["", "with space", "../x", "$next", "x" * 101])
def test_what_is_no_serial_number_is_refused(shared: SharedFleet, serial: str) -> None:
    """As no name of a thing may come of it."""
    with pytest.raises(NotProvisionedError) as refused:
        shared.run(enrol(shared.bundle, serial))
    assert refused.value.status == 403


def test_a_thing_that_was_made_before_its_home_enrols(shared: SharedFleet) -> None:
    """It keeps its attributes and groups; so does one whose old certificate is detached."""
    iot = shared.aws.iot
    iot.create_thing_group(thingGroupName="lighthouses")
    iot.create_thing(
        thingName="home-prepared", attributePayload={"attributes": {"keeper": "ann"}}
    )
    iot.add_thing_to_thing_group(
        thingGroupName="lighthouses", thingName="home-prepared"
    )
    shared.run(enrol(shared.bundle, "prepared"))
    [old] = principals(shared, "home-prepared")
    iot.detach_thing_principal(thingName="home-prepared", principal=old)
    shared.run(enrol(shared.bundle, "prepared"))
    thing = iot.describe_thing(thingName="home-prepared")
    assert thing["attributes"]["keeper"] == "ann"
    assert thing["attributes"]["site"] == "harbour"
    groups = iot.list_thing_groups_for_thing(thingName="home-prepared")["thingGroups"]
    assert {group["groupName"] for group in groups} == {
        "lighthouses",
        shared.fleet.name,
    }


def test_a_temporary_claim_enrols(shared: SharedFleet) -> None:
    """For somebody who sets up a home now."""
    bundle = shared.run(fleet_bundle(shared.aws, shared.fleet, temporary=True))
    settings = shared.run(enrol(bundle, "temporary"))
    assert settings.thing_name == "home-temporary"


def test_a_claim_is_for_nothing_else(shared: SharedFleet) -> None:
    """No other template, no jobs, and no connection under the name of a thing."""

    async def ask_for_more() -> None:
        async with claim_connection(shared.bundle, "claim-1") as client:
            for topic in (
                "$aws/provisioning-templates/other/provision/json",
                "$aws/things/home-serial-1/jobs/start-next",
                "home/light",
            ):
                assert await publish(client, topic) == NOT_AUTHORIZED
                [code] = await subscribe(client, topic)
                assert code >= FIRST_FAILURE
        with pytest.raises(NotConnectedError):
            async with claim_connection(shared.bundle, "home-serial-1"):
                pass

    shared.run(ask_for_more())


def test_rights_reach_homes_that_have_enrolled(shared: SharedFleet) -> None:
    """Each has what the stack says now, and without it is refused; what jobs need it has."""
    shared.update()
    settings = shared.run(enrol(shared.bundle, "rights"))
    assert shared.run(rights(settings)) == {"jobs"}
    shared.update(Inventory="yes")
    assert shared.run(rights(settings)) == {"jobs", "inventory"}
    shared.update(Peek="yes")
    assert shared.run(rights(settings)) == {"jobs", "peek"}
    shared.update()
    assert shared.run(rights(settings)) == {"jobs"}


async def rights(settings: ConnectionSettings) -> set[str]:
    """Return what a home may do; nothing of the other home's in any case."""
    asked = {
        "jobs": ("jobs/start-next", True),
        "inventory": ("shadow/name/home-assistant/update", False),
        "peek": ("jobs/$next/get", True),
    }
    allowed = set()
    async with connected(settings) as client:
        for name, (topic, answered) in asked.items():
            own = f"$aws/things/{settings.thing_name}/{topic}"
            other = f"$aws/things/home-other/{topic}"
            answers = (f"{own}/accepted", f"{own}/rejected") if answered else ()
            assert await publish(client, other) == NOT_AUTHORIZED
            codes = await subscribe(client, *answers) if answers else []
            codes.append(await publish(client, own))
            assert len({code == NOT_AUTHORIZED for code in codes}) == 1
            if NOT_AUTHORIZED not in codes:
                allowed.add(name)
    return allowed


def test_an_enrolled_home_runs_a_job_of_the_group(
    shared: SharedFleet, tmp_path: Path
) -> None:
    """A job from a template of the stack, with the group as its target."""
    settings = shared.run(enrol(shared.bundle, "works"))
    agent = AgentProcess(
        connection=settings, directory=tmp_path / "agent", handlers=tmp_path
    )
    thing = Thing(
        name=settings.thing_name,
        arn="",
        certificate_arn="",
        certificate="",
        private_key="",
    )

    async def run_job() -> None:
        await agent.start()
        try:
            await asyncio.to_thread(
                shared.aws.iot.create_job,
                jobId="hello-1",
                targets=[shared.fleet.group_arn],
                jobTemplateArn=shared.fleet.job_template_arn("hello-1"),
            )
            execution = await shared.aws.wait_for_execution(thing, "hello-1")
        finally:
            await agent.stop()
        assert execution.status == "SUCCEEDED"
        assert execution.status_details["stdout"] == "Hello World!\n"

    shared.run(run_job())
