"""What a job writes, on the page of a card: read, and followed as it comes."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import WebSocketGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs import followed_log, websocket
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.runner.model import Stream
from homeassistant.core import HomeAssistant

from ..fake_jobs_service import FakeJobsService
from ..jobs.documents import command_step, document
from ..jobs.test_logs import _Writer
from .fake_agent import FakeAgent
from .page import Page
from .test_websocket import FAILED, RUNNING, URL, _device
from .waiting import until, until_shown

NAMES = tuple(step.name for step in RUNNING.steps)
JOB = {"job_id": "update-7", "execution_number": 1}


@pytest.fixture
def device_id(hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent) -> str:
    """Return the device of a thing whose job runs."""
    agent.push(AgentState(connected=True, job=RUNNING))
    return _device(hass, entry).id


@pytest.fixture
async def writer(agent: FakeAgent, device_id: str) -> _Writer:
    """Return what writes to the log of that job."""
    return _Writer(agent.logs.open(RUNNING.key, NAMES))


@pytest.fixture
async def page(hass_ws_client: WebSocketGenerator, agent: FakeAgent) -> Page:
    """Return the page of an administrator."""
    return Page(await hass_ws_client())


def _end(agent: FakeAgent) -> None:
    """End the job, as an agent does it."""
    agent.logs.close(RUNNING.key)
    agent.history.ended = [FAILED]
    agent.push(AgentState(connected=True, last_job=FAILED))


async def _next(page: Page, id_: int) -> dict[str, Any]:
    """Return the next message of a log, and say that it was taken."""
    event = await page.event(id_)
    assert event["subscription"] == id_
    await page.get("log/taken", subscription=id_)
    return event


async def _rest(page: Page, id_: int) -> list[dict[str, Any]]:
    """Return all messages that are left, up to the end."""
    events = [await _next(page, id_)]
    while "ended" not in events[-1]:
        events.append(await _next(page, id_))
    return events


def _lines(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for event in events for line in event["lines"]]


def _texts(event: dict[str, Any]) -> list[str]:
    return [line["text"] for line in event["lines"]]


# Followed


async def test_a_log_is_told_as_it_comes(
    page: Page, agent: FakeAgent, device_id: str, writer: _Writer
) -> None:
    """What there is, then what comes, then that it is all."""
    writer.write("\x1b[32mone\x1b[0m\ntwo\n")
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    event = await _next(page, id_)
    number = event["number"]
    assert event["lines"][0] == {
        "n": number,
        "step_index": 1,
        "attempt": 1,
        "stream": "stdout",
        "at": "2026-10-05T12:00:00.250+00:00",
        "text": "\x1b[32mone\x1b[0m",
    }
    assert _texts(event)[1:] == ["two"]
    writer.write("three", step=1, attempt=2, stream=Stream.STDERR)
    event = await _next(page, id_)
    (line,) = event["lines"]
    assert (line["step_index"], line["attempt"], line["stream"]) == (2, 2, "stderr")
    writer.write(" and more\n", step=1, attempt=2, stream=Stream.STDERR)
    event = await _next(page, id_)
    assert _texts(event) == [" and more"]
    assert event["lines"][0]["continues"] is True
    assert event["number"] > number
    _end(agent)
    (event,) = await _rest(page, id_)
    assert event["ended"] is True
    assert event["lines"] == []
    await asyncio.sleep(0)
    assert await page.events(id_) == []


async def test_a_page_that_comes_back_goes_on(
    page: Page, agent: FakeAgent, device_id: str, writer: _Writer
) -> None:
    """After the number of the last message that it has."""
    writer.write("one\n")
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    number = (await _next(page, id_))["number"]
    await page.unfollow(id_)
    writer.write("two\n")
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB, after=number)
    assert _texts(await _next(page, id_)) == ["two"]
    _end(agent)
    await _rest(page, id_)
    # Also where the job has ended meanwhile.
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB, after=number)
    events = await _rest(page, id_)
    assert [line["text"] for line in _lines(events)] == ["two"]
    assert events[-1]["number"] > number


async def test_a_job_may_be_followed_before_it_writes(
    page: Page, agent: FakeAgent, device_id: str
) -> None:
    """As one that waits for approval; its log begins later."""
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    assert await page.events(id_) == []
    writer = _Writer(agent.logs.open(RUNNING.key, NAMES))
    writer.write("one\n")
    assert _texts(await _next(page, id_)) == ["one"]


async def test_what_is_unknown_is_not_found(
    page: Page, device_id: str, writer: _Writer
) -> None:
    """Another job, another execution, or another one of its name."""
    for job in (
        {"job_id": "other", "execution_number": 1},
        {"job_id": "update-7", "execution_number": 2},
        {**JOB, "queued_at": 5},
    ):
        for command in ("log/subscribe", "log/read"):
            assert (
                await page.refused(command, device_id=device_id, **job) == "not_found"
            )
    await page.follow(
        "log/subscribe", device_id=device_id, **JOB, queued_at=RUNNING.key.queued_at
    )


async def test_messages_are_small(
    page: Page, agent: FakeAgent, device_id: str, writer: _Writer
) -> None:
    """At most 64 KiB each, and ten a second; of short lines many come together."""
    writer.write("x\n" * 4096 + "é\t\x1b[0m" * 1600 + "\n" + "\x00" * 9000 + "\n")
    writer.write("".join(f"line {number}\n" for number in range(4000)))
    _end(agent)
    id_ = await page.send("log/subscribe", device_id=device_id, **JOB)
    loop = asyncio.get_running_loop()
    begun, sizes, lines = loop.time(), list[int](), list[dict[str, Any]]()
    while True:
        text = await page.client.receive_str(timeout=20)
        message = json.loads(text)
        if message["type"] != "event":
            continue
        sizes.append(len(text.encode()))
        lines += message["event"]["lines"]
        await page.send("log/taken", subscription=id_)
        if "ended" in message["event"]:
            break
    assert max(sizes) <= 64 * 1024
    assert len(sizes) <= (loop.time() - begun) * 10 + 2
    assert len(lines) > 8000
    assert lines[-1]["text"] == "line 3999"
    assert [line["n"] for line in lines] == sorted(line["n"] for line in lines)


async def test_a_message_that_ends_within_a_part_leads_back_to_its_beginning(
    page: Page, device_id: str, writer: _Writer
) -> None:
    """A page that has lost its connection there misses nothing."""
    writer.write("".join(f"{number}\n" for number in range(2000)))
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    first = await _next(page, id_)
    assert first["number"] < first["lines"][-1]["n"]
    await page.unfollow(id_)
    kept = [line for line in first["lines"] if line["n"] <= first["number"]]
    id_ = await page.follow(
        "log/subscribe", device_id=device_id, **JOB, after=first["number"]
    )
    while len(kept) < 2000:
        kept += (await _next(page, id_))["lines"]
    assert [int(line["text"]) for line in kept] == list(range(2000))


async def test_a_page_that_takes_nothing_costs_nothing(
    hass: HomeAssistant,
    page: Page,
    agent: FakeAgent,
    device_id: str,
    writer: _Writer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight messages are on their way; what the log does not hold any more is missing."""
    monkeypatch.setattr(followed_log, "MIN_SECONDS", 0)
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    count = 0
    for _ in range(60):
        writer.write("".join(f"{count + number:099}\n" for number in range(1000)))
        count += 1000
        await agent.logs.read(RUNNING.key, tail=1)
        await page.events(0)
    _end(agent)
    await hass.async_block_till_done()
    events = await page.events(id_)
    assert len(events) == 8
    for _ in events:
        await page.get("log/taken", subscription=id_)
    events += await _rest(page, id_)
    lines = _lines(events)
    assert int(lines[-1]["text"]) == count - 1
    dropped = sum(line.get("dropped", 0) for line in lines)
    assert dropped == 100 * (count - len(lines)) > 3_000_000


