"""An agent as a program, which is given the file with its settings.

Without Home Assistant, as nothing in `jobs` and `runner` needs it: the package that they
are in is not imported, only what they are.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
from datetime import datetime, timedelta, tzinfo
import json
import logging
import os
from pathlib import Path
import signal
import sys
import time
from typing import Any

import aiohttp

sys.path.append(str(Path(__file__).parent.parent))
import tests.parts  # noqa: F401, I001

from custom_components.aws_iot_jobs.aws_iot import backoff, connection, mqtt, service
from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.jobs import (
    agent,
    execution,
    job_run,
    journal,
    timers,
    updates,
)
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.runner import client
from custom_components.aws_iot_jobs.runner.client import RunnerAddress, RunnerClient
from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import Runner


def _hurry() -> None:
    """Notice dead links and try again within seconds, so that much can happen in a minute."""
    connection.KEEP_ALIVE_SECONDS = 2
    connection.PING_TIMEOUT_SECONDS = 1
    connection.ACK_TIMEOUT_SECONDS = 2
    backoff.MAX_SECONDS = 1
    service.ANSWER_TIMEOUT_SECONDS = 1
    updates.MIN_INTERVAL_SECONDS = 0.2
    client.REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=3)
    client.STOP_TIMEOUT = aiohttp.ClientTimeout(total=2)
    client.RELEASE_TIMEOUT = aiohttp.ClientTimeout(total=10)
    client.STREAM_TIMEOUT = aiohttp.ClientTimeout(sock_connect=2, sock_read=4)
    client.MAX_RETRY_SECONDS = 1


def _shift_clock(seconds: float) -> None:
    """Let the wall clock be so far off, wherever a job's time is taken from it."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=seconds)

    for module in (agent, execution, timers):
        module.datetime = Shifted  # type: ignore[attr-defined]


def _boot_as(name: str) -> None:
    """Let the system have been booted since another name was given here."""
    for module in (agent, execution, job_run):
        module.boot_id = lambda: name  # type: ignore[attr-defined]


def _slow_down(seconds: float) -> None:
    """Let each write of the journal take longer, as a slow card does."""
    for name in ("append_to_file", "replace_file"):
        write = getattr(journal, name)

        def slow(path: Path, data: bytes, write: Any = write) -> None:
            time.sleep(seconds)
            write(path, data)

        setattr(journal, name, slow)


_CRASHED = 99


class _Crash:
    """The end of the process, at the n-th deed: a write, its sync, a rename or a message.

    It comes before the deed, so that what stands there is what the one before has left.
    """

    def __init__(self, deeds: int) -> None:
        self._left = deeds

    def __call__[**P, T](self, deed: Callable[P, T]) -> Callable[P, T]:
        def counted(*args: P.args, **kwargs: P.kwargs) -> T:
            self._left -= 1
            if self._left < 0:
                os._exit(_CRASHED)
            return deed(*args, **kwargs)

        return counted


def _crash_after(deeds: int) -> None:
    crash = _Crash(deeds)
    for name in ("write", "fsync", "fdatasync", "replace", "unlink"):
        setattr(os, name, crash(getattr(os, name)))
    mqtt.MqttConnection.publish = crash(mqtt.MqttConnection.publish)  # type: ignore[method-assign]
    mqtt._Events.received = crash(mqtt._Events.received)  # type: ignore[method-assign]


async def _main(file: Path) -> None:
    given = json.loads(file.read_bytes())
    if given["hurry"]:
        _hurry()
    if given["clock_offset"]:
        _shift_clock(given["clock_offset"])
    if given["boot"]:
        _boot_as(given["boot"])
    if given["write_seconds"]:
        _slow_down(given["write_seconds"])
    if given["crash_after"] is not None:
        _crash_after(given["crash_after"])
    directory = Path(given["directory"])
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
    async with _runner(given) as runner:
        serving = asyncio.ensure_future(agent.Agent(settings, runner).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@contextlib.asynccontextmanager
async def _runner(given: dict[str, Any]) -> AsyncIterator[Runner]:
    if given["runner"] is None:
        work = Path(given["directory"]) / "work"
        yield LocalRunner(Path(given["handlers"]), work, grace=given["grace"])
        return
    async with aiohttp.ClientSession() as session:
        address = RunnerAddress(**given["runner"])
        yield RunnerClient(session, address, namespace=given["thing_name"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(_main(Path(sys.argv[1])))
