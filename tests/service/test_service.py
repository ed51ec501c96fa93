"""What the service answers to those who have no token, ask too much, or ask nonsense."""

import asyncio
from collections.abc import AsyncIterator
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from custom_components.aws_iot_jobs.runner.runs import Runs
from custom_components.aws_iot_jobs.runner.server import (
    MAX_BODY_BYTES,
    load_token,
    make_app,
    serving,
)

from ..runner_service import RunnerService
from .fakes import SilentRunner

_REQUESTS = (
    ("GET", "/v1/info"),
    ("GET", "/v1/bundle"),
    ("GET", "/v1/handlers"),
    ("POST", "/v1/handlers/fix-permissions"),
    ("PUT", "/v1/runs/one"),
    ("GET", "/v1/runs/one"),
    ("GET", "/v1/runs/one/events"),
    ("DELETE", "/v1/runs/one"),
    ("DELETE", "/v1/jobs/job"),
    ("GET", "/v1/nothing"),
    ("GET", "/"),
)


@pytest.fixture
async def http(runner_service: RunnerService) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session with the token."""
    headers = {"Authorization": f"Bearer {runner_service.token}"}
    async with aiohttp.ClientSession(runner_service.url, headers=headers) as session:
        yield session


def _touch(file: Path) -> dict[str, Any]:
    return {"job_key": "job", "command": {"argv": ["touch", str(file)]}}


async def _error(response: aiohttp.ClientResponse) -> str:
    """Return what an error says: all of them say something."""
    answer = await response.json()
    assert list(answer) == ["error"]
    return str(answer["error"])


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "Bearer {}x"],
)
async def test_nothing_answers_without_the_token(
    runner_service: RunnerService, tmp_path: Path, authorization: str | None
) -> None:
    """Nothing is run, and nothing is told: not even whether a path exists."""
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.format(runner_service.token)
    file = tmp_path / "ran"
    async with aiohttp.ClientSession(runner_service.url, headers=headers) as session:
        for method, path in _REQUESTS:
            async with session.request(method, path, json=_touch(file)) as response:
                assert response.status == 401, (method, path)
                assert response.headers["WWW-Authenticate"] == "Bearer"
                assert await _error(response) == "401: Unauthorized"
    assert list((runner_service.data / "runs").glob("*")) == []
    assert not file.exists()


async def test_the_health_check_needs_no_token(
    runner_service: RunnerService, session: aiohttp.ClientSession
) -> None:
    """It tells nothing but that the service is there."""
    async with session.get(f"{runner_service.url}/health") as response:
        assert response.status == 200
        assert await response.json() == {"status": "ok"}


async def test_the_token_stays(runner_service: RunnerService) -> None:
    """It is made once, only its owner may read it, and no log has it."""
    token = runner_service.token
    assert len(token) >= 32
    assert (runner_service.data / "token").stat().st_mode & 0o777 == 0o600
    await runner_service.stop()
    await runner_service.start()
    assert runner_service.token == token
    assert token not in runner_service.log


def test_an_empty_token_is_none(tmp_path: Path) -> None:
    """As a crash while it was written leaves it."""
    file = tmp_path / "token"
    file.touch()
    token = load_token(file)
    assert len(token) >= 32
    assert load_token(file) == token


@pytest.mark.parametrize(
    "damage", [b"\0\xff\xfe", b"two words", b"\n", "schlüssel".encode()]
)
def test_a_damaged_token_is_none(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """No client could send it; the log says that there is a new one."""
    file = tmp_path / "token"
    file.write_bytes(damage)
    token = load_token(file)
    assert token.isascii()
    assert load_token(file) == token
    assert caplog.text.count("holds no token") == 1
    assert token not in caplog.text


async def test_a_token_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    """The service ends; it does not make one that nobody can find."""
    (tmp_path / "data" / "token").mkdir(parents=True)
    runner_service = RunnerService(tmp_path)
    with pytest.raises(AssertionError):
        await runner_service.start()
    assert "neither read nor made" in runner_service.log
    assert str(tmp_path / "data" / "token") in runner_service.log
    assert "Traceback" not in runner_service.log


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_oversized_request_is_refused(
    http: aiohttp.ClientSession, tmp_path: Path, chunked: bool
) -> None:
    """Also when it does not say beforehand how large it is."""
    request = _touch(tmp_path / "ran") | {"padding": "x" * MAX_BODY_BYTES}
    body = json.dumps(request).encode()

    async def parts() -> AsyncIterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    data = parts() if chunked else body
    async with http.put("/v1/runs/one", data=data) as response:
        assert response.status == 413
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the request: must be an object"),
        (b"{}", "job_key"),
        (b'{"job_key": "../up"}', "job_key"),
        (b'{"job_key": "job"}', "either handler or command"),
        (b'{"job_key": "job", "command": {"argv": []}}', "command.argv"),
        (b'{"job_key": "job", "command": {"argv": "ls"}}', "command.argv"),
        (b'{"job_key": "job", "command": {"argv": ["a\\u0000"]}}', "command.argv[0]"),
        (b'{"job_key": "job", "command": {"argv": ["\\ud800"]}}', "command.argv[0]"),
        (b'{"job_key": "job", "command": {}, "handler": {}}', "either"),
        (b'{"job_key": "job", "handler": {"handler": 1}}', "handler.handler"),
    ],
)
async def test_a_malformed_request_is_refused_in_words(
    http: aiohttp.ClientSession, body: bytes, expected: str
) -> None:
    """They name the field."""
    async with http.put("/v1/runs/one", data=body) as response:
        assert response.status == 400
        assert expected in await _error(response)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", "1"),
        ("timeout", True),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("timeout", 10**400),
        ("environment", ["A=1"]),
        ("environment", {"A=": "1"}),
        ("environment", {"A": 1}),
        ("environment", {"A": "\0"}),
        ("run_as_user", None),
    ],
)
async def test_a_field_that_makes_no_sense_is_named(
    http: aiohttp.ClientSession, tmp_path: Path, field: str, value: object
) -> None:
    """And nothing is run."""
    request = _touch(tmp_path / "ran") | {field: value}
    async with http.put("/v1/runs/one", json=request) as response:
        assert response.status == 400
        assert (await _error(response)).startswith(field)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("run_id", ["..", "%2e%2e%2fup", ".hidden", "a%00", "a" * 241])
async def test_a_run_is_named_by_what_can_name_a_file(
    http: aiohttp.ClientSession, tmp_path: Path, run_id: str
) -> None:
    """No way leads out of the service's directory."""
    path = URL(f"/v1/runs/{run_id}", encoded=True)
    async with http.put(path, json=_touch(tmp_path / "ran")) as response:
        assert response.status in (400, 404)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/events"), ("DELETE", "")],
)
async def test_an_unknown_run_is_told(
    http: aiohttp.ClientSession, method: str, path: str
) -> None:
    """Whatever is asked of it."""
    async with http.request(method, f"/v1/runs/unknown{path}") as response:
        assert response.status == 404
        assert await _error(response) == "there is no run of this id"


