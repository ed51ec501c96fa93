"""Nobody without the token takes the service's connections, its files, or its log."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
import logging
from pathlib import Path
import resource
import ssl

import aiohttp
import pytest

from custom_components.aws_iot_jobs.runner import (
    connections as connections_module,
    server as server_module,
)
from custom_components.aws_iot_jobs.runner.client import RunnerClient
from custom_components.aws_iot_jobs.runner.model import CommandCall, StepRequest
from custom_components.aws_iot_jobs.runner.runs import Runs
from custom_components.aws_iot_jobs.runner.server import make_app, serving

from ..runner_service import RunnerService
from .fakes import SilentRunner

_HELLO = ssl.MemoryBIO()
with contextlib.suppress(ssl.SSLWantReadError):
    ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), _HELLO, server_hostname="localhost"
    ).do_handshake()

_BODY = b"PUT /v1/runs/one HTTP/1.1\r\nHost: x\r\n"
STRANGERS = {
    "nothing": b"",
    "half a head": b"GET /v1/info HTTP/1.1\r\nHost: x\r\n",
    "half a body": _BODY + b"Content-Length: 1000\r\n\r\n{",
    "half a chunked body": _BODY + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "a chunked body that is none": _BODY + b"Transfer-Encoding: chunked\r\n\r\nXY\r\n",
    "a body after a question": _BODY
    + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    "a wrong token": b"GET /v1/info HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer wrong\r\n\r\n",
    "events": b"GET /v1/runs/one/events HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
    b"Upgrade: websocket\r\n\r\n",
    "a health check": b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": b"\0\1\2\3\r\n\r\n",
    "TLS": _HELLO.read(),
    "a long line": b"GET /" + b"x" * 100_000,
}


@pytest.fixture
async def crowded(tmp_path: Path, socket_enabled: None) -> AsyncIterator[RunnerService]:
    """Run the service with few file descriptors."""
    it = RunnerService(tmp_path / "app")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
    try:
        await it.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    yield it
    await it.stop()


@pytest.fixture
async def port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socket_enabled: None
) -> AsyncIterator[int]:
    """Serve here, in a hurry."""
    monkeypatch.setattr(connections_module, "STRANGER_SECONDS", 0.5)
    async with serving(make_app(Runs(SilentRunner(), tmp_path), tmp_path, "it")) as at:
        yield at


class _Strangers(contextlib.AsyncExitStack):
    """Connections that send something, and are closed in the end."""

    async def connect(self, port: int, data: bytes) -> asyncio.StreamReader:
        """Open one more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.push_async_callback(self._close, writer)
        writer.write(data)
        return reader

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def strangers(socket_enabled: None) -> AsyncIterator[_Strangers]:
    """Return none yet."""
    async with _Strangers() as them:
        yield them


async def _closed(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed a connection."""
    async with asyncio.timeout(15):
        with contextlib.suppress(ConnectionError):
            await reader.read()


@pytest.mark.parametrize("sent", ["nothing", "half a head", "half a body", "events"])
async def test_strangers_starve_nobody(
    crowded: RunnerService,
    session: aiohttp.ClientSession,
    strangers: _Strangers,
    sent: str,
) -> None:
    """More of them than the service has file descriptors; steps are run meanwhile."""
    client = RunnerClient(session, crowded.address, namespace="thing-1")

    async def flood() -> None:
        with contextlib.suppress(OSError):
            await strangers.connect(crowded.port, STRANGERS[sent])

    for number in range(3):
        call = CommandCall(argv=("echo", str(number)))
        request = StepRequest(run_id=f"r.{number}", job_key="r", call=call)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(flood())
            running = group.create_task(client.run(request, print))
        assert running.result().stdout == f"{number}\n"
    async with session.get(f"{crowded.url}/health") as response:
        assert response.status == 200
    assert crowded.log.count("Turned away") == 1
    assert "Traceback" not in crowded.log
    assert "out of system resource" not in crowded.log


@pytest.mark.parametrize("sent", STRANGERS)
async def test_a_connection_without_the_token_is_short(
    port: int, strangers: _Strangers, caplog: pytest.LogCaptureFixture, sent: str
) -> None:
    """Whatever comes over it; the log says it once, however many there are."""
    caplog.set_level(logging.INFO)
    readers = [await strangers.connect(port, STRANGERS[sent]) for _ in range(5)]
    await asyncio.gather(*map(_closed, readers))
    told = [it.getMessage() for it in caplog.records if it.levelno > logging.INFO]
    assert len(told) <= 1
    assert all("Turned away" in line for line in told)


@pytest.mark.parametrize("sent", ["nothing", "a health check"])
async def test_sending_slowly_makes_no_connection_longer(
    port: int, strangers: _Strangers, sent: str
) -> None:
    """Neither does asking again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    closed = asyncio.create_task(_closed(reader))
    async with asyncio.timeout(15):
        while not closed.done():
            writer.write(STRANGERS[sent] or b"G")
            await asyncio.sleep(0.05)
    writer.transport.abort()


async def test_a_client_keeps_its_connections(
    port: int,
    strangers: _Strangers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those that follow events and those that are idle, while strangers come and go."""
    monkeypatch.setattr(server_module, "HEARTBEAT_SECONDS", 0.05)
    headers = {"Authorization": "Bearer it"}
    step = {"job_key": "job", "command": {"argv": ["true"]}}
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", headers=headers
    ) as http:
        async with http.put("/v1/runs/one", json=step) as response:
            assert response.status == 201
        async with http.get("/v1/runs/one/events") as events:
            for _ in range(connections_module.MAX_CONNECTIONS + 50):
                last = await strangers.connect(port, b"")
            await _closed(last)
            for _ in range(3):
                assert await events.content.readline() == b"\n"
            async with http.get("/v1/info") as response:
                assert response.status == 200
    assert caplog.text.count("Turned away") == 1


async def test_the_body_of_a_client_must_come_too(
    port: int, strangers: _Strangers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that has died in the midst of it keeps nothing busy."""
    monkeypatch.setattr(server_module, "BODY_SECONDS", 0.2)
    head = b"Host: x\r\nAuthorization: Bearer it\r\n"
    half = STRANGERS["half a body"].replace(b"Host: x\r\n", head)
    reader = await strangers.connect(port, half)
    async with asyncio.timeout(15):
        assert b"408" in await reader.readline()


async def test_strangers_are_counted_once_a_minute(
    port: int,
    strangers: _Strangers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And every one of them."""
    monkeypatch.setattr(connections_module, "LOG_INTERVAL_SECONDS", 1.0)
    for _ in range(5):
        await _closed(await strangers.connect(port, STRANGERS["a wrong token"]))
    async with asyncio.timeout(15):
        while caplog.text.count("Turned away") < 2:
            await asyncio.sleep(0.05)
    told = [it.getMessage() for it in caplog.records if "Turned" in it.getMessage()]
    counts = [message.split(": ")[1] for message in told]
    assert counts == ["1, the last from 127.0.0.1", "4, the last from 127.0.0.1"]
