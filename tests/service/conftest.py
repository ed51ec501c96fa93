"""A service and clients for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from custom_components.aws_iot_jobs.runner.client import RunnerClient

from ..jobs.conftest import broker, service, sockets_on_loopback, stopped_device  # noqa: F401
from ..runner_service import Line, RunnerService


@pytest.fixture
async def runner_service(
    tmp_path: Path, socket_enabled: None
) -> AsyncIterator[RunnerService]:
    """Run the service."""
    it = RunnerService(tmp_path / "app")
    await it.start()
    yield it
    await it.stop()


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Return what clients share."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def line(runner_service: RunnerService) -> AsyncIterator[Line]:
    """Open a line to the service that can be cut."""
    async with Line(runner_service.port) as line:
        yield line


@pytest.fixture
def client(
    session: aiohttp.ClientSession, runner_service: RunnerService
) -> RunnerClient:
    """Return a client of the service."""
    return RunnerClient(session, runner_service.address, namespace="thing-1")
