"""Who is measured beside Home Assistant: each a process that is a thing of the stage."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
import sys

from .children import PROGRAMS, program, ready, running
from .probe_client import ProbeClient
from .results import Actor
from .stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A thing that runs jobs: who it is, and the process; a probe is in our own ones."""

    actor: Actor
    thing: str
    pid: int
    probe: ProbeClient | None = None


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
    async with program("agents.py", directory, settings) as child:
        probe = await ProbeClient.connect(socket)
        await probe.ask(ticking=ticking)
        await ready(stage.service, child, names)
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
    async with program("floor.py", directory, settings) as child:
        await ready(stage.service, child, [thing])
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
    # Others may have been these things before.
    stage.service.forget(things)
    async with program("connections.py", directory, settings) as child:
        await ready(stage.service, child, things)
        yield child.pid


@asynccontextmanager
async def control(directory: Path) -> AsyncIterator[ProbeClient]:
    """Run an event loop that has nothing to do but tick."""
    directory.mkdir(parents=True)
    socket = directory / "probe"
    command: list[str | Path] = [sys.executable, PROGRAMS / "control.py", socket]
    async with running("control", command, directory):
        probe = await ProbeClient.connect(socket)
        yield probe
        await probe.close()
