"""A step has Home Assistant load its YAML configuration anew."""

import asyncio
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.jobs.calls import ReloadCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component

from .trial import Trial


@pytest.fixture
async def trial(hass: HomeAssistant, loaded: ConfigEntry) -> Trial:
    """Return the step, in a Home Assistant with a switch of YAML that is named Old."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "frontend", {})
    config = {"input_boolean": {"test": {"name": "Old"}}}
    assert await async_setup_component(hass, "input_boolean", config)
    _configure(hass, "New")
    return Trial(hass, loaded, ReloadCall())


async def test_it_reloads(
    hass: HomeAssistant, loaded: ConfigEntry, trial: Trial
) -> None:
    """As often as it is run; the thing that runs it stays as it is."""
    assert await trial.problem() is None
    for name in ("New", "Newer"):
        _configure(hass, name)
        assert await trial.run() == ["The configuration has been reloaded"]
        assert _name(hass) == name
    assert loaded.state is ConfigEntryState.LOADED


async def test_invalid_configuration(hass: HomeAssistant, trial: Trial) -> None:
    """Nothing is reloaded."""
    Path(hass.config.path("configuration.yaml")).write_text("input_boolean: [\n")
    problem = await trial.problem()
    assert problem is not None
    assert problem.startswith("the configuration is not valid: Error loading ")
    with pytest.raises(StepFailedError) as failed:
        await trial.run()
    assert str(failed.value) == f"not reloaded: {problem}"
    assert _name(hass) == "Old"


async def test_a_reload_fails(hass: HomeAssistant, trial: Trial) -> None:
    """What an integration says is told, and the others are reloaded nevertheless."""

    async def reload(_: ServiceCall) -> None:
        raise ValueError("the bridge is gone")

    hass.services.async_register("bridge", "reload", reload)
    with pytest.raises(
        StepFailedError,
        match=r"^not all of the configuration could be reloaded: the bridge is gone$",
    ):
        await trial.run()
    await hass.async_block_till_done()
    assert _name(hass) == "New"


async def test_a_stop_leaves_nothing_unloaded(
    hass: HomeAssistant, trial: Trial
) -> None:
    """What is reloading goes on, and that is said."""
    reloads, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reload(_: ServiceCall) -> None:
        reloads.set()
        await may_end.wait()
        ended.set()

    hass.services.async_register("bridge", "reload", reload)
    running = asyncio.ensure_future(trial.run())
    await reloads.wait()
    assert trial.attempt.goes_on == "Home Assistant goes on reloading its configuration"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    may_end.set()
    await hass.async_block_till_done()
    assert ended.is_set()


def _configure(hass: HomeAssistant, name: str) -> None:
    Path(hass.config.path("configuration.yaml")).write_text(
        f"input_boolean:\n  test:\n    name: {name}\n"
    )


def _name(hass: HomeAssistant) -> str:
    state = hass.states.get("input_boolean.test")
    assert state is not None
    return state.name
