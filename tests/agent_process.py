"""An agent in a process of its own, which can be killed.

    python -m tests.agent_process SETTINGS.json

It ends in an orderly way on SIGTERM, as it does within Home Assistant.
"""

import asyncio
import contextlib
from dataclasses import dataclass
import json
import logging
import os
from pathlib import Path
import signal
import sys
from typing import Any

from custom_components.aws_iot_jobs.jobs import backoff, connection, service, updates
from custom_components.aws_iot_jobs.jobs.agent import Agent, AgentSettings
from custom_components.aws_iot_jobs.jobs.connection import ConnectionSettings
from custom_components.aws_iot_jobs.runner.local import LocalRunner


@dataclass
class AgentProcess:
    """The process, seen from outside."""

    connection: ConnectionSettings
    directory: Path
    handlers: Path
    grace: float = 2.0
    hurry: bool = False
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it goes on where an earlier one was stopped or killed."""
        settings = self.directory / "agent.json"
        self.directory.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(self._as_json()))
        with (self.directory / "agent.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                str(settings),
                cwd=Path(__file__).parent.parent,
                env=os.environ | {"PYTHONPATH": "."},
                stderr=log,
            )

    async def kill(self) -> None:
        """Kill it without a warning."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it as Home Assistant stops an integration."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if (process := self.process) is None:
            return
        self.process = None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        await process.wait()

    def _as_json(self) -> dict[str, Any]:
        settings = self.connection
        assert settings.root_ca is not None
        return {
            "endpoint": settings.endpoint,
            "port": settings.port,
            "thing_name": settings.thing_name,
            "certificate": settings.certificate.decode(),
            "private_key": settings.private_key.decode(),
            "root_ca": settings.root_ca.decode(),
            "directory": str(self.directory / "thing"),
            "handlers": str(self.handlers),
            "grace": self.grace,
            "hurry": self.hurry,
        }


def _hurry() -> None:
    """Notice dead links and try again within seconds, so that much can happen in a minute."""
    connection.KEEP_ALIVE_SECONDS = 2
    connection.PING_TIMEOUT_SECONDS = 1
    connection.ACK_TIMEOUT_SECONDS = 2
    backoff.MAX_SECONDS = 1
    service.ANSWER_TIMEOUT_SECONDS = 1
    updates.MIN_INTERVAL_SECONDS = 0.2


async def _main(file: Path) -> None:
    given = json.loads(file.read_bytes())
    if given["hurry"]:
        _hurry()
    directory = Path(given["directory"])
    runner = LocalRunner(
        Path(given["handlers"]), directory / "work", grace=given["grace"]
    )
    settings = AgentSettings(
        connection=ConnectionSettings(
            endpoint=given["endpoint"],
            port=given["port"],
            thing_name=given["thing_name"],
            certificate=given["certificate"].encode(),
            private_key=given["private_key"].encode(),
            root_ca=given["root_ca"].encode(),
        ),
        directory=directory,
        facts={},
    )
    serving = asyncio.ensure_future(Agent(settings, runner).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(_main(Path(sys.argv[1])))
