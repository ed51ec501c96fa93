"""The step that updates Home Assistant, and what that has updates of.

The Supervisor alone is not real: Home Assistant's own integration of it has the entities.
"""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
import os
from pathlib import Path
import time
from typing import Any, override

import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    MockEntityPlatform,
)

from custom_components.aws_iot_jobs.jobs.calls import UpdateCall
from custom_components.aws_iot_jobs.runner import system
from custom_components.aws_iot_jobs.runner.model import RunOutcome
from custom_components.aws_iot_jobs.steps import (
    step,
    update_core,
    update_entity,
    update_os,
)
from custom_components.aws_iot_jobs.steps.home import StepsHere
from homeassistant.components.hassio.const import (
    ADDONS_COORDINATOR,
    EVENT_SUPERVISOR_EVENT,
    MAIN_COORDINATOR,
)
from homeassistant.components.update import UpdateEntity, UpdateEntityFeature
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component

from ...runner_service import RunnerService
from ..fake_supervisor import SLUG, TOKEN
from ..fake_updates import UpdatingSupervisor
from .whole_attempt import WholeAttempt

CORE = UpdateCall(what="core", version="2026.10.4")
OS = UpdateCall(what="os", version="16.2")
SUPERVISOR = UpdateCall(what="supervisor")
APP = UpdateCall(what=SLUG)
ASKED = {
    CORE: ("POST core/update", {"version": "2026.10.4", "backup": False}),
    OS: ("POST os/update", {"version": "16.2"}),
    SUPERVISOR: ("POST supervisor/update", {}),
    APP: (f"POST store/addons/{SLUG}/update", {"backup": False}),
}
NAMES = {
    CORE: "Home Assistant Core",
    OS: "Home Assistant Operating System",
    SUPERVISOR: "Home Assistant Supervisor",
    APP: f"app {SLUG}",
}
REBOOT: tuple[str, Any] = ("POST host/reboot", {})
BUSY = "Another job is running for job group home_assistant_core"

type Try = Callable[..., WholeAttempt]


@pytest.fixture
def steps(hass: HomeAssistant, entry: MockConfigEntry) -> StepsHere:
    """Return what runs steps here."""
    return StepsHere(hass, entry)


@pytest.fixture
def attempt(steps: StepsHere) -> Try:
    """Return what makes an attempt of a step."""
    return partial(WholeAttempt, steps)


