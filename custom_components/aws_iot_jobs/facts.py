"""What a job's conditions can ask of a Home Assistant."""

import platform

from homeassistant.core import HomeAssistant
from homeassistant.helpers.system_info import async_get_system_info

from .jobs.conditions import Facts
from .runners import RunnerKind, RunnerSettings

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
        operating_systems = await hass.async_add_executor_job(_operating_systems)
    else:
        architecture = runner.architecture
        operating_systems = {name.lower() for name in runner.operating_systems}
    return {
        "agentVersion": {agent_version},
        "architecture": {architecture, _OTHER_NAMES.get(architecture, architecture)},
        "homeAssistantVersion": {system["version"]},
        "installationType": {system["installation_type"]},
        "operatingSystem": operating_systems,
        "thingName": {thing_name},
    }


def _operating_systems() -> set[str]:
    """Return the names that the system goes by, such as linux, ubuntu and debian."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    names = [
        platform.system(),
        release.get("ID", ""),
        *release.get("ID_LIKE", "").split(),
    ]
    return {name.lower() for name in names if name}
