"""Jobs that restart a real Home Assistant, reload it, and see that it is well."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.aws import Execution, LocalAws, Thing
from stack.home_assistant import CONFIGURATION, RESTART_EXIT_STATUS, HomeAssistant
from stack.integration import DOMAIN, integration_fields
from stack.paths import CUSTOM_COMPONENTS

from .jobs.documents import command_step, document, home_step
from .runner_service import free_port

# A Home Assistant starts, ends and starts again, on a busy machine perhaps.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

THING = "my-home"
JOB_SECONDS = 120

FRAGILE = "fragile"
# Has one entity, and cannot be set up while there is a file "broken".
_FRAGILE = {
    "manifest.json": """\
{
  "domain": "fragile",
  "name": "Fragile",
  "codeowners": [],
  "config_flow": true,
  "documentation": "https://example.com",
  "iot_class": "calculated",
  "version": "1"
}
""",
    "__init__.py": """\
from pathlib import Path

from homeassistant.exceptions import ConfigEntryNotReady


async def async_setup(hass, config):
    async def reload(call):
        for entry in hass.config_entries.async_entries("fragile"):
            await hass.config_entries.async_reload(entry.entry_id)

    hass.services.async_register("fragile", "reload", reload)
    return True


async def async_setup_entry(hass, entry):
    path = Path(hass.config.path("broken"))
    if await hass.async_add_executor_job(path.exists):
        raise ConfigEntryNotReady("there is such a file")
    await hass.config_entries.async_forward_entry_setups(entry, ["sensor"])
    return True


async def async_unload_entry(hass, entry):
    return await hass.config_entries.async_unload_platforms(entry, ["sensor"])
""",
    "config_flow.py": """\
from homeassistant.config_entries import ConfigFlow


class FragileFlow(ConfigFlow, domain="fragile"):
    async def async_step_user(self, user_input=None):
        if user_input is None:
            return self.async_show_form(step_id="user")
        return self.async_create_entry(title="Bridge", data={})
""",
    "sensor.py": """\
from homeassistant.components.sensor import SensorEntity


class FragileSensor(SensorEntity):
    _attr_name = "Fragile"
    _attr_native_value = 1
    _attr_unique_id = "fragile"


async def async_setup_entry(hass, entry, async_add_entities):
    async_add_entities([FragileSensor()])
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant that has a thing, and an integration that is easily broken."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant

    async def create_job(self, *steps: dict[str, Any]) -> str:
        """Create a job."""
        return await self.aws.create_job(self.thing, document(*steps))

    async def ended(self, job_id: str) -> Execution:
        """Wait for the end of a job."""
        return await self.aws.wait_for_execution(
            self.thing, job_id, seconds=JOB_SECONDS
        )


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Set everything up."""
    components = tmp_path / "custom_components"
    (components / FRAGILE).mkdir(parents=True)
    (components / DOMAIN).symlink_to(CUSTOM_COMPONENTS / DOMAIN)
    for name, text in _FRAGILE.items():
        (components / FRAGILE / name).write_text(text)
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(tmp_path / "home", custom_components=components) as home,
    ):
        thing = await aws.create_thing(THING)
        await home.add_integration(FRAGILE, {})
        entry = await home.add_integration(DOMAIN, integration_fields(aws, thing))
        assert entry.state == "loaded"
        yield Home(aws=aws, thing=thing, home=home)


async def test_a_job_goes_on_over_a_restart(home: Home) -> None:
    """It restarts Home Assistant, and succeeds when that is well again."""
    job_id = await home.create_job(
        command_step("echo,once"),
        home_step("restartHomeAssistant"),
        home_step(
            "checkHomeAssistant",
            input={
                "withinSeconds": 60,
                "components": ["recorder", "fragile.sensor"],
                "entries": True,
                "availableEntities": 0,
                "recorder": True,
                "url": "/manifest.json",
            },
        ),
    )
    assert await home.home.process.wait() == RESTART_EXIT_STATUS
    execution = await home.aws.describe_execution(home.thing, job_id)
    assert execution.status == "IN_PROGRESS"
    await home.home.start()

    execution = await home.ended(job_id)
    assert execution.status == "SUCCEEDED", execution.status_details
    once, restarted, *held = execution.status_details["stdout"].splitlines()
    assert once == "once"
    assert restarted.endswith(" has restarted")
    assert [line.partition(":")[0] for line in held] == [
        "components",
        "entries",
        "availableEntities",
        "recorder",
        "url",
    ]
    assert not home.home.blocking_calls()


@pytest.mark.thorough
async def test_a_configuration_that_is_broken_after_the_check(home: Home) -> None:
    """Home Assistant comes back without jobs, and this one goes on when that is mended."""
    job_id = await home.create_job(home_step("restartHomeAssistant"))
    assert await home.home.process.wait() == RESTART_EXIT_STATUS
    configuration = home.home.config / "configuration.yaml"
    configuration.write_text(f"{CONFIGURATION}broken: [\n")
    await home.home.start()
    config = await home.home.request("GET", "/api/config")
    assert config["recovery_mode"]
    assert not any(name.startswith(DOMAIN) for name in config["components"])
    execution = await home.aws.describe_execution(home.thing, job_id)
    assert execution.status == "IN_PROGRESS"

    configuration.write_text(CONFIGURATION)
    await home.home.restart()
    execution = await home.ended(job_id)
    assert execution.status == "SUCCEEDED", execution.status_details


@pytest.mark.thorough
async def test_what_is_wrong_is_named(home: Home) -> None:
    """A restart that would not come back is not begun; what a change has broken is told."""
    configuration = home.home.config / "configuration.yaml"
    configuration.write_text(f"{CONFIGURATION}broken: [\n")
    execution = await home.ended(
        await home.create_job(home_step("restartHomeAssistant"))
    )
    assert execution.status == "FAILED"
    reason = execution.status_details["reason"]
    assert "not restarted: the configuration is not valid: Error loading" in reason
    configuration.write_text(CONFIGURATION)

    nobody = f"http://127.0.0.1:{free_port()}/health"
    execution = await home.ended(
        await home.create_job(
            command_step(f"touch,{home.home.config / 'broken'}"),
            home_step("reloadConfiguration"),
            home_step(
                "checkHomeAssistant",
                input={
                    "withinSeconds": 2,
                    "entries": True,
                    "availableEntities": 0,
                    "recorder": True,
                    "url": f"{nobody}?token=secret",
                },
            ),
        )
    )
    assert execution.status == "FAILED"
    reason = execution.status_details["reason"]
    assert "entries: 'Bridge' (fragile) is in state setup_retry" in reason
    assert "availableEntities: " in reason
    assert "not available any more: sensor.fragile" in reason
    assert f"url: {nobody} cannot be reached" in reason
    assert "recorder" not in reason
    assert "secret" not in reason
    assert "recorder: an event of now" in execution.status_details["stdout"]
    assert not home.home.blocking_calls()
    # It is the same process that has run it all.
    assert home.home.process.exit_status is None
