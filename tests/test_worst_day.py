"""A real Home Assistant on its worst day: canceled, stopped and killed in mid-job."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from stack.aws import LocalAws, Thing
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN, integration_fields

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

# Says that it runs; hangs in the first attempt, and passes in the second.
_HANG = """#!/bin/sh
trap 'echo "$AWS_IOT_JOBS_ATTEMPT ended" >>"$2"; exit 0' TERM
echo "$AWS_IOT_JOBS_ATTEMPT began" >>"$2"
[ "$AWS_IOT_JOBS_ATTEMPT" -gt 1 ] && echo "attempt $AWS_IOT_JOBS_ATTEMPT" && exit 0
sleep 300 & wait
"""


class Home:
    """A Home Assistant that serves a thing of a local AWS."""

    def __init__(
        self, aws: LocalAws, thing: Thing, home: HomeAssistant, folder: Path
    ) -> None:
        """Take the parts; jobs write into a file in `folder`."""
        self.aws = aws
        self.thing = thing
        self.home = home
        self.log = folder / "log"

    async def create_job(self, name: str = "hang.sh") -> str:
        """Create a job of one step and a final step that must not run too early."""
        given = {"handler": name, "args": [str(self.log)], "path": "default"}
        step = {"name": "Hang", "type": "runHandler", "input": given}
        document: dict[str, Any] = {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [{"action": step}],
        }
        return await self.aws.create_job(self.thing, document)

    async def logged(self, text: str) -> None:
        """Wait until a step has written a line."""
        async with asyncio.timeout(30):
            while text not in self.lines:
                await asyncio.sleep(0.05)

    @property
    def lines(self) -> list[str]:
        """What the steps have written."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Start the local AWS and a Home Assistant, and add the integration."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    (handlers / "hang.sh").write_text(_HANG)
    (handlers / "hang.sh").chmod(0o700)
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(tmp_path / "home") as home,
    ):
        thing = await aws.create_thing("home-1")
        fields = integration_fields(aws, thing, handler_directory=handlers)
        await home.add_integration(DOMAIN, fields)
        yield Home(aws, thing, home, tmp_path)


async def test_a_forced_cancel_stops_the_step_and_is_shown(home: Home) -> None:
    """Home Assistant says canceled, and the next job runs."""
    job_id = await home.create_job()
    await home.logged("1 began")
    await home.aws.cancel_job(job_id, force=True)
    await home.home.wait_for_state(
        "sensor.home_1_last_job_result", lambda found: found.state == "canceled"
    )
    await home.logged("1 ended")
    following = await home.aws.create_job(
        home.thing, {"operation": "echo", "args": ["hello"], "includeStdOut": True}
    )
    ended = await home.aws.wait_for_execution(home.thing, following)
    assert ended.status == "SUCCEEDED"


@pytest.mark.parametrize("way", ["stop", "restart", "kill"])
async def test_a_step_that_home_assistants_end_interrupts_is_run_again(
    home: Home, way: str
) -> None:
    """However it ends, no orphan runs beside the second try, and the job succeeds."""
    job_id = await home.create_job()
    await home.logged("1 began")
    match way:
        case "stop":
            await home.home.stop()
            assert home.lines == ["1 began", "1 ended"]
            await home.home.start()
        case "restart":
            await home.home.restart()
        case "kill":
            await home.home.kill()
            await home.home.start()
    ended = await home.aws.wait_for_execution(home.thing, job_id)
    assert ended.status == "SUCCEEDED"
    assert ended.status_details["stdout"].strip() == "attempt 2"
    assert home.lines == ["1 began", "1 ended", "2 began"]
    await home.home.wait_for_state(
        "sensor.home_1_last_job_result", lambda found: found.state == "succeeded"
    )
