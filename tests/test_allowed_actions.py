"""Actions from end to end: the local AWS, and a real Home Assistant with a light and a lock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.actions import AllowedAction, problem_of
from custom_components.aws_iot_jobs.jobs.calls import ActionCall
from homeassistant import components
from homeassistant.util.yaml import load_yaml_dict
from stack.aws import Execution, LocalAws, Thing
from stack.config_flow import ConfigFlowError, change_options
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields
from stack.websocket import CommandError

# Five jobs, and a Home Assistant that starts twice.
pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

THING = "my-home"
LIGHT, LOCK = "light.bed_light", "lock.front_door"
SLOW = "script.slow"
HOME = f"""{CONFIGURATION}
demo:
recorder:
  commit_interval: 0
shell_command:
  reboot: "true"
rest_command:
  post:
    url: "http://127.0.0.1:1/"
script:
  slow:
    sequence:
      - action: logbook.log
        data: {{name: Slow, message: begins}}
      - delay: "01:00:00"
scene:
  - name: Evening
    entities:
      {LIGHT}: "on"
automation:
  - alias: Dawn
    triggers: []
    actions: []
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant whose jobs may perform what is listed."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant
    entry_id: str
    handlers: Path
    ran: Path

    async def allow(self, *actions: dict[str, Any]) -> None:
        """List actions, as somebody does it in the options."""
        options = {
            "handler_directory": str(self.handlers),
            "allowed_actions": list(actions),
        }
        await change_options(self.home, self.entry_id, options)

    async def create_job(self, *actions: dict[str, Any]) -> str:
        """Create a job that leaves a mark, and then performs actions."""
        given = {"command": f"touch,{self.ran}"}
        steps = [
            {"action": {"name": "Mark", "type": "runCommand", "input": given}},
            *(
                {"action": {"name": "Act", "type": "callAction", "input": action}}
                for action in actions
            ),
        ]
        document = {"version": "1.0", "includeStdOut": True, "steps": steps}
        return await self.aws.create_job(self.thing, document)

    async def run(self, *actions: dict[str, Any]) -> Execution:
        """Have a job perform actions, to its end."""
        job_id = await self.create_job(*actions)
        return await self.aws.wait_for_execution(self.thing, job_id)

    async def who_did(self, entity_id: str) -> set[str]:
        """Return who has changed an entity, as Activity names them once it does."""
        return await self.home.process.until(lambda: self._who_did(entity_id), 20)

    async def _who_did(self, entity_id: str) -> set[str] | None:
        users: dict[str, str] = {
            user["id"]: user["name"]
            for user in await self.home.call("config/auth/list")
        }
        lines = await self.home.call(
            "logbook/get_events",
            start_time="2026-01-01T00:00:00+00:00",
            entity_ids=[entity_id],
        )
        ids = {line.get("context_user_id") for line in lines} - {None}
        return {users[user_id] for user_id in ids} or None


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Set everything up; nothing is listed."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(tmp_path / "home", configuration=HOME) as home,
    ):
        thing = await aws.create_thing(THING)
        fields = integration_fields(aws, thing, handler_directory=handlers)
        entry = await home.add_integration(DOMAIN, fields)
        yield Home(
            aws=aws,
            thing=thing,
            home=home,
            entry_id=entry.entry_id,
            handlers=handlers,
            ran=tmp_path / "ran",
        )


