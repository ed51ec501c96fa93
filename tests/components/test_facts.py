"""What a job's conditions can ask of a Home Assistant."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from aiohttp.test_utils import TestServer
import pytest

from custom_components.aws_iot_jobs.facts import async_get_facts
from custom_components.aws_iot_jobs.jobs.conditions import Facts
from custom_components.aws_iot_jobs.places.runners import (
    RunnerKind,
    RunnerSettings,
    async_ask,
)
from custom_components.aws_iot_jobs.runner.client import RunnerAddress
from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.runs import Runs
from custom_components.aws_iot_jobs.runner.server import make_app
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant


@pytest.fixture
def machine() -> Iterator[None]:
    """Run on an ARM machine with Ubuntu."""
    release = {"ID": "ubuntu", "ID_LIKE": "debian"}
    with (
        patch("platform.machine", return_value="aarch64"),
        patch("platform.freedesktop_os_release", return_value=release),
    ):
        yield


async def test_facts(hass: HomeAssistant, machine: None) -> None:
    """All keys are known, with each name that things go by."""
    facts = await _facts(hass)
    assert facts["installationType"]
    assert dict(facts) | {"installationType": None} == {
        "agentVersion": {"1.2.3"},
        "architecture": {"aarch64", "arm64"},
        "homeAssistantVersion": {__version__},
        "installationType": None,
        "operatingSystem": {"linux", "ubuntu", "debian"},
        "thingName": {"thing-1"},
    }


async def test_runner_elsewhere(hass: HomeAssistant, machine: None) -> None:
    """What counts for a job is the place where its handlers run."""
    runner = RunnerSettings(
        kind=RunnerKind.APP,
        operating_systems=("linux", "debian"),
        architecture="x86_64",
    )
    facts = await _facts(hass, runner)
    assert facts["operatingSystem"] == {"linux", "debian"}
    assert facts["architecture"] == {"x86_64", "amd64"}
    assert facts["homeAssistantVersion"] == {__version__}


async def test_runner_says_all_its_names(
    hass: HomeAssistant, machine: None, tmp_path: Path
) -> None:
    """A runner tells the names that its system goes by as Home Assistant knows its own."""
    runs = Runs(LocalRunner(tmp_path, tmp_path / "work"), tmp_path / "runs")
    async with TestServer(make_app(runs, tmp_path, "token")) as server:
        url = f"http://{server.host}:{server.port}"
        info = await async_ask(hass, RunnerAddress(url=url, token="token"))
    assert info.operating_systems == ("linux", "ubuntu", "debian")
    assert info.architecture == "aarch64"


async def test_system_that_does_not_tell_its_name(
    hass: HomeAssistant, machine: None
) -> None:
    """Where no file says what the system is, its kernel is known."""
    with patch("platform.freedesktop_os_release", side_effect=OSError):
        facts = await _facts(hass)
    assert facts["operatingSystem"] == {"linux"}


async def _facts(hass: HomeAssistant, runner: RunnerSettings | None = None) -> Facts:
    return await async_get_facts(
        hass,
        runner or RunnerSettings(kind=RunnerKind.LOCAL),
        thing_name="thing-1",
        agent_version="1.2.3",
    )
