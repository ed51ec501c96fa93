"""What a process writes: its end is kept, its amount does not matter."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
import json
import os
from pathlib import Path
import pwd
import sys
import time

from hypothesis import given, strategies as st
import pytest

from custom_components.aws_iot_jobs.runner import telling
from custom_components.aws_iot_jobs.runner.model import (
    RunEvent,
    RunOutput,
    RunStarted,
    Stream,
)
from custom_components.aws_iot_jobs.runner.output import TAIL_BYTES, LineCount, Tail

from .bench import Bench, request
from .programs import run_program

# The tail


@given(st.lists(st.binary(max_size=30)), st.integers(min_value=1, max_value=20))
def test_a_tail_is_the_end_of_all_that_was_written(
    chunks: list[bytes], limit: int
) -> None:
    """However it was cut into chunks: the same as of one chunk."""
    tail, whole = Tail(limit), Tail(limit)
    for chunk in chunks:
        tail.feed(chunk)
    whole.feed(b"".join(chunks))
    assert tail.text() == whole.text()


@given(st.lists(st.text("ab\n", max_size=5)))
def test_lines_are_counted_however_they_are_cut(chunks: list[str]) -> None:
    """An unfinished last one is one, too."""
    count = LineCount()
    for chunk in chunks:
        count.feed(chunk.encode())
    written = "".join(chunks)
    unfinished = bool(written) and not written.endswith("\n")
    assert count.lines == written.count("\n") + unfinished


@given(st.text(max_size=60), st.integers(min_value=4, max_value=40))
def test_a_tail_of_text_is_an_end_of_that_text(text: str, limit: int) -> None:
    """A character that was cut is gone, and nothing else."""
    tail = Tail(limit)
    data = text.encode("utf-8", errors="ignore")
    tail.feed(data)
    kept = tail.text()
    assert data.decode().endswith(kept)
    assert len(kept.encode()) > min(limit, len(data)) - 4


# A process


async def test_nul_bytes_are_kept(bench: Bench) -> None:
    """Also what follows them in the line, and the lines after."""
    result = await bench.shell(r"printf 'a\0b\nc\n'")
    assert result.stdout == "a\0b\nc\n"


async def test_bytes_that_are_no_text_become_replacement_characters(
    bench: Bench,
) -> None:
    """What stands around them stays."""
    result = await bench.shell(r"printf 'caf\351 \377\376 ok \303'")
    assert result.stdout == "caf\ufffd \ufffd\ufffd ok \ufffd"


async def test_control_sequences_of_8_bits_are_known(bench: Bench) -> None:
    """The same byte elsewhere is none of them: in a character, or in another encoding."""
    result = await bench.shell(
        r"printf '\2331;31mred\2330m \342\233\224 \233quoted\213'"
    )
    assert result.stdout == "\x9b1;31mred\x9b0m \u26d4 \ufffdquoted\ufffd"


async def test_text_in_any_script_stays(bench: Bench) -> None:
    """And so do percent signs."""
    text = "100 % café, Ελληνικά, 日本語, 😀"
    assert (await bench.command("printf", "%s", text)).stdout == text


async def test_a_character_cut_at_the_beginning_of_the_tail_goes(
    bench: Bench,
) -> None:
    """For each number of its bytes that may be left."""
    for shift in range(4):
        ending = "." * shift
        script = f"print('😀' * {TAIL_BYTES} + '{ending}', end='')"
        result = await bench.command(sys.executable, "-I", "-X", "utf8", "-c", script)
        kept = (TAIL_BYTES - shift) // 4
        assert result.stdout == "😀" * kept + ending


async def test_stdout_and_stderr_are_kept_apart_and_counted(bench: Bench) -> None:
    """An unfinished last line is one, too."""
    result = await bench.shell("echo o1; echo e1 >&2; echo o2; printf 'e2\\ne3' >&2")
    assert result.stdout == "o1\no2\n"
    assert result.stderr == "e1\ne2\ne3"
    assert result.stderr_lines == 3


async def test_a_flood_on_stderr_before_stdout_ends_does_not_hang(
    bench: Bench,
) -> None:
    """Both are read at the same time, however long one of them is silent."""
    async with asyncio.timeout(20):
        result = await bench.shell(
            "head -c 10000000 /dev/zero | tr '\\0' '\\n' >&2; echo end"
        )
    assert (result.exit_status, result.stdout) == (0, "end\n")
    assert result.stderr_lines == 10_000_000


async def test_many_lines_do_not_end_a_process(bench: Bench) -> None:
    """It comes to its own end, with its own exit status."""
    result = await bench.shell("seq 100000; echo done; exit 5")
    assert result.exit_status == 5
    assert result.stdout.endswith("99999\n100000\ndone\n")
    assert len(result.stdout) == TAIL_BYTES


async def test_a_run_tells_its_output_as_it_comes(bench: Bench) -> None:
    """And when it was read."""
    run = asyncio.create_task(bench.shell("echo first; sleep 0.3; echo second >&2"))
    await bench.said(b"first\n")
    assert not run.done()
    before = datetime.now(UTC)
    await run
    told = _told(bench)
    assert [event.stream for event in told] == [Stream.STDOUT, Stream.STDERR]
    assert told[0].at < before < told[1].at


async def test_streams_are_told_in_the_order_in_which_they_are_read() -> None:
    """Where all can be told, and what comes at once is still told in one go."""
    told: list[RunEvent] = []
    it = telling.Telling("run", told.append)
    for stream, text in (
        (Stream.STDOUT, b"1"),
        (Stream.STDOUT, b"2"),
        (Stream.STDERR, b"3"),
        (Stream.STDOUT, b"4"),
    ):
        it.feed(stream, bytearray(text), 1)
    it.end()
    assert [e.data for e in told if isinstance(e, RunOutput)] == [b"12", b"3", b"4"]


async def test_of_a_flood_the_beginning_the_newest_and_the_end_are_told(
    bench: Bench,
) -> None:
    """Of both streams; offsets tell what is missing."""
    script = "seq 900000 1800000 >&2 & seq 900000 1800000; sleep 0.6; seq 5; wait"
    run = asyncio.create_task(bench.shell(script))
    # It is told while the process still runs, which writes nothing to be told after.
    await bench.said(b"1800000\n")
    assert not run.done()
    assert (await run).exit_status == 0
    written = "".join(f"{number}\n" for number in range(900_000, 1_800_001)).encode()
    for stream, ending in (
        (Stream.STDOUT, b"1\n2\n3\n4\n5\n"),
        (Stream.STDERR, b""),
    ):
        told = [event for event in _told(bench) if event.stream is stream]
        everything = written + ending
        for event in told:
            assert everything[event.offset : event.end] == event.data
        assert told[-1].end == len(everything)
        missing = told[0].offset + sum(b.offset - a.end for a, b in pairwise(told))
        assert missing == len(everything) - sum(len(event.data) for event in told) > 0
    assert _told(bench)[0].offset == 0
    assert telling.BUDGET_BYTES < len(bench.output) < telling.BUDGET_BYTES + 900_000


async def test_a_step_that_writes_steadily_is_told_all_its_life(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that is spent grows again."""
    monkeypatch.setattr(telling, "BUDGET_BYTES", 10_000)
    script = "for _ in 1 2 3 4 5 6; do seq 1500; sleep 0.1; done"
    assert (await bench.shell(script)).exit_status == 0
    assert bench.output == 6 * "".join(f"{n}\n" for n in range(1, 1501)).encode()


