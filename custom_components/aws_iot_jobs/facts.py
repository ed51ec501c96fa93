"""What a job's conditions can ask of a Home Assistant."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers.system_info import async_get_system_info

from .jobs.conditions import Facts
from .places.runners import RunnerKind, RunnerSettings
from .runner.system import operating_systems

_OTHER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Architectures that go by two names."""


async def async_get_facts(
    hass: HomeAssistant,
    runner: RunnerSettings,
    *,
    thing_name: str,
    agent_version: str,
) -> Facts:
    """Return the facts of a thing: for each key, all values that hold.

    System and architecture are those of the place where its handlers run.
    """
    system = await async_get_system_info(hass)
    if runner.kind is RunnerKind.LOCAL:
        architecture = system["arch"]
        names = await hass.async_add_executor_job(operating_systems)
    else:
        architecture = runner.architecture
        names = [name.lower() for name in runner.operating_systems]
    return {
        "agentVersion": {agent_version},
        "architecture": {architecture, _OTHER_NAMES.get(architecture, architecture)},
        "homeAssistantVersion": {system["version"]},
        "installationType": {system["installation_type"]},
        "operatingSystem": set(names),
        "thingName": {thing_name},
    }
