"""A step sees that Home Assistant is well after a change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
import time
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.jobs.calls import CheckCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps import check, check_url
from custom_components.aws_iot_jobs.steps.check import Known
from homeassistant.components.http import ApiConfig
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    ConfigEntry,
    ConfigEntryDisabler,
    ConfigEntryState,
)
from homeassistant.const import (
    EVENT_COMPONENT_LOADED,
    EVENT_HOMEASSISTANT_STARTED,
    __version__,
)
from homeassistant.core import CoreState, HomeAssistant

from ...certificates import CertificateAuthority
from ...runner_service import free_port
from ...tls_servers import Server, behind_tls, tls_context
from .trial import Trial

SOON = 0.05
IN_ERROR = [
    ConfigEntryState.SETUP_ERROR,
    ConfigEntryState.SETUP_RETRY,
    ConfigEntryState.MIGRATION_ERROR,
    ConfigEntryState.FAILED_UNLOAD,
    ConfigEntryState.NOT_LOADED,
]


@pytest.fixture(autouse=True)
def nothing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once when something changes."""
    monkeypatch.setattr(check, "PAUSE_SECONDS", 0)


async def test_what_holds_is_told(hass: HomeAssistant, loaded: ConfigEntry) -> None:
    """Line by line, in the output of the step."""
    hass.states.async_set("light.one", "on")
    async with _server(hass) as server:
        url = str(server.make_url("/ok?token=secret"))
        call = CheckCall(
            within=SOON,
            version=__version__,
            components=("http", "aws_iot_jobs.sensor"),
            entries=True,
            tolerance=0,
            url=url,
        )
        trial = Trial(hass, loaded, call)
        await trial.before()
        lines = await trial.run()
    count = len(hass.states.async_all())
    assert lines == [
        f"version: {__version__}",
        "components: loaded: http, aws_iot_jobs.sensor",
        "entries: none is in error that was not before the job",
        f"availableEntities: {count} are available, of {count} before the job",
        f"url: {url.partition('?')[0]} has answered 200",
    ]