async def test_a_released_job_may_be_unknown(http: aiohttp.ClientSession) -> None:
    """A client that has lost the answer asks again; what is no name is told."""
    async with http.delete("/v1/jobs/unknown") as response:
        assert response.status == 204
    async with http.delete("/v1/jobs/.hidden") as response:
        assert response.status == 400


@pytest.mark.parametrize("after", ["-1", "x", "1.0", "9" * 10, "²"])
async def test_events_are_counted(http: aiohttp.ClientSession, after: str) -> None:
    """What is no number is refused."""
    request = {"job_key": "job", "command": {"argv": ["true"]}}
    async with http.put("/v1/runs/one", json=request) as response:
        assert response.status == 201
    async with http.get("/v1/runs/one/events", params={"after": after}) as response:
        assert response.status == 400


async def test_a_run_is_begun_once_whatever_is_asked_later(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Its id names it: a client that comes back has other arguments, and less time."""
    count = {"job_key": "job", "command": {"argv": ["sh", "-c", "echo >>$0"]}}
    count["command"]["argv"].append(str(tmp_path / "count"))  # type: ignore[index]
    statuses = []
    for timeout in (60, 60, 20):
        async with http.put(
            "/v1/runs/one", json=count | {"timeout": timeout}
        ) as answer:
            statuses.append(answer.status)
    assert statuses == [201, 200, 200]
    async with http.put("/v1/runs/one", json=_touch(tmp_path / "other")) as response:
        assert response.status == 200
    async with http.get("/v1/runs/one/events") as response:
        lines = (await response.text()).splitlines()
    assert json.loads(lines[-1])["ended"]["exit_status"] == 0
    assert (tmp_path / "count").read_text() == "\n"
    assert not (tmp_path / "other").exists()


async def test_the_same_request_at_the_same_time_is_one_run(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """However often it comes."""
    count = {
        "job_key": "job",
        "command": {"argv": ["sh", "-c", f"echo >>{tmp_path}/count; sleep 0.2"]},
    }

    async def put() -> int:
        async with http.put("/v1/runs/one", json=count) as response:
            return response.status

    statuses = await asyncio.gather(*(put() for _ in range(10)))
    assert sorted(statuses) == [200] * 9 + [201]
    async with http.get("/v1/runs/one/events") as response:
        await response.text()
    assert (tmp_path / "count").read_text() == "\n"


async def test_too_many_runs_are_refused(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Until one has ended; those that run are found all the same."""
    wait = f"until [ -e {tmp_path}/end ]; do sleep 0.05; done"
    waiting = {"job_key": "job", "command": {"argv": ["sh", "-c", wait]}}
    for number in range(4):
        async with http.put(f"/v1/runs/{number}", json=waiting) as response:
            assert response.status == 201
    async with http.put("/v1/runs/one", json=_touch(tmp_path / "ran")) as response:
        assert response.status == 429
    async with http.put("/v1/runs/0", json=waiting) as response:
        assert response.status == 200
    (tmp_path / "end").touch()
    async with http.get("/v1/runs/0/events") as response:
        await response.text()
    async with http.put("/v1/runs/one", json=_touch(tmp_path / "ran")) as response:
        assert response.status == 201


async def test_what_a_handler_makes_has_usual_permissions(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """The service keeps its own files to itself, without changing what others make."""
    async with http.put("/v1/runs/one", json=_touch(tmp_path / "made")) as response:
        assert response.status == 201
    async with http.get("/v1/runs/one/events") as response:
        await response.text()
    (tmp_path / "expected").touch()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "expected").stat().st_mode


async def test_a_stream_that_has_nothing_to_tell_shows_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socket_enabled: None
) -> None:
    """By an empty line now and then."""
    server = "custom_components.aws_iot_jobs.runner.server.HEARTBEAT_SECONDS"
    monkeypatch.setattr(server, 0.05)
    runner = SilentRunner()
    headers = {"Authorization": "Bearer token"}
    app = make_app(Runs(runner, tmp_path), tmp_path, "token")
    async with (
        serving(app) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session,
    ):
        async with session.put("/v1/runs/one", json=_touch(tmp_path)) as response:
            assert response.status == 201
        async with session.get("/v1/runs/one/events") as response:
            assert [await response.content.readline() for _ in range(3)] == [b"\n"] * 3
            runner.end.set()
            rest = (await response.text()).split()
    assert json.loads("".join(rest))["ended"]["outcome"] == "exited"


async def test_a_file_that_cannot_be_read_does_no_harm(
    runner_service: RunnerService, http: aiohttp.ClientSession
) -> None:
    """The service starts all the same, says so, and forgets it."""
    broken = runner_service.data / "runs" / "broken.run.json"
    await runner_service.stop()
    broken.parent.mkdir(exist_ok=True)
    for content in ('{"job_key"', "[]", '{"job_key": "j", "position": 1}'):
        broken.write_text(content)
        await runner_service.start()
        assert not broken.exists()
        await runner_service.stop()
    assert "cannot be read" in runner_service.log
