"""A step restarts Home Assistant, once."""

import asyncio
from pathlib import Path
import re

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.jobs.calls import RestartCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps.step import PROCESS_ID
from homeassistant.components.homeassistant import async_set_stop_handler
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED, __version__
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.recorder import get_instance
from homeassistant.setup import async_setup_component

from ...fake_jobs_service import FakeJobsService
from ...jobs.documents import document, home_step
from .trial import Trial

INVALID = {
    "homeassistant:\n  latitude: my-password\n": "Invalid config for 'homeassistant'",
    "homeassistant:\n  latitude: {my-password}\n": "Invalid config for 'homeassistant'",
    "input_text:\n  {my-password: 1}: {}\n": "Error loading ",
    "homeassistant: [\n  my-password\n": "Error loading ",
}
"""Configurations, and how what is said of each begins."""


@pytest.fixture
def database(quiet_database: None, recorder_mock: object) -> None:
    """Have Home Assistant's own: while it is changed, nothing restarts."""


class Stopper:
    """Restarts Home Assistant, as Supervisor would: it answers when a test lets it.

    `asked` tells for each time whether it was to restart. `says` is why it does not.
    """

    def __init__(self) -> None:
        """Answer at once."""
        self.asked: list[bool] = []
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.says: Exception | None = None

    async def stop(self, hass: HomeAssistant, restart: bool) -> None:
        """Take note of it."""
        self.asked.append(restart)
        self.is_asked.set()
        await self.may_answer.wait()
        if self.says is not None:
            raise self.says


@pytest.fixture
async def stopper(hass: HomeAssistant) -> Stopper:
    """Return who restarts Home Assistant, whose configuration is valid."""
    assert await async_setup_component(hass, "homeassistant", {})
    stopper = Stopper()
    async_set_stop_handler(hass, stopper.stop)
    _configure(hass, "homeassistant:\n")
    return stopper


@pytest.fixture
async def trial(hass: HomeAssistant, loaded: ConfigEntry, stopper: Stopper) -> Trial:
    """Return the step."""
    return Trial(hass, loaded, RestartCall())


async def test_it_is_on_record_first(trial: Trial, stopper: Stopper) -> None:
    """Whoever is killed at that moment has not asked, or is restarted."""
    assert await trial.problem() is None
    trial.may_keep.clear()
    running = asyncio.ensure_future(trial.run())
    await trial.keeps.wait()
    await _turns()
    assert not stopper.asked
    assert not trial.known
    trial.may_keep.set()
    await stopper.is_asked.wait()
    assert trial.known == PROCESS_ID
    assert stopper.asked == [True]
    assert trial.attempt.goes_on == "the restart of Home Assistant has been asked for"
    await _cancel(running)


async def test_another_process_is_done(
    hass: HomeAssistant, trial: Trial, stopper: Stopper
) -> None:
    """When all of it has started: not before."""
    # The step is loaded by then.
    assert await trial.problem() is None
    trial.known = "another process"
    hass.set_state(CoreState.starting)
    running = asyncio.ensure_future(trial.run())
    await _turns()
    assert not running.done()
    assert trial.attempt.goes_on == "Home Assistant is still starting"
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    assert await running == [f"Home Assistant {__version__} has restarted"]
    assert not stopper.asked


async def test_it_is_asked_for_once(
    hass: HomeAssistant, loaded: ConfigEntry, trial: Trial, stopper: Stopper
) -> None:
    """Not again by an attempt, or a job, that comes while it is under way."""
    running = asyncio.ensure_future(trial.run())
    await stopper.is_asked.wait()
    await _cancel(running)
    other = Trial(hass, loaded, RestartCall())
    for again in (trial, other):
        again.keeps.clear()
        running = asyncio.ensure_future(again.run())
        await again.keeps.wait()
        await _turns()
        assert again.known == PROCESS_ID
        await _cancel(running)
    assert stopper.asked == [True]


