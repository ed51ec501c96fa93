"""A fleet in a local AWS, which all tests here share."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import threading
from typing import Any

import pytest
import pytest_socket

from stack.aws import LocalAws
from stack.fleet import Fleet, create_fleet, fleet_bundle, update_fleet

WORKERS = 4

ALL = {
    "FilesBucket": "files-of-homes",
    "Packages": "lftp dos2unix",
    "Services": "web db",
    "DownloadKey": "models/model.bin",
    "UploadFile": "/share/home.log",
    "CoreVersion": "2026.10.4",
    "OsVersion": "16.3",
    "Apps": "core_mosquitto core_ssh a0d7b954_nodered",
    "HacsRepository": "OWNER/REPOSITORY",
}


@dataclass
class SharedFleet:
    """A local AWS with a fleet that has all there is but optional rights."""

    runner: asyncio.Runner
    aws: LocalAws
    fleet: Fleet
    bundle: Mapping[str, Any]

    def run[Result](self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something in the event loop that all of it lives in."""
        return self.runner.run(work)

    def update(self, **parameters: str) -> None:
        """Change parameters of the stack."""
        self.run(update_fleet(self.aws, self.fleet, **(ALL | parameters)))

    def statements(self, *policies: str) -> list[dict[str, Any]]:
        """Return the statements of policies, by the names of the stack's outputs."""
        return [
            statement
            for policy in policies
            for statement in self.aws.policy(self.fleet.outputs[policy])["Statement"]
        ]


@pytest.fixture(autouse=True)
def sockets_on_loopback(socket_enabled: None) -> None:
    """Let tests ask the local AWS."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)


def _workers() -> ThreadPoolExecutor:
    """Return threads that are there before any test: one that comes in a test is its leak."""
    workers = ThreadPoolExecutor(WORKERS)
    all_there = threading.Barrier(WORKERS)
    list(workers.map(lambda _: all_there.wait(), range(WORKERS)))
    return workers


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedFleet]:
    """Run a local AWS and make a fleet's stack there."""
    pytest_socket.enable_socket()
    aws = LocalAws(tmp_path_factory.mktemp("aws"))
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_workers())
        runner.run(aws.__aenter__())
        try:
            fleet = runner.run(create_fleet(aws, **ALL))
            bundle = runner.run(
                fleet_bundle(aws, fleet, parameters={"Site": "harbour"})
            )
            yield SharedFleet(runner, aws, fleet, bundle)
        finally:
            runner.run(aws.__aexit__(None, None, None))
