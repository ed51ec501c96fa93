"""Actions that jobs perform, in a Home Assistant with lights and locks."""

import asyncio
from collections.abc import AsyncIterator
import json
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_capture_events,
)
from pytest_homeassistant_custom_component.components.recorder.common import (  # type: ignore[import-untyped]
    async_wait_recording_done,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.const import CONF_HANDLER_DIRECTORY
from custom_components.aws_iot_jobs.job_user import NAME
from custom_components.aws_iot_jobs.jobs.calls import ActionCall
from custom_components.aws_iot_jobs.jobs.home_steps import Attempt, StepFailedError
from custom_components.aws_iot_jobs.steps import call_action
from custom_components.aws_iot_jobs.steps.home import StepsHere
from custom_components.aws_iot_jobs.steps.step import PROCESS_ID
from homeassistant.auth.const import GROUP_ID_USER
from homeassistant.auth.models import User
from homeassistant.const import (
    EVENT_CALL_SERVICE,
    EVENT_HOMEASSISTANT_STARTED,
    STATE_UNAVAILABLE,
)
from homeassistant.core import (
    CoreState,
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import area_registry as ar, entity_registry as er
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from ..fake_agent import FakeAgent

LAMP, DOOR = "input_boolean.lamp", "lock.door"
ON = "input_boolean.turn_on"
UNLOCK = "lock.unlock"


@pytest.fixture
def database(recorder_mock: object) -> None:
    """Have Home Assistant's own."""


@pytest.fixture
async def home(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> AsyncIterator[StepsHere]:
    """Set up a lamp and a door."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "input_boolean", _LAMP)
    assert await async_setup_component(hass, "template", _DOOR)
    await hass.async_block_till_done()
    assert hass.states.is_state(DOOR, "locked")
    yield StepsHere(hass, entry)
    await hass.async_block_till_done()


_LAMP = {"input_boolean": {"lamp": {"name": "Lamp"}, "bolt": {}}}
_DOOR = {
    "template": {
        "lock": {
            "name": "Door",
            "state": "{{ is_state('input_boolean.bolt', 'off') }}",
            "lock": {
                "action": "input_boolean.turn_off",
                "target": {"entity_id": "input_boolean.bolt"},
            },
            "unlock": {
                "action": "input_boolean.turn_on",
                "target": {"entity_id": "input_boolean.bolt"},
            },
        }
    }
}


class Trial:
    """A step, and what it has kept and written."""

    def __init__(self, home: StepsHere) -> None:
        """Perform actions there."""
        self._home = home
        self.kept: list[Any] = []
        self.goes_on = ""

    async def perform(self, action: str, *entities: str, **fields: Any) -> str:
        """Perform an action; return what that writes."""
        call = _call(action, *entities, **fields)
        return await self.attempt(call, None)

    async def attempt(self, call: ActionCall, known: Any) -> str:
        """Attempt a step, as an earlier attempt has left it."""

        async def keep(kept: Any) -> None:
            self.kept.append(kept)

        attempt = Attempt(
            call,
            key=ExecutionKey("a-job", 1),
            run_id="run",
            known=known,
            keep=keep,
            on_event=lambda _: None,
            on_percent=lambda _: None,
        )
        try:
            await self._home.run(attempt)
        finally:
            self.goes_on = attempt.goes_on
        return attempt.stdout


@pytest.fixture
def trial(home: StepsHere) -> Trial:
    """Prepare a step."""
    return Trial(home)


def _call(
    action: str,
    *entities: str,
    target: dict[str, tuple[str, ...]] | None = None,
    **fields: Any,
) -> ActionCall:
    kinds = {"entity_id": entities} if entities else {}
    return ActionCall(action=action, target=kinds | (target or {}), **fields)


async def _answer(call: ServiceCall) -> ServiceResponse:
    return {}


async def _users(hass: HomeAssistant) -> list[User]:
    return [user for user in await hass.auth.async_get_users() if user.name == NAME]


async def test_an_action_is_done(hass: HomeAssistant, trial: Trial) -> None:
    """When the step has ended; what cannot be done twice was on record before."""
    assert await trial.perform(ON, LAMP) == ""
    assert hass.states.is_state(LAMP, "on")
    await trial.perform(UNLOCK, DOOR)
    await hass.async_block_till_done()
    assert hass.states.is_state(DOOR, "unlocked")
    assert trial.kept == [{"process": PROCESS_ID}] * 2


async def test_activity_names_who_did_it(
    hass: HomeAssistant, trial: Trial, hass_ws_client: WebSocketGenerator
) -> None:
    """A user of ours, made once: it is no administrator, and nobody can log in as it."""
    assert await async_setup_component(hass, "logbook", {})
    assert await _users(hass) == []
    begun = dt_util.utcnow()
    for action in (ON, "input_boolean.turn_off"):
        await trial.perform(action, LAMP)
    (user,) = await _users(hass)
    assert user.system_generated
    assert user.local_only
    assert [group.id for group in user.groups] == [GROUP_ID_USER]
    assert not user.credentials
    assert not user.is_admin
    await async_wait_recording_done(hass)
    client = await hass_ws_client()
    wanted = {"start_time": begun.isoformat(), "entity_ids": [LAMP]}
    await client.send_json_auto_id({"type": "logbook/get_events", **wanted})
    lines = (await client.receive_json())["result"]
    assert [line["context_user_id"] for line in lines] == [user.id] * 2
    # So it is not taken for a person who was at home.
    assert [line["context_service"] for line in lines] == ["turn_on", "turn_off"]


async def test_the_user_is_made_once(
    hass: HomeAssistant, home: StepsHere, entry: MockConfigEntry
) -> None:
    """By whomever needs it first; it goes with the last thing."""
    await asyncio.gather(*(Trial(home).perform(ON, LAMP) for _ in range(5)))
    (user,) = await _users(hass)
    other = MockConfigEntry(
        domain=entry.domain,
        title="thing-2",
        unique_id="thing-2",
        data={**entry.data, "thing_name": "thing-2"},
        options={CONF_HANDLER_DIRECTORY: entry.options[CONF_HANDLER_DIRECTORY]},
    )
    other.add_to_hass(hass)
    await hass.config_entries.async_remove(other.entry_id)
    assert await _users(hass) == [user]
    await hass.config_entries.async_remove(entry.entry_id)
    assert await _users(hass) == []


async def test_a_response_is_the_output(hass: HomeAssistant, trial: Trial) -> None:
    """On a line, without the signatures of URLs; without being asked for, nothing."""
    url = "https://b.s3.amazonaws.com/k?X-Amz-Signature=secret"
    given: ServiceResponse = {"ä": 1, "url": url, "at": "line\nbreak"}

    async def answer(call: ServiceCall) -> ServiceResponse:
        return given

    register = hass.services.async_register
    register("test", "may", answer, supports_response=SupportsResponse.OPTIONAL)
    written = await trial.perform("test.may", response=True)
    assert written.count("\n") == 1
    assert json.loads(written) == {
        "ä": 1,
        "url": "https://b.s3.amazonaws.com/k",
        "at": "line\nbreak",
    }
    assert await trial.perform("test.may") == ""


async def test_what_would_do_nothing_fails_before(
    hass: HomeAssistant, home: StepsHere, trial: Trial
) -> None:
    """Home Assistant itself would say nothing of most of these."""
    register = hass.services.async_register
    register("test", "only", _answer, supports_response=SupportsResponse.ONLY)
    hass.states.async_set("input_boolean.gone", STATE_UNAVAILABLE)
    ar.async_get(hass).async_create("Attic")
    (own,) = (
        entity_id
        for entity_id in hass.states.async_entity_ids("switch")
        if "take_jobs" in entity_id
    )
    hass.states.async_set("group.ours", "on", {"entity_id": [own]})
    for call, says in (
        (_call("no.such"), "Action no.such not found"),
        (
            _call(ON, LAMP, response=True),
            f'{ON} has no response: leave "response" out',
        ),
        (_call("test.only"), 'test.only only responds: it needs "response": true'),
        (
            _call(ON, LAMP, "input_boolean.x"),
            "there is no entity input_boolean.x",
        ),
        (_call(ON, "input_boolean.gone"), "input_boolean.gone is unavailable"),
        (_call(ON, LAMP, DOOR), f"{ON} does nothing to {DOOR}"),
        (_call(ON, target={"area_id": ("cellar",)}), "there is no area cellar"),
        (_call(ON, target={"device_id": ("x",)}), "there is no device x"),
        (
            _call(ON, target={"area_id": ("attic",)}),
            f"{ON} finds nothing to act on in its target",
        ),
        (
            _call("switch.turn_off", own),
            f"{own} is of AWS IoT Jobs itself, and no job acts on that",
        ),
        (
            _call("switch.turn_off", "all"),
            f"{own} is of AWS IoT Jobs itself, and no job acts on that",
        ),
        (
            _call("homeassistant.turn_off", "group.ours"),
            f"{own} is of AWS IoT Jobs itself, and no job acts on that",
        ),
    ):
        assert await home.check(call) == says
        with pytest.raises(StepFailedError, match=r".") as failure:
            await trial.attempt(call, None)
        assert str(failure.value) == says
    assert trial.kept == []
    assert hass.states.is_state(LAMP, "off")
    assert hass.states.is_state(own, "on")
    assert await home.check(_call(ON, LAMP)) is None
    assert await home.check(_call(ON, "all")) is None


async def test_an_area_is_looked_up(hass: HomeAssistant, trial: Trial) -> None:
    """As Home Assistant does it."""
    area = ar.async_get(hass).async_create("Kitchen")
    er.async_get(hass).async_update_entity(LAMP, area_id=area.id)
    await trial.perform(ON, target={"area_id": (area.id,)})
    assert hass.states.is_state(LAMP, "on")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (HomeAssistantError("the bulb is broken"), "the bulb is broken"),
        (ServiceValidationError("no such colour"), "no such colour"),
        (TimeoutError("no answer"), "test.do has failed: TimeoutError: no answer"),
    ],
)
async def test_failures_are_told_in_their_words(
    hass: HomeAssistant, trial: Trial, error: Exception, says: str
) -> None:
    """As Home Assistant words them, and what an integration did not word, by its type."""

    async def fail(call: ServiceCall) -> None:
        raise error

    hass.services.async_register("test", "do", fail)
    with pytest.raises(StepFailedError) as failure:
        await trial.perform("test.do")
    assert str(failure.value) == says


async def test_wrong_data_is_told(hass: HomeAssistant, trial: Trial) -> None:
    """By its place; a text with braces is no template, but that text."""
    seen = async_capture_events(hass, EVENT_CALL_SERVICE)
    schema = probatio.Schema({"safe_mode": bool})
    hass.services.async_register("test", "do", lambda _: None, schema=schema)
    with pytest.raises(StepFailedError, match=r"expected bool .*'safe_mode'"):
        await trial.perform("test.do", data={"safe_mode": "{{ true }}"})
    assert seen == []


async def test_what_is_for_administrators(
    hass: HomeAssistant, trial: Trial, home: StepsHere
) -> None:
    """No list makes a job one."""
    done: list[ServiceCall] = []
    async_register_admin_service(hass, "test", "admin", done.append)
    with pytest.raises(StepFailedError) as failure:
        await trial.perform("test.admin")
    assert str(failure.value) == (
        "test.admin is for administrators, and the user AWS IoT Jobs, as whom jobs "
        "perform actions, is none"
    )
    script = {"restart": {"sequence": [{"action": "test.admin"}]}}
    assert await async_setup_component(hass, "script", {"script": script})
    with pytest.raises(StepFailedError, match=r"script\.restart is for administrators"):
        await trial.perform("script.restart")
    assert done == []


async def test_the_next_attempt_performs_nothing_again(
    hass: HomeAssistant, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart it counts as done: that may be what the action was there for."""
    seen = async_capture_events(hass, EVENT_CALL_SERVICE)
    call = _call(ON, LAMP)
    known = {"process": PROCESS_ID}
    with pytest.raises(StepFailedError) as failure:
        await trial.attempt(call, known)
    assert str(failure.value) == (
        f"{ON} was interrupted, and is not performed again: whether it was done is not known"
    )
    monkeypatch.setattr(call_action, "PROCESS_ID", "another")
    assert await trial.attempt(call, known) == (
        f"{ON} was asked for; Home Assistant has restarted, and its answer is lost\n"
    )
    assert seen == []


async def test_an_end_of_home_assistant_decides_nothing(
    hass: HomeAssistant, trial: Trial
) -> None:
    """The process that comes next does."""
    state = hass.state
    hass.set_state(CoreState.stopping)
    waiting = asyncio.ensure_future(
        trial.attempt(_call(ON, LAMP), {"process": PROCESS_ID})
    )
    await asyncio.wait((waiting,), timeout=0.05)
    assert not waiting.done()
    hass.set_state(state)
    waiting.cancel()
    await asyncio.wait((waiting,))


async def test_it_waits_until_home_assistant_has_started(
    hass: HomeAssistant, trial: Trial
) -> None:
    """Before that, what an action is for may not be there yet."""
    state = hass.state
    hass.set_state(CoreState.starting)
    performing = asyncio.ensure_future(trial.perform("test.late"))
    await asyncio.wait((performing,), timeout=0.05)
    done: list[ServiceCall] = []
    hass.services.async_register("test", "late", done.append)
    assert trial.kept == []
    hass.set_state(state)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await performing
    assert len(done) == 1


async def test_a_stop_says_what_it_cannot_take_back(
    hass: HomeAssistant, trial: Trial
) -> None:
    """Once an action has been asked for."""
    runs = asyncio.Event()

    async def last(call: ServiceCall) -> None:
        runs.set()
        await asyncio.Event().wait()

    hass.services.async_register("test", "last", last)
    performing = asyncio.ensure_future(trial.perform("test.last"))
    await runs.wait()
    performing.cancel()
    await asyncio.wait((performing,))
    assert performing.cancelled()
    assert trial.goes_on == "what test.last has begun is not taken back"
