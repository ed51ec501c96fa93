"""What a job's conditions can ask of a Home Assistant."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from custom_components.aws_iot_jobs.facts import async_get_facts
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
    facts = await async_get_facts(hass, thing_name="thing-1", agent_version="1.2.3")
    assert facts["installationType"]
    assert dict(facts) | {"installationType": None} == {
        "agentVersion": {"1.2.3"},
        "architecture": {"aarch64", "arm64"},
        "homeAssistantVersion": {__version__},
        "installationType": None,
        "operatingSystem": {"linux", "ubuntu", "debian"},
        "thingName": {"thing-1"},
    }


async def test_system_that_does_not_tell_its_name(
    hass: HomeAssistant, machine: None
) -> None:
    """Where no file says what the system is, its kernel is known."""
    with patch("platform.freedesktop_os_release", side_effect=OSError):
        facts = await async_get_facts(hass, thing_name="thing-1", agent_version="1.2.3")
    assert facts["operatingSystem"] == {"linux"}
