"""Another jobs agent, which is given as a command line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import shlex

from .actors import Player
from .children import ready, running
from .results import Actor
from .stage import Stage


@asynccontextmanager
async def peer(
    stage: Stage, command: str, thing: str, port: int
) -> AsyncIterator[Player]:
    """Run another jobs agent, by a command line with placeholders."""
    directory = stage.directory / f"peer-{thing}"
    directory.mkdir()
    given = _settings(stage, directory, thing, port)
    words = [word.format_map(given) for word in shlex.split(command)]
    environment = {f"BENCH_{name.upper()}": value for name, value in given.items()}
    async with running("the peer", words, directory, environment) as child:
        await ready(stage.service, child, [thing])
        yield Player(actor=Actor.PEER, thing=thing, pid=child.pid)


def _settings(stage: Stage, directory: Path, thing: str, port: int) -> dict[str, str]:
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
