"""Who is measured: each a process that is a thing of the stage."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import shlex
import sys
from typing import Any

from stack.config_flow import Upload
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN
from stack.paths import CUSTOM_COMPONENTS
from stack.process import Child, StackError, log_tail

from .probe_client import ProbeClient
from .results import Actor
from .stage import Stage, write_settings

STOP_SECONDS = 20
READY_SECONDS = 120
_PROGRAMS = Path(__file__).parent / "programs"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A thing that runs jobs: who it is, and the process; a probe is in our own ones."""

    actor: Actor
    thing: str
    pid: int
    probe: ProbeClient | None = None


class Home:
    """A Home Assistant with the probe, and with as many things as are added."""

    def __init__(self, home: HomeAssistant, socket: Path) -> None:
        """Take one that runs."""
        self.home = home
        self.entries: dict[str, str] = {}
        """The IDs of the config entries, by their things."""
        self._socket = socket
        self._probe: ProbeClient | None = None

    async def probe(self) -> ProbeClient:
        """Return a connection to the probe in the process that runs."""
        if self._probe is None:
            self._probe = await ProbeClient.connect(self._socket)
        return self._probe

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
        await _ready(stage, self.home.process, [thing])
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
            await _ready(stage, self.home.process, [thing])

    async def start_again(self, stage: Stage, things: Collection[str]) -> None:
        """Restart it, and wait until these things have asked for a job."""
        await self.close()
        await self.home.stop()
        stage.service.forget(things)
        await self.home.start()
        await _ready(stage, self.home.process, things)

    async def player(self, thing: str) -> Player:
        """Return a thing of it as who is measured."""
        return Player(
            actor=Actor.HOME_ASSISTANT,
            thing=thing,
            pid=self.home.process.pid,
            probe=await self.probe(),
        )


@asynccontextmanager
async def home_assistant(directory: Path) -> AsyncIterator[Home]:
    """Start a Home Assistant that has the integration, and no thing yet."""
    directory.mkdir(parents=True)
    components = directory / "custom_components"
    components.mkdir()
    for source in (CUSTOM_COMPONENTS / DOMAIN, _PROGRAMS / "benchmark_probe"):
        (components / source.name).symlink_to(source)
    socket = directory / "probe"
    configuration = _CONFIGURATION.format(socket=socket)
    async with HomeAssistant(
        directory, configuration=configuration, custom_components=components
    ) as running:
        home = Home(running, socket)
        try:
            yield home
        finally:
            await home.close()


@asynccontextmanager
async def bare_agents(
    stage: Stage,
    things: Collection[str],
    port: int,
    *,
    interval: float = 0.0,
    ticking: bool = False,
) -> AsyncIterator[list[Player]]:
    """Run the agents of things in one process, each started some seconds after the other.

    With `ticking`, the delays of its loop are measured from the beginning.
    """
    names = list(things)
    directory = stage.directory / f"bare-{names[0]}-{len(names)}"
    socket = directory / "probe"
    credentials = [stage.credentials(name) for name in names]
    settings = {
        "socket": str(socket),
        "directory": str(directory),
        "handlers": str(stage.handlers),
        "port": port,
        "interval": interval,
        "endpoint": credentials[0]["endpoint"],
        "root_ca": credentials[0]["root_ca"],
        "things": credentials,
    }
    async with _program("agents.py", directory, settings) as child:
        probe = await ProbeClient.connect(socket)
        await probe.ask(ticking=ticking)
        await _ready(stage, child, names)
        yield [
            Player(actor=Actor.BARE, thing=name, pid=child.pid, probe=probe)
            for name in names
        ]
        await probe.close()


@asynccontextmanager
async def floor(
    stage: Stage, actor: Actor, thing: str, port: int
) -> AsyncIterator[Player]:
    """Run one of the floors."""
    settings = stage.credentials(thing) | {
        "port": port,
        "handlers": str(stage.handlers),
        "no_delay": actor is Actor.FLOOR_NO_DELAY,
    }
    directory = stage.directory / f"floor-{thing}"
    async with _program("floor.py", directory, settings) as child:
        await _ready(stage, child, [thing])
        yield Player(actor=actor, thing=thing, pid=child.pid)


@asynccontextmanager
async def connections(
    stage: Stage, things: Collection[str], port: int
) -> AsyncIterator[int]:
    """Keep connections of things that do nothing, in one process; give its ID."""
    settings = {
        "things": [
            stage.credentials(name)
            | {"port": port, "handlers": str(stage.handlers), "no_delay": False}
            for name in things
        ]
    }
    directory = stage.directory / f"connections-{len(things)}"
    async with _program("connections.py", directory, settings) as child:
        await _ready(stage, child, things)
        yield child.pid


@asynccontextmanager
async def control(directory: Path) -> AsyncIterator[ProbeClient]:
    """Run an event loop that has nothing to do but tick."""
    directory.mkdir(parents=True)
    socket = directory / "probe"
    command = [sys.executable, _PROGRAMS / "control.py", socket]
    async with _child("control", command, directory, {}):
        probe = await ProbeClient.connect(socket)
        yield probe
        await probe.close()


@asynccontextmanager
async def peer(
    stage: Stage, command: str, thing: str, port: int
) -> AsyncIterator[Player]:
    """Run another jobs agent, by a command line with placeholders."""
    directory = stage.directory / f"peer-{thing}"
    directory.mkdir()
    given = peer_settings(stage, directory, thing, port)
    words = [word.format_map(given) for word in shlex.split(command)]
    environment = {f"BENCH_{name.upper()}": value for name, value in given.items()}
    async with _child("the peer", words, directory, environment) as child:
        await _ready(stage, child, [thing])
        yield Player(actor=Actor.PEER, thing=thing, pid=child.pid)


def peer_settings(
    stage: Stage, directory: Path, thing: str, port: int
) -> dict[str, str]:
    """Write a peer's files, and return what it is told: the names are a contract."""
    credentials = stage.credentials(thing)
    files = {}
    for name in ("certificate", "private_key", "root_ca"):
        file = directory / f"{name}.pem"
        file.touch(mode=0o600)
        file.write_text(credentials[name])
        files[name] = str(file)
    return files | {
        "endpoint": credentials["endpoint"],
        "port": str(port),
        "thing_name": thing,
        "handlers": str(stage.handlers),
        "directory": str(directory),
    }


@asynccontextmanager
async def _program(
    name: str, directory: Path, settings: dict[str, Any]
) -> AsyncIterator[Child]:
    file = write_settings(directory / "settings.json", settings)
    command = [sys.executable, _PROGRAMS / name, file]
    async with _child(name, command, directory, {}) as child:
        yield child


@asynccontextmanager
async def _child(
    name: str, command: list[Any], directory: Path, environment: dict[str, str]
) -> AsyncIterator[Child]:
    child = await Child.start(
        name,
        command,
        directory=directory,
        environment=dict(os.environ) | environment,
        log=directory / "log",
    )
    try:
        yield child
    finally:
        await child.stop(STOP_SECONDS)


async def _ready(stage: Stage, child: Child, things: Collection[str]) -> None:
    """Wait until all things have asked for a job. Raises StackError if one does not."""

    async def all_ready() -> bool | None:
        return stage.service.has_answered(things) or None

    try:
        await child.until(all_ready, READY_SECONDS)
    except StackError as err:
        raise StackError(f"{err}\n{log_tail(child.log)}", child.log) from None
