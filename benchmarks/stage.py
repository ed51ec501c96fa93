"""All that is around an agent: broker, service, the long way, handlers."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.broker import HOST, Broker

from .proxy import Proxy
from .service import JobsService

ROUND_TRIP_SECONDS = 0.08
FLUSH_SECONDS = 0.01

TINY = "tiny.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What an actor finds. `far` is the broker beyond a round trip of 80 ms."""

    directory: Path
    broker: Broker
    service: JobsService
    far: Proxy
    handlers: Path

    def handler(self, name: str, text: str) -> str:
        """Put a handler into the handler directory, and return its name."""
        file = self.handlers / name
        file.write_text(text)
        file.chmod(0o700)
        return name

    def credentials(self, thing: str) -> dict[str, str]:
        """Return what a thing connects with, as text."""
        settings = self.broker.settings(thing)
        assert settings.root_ca is not None
        return {
            "endpoint": HOST,
            "thing_name": thing,
            "certificate": settings.certificate.decode(),
            "private_key": settings.private_key.decode(),
            "root_ca": settings.root_ca.decode(),
        }


@asynccontextmanager
async def set_stage(directory: Path, things: Iterable[str]) -> AsyncIterator[Stage]:
    """Set it below a directory, for things of these names."""
    handlers = directory / "handlers"
    handlers.mkdir(mode=0o700)
    async with (
        Broker(directory / "broker", tuple(things), packet_log=False) as broker,
        JobsService(
            port=broker.port, tls_context=broker.service_tls_context()
        ) as service,
        Proxy(broker.port, ROUND_TRIP_SECONDS / 2) as far,
    ):
        stage = Stage(
            directory=directory,
            broker=broker,
            service=service,
            far=far,
            handlers=handlers,
        )
        stage.handler(TINY, "#!/bin/sh\necho done\n")
        yield stage


def document(handler: str = TINY, steps: int = 1) -> dict[str, Any]:
    """Return a job document that has one handler run so many times."""
    given = {"handler": handler, "path": "default"}
    return {
        "version": "1.0",
        "steps": [
            {"action": {"name": f"Step {n}", "type": "runHandler", "input": given}}
            for n in range(1, steps + 1)
        ],
    }
