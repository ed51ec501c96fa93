"""What the service answers to those who have no token, ask too much, or ask nonsense."""

import asyncio
from collections.abc import AsyncIterator
import json
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
import pytest
from yarl import URL

from custom_components.aws_iot_jobs.runner import runs as runs_module
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    RunEvent,
    Runner,
    RunOutcome,
    RunOutput,
    RunResult,
    RunTrace,
    StepRequest,
    Stream,
)
from custom_components.aws_iot_jobs.runner.runs import Runs
from custom_components.aws_iot_jobs.runner.server import (
    MAX_BODY_BYTES,
    load_token,
    make_app,
)
from custom_components.aws_iot_jobs.runner.wire import Numbered

from ..runner_service import RunnerService

_REQUESTS = (
    ("GET", "/v1/info"),
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


async def test_the_same_request_is_the_same_run(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """It is run once; another request of the same id conflicts, and changes nothing."""
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
        assert response.status == 409
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
    runner = _Silent()
    app = make_app(Runs(runner, tmp_path), tmp_path, "token")
    service = web.AppRunner(app, handler_cancellation=True)
    await service.setup()
    site = web.TCPSite(service, "127.0.0.1", 0)
    await site.start()
    headers = {"Authorization": "Bearer token"}
    url = f"http://127.0.0.1:{service.addresses[0][1]}"
    async with aiohttp.ClientSession(url, headers=headers) as session:
        async with session.put("/v1/runs/one", json=_touch(tmp_path)) as response:
            assert response.status == 201
        async with session.get("/v1/runs/one/events") as response:
            assert [await response.content.readline() for _ in range(3)] == [b"\n"] * 3
            runner.end.set()
            rest = (await response.text()).split()
    await service.cleanup()
    assert json.loads("".join(rest))["ended"]["outcome"] == "exited"


class _Silent(Runner):
    """A runner whose runs say nothing until they may end."""

    def __init__(self) -> None:
        self.end = asyncio.Event()

    async def run(
        self,
        request: StepRequest,
        on_event: object,
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        stopped = (stop or asyncio.Event()).wait()
        waiting = [asyncio.ensure_future(it) for it in (self.end.wait(), stopped)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        return RunResult(outcome=RunOutcome.EXITED, exit_status=0)

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        return RunTrace.LOST

    async def recover(self, job_key: str) -> None:
        """Nothing is lost."""

    async def release(self, job_key: str) -> None:
        """Nothing is shared."""


class _Talkative(_Silent):
    """A runner whose runs tell more than anyone keeps."""

    async def run(
        self, request: StepRequest, on_event: Any, stop: Any = None
    ) -> RunResult:
        told = RunOutput(run_id=request.run_id, stream=Stream.STDOUT, data=b"x")
        for _ in range(runs_module.MAX_EVENTS + 10):
            on_event(told)
        return RunResult(outcome=RunOutcome.EXITED, exit_status=0, stdout="tail")


def _request(number: int) -> StepRequest:
    call = CommandCall(argv=("true",))
    return StepRequest(run_id=f"run-{number}", job_key=f"job-{number}", call=call)


async def _events(runs: Runs, run_id: str, after: int = 0) -> list[Numbered]:
    run = runs.get(run_id)
    assert run is not None
    return [numbered async for numbered in run.read(after)]


async def test_what_is_kept_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of a run, runs with all their events, and runs; the result comes always."""
    monkeypatch.setattr(runs_module, "MAX_EVENTS", 5)
    monkeypatch.setattr(runs_module, "MAX_KEPT_WITH_OUTPUT", 2)
    monkeypatch.setattr(runs_module, "MAX_KEPT", 4)
    runs = Runs(_Talkative(), tmp_path)
    for number in range(6):
        run, begun = await runs.put(_request(number))
        assert begun
        assert len(await _events(runs, run.run_id)) == 6
    assert runs.get("run-0") is None
    assert len(list(tmp_path.iterdir())) == 5
    for number, kept in ((1, 1), (2, 1), (3, 6), (4, 6), (5, 6)):
        events = await _events(runs, f"run-{number}")
        assert len(events) == kept
        assert isinstance(events[-1].event, RunResult)
        assert events == await _events(runs, f"run-{number}", after=100) or kept > 1
        assert [e.number for e in events] == list(range(7 - kept, 7))


async def test_a_day_old_result_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has come for it."""
    runs = Runs(_Talkative(), tmp_path)
    await runs.put(_request(1))
    await _events(runs, "run-1")
    monkeypatch.setattr(runs_module, "KEPT_SECONDS", 0)
    await runs.put(_request(2))
    assert runs.get("run-1") is None
    assert not (tmp_path / "run-1.run.json").exists()


async def test_a_slow_reader_misses_nothing(tmp_path: Path) -> None:
    """What is told while it is busy, it reads afterwards."""
    told: list[Any] = []

    class Slow(_Silent):
        async def run(
            self, request: StepRequest, on_event: Any, stop: Any = None
        ) -> RunResult:
            told.append(on_event)
            return await super().run(request, on_event, stop)

    runner = Slow()
    runs = Runs(runner, tmp_path)
    run, _ = await runs.put(_request(1))
    while not told:
        await asyncio.sleep(0)

    def tell(data: bytes) -> None:
        event: RunEvent = RunOutput(run_id="run-1", stream=Stream.STDOUT, data=data)
        told[0](event)

    tell(b"1")
    reading = run.read(0)
    numbers = [(await anext(reading)).number]
    tell(b"2")
    runner.end.set()
    assert run.task is not None
    await run.task
    numbers += [numbered.number async for numbered in reading]
    assert numbers == [1, 2, 3]


async def test_a_file_that_cannot_be_read_does_no_harm(
    runner_service: RunnerService, http: aiohttp.ClientSession
) -> None:
    """The service starts all the same, says so, and forgets it."""
    broken = runner_service.data / "runs" / "broken.run.json"
    await runner_service.stop()
    broken.parent.mkdir(exist_ok=True)
    for content in ('{"job_key"', "[]", '{"job_key": "j", "digest": "d"}'):
        broken.write_text(content)
        await runner_service.start()
        assert not broken.exists()
        await runner_service.stop()
    assert "cannot be read" in runner_service.log


async def test_no_run_begins_in_a_service_that_stops(tmp_path: Path) -> None:
    """It would be ended at once."""
    runs = Runs(_Silent(), tmp_path)
    await runs.close()
    with pytest.raises(runs_module.ClosedError):
        await runs.put(_request(1))


async def test_an_error_of_the_runner_ends_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits for it learns of it, and the log says what it was."""

    class Broken(_Silent):
        async def run(
            self, request: StepRequest, on_event: object, stop: Any = None
        ) -> RunResult:
            raise RuntimeError("broken")

    runs = Runs(Broken(), tmp_path)
    await runs.put(_request(1))
    (ended,) = await _events(runs, "run-1")
    assert isinstance(ended.event, RunResult)
    assert ended.event.outcome is RunOutcome.REFUSED
    assert "RuntimeError: broken" in caplog.text
