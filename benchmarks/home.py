"""A Home Assistant that is measured."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stack.config_flow import Upload
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN
from stack.paths import CUSTOM_COMPONENTS
from stack.process import StackError

from .actors import Player
from .children import PROGRAMS, ready
from .probe_client import ProbeClient
from .results import Actor
from .stage import Stage

_CONFIGURATION = """\
history:
logbook:
logger:
  default: warning
  logs:
    aiohttp_fast_zlib: fatal
    haffmpeg: fatal
    homeassistant.components.camera.img_util: fatal
benchmark_probe:
  socket: {socket}
"""


class Home:
    """A Home Assistant with the probe, and with as many things as are added."""

    def __init__(self, home: HomeAssistant, socket: Path) -> None:
        """Take one that runs, and the socket of its probe."""
        self.home = home
        self.entries: dict[str, str] = {}
        """The IDs of the config entries, by their things."""
        self._socket = socket
        self._probe: ProbeClient | None = None

    async def connect(self) -> None:
        """Connect to the probe of the process that runs."""
        self._probe = await ProbeClient.connect(self._socket)

    async def close(self) -> None:
        """Let go of the probe."""
        if self._probe is not None:
            await self._probe.close()
            self._probe = None

    async def add(self, stage: Stage, thing: str, port: int) -> None:
        """Have it serve a thing, whose broker is at a port."""
        given = stage.credentials(thing)
        fields: dict[str, Any] = {
            "endpoint": given["endpoint"],
            "port": port,
            "thing_name": thing,
            "certificate": Upload("certificate.pem", given["certificate"]),
            "private_key": Upload("private-key.pem", given["private_key"]),
            "root_ca": Upload("root-ca.pem", given["root_ca"]),
            "handler_directory": str(stage.handlers),
            "install_samples": False,
        }
        entry = await self.home.add_integration(DOMAIN, fields)
        if entry.state != "loaded":
            raise StackError(f"{thing} is {entry.state}: {entry.reason}", self.home.log)
        await ready(stage.service, self.home.process, [thing])
        self.entries[thing] = entry.entry_id

    async def remove(self, thing: str) -> None:
        """Have it serve a thing no longer."""
        entry_id = self.entries.pop(thing)
        path = f"/api/config/config_entries/entry/{entry_id}"
        await self.home.request("DELETE", path)

    async def switch(self, stage: Stage, thing: str, *, on: bool) -> None:
        """Disable the config entry of a thing, or enable it."""
        stage.service.forget([thing])
        await self.home.call(
            "config_entries/disable",
            entry_id=self.entries[thing],
            disabled_by=None if on else "user",
        )
        if on:
            await ready(stage.service, self.home.process, [thing])

    async def start_again(self, stage: Stage, things: Collection[str]) -> None:
        """Restart it, and wait until these things have asked for a job."""
        await self.close()
        await self.home.stop()
        stage.service.forget(things)
        await self.home.start()
        await self.connect()
        await ready(stage.service, self.home.process, things)

    def player(self, thing: str) -> Player:
        """Return a thing of it as who is measured."""
        return Player(
            actor=Actor.HOME_ASSISTANT,
            thing=thing,
            pid=self.home.process.pid,
            probe=self._probe,
        )


@asynccontextmanager
async def home_assistant(directory: Path) -> AsyncIterator[Home]:
    """Start a Home Assistant that has the integration, and no thing yet."""
    directory.mkdir(parents=True)
    components = directory / "custom_components"
    components.mkdir()
    for source in (CUSTOM_COMPONENTS / DOMAIN, PROGRAMS / "benchmark_probe"):
        (components / source.name).symlink_to(source)
    socket = directory / "probe"
    configuration = _CONFIGURATION.format(socket=socket)
    async with HomeAssistant(
        directory, configuration=configuration, custom_components=components
    ) as running:
        home = Home(running, socket)
        await home.connect()
        try:
            yield home
        finally:
            await home.close()
