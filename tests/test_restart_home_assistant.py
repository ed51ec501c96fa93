"""A real Home Assistant restarts, or is killed, while a step runs in the runner's service."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Any

import pytest

from stack.aws import LocalAws, Thing
from stack.home_assistant import RESTART_EXIT_STATUS, HomeAssistant
from stack.integration import DOMAIN, integration_fields

from .runner.processes import living
from .runner_service import RunnerService

# A Home Assistant starts, ends and starts again, on a busy machine perhaps.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

THING = "my-home"
START_SECONDS = 60
JOB_SECONDS = 120

# Notes its attempt and its process, and lasts for 20 seconds.
_LONG = """#!/bin/sh
echo "$AWS_IOT_JOBS_ATTEMPT $$" >>"$2"
echo "begins"
sleep 20
echo "ends"
"""

# Has Home Assistant restart itself, and ends when that answers again.
_RESTART = """#!{python}
import os, sys, time, urllib.request

def ask(path, method):
    headers = {{"Authorization": "Bearer {token}"}}
    request = urllib.request.Request("{url}" + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.read()
    except OSError:
        return b""

with open(sys.argv[2], "a") as notes:
    notes.write(f"{{os.environ['AWS_IOT_JOBS_ATTEMPT']}} {{os.getpid()}}\\n")
ask("/api/services/homeassistant/restart", "POST")
while ask("/api/config", "GET"):
    time.sleep(0.1)
while b"RUNNING" not in ask("/api/config", "GET"):
    time.sleep(0.1)
print("Home Assistant is back")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant whose thing has its handlers run by a service."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant
    runner: RunnerService
    notes: Path

    async def create_job(self, handler: str) -> str:
        """Create a job of one step."""
        source = {"handler": handler, "args": [str(self.notes)], "path": "default"}
        action = {"name": "Work", "type": "runHandler", "input": source}
        return await self.aws.create_job(
            self.thing,
            {"version": "1.0", "includeStdOut": True, "steps": [{"action": action}]},
        )

    async def begun(self) -> int:
        """Wait until the step runs, and return its process."""
        await self.home.process.until(self._noted, START_SECONDS)
        ((attempt, pid),) = self.attempts()
        assert attempt == 1
        return pid

    async def _noted(self) -> bool | None:
        return True if self.notes.exists() and self.attempts() else None

    def attempts(self) -> list[tuple[int, int]]:
        """Return the attempts of the step so far, each with its process."""
        lines = self.notes.read_text().splitlines()
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Set everything up, with "a runner at an address"."""
    runner = RunnerService(tmp_path / "runner")
    await runner.start()
    try:
        async with (
            LocalAws(tmp_path / "aws") as aws,
            HomeAssistant(tmp_path / "home") as home,
        ):
            thing = await aws.create_thing(THING)
            fields: dict[str, Any] = integration_fields(aws, thing)
            fields |= {"url": runner.url, "runner_token": runner.token}
            entry = await home.add_integration(DOMAIN, fields, choices={"address"})
            assert entry.state == "loaded"
            yield Home(
                aws=aws,
                thing=thing,
                home=home,
                runner=runner,
                notes=tmp_path / "notes",
            )
    finally:
        await runner.stop()


async def test_killed_in_the_middle_of_a_step(home: Home) -> None:
    """The step goes on in the runner, is not run again, and its result counts."""
    home.runner.handler("long.sh", _LONG)
    job_id = await home.create_job("long.sh")
    pid = await home.begun()

    await home.home.kill()
    assert living(pid)
    await home.home.start()

    execution = await home.aws.wait_for_execution(
        home.thing, job_id, seconds=JOB_SECONDS
    )
    assert execution.status == "SUCCEEDED"
    assert execution.status_details["stdout"] == "begins\nends\n"
    assert home.attempts() == [(1, pid)]


async def test_handler_that_restarts_home_assistant(home: Home) -> None:
    """A job that has Home Assistant restarted succeeds when that is back."""
    handler = _RESTART.format(
        python=sys.executable, token=home.home.token, url=home.home.url
    )
    home.runner.handler("restart.py", handler)
    job_id = await home.create_job("restart.py")
    pid = await home.begun()

    assert await home.home.process.wait() == RESTART_EXIT_STATUS
    assert living(pid)
    execution = await home.aws.describe_execution(home.thing, job_id)
    assert execution.status == "IN_PROGRESS"
    await home.home.start()

    execution = await home.aws.wait_for_execution(
        home.thing, job_id, seconds=JOB_SECONDS
    )
    assert execution.status == "SUCCEEDED"
    assert execution.status_details["stdout"] == "Home Assistant is back\n"
    assert home.attempts() == [(1, pid)]