async def test_what_is_listed_is_done(home: Home) -> None:
    """And nothing else, not even the step before it; an action is never done twice."""
    on = {"action": "light.turn_on", "target": {"entity_id": LIGHT}}
    off = {"action": "light.turn_off", "target": {"entity_id": LIGHT}}
    unlock = {"action": "lock.unlock", "target": {"entity_id": LOCK}}
    locked = (await home.home.states())[LOCK].state

    for actions in ((off,), (unlock,)):
        execution = await home.run(*actions)
        assert execution.status == "REJECTED"
        assert (
            f"action '{actions[0]['action']}' is not among"
            in (execution.status_details["reason"])
        )
    assert not home.ran.exists()

    with pytest.raises(ConfigFlowError) as refusal:
        await home.allow({"action": "lock.unlock"})
    assert refusal.value.errors["allowed_actions"] == "action_needs_entities"
    await home.allow(
        {"action": "light.turn_off"},
        {"action": "light.turn_on", "data": {"brightness": 7}},
        {"action": "lock.unlock", "entities": [LOCK]},
        {"action": SLOW},
    )
    everywhere = {"action": "lock.unlock", "target": {"entity_id": "lock.kitchen_door"}}
    execution = await home.run(off, everywhere)
    assert execution.status == "REJECTED"
    assert "not for lock.kitchen_door" in execution.status_details["reason"]
    assert not home.ran.exists()
    states = await home.home.states()
    assert states[LOCK].state == locked

    execution = await home.run(off, on, unlock)
    assert execution.status == "SUCCEEDED", execution.status_details
    assert home.ran.exists()
    states = await home.home.states()
    assert states[LIGHT].attributes["brightness"] == 7
    assert states[LOCK].state == "unlocked"
    assert await home.who_did(LOCK) == {"AWS IoT Jobs"}
    assert await home.who_did(LIGHT) == {"AWS IoT Jobs"}

    job_id = await home.create_job({"action": SLOW})
    await home.home.wait_for_state(SLOW, lambda state: state.state == "on", seconds=30)
    await home.home.kill()
    await home.home.start()
    execution = await home.aws.wait_for_execution(home.thing, job_id)
    assert execution.status == "SUCCEEDED"
    assert execution.status_details["stdout"] == (
        f"{SLOW} was asked for; Home Assistant has restarted, and its answer is lost\n"
    )
    assert (await home.home.states())[SLOW].state == "off"
    await _find_none_that_passes(home.home)


# All actions that there are


NEVER_DOMAINS = (
    "aws_iot_jobs.",
    "command_line.",
    "pyscript.",
    "python_script.",
    "rest_command.",
    "shell_command.",
)
NEVER = {
    "conversation.process",
    "hassio.addon_stdin",
    "hassio.app_stdin",
    "hassio.restore_full",
    "hassio.restore_partial",
    "homeassistant.stop",
    "scene.apply",
    "scene.create",
}
DOORS = (
    "alarm_control_panel.",
    "automation.",
    "button.",
    "cover.",
    "lock.",
    "scene.",
    "script.",
    "siren.",
    "update.",
    "valve.",
)
MADE_UP = {"python_script.a", "pyscript.a", "command_line.a", "shell_command.a"}


async def _find_none_that_passes(home: HomeAssistant) -> None:
    """Look at all actions, those that integrations which are not loaded describe as well.

    Each is listed in all ways, in a list that allows everything else, too.
    """
    registry = {
        f"{domain}.{name}"
        for domain, actions in (await home.call("get_services")).items()
        for name in actions
    }
    described = await asyncio.to_thread(lambda: set(_described()))
    assert registry >= {"shell_command.reboot", "rest_command.post", SLOW}
    assert described >= NEVER | {"zwave_js.set_value"}
    actions = sorted(registry | described | MADE_UP)
    entities = await home.states()
    doors = sorted(entity for entity in entities if entity.startswith(DOORS))
    assert {door.partition(".")[0] + "." for door in doors} == set(DOORS)

    anything = [AllowedAction(action=action) for action in actions]
    everywhere = [
        AllowedAction(action=action, entities=frozenset(entities)) for action in actions
    ]
    never = {action for action in actions if action.startswith(NEVER_DOMAINS)} | NEVER
    assert len(never) > 20
    for action in never:
        for target in ((), ("all",), *((entity,) for entity in entities)):
            assert not _is_allowed(anything + everywhere, action, target)

    # What a list allows on doors that it does not name does nothing to them.
    harmless = [
        action
        for action in sorted(registry)
        if _is_allowed(anything, action, tuple(doors))
    ]
    assert {"light.turn_on", "switch.toggle"} <= set(harmless)
    assert not any(action.startswith(("homeassistant.", *DOORS)) for action in harmless)
    for action in harmless:
        domain, _, name = action.partition(".")
        for named in (doors, "all"):
            with suppress(CommandError):
                await home.call(
                    "call_service",
                    domain=domain,
                    service=name,
                    target={"entity_id": named},
                )
    after = await home.states()
    assert [after[door].state for door in doors] == [
        entities[door].state for door in doors
    ]
    # What all of that has begun would be waited for.
    await home.kill()


def _is_allowed(
    listed: list[AllowedAction], action: str, target: tuple[str, ...]
) -> bool:
    call = ActionCall(action=action, target={"entity_id": target} if target else {})
    return problem_of(call, listed) is None


def _described() -> Iterator[str]:
    """Yield the actions of all integrations that Home Assistant has."""
    for path in Path(components.__file__).parent.glob("*/services.yaml"):
        for name in load_yaml_dict(str(path)):
            yield f"{path.parent.name}.{name}"
