"""The benchmarks run, and fail on what is no noise."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import replace
import json
import os
from pathlib import Path
import re
import sys
import time
from typing import Any

import pytest
import pytest_socket

from benchmarks import goals
from benchmarks.limits import LIMITS, Limit, exceeded
from benchmarks.peer import peer
from benchmarks.pictures import FIGURES, PAGE, tables
from benchmarks.proxy import Proxy
from benchmarks.results import Actor, Result, Results, as_json, read, table
from benchmarks.stage import document, set_stage
from stack.paths import ROOT

PEER = Path(__file__).with_name("peer_program.py")

RESULT = Result(
    bench="latency",
    actor=Actor.HOME_ASSISTANT,
    metric="requests",
    value=1,
    unit="per job",
)


@pytest.fixture
def sockets(socket_enabled: None) -> None:
    """Let sockets be used on loopback."""
    pytest_socket.socket_allow_hosts(
        ["127.0.0.1", "localhost", "::1"], allow_unix_socket=True
    )


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_quick_run_measures_everything_and_exceeds_nothing(
    tmp_path: Path,
) -> None:
    """It ends with 0, and has figures of all benches and actors, with their ratios."""
    file = tmp_path / "figures.json"
    process = await asyncio.create_subprocess_exec(
        ROOT / "scripts" / "bench",
        "--quick",
        "--json",
        file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = (part.decode() for part in await process.communicate())
    assert process.returncode == 0, complained
    found = json.loads(file.read_text())
    keys = {"bench", "actor", "metric", "value", "unit", "floor", "ratio"}
    assert all(each.keys() == keys for each in found)
    assert {each["bench"].split("-")[0] for each in found} == {
        "latency",
        "throughput",
        "output",
        "rest",
        "scale",
        "recorder",
    }
    for bench in ("latency", "latency-fsync-10ms", "latency-rtt-80ms"):
        for actor in ("home-assistant", "bare"):
            for metric in ("median_ms", "p95_ms"):
                line = re.compile(
                    rf"^{bench} +{metric} +{actor} +\S+  ms +\d+\.\d\d +\d+\.\d\d$",
                    re.MULTILINE,
                )
                assert line.search(said), said
                assert _figure(found, bench, actor, metric)["ratio"] > 0
    counted = {(each["bench"], each["metric"]) for each in found}
    for limit in LIMITS:
        assert any(
            re.fullmatch(limit.bench, bench) and metric == limit.metric
            for bench, metric in counted
        ), f"nothing is measured that {limit} is for"


def _figure(
    found: list[dict[str, Any]], bench: str, actor: str, metric: str
) -> dict[str, Any]:
    (figure,) = (
        each
        for each in found
        if (each["bench"], each["actor"], each["metric"]) == (bench, actor, metric)
    )
    return figure


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.metric)
def test_more_than_a_limit_fails(limit: Limit) -> None:
    """What is at the limit passes; what is beyond it is told, with both figures."""
    bench = limit.bench.split("|")[0].replace(".*", "")
    for actor in limit.actors:
        at_most = replace(
            RESULT, bench=bench, actor=actor, metric=limit.metric, value=limit.most
        )
        assert exceeded([at_most]) == []
        (words,) = exceeded([replace(at_most, value=limit.most + 1)])
        assert f"{limit.most + 1:g}" in words
        assert f"at most {limit.most:g}" in words


def test_a_blocked_machine_is_no_blocked_loop() -> None:
    """What the control is late as well is the machine's."""
    blocked = replace(
        RESULT, bench="output-text-50-mb", metric="loop_max_ms", value=180.0, floor=0.5
    )
    assert len(exceeded([blocked])) == 1
    assert exceeded([replace(blocked, floor=150.0)]) == []


def test_only_ours_has_limits() -> None:
    """A peer may take as many requests as it likes."""
    assert exceeded([replace(RESULT, actor=Actor.PEER, value=100)]) == []


def test_results_are_compared_with_the_floor_that_has_no_delay() -> None:
    """The table has both ratios, the JSON that one."""
    results = Results()
    for actor, value in (
        (Actor.FLOOR_NO_DELAY, 4.0),
        (Actor.FLOOR, 80.0),
        (Actor.BARE, 8.0),
    ):
        results.add("latency", actor, "median_ms", value, "ms")
    compared = results.compared()
    row = next(row for row in table(compared) if row[2] == "bare")
    assert row == ("latency", "median_ms", "bare", "8", "ms", "0.10", "2.00")
    bare, floor, _ = json.loads(as_json(compared))
    assert bare == {
        "bench": "latency",
        "actor": "bare",
        "metric": "median_ms",
        "value": 8.0,
        "unit": "ms",
        "floor": 4.0,
        "ratio": 2.0,
    }
    assert (floor["floor"], floor["ratio"]) == (None, None)


def test_goals_are_about_figures_of_the_page() -> None:
    """Each is about something that a whole run measures."""
    assert len(goals.compared(read(FIGURES))) == 1 + len(goals.GOALS)


def test_the_page_has_the_figures() -> None:
    """What is in its tables is what the file beside it has."""
    assert tables(read(FIGURES)) in PAGE.read_text()


@contextlib.asynccontextmanager
async def _echo() -> AsyncIterator[int]:
    """Run a server that says what it hears; give its port."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_long_way_is_as_wide_as_a_short_one(sockets: None) -> None:
    """A round trip takes its time, and a flood hardly more; nothing changes its order."""
    flood = os.urandom(4 * 1024 * 1024)
    async with _echo() as port, Proxy(port, 0.1) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        begun = time.monotonic()
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert time.monotonic() - begun >= 0.2
        begun = time.monotonic()
        writer.write(flood)
        assert await reader.readexactly(len(flood)) == flood
        # Each 64 KiB on their own would take 13 s.
        assert 0.2 <= time.monotonic() - begun < 5
        assert proxy.bytes_out == proxy.bytes_in == 5 + len(flood)
        writer.close()
        await writer.wait_closed()


async def test_a_peer_gets_all_that_it_needs(sockets: None, tmp_path: Path) -> None:
    """Placeholders and environment are enough to be a jobs agent of the thing."""
    command = (
        f"{sys.executable} {PEER} {{endpoint}} {{port}} {{thing_name}} {{certificate}}"
        " {private_key} {root_ca} {handlers} {directory}"
    )
    async with (
        set_stage(tmp_path, ["other"]) as stage,
        peer(stage, command, "other", stage.broker.port) as player,
    ):
        assert player.actor is Actor.PEER
        ended = await stage.service.run_job("other", document())
        assert not ended.lost
        assert 0 < ended.seconds < 30