async def test_it_is_asked_for_again(trial: Trial, stopper: Stopper) -> None:
    """What has come to nothing is asked for again by the next attempt."""
    stopper.says = HomeAssistantError("another job is running")
    stopper.may_answer.set()
    with pytest.raises(
        StepFailedError, match=r"^not restarted: another job is running"
    ):
        await trial.run()
    assert trial.known == PROCESS_ID
    stopper.may_answer.clear()
    stopper.is_asked.clear()
    running = asyncio.ensure_future(trial.run())
    await stopper.is_asked.wait()
    assert stopper.asked == [True, True]
    await _cancel(running)


@pytest.mark.parametrize("configuration", INVALID)
async def test_invalid_configuration(
    hass: HomeAssistant, trial: Trial, stopper: Stopper, configuration: str
) -> None:
    """Nothing is restarted; where it is wrong is told, and not what is there."""
    _configure(hass, configuration)
    expected = f"the configuration is not valid: {INVALID[configuration]}"
    problem = await trial.problem()
    assert problem is not None
    assert problem.startswith(expected)
    with pytest.raises(StepFailedError) as failed:
        await trial.run()
    assert str(failed.value) == f"not restarted: {problem}"
    assert re.search(r"configuration\.yaml\"?, line \d", problem)
    assert "my-password" not in problem
    assert not stopper.asked
    assert not trial.known


async def test_broken_after_the_check(
    hass: HomeAssistant, trial: Trial, stopper: Stopper
) -> None:
    """Home Assistant looks again itself."""
    trial.may_keep.clear()
    running = asyncio.ensure_future(trial.run())
    await trial.keeps.wait()
    _configure(hass, "homeassistant: [\n")
    trial.may_keep.set()
    with pytest.raises(StepFailedError, match=r"^not restarted: .* is not valid"):
        await running
    assert not stopper.asked


async def test_what_home_assistant_leaves_out(
    hass: HomeAssistant, trial: Trial, stopper: Stopper
) -> None:
    """It restarts without it, and says so."""
    _configure(hass, "no_such_integration:\n")
    running = asyncio.ensure_future(trial.run())
    await stopper.is_asked.wait()
    assert trial.attempt.stdout == (
        "Home Assistant warns: Integration error: no_such_integration - "
        "Integration 'no_such_integration' not found.\n"
    )
    await _cancel(running)


async def test_database_is_migrated(
    hass: HomeAssistant, trial: Trial, stopper: Stopper
) -> None:
    """A restart would break it."""
    get_instance(hass).migration_in_progress = True
    try:
        with pytest.raises(StepFailedError, match="database upgrade is in progress"):
            await trial.run()
    finally:
        get_instance(hass).migration_in_progress = False
    assert not stopper.asked


async def test_home_assistant_ends_first(trial: Trial, stopper: Stopper) -> None:
    """Who has asked is ended by that before the step is: that is no failure."""
    running = asyncio.ensure_future(trial.run())
    await stopper.is_asked.wait()
    [asking] = [
        task for task in asyncio.all_tasks() if task.get_name() == "restart of a job"
    ]
    asking.cancel()
    await _turns()
    assert not running.done()
    await _cancel(running)


async def test_a_job_that_is_stopped_meanwhile(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    stopper: Stopper,
) -> None:
    """AWS learns that this takes no restart back."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    job = service.create_job(document(home_step("restartHomeAssistant")))
    await stopper.is_asked.wait()
    await thing.runtime_data.agent.stop_job()
    ended = await service.ended(job)
    assert ended.status == "FAILED"
    assert ended.status_details["reason"].endswith(
        "stopped in Home Assistant; the restart of Home Assistant has been asked for"
    )


def _configure(hass: HomeAssistant, configuration: str) -> None:
    Path(hass.config.path("configuration.yaml")).write_text(configuration)


async def _turns() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _cancel(running: asyncio.Future[list[str]]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
