"""What the tests of the card play on: a local AWS, a Home Assistant, and steps with gates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.aws import LocalAws, Thing
from stack.config_flow import change_options
from stack.dashboard import add_dashboard
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN, integration_fields

THING = "demo-home"

# A handler's first argument is the user it is told to act as.
GATE = """\
#!/bin/sh
echo "$2 waits"
until [ -e "$3" ]; do sleep 0.02; done
echo "$2 goes on"
exit "${4:-0}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A thing in a Home Assistant, whose page opens with the card."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant
    entry_id: str
    device_id: str
    address: str
    folder: Path

    async def create_job(self, *steps: dict[str, Any], job_id: str) -> None:
        """Create a job of steps."""
        await self.aws.create_job(
            self.thing, {"version": "1.0", "steps": list(steps)}, job_id=job_id
        )

    def gate(self, name: str, exit_status: int = 0) -> dict[str, Any]:
        """Return a step that runs until its gate is opened."""
        return handler("gate.sh", name, str(self.folder / name), str(exit_status))

    def open_gate(self, name: str) -> None:
        """Have the step of a gate end."""
        (self.folder / name).touch()

    def add_handler(self, name: str, text: str) -> None:
        """Put a handler into the handler directory."""
        path = self.folder / "handlers" / name
        path.write_text(text)
        path.chmod(0o700)

    async def choose(self, **changes: Any) -> None:
        """Change options of the thing."""
        kept = {"handler_directory": str(self.folder / "handlers")}
        await change_options(self.home, self.entry_id, kept | changes)


def handler(name: str, title: str, *args: str) -> dict[str, Any]:
    """Return a step that runs a handler."""
    given = {"handler": name, "args": [title, *args], "path": "default"}
    return {"action": {"name": title, "type": "runHandler", "input": given}}


@asynccontextmanager
async def set_card_stage(folder: Path) -> AsyncIterator[Stage]:
    """Set it up."""
    handlers = folder / "handlers"
    handlers.mkdir(mode=0o700)
    async with LocalAws(folder / "aws") as aws, HomeAssistant(folder / "home") as home:
        thing = await aws.create_thing(THING)
        fields = integration_fields(aws, thing, handler_directory=handlers)
        entry = await home.add_integration(DOMAIN, fields)
        entities = await home.entities(entry.entry_id)
        stage = Stage(
            aws=aws,
            thing=thing,
            home=home,
            entry_id=entry.entry_id,
            device_id=await home.device_id(entry.entry_id),
            address=await add_dashboard(home, entities["Job"]),
            folder=folder,
        )
        stage.add_handler("gate.sh", GATE)
        await home.wait_for_state(
            entities["Connected"], lambda state: state.state == "on", seconds=60
        )
        yield stage