async def test_a_process_that_writes_line_by_line_makes_few_events(
    bench: Bench,
) -> None:
    """What comes at once is told at once."""
    await bench.shell("for i in $(seq 2000); do echo $i; done")
    assert bench.output == "".join(f"{n}\n" for n in range(1, 2001)).encode()
    assert len(_told(bench)) < 100


def _told(bench: Bench) -> list[RunOutput]:
    return [event for event in bench.events if isinstance(event, RunOutput)]


async def test_the_end_of_a_flood_is_kept_byte_for_byte(bench: Bench) -> None:
    """Of both streams, which are read in turns."""
    result = await bench.shell("seq 3000000 >&2 & seq 2000000 3000000; wait")
    numbers = "".join(f"{number}\n" for number in range(2_990_000, 3_000_001))
    assert result.stdout == result.stderr == numbers[-TAIL_BYTES:]
    assert result.stderr_lines == 3_000_000


async def test_a_process_writes_on_while_the_event_loop_is_busy(
    bench: Bench,
) -> None:
    """Home Assistant is, at times: a MiB of output waits for it, not the step."""
    written = bench.directory / "written"
    in_time = False

    def block(event: RunEvent) -> None:
        nonlocal in_time
        if isinstance(event, RunStarted):
            give_up_at = time.monotonic() + 10
            while not written.exists() and time.monotonic() < give_up_at:
                time.sleep(0.01)
            in_time = written.exists()

    script = f"head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero; : >{written}"
    result = await bench.runner.run(request("sh", "-c", script), block)
    assert in_time
    assert result.stdout == result.stderr == "\0" * TAIL_BYTES


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes others unasked")
def test_where_the_system_grants_no_large_pipe_all_is_read(open_path: Path) -> None:
    """A user without privileges has pipes of so many bytes, and then small ones."""
    os.chown(open_path, *2 * (pwd.getpwnam("nobody").pw_uid,))
    script = "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end"
    settings = {"argv": ["sh", "-c", script], "take_pipes": True}
    result = json.loads(
        run_program("unprivileged", str(open_path), json.dumps(settings))
    )
    assert (result["outcome"], result["exit_status"]) == ("exited", 0)
    assert result["stdout"] == "x" * (TAIL_BYTES - 5) + "\nend\n"


@pytest.mark.alone
async def test_the_event_loop_is_free_while_both_streams_flood(bench: Bench) -> None:
    """No turn of it takes long, and others have theirs all the time."""
    script = "head -c 300000000 /dev/zero >&2 & head -c 300000000 /dev/zero; wait"
    run = asyncio.create_task(bench.shell(script))
    turns, longest, last = 0, 0.0, time.perf_counter()
    while not run.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        turns, longest, last = turns + 1, max(longest, now - last), now
    assert (await run).exit_status == 0
    assert turns > 1000
    assert longest < 0.1


def test_a_gigabyte_of_output_takes_little_memory() -> None:
    """The agent grows by less than 20 MB, and the last 1024 characters arrive."""
    growth, ending = run_program("gigabyte").split("\n", 1)
    assert int(growth) < 20_000_000
    assert ending == "x" * 1019 + "\nend\n"
