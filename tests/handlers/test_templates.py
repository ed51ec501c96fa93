"""AWS's managed job templates, as AWS renders them, from the job to its result."""

import asyncio
from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from custom_components.aws_iot_jobs.runner.model import CommandCall, HandlerCall

from ..fake_jobs_service import Execution, FakeJobsService
from ..jobs.conftest import Device
from .machine import NEXT_BOOT_ID, Machine, Toolset
from .test_packages import APT
from .web import CONTENT, WebServer

TEMPLATES = Path(__file__).parents[1] / "templates"
DOCUMENTS = sorted(path.name for path in TEMPLATES.iterdir())
VARIANTS = ("unset", "set")
USERS = {"unset": "root", "set": "nobody"}
"""Whom the work is done as: optional parameters that are not set are empty strings."""

COMMANDS = {
    "AWS-Install-Application": ["apt-get update", f"{APT} install lftp dos2unix"],
    "AWS-Remove-Application": [f"{APT} remove --purge lftp dos2unix"],
    "AWS-Start-Application": ["service web start", "service db start"],
    "AWS-Stop-Application": ["service web stop", "service db stop"],
    "AWS-Restart-Application": ["service web restart", "service db restart"],
}


@pytest.fixture
def toolset() -> Toolset:
    """One is enough here."""
    return Toolset.DEBIAN


def document(name: str, variant: str) -> Any:
    """Return a job document as AWS renders it from a template."""
    return json.loads((TEMPLATES / f"{name}.{variant}.json").read_text())


@pytest.fixture
async def thing(
    stopped_device: Device, service: FakeJobsService, machine: Machine
) -> Device:
    """Return a connected thing that has the handlers of a machine."""
    stopped_device.handlers = machine.handlers
    stopped_device.grace = 0.1
    machine.provide_real("setpriv")
    await stopped_device.start()
    await stopped_device.connected()
    return stopped_device


async def succeeded(service: FakeJobsService, job: Execution) -> None:
    """Wait for the job's end, and require that all of it went well."""
    await service.ended(job)
    assert (job.status, job.status_details.get("reason")) == (
        "SUCCEEDED",
        "1 of 1 steps succeeded",
    ), job.status_details


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", COMMANDS)
async def test_applications(
    thing: Device,
    service: FakeJobsService,
    machine: Machine,
    name: str,
    variant: str,
) -> None:
    """All packages or services come in one argument."""
    machine.fake("apt-get", f"touch {machine.open_folder}/done")
    machine.fake("dpkg-query", f"[ -e {machine.open_folder}/done ] || echo installed")
    machine.fake("service")
    await succeeded(service, service.create_job(document(name, variant)))
    calls = [call for call in machine.calls if call.argv[0] != "dpkg-query"]
    assert [" ".join(call.argv) for call in calls] == COMMANDS[name]
    assert {call.user for call in calls} == {USERS[variant]}


@pytest.mark.parametrize("variant", VARIANTS)
async def test_download_file(
    thing: Device,
    service: FakeJobsService,
    machine: Machine,
    web: WebServer,
    variant: str,
) -> None:
    """From a presigned URL to a path."""
    machine.provide_real("curl")
    target = machine.open_folder / "firmware.bin"
    job_document = document("AWS-Download-File", variant)
    given = job_document["steps"][0]["action"]["input"]
    assert len(given["args"]) == 2
    given["args"] = [web.url("/firmware.bin"), str(target)]
    await succeeded(service, service.create_job(job_document))
    assert target.read_bytes() == CONTENT
    assert target.owner() == USERS[variant]


@pytest.mark.parametrize("variant", VARIANTS)
async def test_reboot(
    thing: Device, service: FakeJobsService, machine: Machine, variant: str
) -> None:
    """The job ends when the machine and the agent are up again, and not before."""
    machine.fake("reboot")
    job = service.create_job(document("AWS-Reboot", variant))
    await eventually(lambda: len(machine.calls) == 1)
    await thing.stop()
    assert job.status == "IN_PROGRESS"
    machine.boot(NEXT_BOOT_ID)
    await thing.start()
    await succeeded(service, job)
    assert [(call.user, call.argv) for call in machine.calls] == [
        (USERS[variant], ("reboot",))
    ]


@pytest.mark.parametrize("variant", VARIANTS)
async def test_run_command(
    thing: Device, service: FakeJobsService, machine: Machine, variant: str
) -> None:
    """Commas separate, an escaped one is a comma."""
    machine.fake("echo")
    await succeeded(service, service.create_job(document("AWS-Run-Command", variant)))
    [call] = machine.calls
    assert call.argv == ("echo", "Hello, World!", "from a template")
    assert call.user == USERS[variant]


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a fake has left its trace."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_is_understood(name: str) -> None:
    """An empty string is as good as an optional field that is absent."""
    parsed = parse_job_document(json.loads((TEMPLATES / name).read_text()))
    [step] = parsed.steps
    assert step.name == name.partition(".")[0].removeprefix("AWS-")
    assert step.run_as_user == ("" if ".unset." in name else "nobody")
    match step.call:
        case HandlerCall(path=path, args=args):
            assert path == ("" if ".unset." in name else "default")
            assert args[0] == step.run_as_user
        case CommandCall(argv=argv):
            assert argv == ("echo", "Hello, World!", "from a template")


def test_all_eight_are_here() -> None:
    """With the optional parameters unset, and with all of them set."""
    names = {"AWS-Download-File", "AWS-Reboot", "AWS-Run-Command", *COMMANDS}
    assert len(names) == 8
    expected = {f"{name}.{variant}.json" for name in names for variant in VARIANTS}
    assert set(DOCUMENTS) == expected