@pytest.fixture
async def supervisor(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[UpdatingSupervisor]:
    """Have a Supervisor, and Home Assistant's integration of it; Core is at its version."""
    async with UpdatingSupervisor(RunnerService(tmp_path / "app")) as supervisor:
        monkeypatch.setenv("SUPERVISOR", supervisor.host)
        monkeypatch.setenv("SUPERVISOR_TOKEN", TOKEN)
        monkeypatch.setattr(update_core, "core_version", supervisor.core.version)
        assert await async_setup_component(hass, "hassio", {})
        await hass.async_block_till_done()
        yield supervisor


@pytest.fixture
def start_again(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what has Home Assistant be another process, of a version."""

    def start_again(version: str) -> None:
        monkeypatch.setattr(step, "PROCESS_ID", os.urandom(8).hex())
        monkeypatch.setattr(update_core, "core_version", version)

    return start_again


@pytest.fixture
def boot_again(
    supervisor: UpdatingSupervisor,
    start_again: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], None]:
    """Return what has the host be booted, into a version of its system."""

    def boot_again(version: str) -> None:
        supervisor.os.version, supervisor.pending_os = version, None
        monkeypatch.setattr(system, "boot_id", lambda: f"boot of {version}")
        start_again(supervisor.core.version)

    return boot_again


class Updatable(UpdateEntity):
    """What an integration has updates of, and what becomes of one."""

    _attr_supported_features = (
        UpdateEntityFeature.INSTALL
        | UpdateEntityFeature.PROGRESS
        | UpdateEntityFeature.BACKUP
    )
    _attr_release_url = "https://github.com/Owner/Repository/releases/2.0"
    _attr_installed_version = "1.0"
    _attr_latest_version = "2.0"

    def __init__(self, becomes: str = "2.0", unique_id: str = "42") -> None:
        """Become a version."""
        self._attr_unique_id = unique_id
        self._attr_name = "Thing"
        self._becomes = becomes
        self.asked: list[tuple[str | None, bool]] = []
        self.may_install = asyncio.Event()
        self.may_install.set()

    @override
    async def async_install(
        self, version: str | None, backup: bool, **kwargs: Any
    ) -> None:
        """Install it."""
        self.asked.append((version, backup))
        self.tell(in_progress=True, update_percentage=40)
        await self.may_install.wait()
        self.tell(installed_version=self._becomes)

    def tell(self, **values: Any) -> None:
        """Tell something."""
        for name, value in values.items():
            setattr(self, f"_attr_{name}", value)
        self.async_write_ha_state()


async def add(hass: HomeAssistant, platform: str, entity: Updatable) -> Updatable:
    """Have an integration with an update entity."""
    await async_setup_component(hass, "update", {})
    made = MockEntityPlatform(hass, domain="update", platform_name=platform)
    await made.async_add_entities([entity])
    await hass.async_block_till_done()
    return entity


def tell_job(hass: HomeAssistant, name: str, percent: float, *, done: bool) -> None:
    """Have Supervisor tell how far a job of its own is."""
    job: dict[str, Any] = {
        "name": name,
        "reference": None,
        "uuid": "0" * 32,
        "progress": percent,
        "stage": None,
        "done": done,
        "errors": [],
        "created": "2026-10-04T00:00:00+00:00",
        "extra": None,
    }
    event = {"event": "job", "data": job}
    async_dispatcher_send(hass, EVENT_SUPERVISOR_EVENT, event)


async def settle() -> None:
    """Let happen what happens by itself; Home Assistant waits for updates otherwise."""
    for _ in range(20):
        await asyncio.sleep(0)


async def end_process(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, trial: WholeAttempt
) -> Any:
    """End the process that has asked, with its view of things; return what is on record."""
    known = await trial.killed()
    supervisor.ends.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    return known


@pytest.mark.parametrize("latest", [True, False])
async def test_app(supervisor: UpdatingSupervisor, attempt: Try, latest: bool) -> None:
    """An app has its update, and is at its version then."""
    call = UpdateCall(what=SLUG, version="" if latest else "0.2.0")
    trial = attempt(call)
    output = await trial.succeeds()
    assert (
        output
        == f"app {SLUG}: 0.1.0 -> 0.2.0\napp {SLUG} is at 0.2.0, and was at 0.1.0"
    )
    assert supervisor.asked_for == [ASKED[APP]]
    again = await attempt(call).succeeds()
    assert again == f"app {SLUG} is at 0.2.0 already; nothing was done"
    assert supervisor.asked_for == [ASKED[APP]]


async def test_supervisor(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """Supervisor answers before it has started anew: its version is waited for."""
    trial = attempt(SUPERVISOR)
    trial.start()
    await supervisor.was_asked("POST supervisor/update")
    await hass.data[MAIN_COORDINATOR].async_refresh()
    assert (await trial.result()).outcome is RunOutcome.EXITED
    assert trial.lines[-1].startswith("Home Assistant Supervisor is at 2026.08.0, ")


async def test_supervisor_ends_before_it_answers(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """Which is no failure: it is what was asked for."""
    supervisor.lost.add("POST supervisor/update")
    trial = attempt(SUPERVISOR)
    trial.start()
    await supervisor.was_asked("POST supervisor/update")
    await hass.async_block_till_done(wait_background_tasks=True)
    await hass.data[MAIN_COORDINATOR].async_refresh()
    assert (await trial.result()).outcome is RunOutcome.EXITED


async def test_core(
    hass: HomeAssistant,
    supervisor: UpdatingSupervisor,
    attempt: Try,
    start_again: Callable[[str], None],
) -> None:
    """Who asks for Core does not see its end; the next process does, and does not ask."""
    trial = attempt(CORE)
    trial.start()
    await supervisor.was_asked("POST core/update")
    known = await end_process(hass, supervisor, trial)
    assert (known["before"], known["wanted"]) == ("2026.10.3", "2026.10.4")
    start_again("2026.10.4")
    output = await attempt(CORE, known=known).succeeds()
    assert output == "Home Assistant Core is at 2026.10.4, and was at 2026.10.3"
    assert supervisor.asked_for == [ASKED[CORE]]


async def test_core_by_its_entity_is_core(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """However somebody has renamed that; "latest" is a version when it is asked for."""
    registry = er.async_get(hass)
    registry.async_update_entity(
        "update.home_assistant_core_update", new_entity_id="update.heart"
    )
    await hass.async_block_till_done()
    trial = attempt(UpdateCall(what="update.heart"))
    trial.start()
    await supervisor.was_asked("POST core/update")
    assert supervisor.asked_for == [ASKED[CORE]]
    assert trial.lines == ["Home Assistant Core: 2026.10.3 -> 2026.10.4"]
    await trial.killed()


@pytest.mark.parametrize("version", ["2026.9.1", "2026.11.0"])
async def test_core_to_an_older_or_newer_version(
    supervisor: UpdatingSupervisor, attempt: Try, version: str
) -> None:
    """Core takes any version."""
    trial = attempt(UpdateCall(what="core", version=version))
    trial.start()
    await supervisor.was_asked("POST core/update")
    assert supervisor.asked_for[0][1]["version"] == version
    await trial.killed()


async def test_latest_is_no_step_back(
    hass: HomeAssistant,
    supervisor: UpdatingSupervisor,
    attempt: Try,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A beta is newer than the latest release."""
    supervisor.core.version = "2026.11.0b1"
    monkeypatch.setattr(update_core, "core_version", "2026.11.0b1")
    await hass.data[MAIN_COORDINATOR].async_refresh()
    output = await attempt(UpdateCall(what="core")).succeeds()
    assert output == "Home Assistant Core is at 2026.11.0b1 already; nothing was done"
    assert not supervisor.asked_for


@pytest.mark.parametrize("log", ["new", "old", "missing"])
async def test_supervisor_rolls_back(
    hass: HomeAssistant,
    supervisor: UpdatingSupervisor,
    attempt: Try,
    start_again: Callable[[str], None],
    log: str,
) -> None:
    """The reason says so, and the output ends with the log of what did not start."""
    supervisor.broken.add("2026.10.4")
    trial = attempt(CORE)
    trial.start()
    await supervisor.was_asked("POST core/update")
    known = await end_process(hass, supervisor, trial)
    if log != "missing":
        lines = [f"line {number}" for number in range(30)]
        lines.append("GET https://host/backup?X-Amz-Signature=secret failed")
        file = Path(hass.config.path("home-assistant-rollback.log"))
        file.write_text("\n".join(lines))
        at = time.time() + (60 if log == "new" else -60)
        os.utime(file, (at, at))
    start_again("2026.10.3")
    trial = attempt(CORE, known=known)
    why = await trial.fails()
    assert why.startswith(
        "Supervisor rolled back to 2026.10.3, as Home Assistant Core 2026.10.4 did not "
        "start as it should"
    )
    if log == "new":
        assert why.endswith(
            "; the output ends with its log (home-assistant-rollback.log)"
        )
        assert trial.lines[0] == "line 11"
        assert trial.lines[-1] == "GET https://host/backup failed"
        assert len(trial.lines) == 20
    else:
        assert trial.lines == []
    assert supervisor.asked_for == [ASKED[CORE]]


@pytest.mark.parametrize("version", ["2026.10.3", "2026.10.2"])
async def test_core_is_at_another_version(
    supervisor: UpdatingSupervisor,
    attempt: Try,
    start_again: Callable[[str], None],
    version: str,
) -> None:
    """Without a trace of a roll-back the reason claims none. An old one is no trace."""
    supervisor.roll_back()
    trial = attempt(CORE, killed_at=1)
    trial.start()
    await trial.until(lambda: bool(trial.kept))
    known = await trial.killed()
    start_again(version)
    why = await attempt(CORE, known=known).fails()
    assert why.startswith(
        f"Home Assistant runs {version} after a restart, not 2026.10.4: Supervisor rolled "
        "back, or the update was interrupted"
    )
    assert not supervisor.asked_for


async def test_supervisor_may_still_roll_back(
    hass: HomeAssistant,
    supervisor: UpdatingSupervisor,
    attempt: Try,
    start_again: Callable[[str], None],
) -> None:
    """The new version runs, and is no success before Supervisor is content with it."""
    trial = attempt(CORE)
    trial.start()
    await supervisor.was_asked("POST core/update")
    known = await end_process(hass, supervisor, trial)
    start_again("2026.10.4")
    tell_job(hass, "home_assistant_core_update", 90, done=False)
    trial = attempt(CORE, known=known)
    trial.start()
    await settle()
    assert trial.lines == []
    tell_job(hass, "home_assistant_core_update", 95, done=False)
    await trial.until(lambda: trial.percents == [95])
    tell_job(hass, "home_assistant_core_update", 100, done=True)
    assert (await trial.result()).outcome is RunOutcome.EXITED


async def test_core_is_new_and_supervisor_is_silent(
    hass: HomeAssistant,
    supervisor: UpdatingSupervisor,
    attempt: Try,
    start_again: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The version that runs is enough."""
    trial = attempt(CORE, killed_at=1)
    trial.start()
    await trial.until(lambda: bool(trial.kept))
    known = await trial.killed()
    start_again("2026.10.4")
    monkeypatch.setattr(update_core, "READY_SECONDS", 0.01)
    await hass.config_entries.async_unload(
        hass.config_entries.async_entries("hassio")[0].entry_id
    )
    output = await attempt(CORE, known=known).succeeds()
    assert output == "Home Assistant Core is at 2026.10.4, and was at 2026.10.3"
    await hass.config_entries.async_setup(
        hass.config_entries.async_entries("hassio")[0].entry_id
    )


@pytest.mark.parametrize("call", [CORE, APP], ids=["core", "app"])
async def test_reload_while_it_goes_on(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try, call: UpdateCall
) -> None:
    """The same process asks no second time for what is under way, but for what failed."""
    supervisor.may_update.clear()
    trial = attempt(call)
    trial.start()
    await supervisor.was_asked(ASKED[call][0])
    known = await trial.killed()
    trial = attempt(call, known=known)
    trial.start()
    await settle()
    assert supervisor.asked_for == [ASKED[call]]
    if call is CORE:
        supervisor.errors[ASKED[call][0]] = BUSY
        tell_job(hass, "home_assistant_core_update", 100, done=True)
        assert BUSY in (await trial.result()).detail
    else:
        supervisor.may_update.set()
        assert (await trial.result()).outcome is RunOutcome.EXITED
        assert supervisor.asked_for == [ASKED[call]]


async def test_os(
    supervisor: UpdatingSupervisor, attempt: Try, boot_again: Callable[[str], None]
) -> None:
    """It is installed, the host reboots, and the version that runs then decides."""
    trial = attempt(OS)
    trial.start()
    await supervisor.was_asked("POST host/reboot")
    known = await trial.killed()
    assert [it["reboot"] for it in trial.kept] == [False, True]
    boot_again("16.2")
    output = await attempt(OS, known=known).succeeds()
    assert output == "Home Assistant Operating System is at 16.2, and was at 16.1"
    assert supervisor.asked_for == [ASKED[OS], REBOOT]


async def test_os_falls_back(
    supervisor: UpdatingSupervisor, attempt: Try, boot_again: Callable[[str], None]
) -> None:
    """The old version is there after the reboot: that is a failure, and not tried again."""
    trial = attempt(OS)
    trial.start()
    await supervisor.was_asked("POST host/reboot")
    known = await trial.killed()
    boot_again("16.1")
    why = await attempt(OS, known=known).fails()
    assert why.startswith(
        "Home Assistant Operating System is at 16.1 after the reboot, not at 16.2: "
    )
    assert supervisor.asked_for == [ASKED[OS], REBOOT]


@pytest.mark.parametrize("killed_at", [1, 2])
@pytest.mark.parametrize("booted", [False, True])
async def test_os_killed_at_each_write(
    supervisor: UpdatingSupervisor,
    attempt: Try,
    start_again: Callable[[str], None],
    boot_again: Callable[[str], None],
    killed_at: int,
    booted: bool,
) -> None:
    """The next attempt does what is left to do, and nothing twice."""
    trial = attempt(OS, killed_at=killed_at)
    trial.start()
    await trial.until(lambda: len(trial.kept) == killed_at)
    known = await trial.killed()
    if booted and killed_at == 2:
        # It was installed already, so that the host boots into it.
        boot_again("16.2")
        await attempt(OS, known=known).succeeds()
        assert supervisor.asked_for == [ASKED[OS]]
        return
    if booted:
        boot_again("16.1")
    else:
        start_again("2026.10.3")
    trial = attempt(OS, known=known)
    trial.start()
    await supervisor.was_asked("POST host/reboot")
    assert supervisor.asked_for == [ASKED[OS], REBOOT]
    await trial.killed()


async def test_os_is_being_installed(
    supervisor: UpdatingSupervisor, attempt: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entity forgets that with a restart of Home Assistant; Supervisor does not."""
    monkeypatch.setattr(update_os, "_LOOK_SECONDS", 0.01)
    supervisor.jobs["os_manager_update"] = 50
    trial = attempt(OS)
    trial.start()
    await trial.until(lambda: bool(trial.kept))
    for _ in range(3):
        await supervisor.is_asked("GET jobs/info")
    assert not supervisor.asked_for
    supervisor.pending_os = "16.2"
    del supervisor.jobs["os_manager_update"]
    await supervisor.was_asked("POST host/reboot")
    assert supervisor.asked_for == [REBOOT]
    await trial.killed()


async def test_os_is_not_installed(
    supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """What Supervisor says it has done is looked at, before a host reboots for nothing."""
    supervisor.installs_os = False
    why = await attempt(OS).fails()
    assert why == (
        "Home Assistant Operating System 16.2 is not installed after its update: no version "
        "waits for a reboot"
    )
    assert supervisor.asked_for == [ASKED[OS]]


async def test_host_does_not_reboot(
    supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """The reason says that the version is there all the same."""
    supervisor.errors["POST host/reboot"] = "the host has no reboot feature"
    why = await attempt(OS).fails()
    assert why == (
        "Home Assistant Operating System 16.2 is installed, but the host does not reboot: "
        "Failed to reboot the host: the host has no reboot feature"
    )


async def test_supervisor_refuses(supervisor: UpdatingSupervisor, attempt: Try) -> None:
    """What it says is the reason."""
    for why in (
        BUSY,
        "'HomeAssistantCore.update' blocked from execution, system is not healthy - docker",
        "'HomeAssistantCore.update' blocked from execution, not enough free space (0.5GB)",
        "'HomeAssistantCore.update' blocked from execution, no host internet connection",
    ):
        for call, (asked, _) in ASKED.items():
            supervisor.errors[asked] = why
            told = await attempt(call).fails()
            assert told.startswith("Error updating ")
            assert told.endswith(f": {why}")


@pytest.mark.parametrize("call", ASKED, ids=lambda call: call.what)
async def test_a_stop_takes_nothing_back(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try, call: UpdateCall
) -> None:
    """What is under way goes on, and whoever stops it is told."""
    supervisor.may_update.clear()
    trial = attempt(call)
    trial.start()
    await supervisor.was_asked(ASKED[call][0])
    wanted = trial.known["wanted"]
    assert await trial.stopped() == (
        f"the update of {NAMES[call]} to {wanted} has been asked for, and goes on"
    )
    supervisor.may_update.set()
    if call is APP:
        await hass.async_block_till_done(wait_background_tasks=True)
        assert supervisor.app.version == "0.2.0"


async def test_a_stop_of_a_reboot(supervisor: UpdatingSupervisor, attempt: Try) -> None:
    """It comes all the same."""
    trial = attempt(OS)
    trial.start()
    await supervisor.was_asked("POST host/reboot")
    assert await trial.stopped() == (
        "the host has been asked to reboot, into Home Assistant Operating System 16.2"
    )


@pytest.mark.parametrize("while_kept", [False, True])
async def test_a_stop_before_it_is_asked_for(
    supervisor: UpdatingSupervisor, attempt: Try, while_kept: bool
) -> None:
    """Nothing is begun, and nothing said to go on."""
    for call in ASKED:
        trial = attempt(call, stop_at=1 if while_kept else None)
        if not while_kept:
            trial.stop.set()
        result = await trial.run()
        assert (result.outcome, result.detail) == (RunOutcome.STOPPED, "")
    assert not supervisor.asked_for


@pytest.mark.parametrize("call", [CORE, SUPERVISOR], ids=["core", "supervisor"])
async def test_accepted_and_then_nothing(
    supervisor: UpdatingSupervisor, attempt: Try, call: UpdateCall
) -> None:
    """The step ends with its time, and says what may still come."""
    trial = attempt(call)
    result = await trial.run(timeout=0.3)
    assert result.outcome is RunOutcome.TIMED_OUT
    assert result.detail.startswith(f"the update of {NAMES[call]} to ")
    assert supervisor.asked_for == [ASKED[call]]


async def test_end_of_home_assistant_is_no_end_of_the_step(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """What asks is ended first; what that has to say of it is not the step's result."""
    trial = attempt(CORE)
    trial.start()
    await supervisor.was_asked("POST core/update")
    for task in hass._background_tasks:
        if getattr(task, "get_name", str)().startswith("update.install"):
            task.cancel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(trial.result()), 0.1)
    await trial.killed()


async def test_percent(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try
) -> None:
    """Supervisor tells how far it is."""
    supervisor.may_update.clear()
    trial = attempt(CORE)
    trial.start()
    await supervisor.was_asked("POST core/update")
    for percent in (12, 57.3):
        tell_job(hass, "home_assistant_core_update", percent, done=False)
        await settle()
    assert trial.percents == [10, 55]
    await trial.killed()


@pytest.mark.parametrize("becomes", ["0.1.0", "0.2.0"])
async def test_an_update_of_somebody_else_is_waited_for(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, attempt: Try, becomes: str
) -> None:
    """Whoever has asked for it: afterwards there may be nothing left to do."""
    supervisor.may_update.clear()
    entity_id = "update.aws_iot_jobs_update"
    asking = hass.async_create_task(
        hass.services.async_call(
            "update", "install", {"entity_id": entity_id}, blocking=True
        )
    )
    await supervisor.was_asked(ASKED[APP][0])
    trial = attempt(APP)
    trial.start()
    await settle()
    assert trial.kept == []
    supervisor.app.latest = becomes
    supervisor.may_update.set()
    await asking
    supervisor.app.latest = "0.2.0"
    await hass.data[ADDONS_COORDINATOR].async_refresh()
    if becomes == "0.1.0":
        # That one came to nothing.
        tell = hass.data["update"].get_entity(entity_id)
        tell._update_ongoing = False
        tell.async_write_ha_state()
    assert (await trial.result()).outcome is RunOutcome.EXITED
    assert trial.lines[-1].startswith(f"app {SLUG} is at 0.2.0")
    count = 1 if becomes == "0.2.0" else 2
    assert supervisor.asked_for == [ASKED[APP]] * count


@pytest.mark.parametrize(
    "what", ["hacs:owner/repository", "hacs:42", "update.hacs_thing"]
)
async def test_hacs(hass: HomeAssistant, attempt: Try, what: str) -> None:
    """What HACS has installed goes by its repository, and says what is left to do."""
    entity = await add(hass, "hacs", Updatable())
    if what.startswith("update."):
        what = entity.entity_id
    entity.may_install.clear()
    trial = attempt(UpdateCall(what=what))
    trial.start()
    await trial.until(lambda: trial.percents == [40])
    entity.may_install.set()
    assert (await trial.result()).outcome is RunOutcome.EXITED
    assert trial.lines == [
        f"{what}: 1.0 -> 2.0",
        f"{what} is at 2.0, and was at 1.0",
        "What HACS has installed of an integration is used after a restart of Home Assistant",
    ]
    assert entity.asked == [(None, False)]


async def test_hacs_comes_late(hass: HomeAssistant, attempt: Try) -> None:
    """It has its entities a while after Home Assistant has started."""
    entity = await add(hass, "hacs", Updatable())
    entity.tell(available=False)
    trial = attempt(UpdateCall(what="hacs:Owner/Repository"))
    trial.start()
    await hass.async_block_till_done()
    assert not entity.asked
    entity.tell(available=True)
    assert (await trial.result()).outcome is RunOutcome.EXITED


async def test_update_before_home_assistant_is_started(
    hass: HomeAssistant, attempt: Try
) -> None:
    """It waits: what it needs may not be there yet."""
    hass.set_state(CoreState.starting)
    trial = attempt(UpdateCall(what="update.other_thing"))
    trial.start()
    await hass.async_block_till_done()
    entity = await add(hass, "other", Updatable())
    assert not entity.asked
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    result = await trial.result()
    assert entity.entity_id == "update.thing"
    assert result.detail == "there is no update entity update.other_thing"


async def test_backup(hass: HomeAssistant, attempt: Try) -> None:
    """It is asked for where it is wanted, and where it can be had."""
    entity = await add(hass, "other", Updatable())
    await attempt(UpdateCall(what=entity.entity_id, backup=True)).succeeds()
    assert entity.asked == [(None, True)]


async def test_version(hass: HomeAssistant, attempt: Try) -> None:
    """One that is not the newest goes to what knows versions."""
    entity = Updatable(becomes="1.5")
    entity._attr_supported_features |= UpdateEntityFeature.SPECIFIC_VERSION
    await add(hass, "other", entity)
    await attempt(UpdateCall(what=entity.entity_id, version="1.5")).succeeds()
    assert entity.asked == [("1.5", False)]


async def test_another_version_than_wanted(hass: HomeAssistant, attempt: Try) -> None:
    """What is installed decides, not that something was."""
    entity = await add(hass, "other", Updatable(becomes="1.9"))
    call = UpdateCall(what=entity.entity_id, version="2.0")
    why = await attempt(call).fails()
    assert why == f"{entity.entity_id} is at 1.9 after its update, not at 2.0"


async def test_latest_goes_on_ahead(hass: HomeAssistant, attempt: Try) -> None:
    """A version that has come meanwhile is the latest one, too."""
    entity = await add(hass, "other", Updatable(becomes="3.0"))
    entity.may_install.clear()
    trial = attempt(UpdateCall(what=entity.entity_id))
    trial.start()
    await trial.until(lambda: trial.percents == [40])
    entity.tell(latest_version="3.0")
    entity.may_install.set()
    assert (await trial.result()).outcome is RunOutcome.EXITED
    assert trial.lines[-1] == f"{entity.entity_id} is at 3.0, and was at 1.0"


async def test_its_own_error(hass: HomeAssistant, attempt: Try) -> None:
    """An integration's words are the reason."""

    class Failing(Updatable):
        @override
        async def async_install(
            self, version: str | None, backup: bool, **kwargs: Any
        ) -> None:
            raise HomeAssistantError("the download is broken")

    entity = await add(hass, "other", Failing())
    why = await attempt(UpdateCall(what=entity.entity_id)).fails()
    assert why == "the download is broken"


async def test_known_before(
    supervisor: UpdatingSupervisor, steps: StepsHere, attempt: Try
) -> None:
    """What cannot be is told by a plan, and fails before anything is begun."""
    for call, why in (
        (UpdateCall(what="no_such_app"), 'there is no app "no_such_app" here: '),
        (UpdateCall(what="update.missing"), "there is no update entity update.missing"),
        (UpdateCall(what="hacs:a/b"), "HACS has no update entity that is enabled of a"),
        (
            UpdateCall(what=SLUG, version="0.1.5"),
            f"app {SLUG} can be updated to its latest version alone, which is 0.2.0",
        ),
        (
            UpdateCall(what="supervisor", backup=True),
            "update.home_assistant_supervisor_update makes no backup before its update",
        ),
    ):
        problem = await steps.check(call)
        assert problem is not None
        assert problem.startswith(why)
        trial = attempt(call)
        assert await trial.fails() == problem
        assert trial.kept == []
    assert not supervisor.asked_for


async def test_without_supervisor(steps: StepsHere, attempt: Try) -> None:
    """In a plain container, the reason says what to do instead."""
    for what, why in (
        (
            "core",
            "Home Assistant Core cannot be updated from inside, as there is no Super",
        ),
        (
            "os",
            "there is no Home Assistant Operating System here: update the system of",
        ),
        ("supervisor", "there is no Supervisor here that could be updated"),
        ("core_ssh", 'there is no app "core_ssh" here, as there is no Supervisor'),
    ):
        call = UpdateCall(what=what, version="1")
        problem = await steps.check(call)
        assert problem is not None
        assert problem.startswith(why)
        assert await attempt(call).fails() == problem


async def test_supervisor_on_another_system(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: Try
) -> None:
    """There is a Supervisor, which has no operating system to update."""
    service = RunnerService(tmp_path / "app")
    async with UpdatingSupervisor(service, has_os=False) as supervisor:
        monkeypatch.setenv("SUPERVISOR", supervisor.host)
        monkeypatch.setenv("SUPERVISOR_TOKEN", TOKEN)
        assert await async_setup_component(hass, "hassio", {})
        await hass.async_block_till_done()
        why = await attempt(OS).fails()
        assert why.startswith(
            "there is no Home Assistant Operating System here: the Super"
        )


async def test_disabled(
    hass: HomeAssistant, supervisor: UpdatingSupervisor, steps: StepsHere, attempt: Try
) -> None:
    """Home Assistant would say nothing of it, and do nothing."""
    er.async_get(hass).async_update_entity(
        "update.aws_iot_jobs_update", disabled_by=er.RegistryEntryDisabler.USER
    )
    await hass.async_block_till_done()
    why = await attempt(APP).fails()
    assert why == await steps.check(APP)
    assert why.endswith(
        "its update entity update.aws_iot_jobs_update is disabled; enable it in Home "
        "Assistant"
    )


@pytest.mark.parametrize("platform", ["other", "hacs"])
async def test_silent(
    hass: HomeAssistant,
    attempt: Try,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
) -> None:
    """An entity that goes on to tell nothing is given up."""
    monkeypatch.setattr(update_entity, "READY_SECONDS", 0.05)
    entity = await add(hass, platform, Updatable())
    entity.tell(available=False)
    what = entity.entity_id if platform == "other" else "hacs:owner/repository"
    trial = attempt(UpdateCall(what=what))
    why = await trial.fails()
    assert entity.entity_id in why
    assert trial.kept == []


async def test_only_told_of(
    hass: HomeAssistant, steps: StepsHere, attempt: Try
) -> None:
    """Some entities tell of updates, and install none."""
    entity = Updatable()
    entity._attr_supported_features = UpdateEntityFeature(0)
    await add(hass, "other", entity)
    call = UpdateCall(what=entity.entity_id)
    why = await attempt(call).fails()
    assert why.startswith(f"{entity.entity_id} cannot be updated from Home Assistant")
    assert why == await steps.check(call)


async def test_no_problem(supervisor: UpdatingSupervisor, steps: StepsHere) -> None:
    """A plan tells of none where there is none."""
    for call in ASKED:
        assert await steps.check(call) is None
