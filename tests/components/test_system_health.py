"""System health, as its page asks for it."""

from pathlib import Path
from typing import Any

from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    get_system_health_info,
)

from custom_components.aws_iot_jobs.const import DOMAIN
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.runner.client import RunnerTokenError
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component

from .fake_agent import FakeAgent


async def _health(hass: HomeAssistant) -> dict[str, Any]:
    assert await async_setup_component(hass, "system_health", {})
    info: dict[str, Any] = await get_system_health_info(hass, DOMAIN)
    return info


async def test_all_is_well(hass: HomeAssistant, agent: FakeAgent) -> None:
    """It says what there is, in words of the page's language."""
    agent.push(AgentState(connected=True))
    integration = await async_get_integration(hass, DOMAIN)
    info = await _health(hass)
    assert info == {
        "version": str(integration.version),
        "things": 1,
        "connected": "1/1",
        "runner": "thing-1: local, ok",
        "journal": "thing-1: ok",
        "inventory": "thing-1: off",
    }
    words = await async_get_translations(hass, "en", "system_health", [DOMAIN])
    for name in info:
        assert f"component.{DOMAIN}.system_health.info.{name}" in words


async def test_what_is_wrong(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """It says what is in the way of jobs."""
    problem = RunnerTokenError("the runner does not accept the token")
    entry.runtime_data.watch.async_take_problem(problem)
    agent.push(AgentState(journal_set_aside=Path("/config/journal.corrupt")))
    info = await _health(hass)
    assert info["connected"] == "0/1"
    assert info["runner"] == "thing-1: local, the runner does not accept the token"
    assert info["journal"] == "thing-1: damaged, set aside as /config/journal.corrupt"
    agent.push(AgentState(storage_problem="/config/things: No space left on device"))
    info = await _health(hass)
    assert info["journal"] == "thing-1: /config/things: No space left on device"


async def test_things_that_are_not_set_up(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """They count, unless somebody has disabled them."""
    await hass.config_entries.async_unload(entry.entry_id)
    info = await _health(hass)
    assert (info["things"], info["connected"]) == (1, "0/1")
    assert (info["runner"], info["journal"]) == ("ok", "ok")
    await hass.config_entries.async_set_disabled_by(
        entry.entry_id, ConfigEntryDisabler.USER
    )
    info = await _health(hass)
    assert (info["things"], info["connected"]) == (0, "0/0")
