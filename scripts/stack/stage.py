"""The demo's stage: a local AWS, a thing of it, and a Home Assistant that is the thing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
import shutil
import time

from .aws import LocalAws, Thing
from .config_flow import Entry
from .home_assistant import HomeAssistant
from .integration import DOMAIN, integration_fields
from .paths import HANDLERS
from .process import StackError
from .screen import Screen

THING_NAME = "demo-home"
CONNECTED_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that is set up. `entities` has the entity IDs of the thing's entities by name."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant
    entry: Entry
    entities: dict[str, str]
    handlers: Path


@asynccontextmanager
async def set_stage(
    folder: Path, screen: Screen, *, handlers: Path | None, port: int | None
) -> AsyncIterator[Stage]:
    """Set everything up below `folder`, and tell of it on the screen.

    `handlers` is the handler directory, one with the sample handlers by default; `port` is
    Home Assistant's. Raises StackError or ConfigFlowError when something does not work; those
    of the parts that start side by side come in an ExceptionGroup.
    """
    if handlers is None:
        handlers = await asyncio.to_thread(sample_handlers, folder)
    aws = LocalAws(folder / "aws")
    home = HomeAssistant(folder / "home", port=port)
    async with AsyncExitStack() as exits:
        async with asyncio.TaskGroup() as starting:
            starting.create_task(start_home(exits, home, screen))
            thing = await _start_aws_with_thing(exits, aws, screen)
        started = time.monotonic()
        fields = integration_fields(aws, thing, handler_directory=handlers)
        entry = await home.add_integration(DOMAIN, fields)
        entities = await connected_entities(home, entry)
        screen.done(
            "Integration", "added through its own dialog", time.monotonic() - started
        )
        stage = Stage(
            aws=aws,
            thing=thing,
            home=home,
            entry=entry,
            entities=entities,
            handlers=handlers,
        )
        try:
            yield stage
        finally:
            screen.line("\nStopping Home Assistant and the local AWS")


async def start_aws(exits: AsyncExitStack, aws: LocalAws, screen: Screen) -> None:
    """Start a local AWS that ends with `exits`, and tell of it."""
    started = time.monotonic()
    await exits.enter_async_context(aws)
    where = f"{aws.endpoint_url}, MQTT at {aws.mqtt_host}:{aws.mqtt_port}"
    screen.done("Local AWS", where, time.monotonic() - started)


async def _start_aws_with_thing(
    exits: AsyncExitStack, aws: LocalAws, screen: Screen
) -> Thing:
    await start_aws(exits, aws, screen)
    started = time.monotonic()
    thing = await aws.create_thing(THING_NAME)
    what = f"{thing.name}, with a certificate and the minimal policy"
    screen.done("Thing", what, time.monotonic() - started)
    return thing


async def start_home(
    exits: AsyncExitStack, home: HomeAssistant, screen: Screen
) -> None:
    """Start a Home Assistant that ends with `exits`, and tell of it."""
    started = time.monotonic()
    await exits.enter_async_context(home)
    screen.done("Home Assistant", home.url, time.monotonic() - started)


async def connected_entities(home: HomeAssistant, entry: Entry) -> dict[str, str]:
    """Return the thing's entities when it is connected. Raises StackError."""
    if entry.state != "loaded":
        raise StackError(
            f"the config entry is not loaded, but {entry.state}: {entry.reason}",
            home.log,
        )
    entities = await home.entities(entry.entry_id)
    try:
        await home.wait_for_state(
            entities["Connected"],
            lambda state: state.state == "on",
            seconds=CONNECTED_SECONDS,
        )
    except TimeoutError:
        raise StackError(
            f"the thing is not connected after {CONNECTED_SECONDS} s", home.log
        ) from None
    return entities


def sample_handlers(folder: Path) -> Path:
    """Return a new handler directory below `folder`, with the handlers of the checkout."""
    directory = folder / "handlers"
    shutil.copytree(HANDLERS, directory)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o700)
    return directory
