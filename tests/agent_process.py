"""An agent in a process of its own, which can be killed, seen from outside."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import signal
import sys
from typing import Any

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.runner.client import RunnerAddress

CRASHED = 99
"""The exit status of one that was to crash, and did."""


@dataclass
class AgentProcess:
    """The process; it ends in an orderly way on SIGTERM, as within Home Assistant.

    Its steps run in itself, or in the service that `runner` names. With `hurry`, it gives
    up and tries again within seconds. Its next life has a wall clock that is `clock_offset`
    seconds off, takes the system to be in the boot of this name if there is one, and needs
    `write_seconds` more for each write of its journal. After `crash_after` deeds (writes,
    syncs, renames and messages, either way) it ends on the spot.
    """

    connection: ConnectionSettings
    directory: Path
    handlers: Path
    grace: float = 2.0
    hurry: bool = False
    runner: RunnerAddress | None = None
    clock_offset: float = 0.0
    boot: str = ""
    write_seconds: float = 0.0
    crash_after: int | None = None
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it goes on where an earlier one was stopped or killed."""
        settings = self.directory / "agent.json"
        self.directory.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(self._as_json()))
        with (self.directory / "agent.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("agent_program.py")),
                str(settings),
                stderr=log,
            )

    async def kill(self) -> None:
        """Kill it without a warning."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it as Home Assistant stops an integration."""
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it do nothing, while its connections stay open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

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
            "clock_offset": self.clock_offset,
            "boot": self.boot,
            "write_seconds": self.write_seconds,
            "crash_after": self.crash_after,
            "runner": None if self.runner is None else asdict(self.runner),
        }
