"""Jobs update a real Home Assistant: its Supervisor replaces it while they wait.

The Supervisor is not real, and a version is what a process of Home Assistant is told to be.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
import json
from pathlib import Path
import signal
from typing import Any, override

import pytest
import pytest_socket

from stack.aws import Execution, LocalAws, Thing
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields
from stack.paths import ROOT

from .components.fake_supervisor import SLUG, TOKEN
from .components.fake_updates import Part, UpdatingSupervisor
from .runner_service import RunnerService

# A Home Assistant starts, ends and starts again, on a busy machine perhaps.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

PROGRAM = Path(__file__).with_name("home_assistant_program.py")
JOB_SECONDS = 120
RELEASE = (ROOT / "docs/jobs/patch-release.json").read_text()
"""What is to be run in all homes, as it is documented."""


class SupervisedHomeAssistant(HomeAssistant):
    """A Home Assistant whose container is Supervisor's."""

    def __init__(self, directory: Path, supervisor: UpdatingSupervisor) -> None:
        """Run at the version that the Supervisor has of it."""
        super().__init__(directory, configuration=f"{CONFIGURATION}recorder:\n")
        self._supervisor = supervisor

    @override
    def _command(self) -> list[str | Path]:
        python, _, _, *options = super()._command()
        return [python, PROGRAM, self._supervisor.core.version, *options]

    @override
    def _environment(self) -> dict[str, str]:
        supervisor = {"SUPERVISOR": self._supervisor.host, "SUPERVISOR_TOKEN": TOKEN}
        return super()._environment() | supervisor

    async def replace(self) -> None:
        """End it as its container ends, and start what is installed then."""
        self.process.send_signal(signal.SIGTERM)
        await self.process.wait()
        await self.start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant with a Supervisor, whose thing has jobs of a local AWS."""

    aws: LocalAws
    thing: Thing
    home: SupervisedHomeAssistant
    supervisor: UpdatingSupervisor

    async def update(self, *inputs: dict[str, Any]) -> Execution:
        """Have a job update something, each in a step; return how it has ended."""
        document = {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [
                {"action": {"name": "Update", "type": "updateHomeAssistant"} | given}
                for given in ({"input": each} for each in inputs)
            ],
        }
        return await self.run(json.dumps(document))

    async def run(self, document: str) -> Execution:
        """Have a job run a document; return how it has ended."""
        job_id = await self.aws.create_job(self.thing, json.loads(document))
        return await self.aws.wait_for_execution(
            self.thing, job_id, seconds=JOB_SECONDS
        )

    async def log(self, execution: Execution) -> str:
        """Return the log of a job, as the action answers that reads it."""
        answer = await self.home.request(
            "POST",
            f"/api/services/{DOMAIN}/get_job_log?return_response",
            json={"job_id": execution.job_id},
        )
        return json.dumps(answer["service_response"])


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Set everything up, with handlers in Home Assistant itself."""
    pytest_socket.socket_allow_hosts(
        ["127.0.0.1", "localhost", "::1"], allow_unix_socket=True
    )
    service = RunnerService(tmp_path / "app")
    # Home Assistant has its Supervisor updated first of all.
    newest = Part("2026.08.0", "2026.08.0")
    async with (
        LocalAws(tmp_path / "aws") as aws,
        UpdatingSupervisor(service, supervisor=newest) as supervisor,
        SupervisedHomeAssistant(tmp_path / "home", supervisor) as home,
    ):
        supervisor.asked_for.clear()
        thing = await aws.create_thing("my-home")
        fields = integration_fields(aws, thing)
        entry = await home.add_integration(DOMAIN, fields, choices={"local", "open"})
        assert entry.state == "loaded"
        supervisor.end_core = home.replace
        yield Home(aws=aws, thing=thing, home=home, supervisor=supervisor)