async def test_each_that_does_not_hold_is_named(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """With what was found, and what was expected; and what holds is still told."""
    for name in ("one", "two", "three"):
        hass.states.async_set(f"light.{name}", "on")
    before = len(hass.states.async_all())
    call = CheckCall(
        within=SOON,
        version="2000.1.0",
        components=("http", "missing"),
        entries=True,
        tolerance=0,
        url=f"http://127.0.0.1:{free_port()}/path?token=secret",
    )
    trial = Trial(hass, loaded, call)
    await trial.before()
    hass.states.async_set("light.one", "unavailable")
    hass.states.async_remove("light.two")
    _entry(hass, ConfigEntryState.SETUP_RETRY, title="Bridge")
    with pytest.raises(StepFailedError) as failed:
        await trial.run()
    told = str(failed.value).split("; ")
    assert told[0] == f"version: found {__version__}, expected 2000.1.0"
    assert told[1] == "components: not loaded: missing"
    assert told[2] == "entries: 'Bridge' (bridge) is in state setup_retry"
    assert told[3] == (
        f"availableEntities: {before - 2} are available, of {before} before the job, "
        f"expected at least {before}"
    )
    assert told[4] == "not available any more: light.one"
    assert told[5].startswith("url: http://127.0.0.1:")
    assert "/path cannot be reached: " in told[5]
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("state", IN_ERROR)
async def test_entry_in_error(
    hass: HomeAssistant, loaded: ConfigEntry, state: ConfigEntryState
) -> None:
    """It counts if it was not in error before."""
    _entry(hass, state, title="Old")
    trial = Trial(hass, loaded, CheckCall(within=SOON, entries=True))
    await trial.before()
    assert await trial.run()
    _entry(hass, state, title="New")
    with pytest.raises(StepFailedError, match=f"'New' .* in state {state.value}$"):
        await trial.run()


async def test_entries_that_need_not_be_loaded(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """Nobody expects it of what is ignored, or disabled."""
    trial = Trial(hass, loaded, CheckCall(within=SOON, entries=True))
    await trial.before()
    _entry(hass, ConfigEntryState.NOT_LOADED, source=SOURCE_IGNORE)
    _entry(hass, ConfigEntryState.NOT_LOADED, disabled_by=ConfigEntryDisabler.USER)
    assert await trial.run()


async def test_many_are_not_all_named(hass: HomeAssistant, loaded: ConfigEntry) -> None:
    """A reason has no room for a thousand entities."""
    for number in range(8):
        hass.states.async_set(f"light.l{number}", "on")
    trial = Trial(hass, loaded, CheckCall(within=SOON, tolerance=0))
    await trial.before()
    for number in range(8):
        hass.states.async_set(f"light.l{number}", "unavailable")
    with pytest.raises(StepFailedError, match=r"light\.l4, 3 more$"):
        await trial.run()


@pytest.mark.parametrize(("lost", "holds"), [(0, True), (2, True), (3, False)])
async def test_tolerance(
    hass: HomeAssistant, loaded: ConfigEntry, lost: int, holds: bool
) -> None:
    """So many percent of the entities that were available may be so no more."""
    fill = 20 - len(hass.states.async_all())
    for number in range(fill):
        hass.states.async_set(f"light.l{number}", "on")
    hass.states.async_set("light.was_so_before", "unavailable")
    trial = Trial(hass, loaded, CheckCall(within=SOON, tolerance=10))
    await trial.before()
    for number in range(lost):
        hass.states.async_set(f"light.l{number}", "unavailable")
    # It is not known, which is no fault of it.
    hass.states.async_set("light.l4", "unknown")
    if holds:
        assert await trial.run()
    else:
        with pytest.raises(StepFailedError, match="expected at least 18"):
            await trial.run()


async def test_it_waits(hass: HomeAssistant, loaded: ConfigEntry) -> None:
    """What changes is looked at again, until all of it holds at once."""
    hass.states.async_set("light.one", "on")
    call = CheckCall(within=60, components=("late",), entries=True, tolerance=0)
    trial = Trial(hass, loaded, call)
    await trial.before()
    hass.states.async_set("light.one", "unavailable")
    late = _entry(hass, ConfigEntryState.SETUP_IN_PROGRESS)
    running = asyncio.ensure_future(trial.run())
    await asyncio.sleep(0)
    began = time.monotonic()

    hass.states.async_set("light.one", "on")
    await _turns()
    assert not running.done()
    late.mock_state(hass, ConfigEntryState.LOADED)
    await _turns()
    assert not running.done()
    hass.config.components.add("late")
    hass.bus.async_fire(EVENT_COMPONENT_LOADED, {"component": "late"})
    assert len(await running) == 3
    # That is, none of it was found by looking now and then.
    assert time.monotonic() - began < check.INTERVAL_SECONDS


async def test_it_asks_when_all_else_holds(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """Nobody is asked for as long as the answer makes no difference; in the end, once."""
    async with _server(hass) as server:
        call = CheckCall(
            within=SOON, components=("missing",), url=str(server.make_url("/ok"))
        )
        trial = Trial(hass, loaded, call)
        with pytest.raises(StepFailedError, match=r"^components: not loaded: missing$"):
            await trial.run()
        assert server.app[_ASKED] == ["/ok"]
    assert trial.attempt.stdout.endswith("/ok has answered 200\n")


@pytest.mark.parametrize("path", ["/ok", "/elsewhere"])
async def test_own_web_server(
    hass: HomeAssistant, loaded: ConfigEntry, path: str
) -> None:
    """A path is one of Home Assistant's own. A redirect is an answer, and not followed."""
    async with _server(hass) as server:
        trial = Trial(hass, loaded, CheckCall(within=SOON, url=f"{path}?token=secret"))
        [line] = await trial.run()
        assert server.app[_ASKED] == [path]
    assert line.startswith(f"url: {path} has answered ")


async def test_certificates(
    hass: HomeAssistant, loaded: ConfigEntry, ca: CertificateAuthority, tmp_path: Path
) -> None:
    """Others have to be who they say; Home Assistant's own has its name outside."""
    tls = tls_context(tmp_path, ca.server("home.example.com", names=[]))
    async with _server(hass, tls):
        own = Trial(hass, loaded, CheckCall(within=SOON, url="/ok"))
        assert await own.run() == ["url: /ok has answered 200"]
    async with Server(behind_tls(tls)) as server:
        url = f"https://127.0.0.1:{server.port}/ok"
        other = Trial(hass, loaded, CheckCall(within=SOON, url=url))
        with pytest.raises(StepFailedError, match=r"/ok cannot be reached: .*verify"):
            await other.run()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/missing", "has answered 404, expected below 400"),
        ("/broken", "has answered 500, expected below 400"),
        ("/garbage", "does not answer: "),
    ],
)
async def test_url_does_not_answer(
    hass: HomeAssistant,
    loaded: ConfigEntry,
    path: str,
    found: str,
) -> None:
    """Its query, and who logs in, is not told."""
    async with _server(hass) as server:
        url = server.make_url(path).with_user("me").with_password("secret")
        call = CheckCall(within=SOON, url=str(url.with_query(token="secret")))
        with pytest.raises(StepFailedError) as failed:
            await Trial(hass, loaded, call).run()
    assert found in str(failed.value)
    assert path in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_url_takes_too_long(
    hass: HomeAssistant, loaded: ConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it for ever."""
    monkeypatch.setattr(check_url, "LOOK_SECONDS", 0.05)
    async with _server(hass) as server:
        call = CheckCall(within=SOON, url=str(server.make_url("/slow")))
        with pytest.raises(StepFailedError, match=r"has not answered within 0\.05 s"):
            await Trial(hass, loaded, call).run()


@pytest.mark.parametrize("url", ["http://[", "http:///nowhere", "${aws:iot:x}"])
async def test_url_is_none(hass: HomeAssistant, loaded: ConfigEntry, url: str) -> None:
    """A placeholder, say, that AWS has not filled in."""
    with pytest.raises(StepFailedError, match=r"^url: it is none that can be asked$"):
        await Trial(hass, loaded, CheckCall(within=SOON, url=url)).run()


def test_a_plan_tells_no_query() -> None:
    """Nor do approvals, where what is to be asked is shown."""
    call = CheckCall(url="https://example.com/health?token=secret", recorder=True)
    assert call.words == (
        "checkHomeAssistant",
        "recorder",
        "https://example.com/health",
    )


async def test_home_assistant_still_starts(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """What is not set up yet is neither taken for how it was, nor for a fault."""
    hass.set_state(CoreState.starting)
    hass.states.async_set("light.one", "unavailable")
    trial = Trial(hass, loaded, CheckCall(within=SOON, tolerance=0))
    looking = asyncio.ensure_future(trial.before())
    await _turns()
    assert not looking.done()
    hass.states.async_set("light.one", "on")
    _start(hass)
    await looking
    assert trial.known["unavailable"] == ()

    hass.set_state(CoreState.starting)
    hass.states.async_set("light.one", "unavailable")
    running = asyncio.ensure_future(trial.run())
    await _turns()
    assert not running.done()
    assert trial.attempt.goes_on == "Home Assistant is still starting"
    hass.states.async_set("light.one", "on")
    _start(hass)
    assert await running
    assert not trial.attempt.goes_on


async def test_its_time_goes_on_over_a_restart(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """It is on record before the first look, and stays what it is."""
    trial = Trial(hass, loaded, CheckCall(within=SOON, components=("missing",)))
    trial.may_keep.clear()
    running = asyncio.ensure_future(trial.run())
    await _turns()
    assert not trial.known
    trial.may_keep.set()
    with pytest.raises(StepFailedError):
        await running
    until = trial.known["until"]
    assert until <= time.time()
    with pytest.raises(StepFailedError):
        await trial.run()
    assert trial.known["until"] == until


@pytest.mark.parametrize(
    ("left", "seconds"), [(200, 200), (10, 60), (-1000, 60), (100_000, 300)]
)
def test_time_after_a_restart(left: float, seconds: float) -> None:
    """The rest of it, a minute at least, and never more, if the clock was wrong."""
    known = Known(until=time.time() + left)
    assert known.seconds_left(300) == pytest.approx(seconds, abs=1)
    assert known.seconds_left(30) == 30


async def test_a_plan_knows_that_there_is_no_recorder(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """No waiting brings it."""
    trial = Trial(hass, loaded, CheckCall(within=SOON, recorder=True))
    assert await trial.problem() == "recorder: it is not loaded"
    with pytest.raises(StepFailedError, match=r"^recorder: it is not loaded$"):
        await trial.run()
    assert await Trial(hass, loaded, CheckCall()).problem() is None


_ASKED: web.AppKey[list[str]] = web.AppKey("asked")


@asynccontextmanager
async def _server(
    hass: HomeAssistant, tls: SSLContext | None = None
) -> AsyncIterator[TestServer]:
    """Run a web server, which passes for Home Assistant's own."""
    app = web.Application()
    app[_ASKED] = []
    ends = asyncio.Event()
    app.on_shutdown.append(lambda _: _set(ends))

    async def answer(request: web.Request) -> web.StreamResponse:
        app[_ASKED].append(request.path)
        match request.path:
            case "/ok":
                return web.Response(text="x" * 1_000_000)
            case "/elsewhere":
                raise web.HTTPFound("/missing")
            case "/broken":
                return web.Response(status=500)
            case "/slow":
                await ends.wait()
            case "/garbage":
                assert request.transport is not None
                request.transport.write(b"HTTP/1.1 what?\r\n\r\n")
                request.transport.close()
        raise web.HTTPNotFound

    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    assert server.port is not None
    use_ssl = tls is not None
    hass.config.api = ApiConfig("127.0.0.1", "0.0.0.0", server.port, use_ssl=use_ssl)
    try:
        yield server
    finally:
        await server.close()


async def _set(event: asyncio.Event) -> None:
    event.set()


def _entry(
    hass: HomeAssistant, state: ConfigEntryState, **fields: Any
) -> MockConfigEntry:
    """Add a config entry that is in a state."""
    entry = MockConfigEntry(domain="bridge", state=state, **fields)
    entry.add_to_hass(hass)
    return entry


def _start(hass: HomeAssistant) -> None:
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)


async def _turns() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)
