"""A machine for each test, with either set of tools, and a web server."""

from collections.abc import Iterator
from pathlib import Path
import tempfile

import pytest

from ..jobs.conftest import broker, device, service, sockets_on_loopback, stopped_device
from .machine import Machine, Toolset
from .web import WebServer

# Fixtures that are found by their names here.
__all__ = ["broker", "device", "service", "sockets_on_loopback", "stopped_device"]


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Return a new directory that all users of this system may pass."""
    with tempfile.TemporaryDirectory(prefix="aws-iot-jobs-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=Toolset, ids=lambda toolset: toolset.name.lower())
def toolset(request: pytest.FixtureRequest) -> Toolset:
    """Run a test with each set of tools."""
    assert isinstance(request.param, Toolset)
    return request.param


@pytest.fixture
def machine(
    toolset: Toolset, open_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """Return a machine with nothing but the tools, and make it the agent's."""
    machine = Machine(open_path, toolset)
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    return machine


@pytest.fixture
def web() -> Iterator[WebServer]:
    """Run a web server on the loopback interface."""
    with WebServer() as web:
        yield web
