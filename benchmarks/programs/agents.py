"""Agents of one or many things in one process, without Home Assistant.

It is given a file with its settings. Nothing in `jobs` and `runner` needs the package that
they are in: that is not imported, only what they are.
"""

import asyncio
import json
from pathlib import Path
import signal
import sys
from typing import Any

from benchmark_probe.probe import Probe

sys.path.append(str(Path(__file__).parents[2]))
import tests.parts  # noqa: F401, I001

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.runner.local import LocalRunner


async def _main(given: dict[str, Any]) -> None:
    probe = Probe()
    probe.install()
    server = await probe.serve(Path(given["socket"]))
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    agents = []
    for thing in given["things"]:
        agents.append(asyncio.create_task(_agent(thing, given)))
        await asyncio.sleep(given["interval"])
    await stopped.wait()
    for agent in agents:
        agent.cancel()
    await asyncio.gather(*agents, return_exceptions=True)
    server.close()


async def _agent(thing: dict[str, Any], given: dict[str, Any]) -> None:
    directory = Path(given["directory"]) / thing["thing_name"]
    connection = ConnectionSettings(
        endpoint=given["endpoint"],
        port=given["port"],
        thing_name=thing["thing_name"],
        certificate=thing["certificate"].encode(),
        private_key=thing["private_key"].encode(),
        root_ca=given["root_ca"].encode(),
    )
    settings = AgentSettings(connection=connection, directory=directory, facts={})
    runner = LocalRunner(Path(given["handlers"]), directory / "work")
    await Agent(settings, runner).run()


if __name__ == "__main__":
    asyncio.run(_main(json.loads(Path(sys.argv[1]).read_bytes())))
