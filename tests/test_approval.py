"""Approval from end to end: the local AWS, a real Home Assistant, and somebody who decides."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.aws import Execution, LocalAws, Thing
from stack.config_flow import change_options
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN, integration_fields

# Four jobs, and a Home Assistant that starts twice.
pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

THING = "my-home"
WAITING = "waiting for approval in Home Assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant whose jobs wait for approval."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant
    entry_id: str
    ran: Path

    async def waiting_job(self) -> str:
        """Create a job, and wait until AWS and Home Assistant say that it waits."""
        given = {"command": f"touch,{self.ran}"}
        action = {"name": "Touch", "type": "runCommand", "input": given}
        job_id = await self.aws.create_job(
            self.thing, {"version": "1.0", "steps": [{"action": action}]}
        )
        await self.shows("awaiting_approval")
        async with asyncio.timeout(20):
            async for execution in self.aws.follow_execution(self.thing, job_id):
                if execution.status_details.get("reason") == WAITING:
                    break
        return job_id

    async def shows(self, status: str) -> None:
        """Wait until Home Assistant shows a status."""
        await self.home.wait_for_state(
            "sensor.my_home_job_status", lambda state: state.state == status, seconds=60
        )

    async def act(self, action: str, **data: Any) -> None:
        """Do what somebody does with a service action."""
        await self.home.call(
            "call_service",
            domain=DOMAIN,
            service=action,
            service_data={"config_entry_id": self.entry_id, **data},
        )

    async def ended(self, job_id: str) -> Execution:
        """Wait until AWS knows how a job has ended, and Home Assistant shows no other."""
        execution = await self.aws.wait_for_execution(self.thing, job_id)
        await self.shows("idle")
        return execution

    async def last(self) -> tuple[str, str]:
        """Return what Home Assistant shows of the job that ended last."""
        state = (await self.home.states())["sensor.my_home_last_job_result"]
        return state.attributes["job_id"], state.state

    async def repairs(self) -> list[dict[str, Any]]:
        """Return what Home Assistant asks in its repairs."""
        issues = (await self.home.call("repairs/list_issues"))["issues"]
        return [it for it in issues if it["translation_key"] == "approval"]


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Set everything up, and have each job wait."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(tmp_path / "home") as home,
    ):
        thing = await aws.create_thing(THING)
        fields = integration_fields(aws, thing, handler_directory=handlers)
        entry = await home.add_integration(DOMAIN, fields)
        options = {"handler_directory": str(handlers), "approval": "every_job"}
        await change_options(home, entry.entry_id, options)
        yield Home(
            aws=aws,
            thing=thing,
            home=home,
            entry_id=entry.entry_id,
            ran=tmp_path / "ran",
        )


async def test_whoever_decides_is_heard(home: Home) -> None:
    """Approved over a restart, rejected with a reason, canceled at AWS, or left too long."""
    job_id = await home.waiting_job()
    (issue,) = await home.repairs()
    assert f"touch {home.ran}" in issue["translation_placeholders"]["steps"]
    await home.home.restart()
    await home.shows("awaiting_approval")
    assert not home.ran.exists()
    await home.act("approve_job", job_id=job_id)
    assert (await home.ended(job_id)).status == "SUCCEEDED"
    assert home.ran.exists()
    assert await home.repairs() == []

    job_id = await home.waiting_job()
    await home.act("reject_job", reason="not while we are asleep")
    execution = await home.ended(job_id)
    assert execution.status == "REJECTED"
    assert (
        execution.status_details["reason"]
        == "rejected in Home Assistant: not while we are asleep"
    )
    assert await home.last() == (job_id, "rejected")

    job_id = await home.waiting_job()
    await home.aws.cancel_job(job_id, force=True)
    assert (await home.ended(job_id)).status == "CANCELED"
    assert await home.last() == (job_id, "canceled")

    options = {
        "handler_directory": str(home.ran.parent / "handlers"),
        "approval": "every_job",
        "approval_time_limit": {"seconds": 3},
    }
    await change_options(home.home, home.entry_id, options)
    job_id = await home.waiting_job()
    execution = await home.ended(job_id)
    assert execution.status == "REJECTED"
    assert (
        execution.status_details["reason"] == "not approved in Home Assistant in time"
    )
    assert execution.status_details["homeAssistantVersion"]
    assert execution.status_details["agentVersion"]
    assert await home.last() == (job_id, "rejected")