async def test_it_goes_on_over_a_reload(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    page: Page,
    agents: list[FakeAgent],
    device_id: str,
    writer: _Writer,
) -> None:
    """The job does, too: its log is not complete when the agent is stopped."""
    writer.write("one\n")
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    assert _texts(await _next(page, id_)) == ["one"]
    assert await hass.config_entries.async_reload(entry.entry_id)
    agents[-1].push(AgentState(job=RUNNING))
    later = _Writer(agents[-1].logs.open(RUNNING.key, NAMES))
    later.offsets = writer.offsets
    later.write("two\n")
    assert _texts(await _next(page, id_)) == ["two"]
    _end(agents[-1])
    assert [event["lines"] for event in await _rest(page, id_)] == [[]]


@pytest.mark.usefixtures("writer")
async def test_it_ends_with_the_thing(
    hass: HomeAssistant, entry: MockConfigEntry, page: Page, device_id: str
) -> None:
    """Nobody waits for more."""
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    await hass.config_entries.async_remove(entry.entry_id)
    async with asyncio.timeout(10):
        while any("for a card" in task.get_name() for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
    assert await page.events(id_) == []
    # What was taken late, or never subscribed to, is no fault.
    await page.get("log/taken", subscription=id_)
    await page.get("log/taken", subscription=12345)


# Read


async def test_a_log_is_read(
    page: Page, agent: FakeAgent, device_id: str, writer: _Writer
) -> None:
    """While it is written, and after: all, of one step, or its last lines."""
    writer.write(f"get {URL}?X-Amz-Signature=secret\ntwo\n")
    writer.write("three\n", step=1, missing=1000)
    for _ in range(2):
        read = await page.get("log/read", device_id=device_id, **JOB)
        assert _texts(read) == [f"get {URL}", "two", "three"]
        assert read["lines"][2]["dropped"] == 1000
        assert read["steps"][:2] == [
            {"step_index": 1, "step": "Fetch", "dropped_bytes": 0},
            {"step_index": 2, "step": "Check", "dropped_bytes": 1000},
        ]
        assert read["number"] >= read["lines"][-1]["n"]
        assert read["more"] is False
        read = await page.get("log/read", device_id=device_id, **JOB, step_index=2)
        assert _texts(read) == ["three"]
        assert [step["step_index"] for step in read["steps"]] == [2]
        read = await page.get("log/read", device_id=device_id, **JOB, tail=2)
        assert _texts(read) == ["two", "three"]
        _end(agent)
        await agent.logs.stop()


async def test_a_long_log_is_read_in_pages(
    page: Page,
    device_id: str,
    writer: _Writer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One after the other, each after the number of the one before."""
    monkeypatch.setattr(websocket, "PAGE_BYTES", 50_000)
    writer.write("".join(f"line {number}\n" for number in range(5000)))
    number, texts, pages = 0, list[str](), 0
    while True:
        read = await page.get("log/read", device_id=device_id, **JOB, after=number)
        pages += 1
        texts += _texts(read)
        number = read["number"]
        if not read["more"]:
            break
    assert texts == [f"line {number}" for number in range(5000)]
    assert pages > 3
    read = await page.get("log/read", device_id=device_id, **JOB, after=number)
    assert (read["lines"], read["number"], read["more"]) == ([], number, False)


async def test_a_log_that_cannot_be_read(
    hass: HomeAssistant, page: Page, agent: FakeAgent, device_id: str
) -> None:
    """The error says why."""
    agent.push(AgentState(last_job=FAILED))
    agent.history.ended = [FAILED]
    folder = agent.settings.directory / "logs" / f"{FAILED.key}.log"
    await hass.async_add_executor_job(lambda: folder.mkdir(parents=True))
    answer = await page.ask("log/read", device_id=device_id, **JOB)
    assert answer["error"]["code"] == "home_assistant_error"
    assert "Is a directory" in answer["error"]["message"]
    # Who follows it is told that there is no more of it.
    id_ = await page.follow("log/subscribe", device_id=device_id, **JOB)
    assert (await _next(page, id_))["ended"] is True


async def test_a_job_of_aws_is_followed(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    hass_ws_client: WebSocketGenerator,
    tmp_path: Path,
) -> None:
    """With a real agent: from the first line to the end, and read afterwards."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    page = Page(await hass_ws_client())
    target = {"device_id": _device(hass, thing).id}
    go = tmp_path / "go"
    script = f"echo first; while [ ! -e {go} ]; do sleep 0.05; done; echo last"
    job = service.create_job(document(command_step(f"sh,-c,{script}")))
    await until(
        hass, lambda: hass.states.is_state("sensor.thing_1_current_job", job.job_id)
    )
    key = {"job_id": job.job_id, "execution_number": 1}
    id_ = await page.follow("log/subscribe", **target, **key)
    assert _texts(await _next(page, id_)) == ["first"]
    go.touch()
    events = await _rest(page, id_)
    assert [line["text"] for line in _lines(events)] == ["last"]
    await until_shown(hass, job)
    read = await page.get("log/read", **target, **key)
    assert _texts(read) == ["first", "last"]
    assert await hass.config_entries.async_unload(thing.entry_id)
