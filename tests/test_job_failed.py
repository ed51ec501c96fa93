"""A real Home Assistant tells an automation of each failed job, once, through a restart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from stack.aws import LocalAws
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

CONNECTED = "binary_sensor.home_1_connected"

_AUTOMATION = """\
shell_command:
  note: sh {folder}/note.sh {{{{ job_id }}}}
automation:
  - alias: Note failures
    mode: queued
    triggers:
      - trigger: aws_iot_jobs.job_failed
        target:
          entity_id: event.home_1_job
    actions:
      - action: shell_command.note
        data:
          job_id: "{{{{ trigger.to_state.attributes.job_id }}}}"
"""

FAILS: dict[str, Any] = {"operation": "sh", "args": ["-c", "exit 3"]}
NO_STEPS: dict[str, Any] = {"version": "1.0", "steps": []}
SUCCEEDS: dict[str, Any] = {"operation": "true"}


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant with an automation that notes failed jobs in a file."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    (tmp_path / "note.sh").write_text(f'echo "$1" >>{tmp_path}/failed\n')
    configuration = CONFIGURATION + _AUTOMATION.format(folder=tmp_path)
    async with HomeAssistant(tmp_path / "home", configuration=configuration) as home:
        yield home


@pytest.fixture
async def aws(tmp_path: Path, socket_enabled: None) -> AsyncIterator[LocalAws]:
    """Run a local AWS."""
    async with LocalAws(tmp_path / "aws") as aws:
        yield aws


async def test_each_failure_is_told_once(
    aws: LocalAws, home: HomeAssistant, tmp_path: Path
) -> None:
    """Three jobs fail in a row, one is rejected; then comes a reload, then a restart."""
    thing = await aws.create_thing("home-1")
    entry = await home.add_integration(DOMAIN, integration_fields(aws, thing))
    told = tmp_path / "failed"
    failed = [await aws.create_job(thing, FAILS) for _ in range(3)]
    failed.append(await aws.create_job(thing, NO_STEPS))
    await _noted(told, failed[-1])

    path = f"/api/config/config_entries/entry/{entry.entry_id}/reload"
    await home.request("POST", path)
    await _connected(home)
    await home.restart()
    await _connected(home)
    # What would be told again is told before this.
    await aws.create_job(thing, SUCCEEDS)
    failed.append(await aws.create_job(thing, FAILS))
    await _noted(told, failed[-1])
    assert told.read_text().split() == failed


async def _noted(told: Path, job_id: str) -> None:
    """Wait until the automation has noted a job."""
    async with asyncio.timeout(60):
        while not told.exists() or job_id not in told.read_text().split():
            await asyncio.sleep(0.1)


async def _connected(home: HomeAssistant) -> None:
    await home.wait_for_state(CONNECTED, lambda state: state.state == "on", seconds=60)