async def test_a_release_for_all_homes(home: Home) -> None:
    """A backup, Core, and a check that it is well: it goes on after the restart.

    What does not start is rolled back, and the job says so. Its log has both lives.
    """
    supervisor = home.supervisor
    rollback = home.home.config / "home-assistant-rollback.log"

    async def roll_back() -> None:
        rollback.write_text("the frontend does not start\n")
        await home.home.replace()

    supervisor.broken.add("2026.10.4")
    supervisor.end_core = roll_back
    execution = await home.run(RELEASE)
    assert execution.status == "FAILED"
    assert execution.status_details["reason"].startswith(
        "step 3 of 3 'Update-Core': Supervisor rolled back to 2026.10.3, as Home Assistant "
        "Core 2026.10.4 did not start as it should"
    )
    log = await home.log(execution)
    assert "Home Assistant Core: 2026.10.3 -> 2026.10.4" in log
    assert "the frontend does not start" in log

    supervisor.end_core = home.home.replace
    execution = await home.run(RELEASE.replace("2026.10.4", "2026.10.5"))
    assert execution.status == "SUCCEEDED", execution.status_details
    log = await home.log(execution)
    for line in (
        "Name: before Home Assistant 2026.10.5",
        "Home Assistant Core: 2026.10.3 -> 2026.10.5",
        "Home Assistant Core is at 2026.10.5, and was at 2026.10.3",
        "version: 2026.10.5",
        "url: / has answered 200",
    ):
        assert line in log
    assert [asked["name"] for asked in supervisor.backups.asked] == [
        "before Home Assistant 2026.10.4",
        "before Home Assistant 2026.10.5",
    ]
    config = await home.home.request("GET", "/api/config")
    assert config["version"] == "2026.10.5"
    assert home.home.blocking_calls() == []


@pytest.mark.thorough
async def test_core(home: Home) -> None:
    """One version does not start, and is rolled back; the next one is there to stay."""
    supervisor = home.supervisor
    log = home.home.config / "home-assistant-rollback.log"

    async def roll_back() -> None:
        log.write_text("the frontend does not start\n")
        await home.home.replace()

    supervisor.broken.add("2026.10.4")
    supervisor.end_core = roll_back
    execution = await home.update({"what": "core", "version": "2026.10.4"})
    assert execution.status == "FAILED"
    assert execution.status_details["reason"] == (
        "step 1 of 1 'Update': Supervisor rolled back to 2026.10.3, as Home Assistant Core "
        "2026.10.4 did not start as it should; the output ends with its log "
        "(home-assistant-rollback.log)"
    )
    assert execution.status_details["stdout"].endswith("the frontend does not start\n")
    assert "the frontend does not start" in await home.log(execution)

    supervisor.end_core = home.home.replace
    execution = await home.update(
        {"what": SLUG}, {"what": "core", "version": "2026.10.5"}
    )
    assert execution.status == "SUCCEEDED", execution.status_details
    assert execution.status_details["stdout"] == (
        f"app {SLUG}: 0.1.0 -> 0.2.0\n"
        f"app {SLUG} is at 0.2.0, and was at 0.1.0\n"
        "Home Assistant Core is at 2026.10.5, and was at 2026.10.3\n"
    )
    log_of_job = await home.log(execution)
    assert "Home Assistant Core: 2026.10.3 -> 2026.10.5" in log_of_job
    assert "Home Assistant Core is at 2026.10.5" in log_of_job
    # Each was asked for once.
    assert [asked for asked, _ in supervisor.asked_for] == [
        "POST core/update",
        f"POST store/addons/{SLUG}/update",
        "POST core/update",
    ]
    config = await home.home.request("GET", "/api/config")
    assert config["version"] == "2026.10.5"
    assert home.home.blocking_calls() == []


@pytest.mark.thorough
async def test_killed_while_core_is_updated(home: Home) -> None:
    """Home Assistant is killed, not ended, and comes back with the version."""

    async def kill() -> None:
        await home.home.kill()
        await home.home.start()

    home.supervisor.end_core = kill
    execution = await home.update({"what": "core", "version": "2026.10.4"})
    assert execution.status == "SUCCEEDED", execution.status_details
    assert [asked for asked, _ in home.supervisor.asked_for] == ["POST core/update"]
