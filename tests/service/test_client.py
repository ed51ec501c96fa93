"""A step runs there as it would here, whatever happens to the line and to both ends."""

import asyncio
from collections.abc import Callable
import os
from pathlib import Path
import pwd

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from custom_components.aws_iot_jobs.runner import client as client_module
from custom_components.aws_iot_jobs.runner.bundle import MAX_BYTES
from custom_components.aws_iot_jobs.runner.client import (
    RunnerAddress,
    RunnerBusyError,
    RunnerClient,
    RunnerError,
    RunnerTokenError,
    RunnerUnreachableError,
    RunnerVersionError,
)
from custom_components.aws_iot_jobs.runner.inventory import LeftFile, PermissionsFix
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    HandlerCall,
    RunEvent,
    RunOutcome,
    RunOutput,
    RunResult,
    RunStarted,
    RunTrace,
    StepCheck,
    StepNotCheckedError,
    StepRequest,
)

from ..runner.processes import living
from ..runner_service import Line, RunnerService

# Says its number, and again whenever it is told to.
_TELLING = """#!/bin/sh
for number in 1 2 3 4; do
    echo "line $number"
    [ $number = 4 ] || until [ -e "$1.$number" ]; do sleep 0.02; done
done
"""
_HANGING = """#!/bin/sh
trap 'echo ended in order; echo >"$1.ended"; exit 0' TERM
echo "$$ $AWS_IOT_JOBS_ATTEMPT" >>"$1"
while :; do sleep 0.05; done
"""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients come back soon."""
    monkeypatch.setattr(client_module, "MAX_RETRY_SECONDS", 0.5)
    monkeypatch.setattr(client_module, "MIN_RETRY_SECONDS", 0.05)


@pytest.fixture
def patient(short_pauses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients come back no sooner than they do."""
    monkeypatch.setattr(client_module, "MAX_RETRY_SECONDS", 60.0)
    monkeypatch.setattr(client_module, "MIN_RETRY_SECONDS", 60.0)


def _handler(name: str, *args: object, **fields: object) -> StepRequest:
    call = HandlerCall(handler=name, args=tuple(map(str, args)), path="default")
    given: dict[str, object] = {"run_id": "job.1.1.1", "job_key": "job.1"} | fields
    return StepRequest(call=call, **given)  # type: ignore[arg-type]


def _command(*argv: str, **fields: object) -> StepRequest:
    given: dict[str, object] = {"run_id": "job.1.1.1", "job_key": "job.1"} | fields
    return StepRequest(call=CommandCall(argv=argv), **given)  # type: ignore[arg-type]


def _stdout(events: list[RunEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, RunOutput))


async def _told(events: list[RunEvent], text: bytes) -> None:
    await _until(lambda: text in _stdout(events))


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


def _through(
    line: Line,
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    problems: list[RunnerError | None] | None = None,
) -> RunnerClient:
    address = RunnerAddress(
        url=f"http://127.0.0.1:{line.port}/", token=runner_service.token
    )
    told = [] if problems is None else problems
    return RunnerClient(session, address, namespace="thing-1", on_problem=told.append)


async def test_a_step_is_run_and_told(client: RunnerClient) -> None:
    """Its start, its output, and its result come back."""
    events: list[RunEvent] = []
    request = _command("sh", "-c", "echo out; echo err >&2; exit 3")
    result = await client.run(request, events.append)
    assert result.outcome is RunOutcome.EXITED
    assert (result.exit_status, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert isinstance(events[0], RunStarted)
    assert {event.run_id for event in events} == {"job.1.1.1"}


async def test_what_may_not_run_is_refused_in_the_same_words(
    client: RunnerClient, runner_service: RunnerService
) -> None:
    """As the runner itself says it."""
    runner_service.handler("open.sh", "#!/bin/sh\n", mode=0o755)
    result = await client.run(_handler("open.sh"), print)
    assert result.outcome is RunOutcome.REFUSED
    assert "has mode 755" in result.detail


async def test_output_of_any_kind_comes_through(client: RunnerClient) -> None:
    """Lines and results that are longer than any buffer on the way."""
    script = "import sys; sys.stdout.buffer.write(bytes(256) * 4096)"
    events: list[RunEvent] = []
    result = await client.run(_command("python3", "-c", script), events.append)
    assert result.stdout == "\0" * 16 * 1024
    assert _stdout(events) == bytes(256) * 4096


async def test_the_stream_goes_on_where_it_broke(
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    line: Line,
    tmp_path: Path,
) -> None:
    """Nothing is told twice, nothing is lost, and the step is run once."""
    problems: list[RunnerError | None] = []
    client = _through(line, session, runner_service, problems)
    runner_service.handler("telling.sh", _TELLING)
    told = tmp_path / "told"
    events: list[RunEvent] = []
    running = asyncio.create_task(
        client.run(_handler("telling.sh", told), events.append)
    )
    for number in (1, 2, 3):
        await _told(events, b"line %d\n" % number)
        line.cut()
        # It tells more while nobody can hear it.
        Path(f"{told}.{number}").touch()
    result = await running
    everything = "line 1\nline 2\nline 3\nline 4\n"
    assert result.outcome is RunOutcome.EXITED
    assert result.stdout == _stdout(events).decode() == everything
    assert len([event for event in events if isinstance(event, RunStarted)]) == 1
    assert [type(problem) for problem in problems] == [
        RunnerUnreachableError,
        type(None),
    ] * 3


async def test_a_lost_answer_begins_no_second_run(
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    line: Line,
    tmp_path: Path,
) -> None:
    """The service finds a run by its id."""
    client = _through(line, session, runner_service)
    runner_service.handler("note.sh", '#!/bin/sh\necho ran >>"$1"\n')
    line.answers_to_lose = 2
    result = await client.run(_handler("note.sh", tmp_path / "notes"), print)
    assert result.exit_status == 0
    assert line.connections >= 3
    assert (tmp_path / "notes").read_text() == "ran\n"


async def test_another_client_attaches_with_the_time_that_is_left(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """As after a restart of Home Assistant: the same process, told from its beginning."""
    runner_service.handler("telling.sh", _TELLING)
    told = tmp_path / "told"
    first = RunnerClient(session, runner_service.address, namespace="thing-1")
    events: list[RunEvent] = []
    request = _handler("telling.sh", told, timeout=60.0)
    running = asyncio.create_task(first.run(request, events.append))
    await _until(lambda: b"line 1" in _stdout(events))
    running.cancel()
    await asyncio.wait((running,))
    second = RunnerClient(session, runner_service.address, namespace="thing-1")
    assert await second.trace("job.1", request.run_id) is RunTrace.ATTACHABLE
    for number in (1, 2, 3):
        Path(f"{told}.{number}").touch()
    again: list[RunEvent] = []
    result = await second.run(_handler("telling.sh", told, timeout=40.0), again.append)
    assert result.exit_status == 0
    assert _stdout(again).startswith(b"line 1\n")
    assert again[0] == events[0]


async def test_a_result_is_kept_until_the_job_is_released(
    client: RunnerClient, tmp_path: Path
) -> None:
    """A client that died before it had noted the result gets it once more."""
    request = _command("sh", "-c", f"echo >>{tmp_path}/ran")
    first = await client.run(request, print)
    assert await client.run(request, print) == first
    assert (tmp_path / "ran").read_text() == "\n"
    await client.release(request.job_key)
    assert await client.trace("job.1", request.run_id) is RunTrace.LOST


async def test_things_do_not_meet(
    session: aiohttp.ClientSession, runner_service: RunnerService
) -> None:
    """The same job of two things that share a service is two jobs."""
    results = []
    for thing in ("thing-1", "thing-2"):
        client = RunnerClient(session, runner_service.address, namespace=thing)
        results.append(await client.run(_command("echo", thing), print))
    assert [result.stdout for result in results] == ["thing-1\n", "thing-2\n"]
    await client.release("job.1")
    first = RunnerClient(session, runner_service.address, namespace="thing-1")
    assert await first.trace("job.1", "job.1.1.1") is RunTrace.ATTACHABLE


async def test_the_steps_of_a_job_share_a_directory_until_it_is_released(
    client: RunnerClient, runner_service: RunnerService
) -> None:
    """As with the local runner."""
    write = _command("sh", "-c", "echo shared >$AWS_IOT_JOBS_DIR/note")
    await client.run(write, print)
    read = _command("sh", "-c", "cat $AWS_IOT_JOBS_DIR/note", run_id="job.1.2.1")
    assert (await client.run(read, print)).stdout == "shared\n"
    await client.release("job.1")
    assert list((runner_service.data / "work").iterdir()) == []
    assert list((runner_service.data / "runs").iterdir()) == []


async def test_a_step_is_stopped_in_an_orderly_way(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """SIGTERM first; its last words count."""
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    stop = asyncio.Event()
    running = asyncio.create_task(client.run(_handler("hanging.sh", note), print, stop))
    await _until(note.exists)
    stop.set()
    result = await running
    assert result.outcome is RunOutcome.STOPPED
    assert result.stdout == "ended in order\n"
    assert await client.trace("job.1", "job.1.1.1") is RunTrace.ATTACHABLE


async def test_a_released_job_leaves_nothing_running(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Whoever waits for its step learns that it was stopped."""
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    running = asyncio.create_task(client.run(_handler("hanging.sh", note), print))
    await _until(note.exists)
    await client.release("job.1")
    assert (await running).outcome is RunOutcome.STOPPED
    assert not living(int(note.read_text().split()[0]))


async def test_a_release_outlasts_a_stubborn_step(
    client: RunnerClient,
    runner_service: RunnerService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the service answers later than a client waits for one answer."""
    monkeypatch.setattr(
        client_module, "RELEASE_TIMEOUT", aiohttp.ClientTimeout(total=0.5)
    )
    note = tmp_path / "note"
    script = f"trap '' TERM; echo $$ >{note}; while :; do sleep 0.1; done"
    running = asyncio.create_task(client.run(_command("sh", "-c", script), print))
    await _until(lambda: note.exists() and note.read_text())
    async with asyncio.timeout(runner_service.grace + 10):
        await client.release("job.1")
    assert (await running).outcome in (RunOutcome.STOPPED, RunOutcome.INTERRUPTED)
    assert not living(int(note.read_text()))
    assert list((runner_service.data / "runs").iterdir()) == []


async def test_a_step_stopped_while_the_service_is_down_is_not_run_later(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """A job canceled meanwhile must not begin when the app is started."""
    await runner_service.stop()
    stop = asyncio.Event()
    running = asyncio.create_task(
        client.run(_command("touch", str(tmp_path / "ran")), print, stop)
    )
    await asyncio.sleep(0)
    stop.set()
    await runner_service.start()
    assert (await running).outcome is RunOutcome.STOPPED
    assert not (tmp_path / "ran").exists()


async def test_a_step_stopped_before_its_begin_is_confirmed_is_ended(
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    line: Line,
    tmp_path: Path,
) -> None:
    """It runs already, but the client has not heard of it."""
    client = _through(line, session, runner_service)
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    line.answers_to_lose = 100
    stop = asyncio.Event()
    running = asyncio.create_task(client.run(_handler("hanging.sh", note), print, stop))
    await _until(note.exists)
    stop.set()
    line.answers_to_lose = 0
    result = await running
    assert result.outcome is RunOutcome.STOPPED
    assert Path(f"{note}.ended").exists()


async def _stopped_soon(
    running: asyncio.Task[RunResult], *outcomes: RunOutcome
) -> RunResult:
    """Return a result that must come within moments of what made it possible."""
    async with asyncio.timeout(4):
        result = await running
    assert result.outcome in (outcomes or (RunOutcome.STOPPED,))
    return result


@pytest.mark.usefixtures("patient")
async def test_a_step_that_is_to_stop_before_it_is_asked_for_is_not_begun(
    client: RunnerClient, tmp_path: Path
) -> None:
    """Not even for a moment."""
    stop = asyncio.Event()
    stop.set()
    request = _command("touch", str(tmp_path / "ran"))
    await _stopped_soon(asyncio.create_task(client.run(request, print, stop)))
    assert await client.trace("job.1", "job.1.1.1") is RunTrace.LOST
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("patient")
async def test_a_stop_does_not_wait_for_an_answer(
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    line: Line,
    tmp_path: Path,
) -> None:
    """The request to begin hangs in a line that carries nothing, and comes in later."""
    client = _through(line, session, runner_service)
    stop = asyncio.Event()
    line.hold()
    running = asyncio.create_task(
        client.run(_command("touch", str(tmp_path / "ran")), print, stop)
    )
    await line.used(1)
    stop.set()
    await line.used(2)
    line.release()
    await _stopped_soon(running)
    await client.release("job.1")
    assert not (tmp_path / "ran").exists()


async def test_what_is_stopped_first_does_not_begin_later(
    session: aiohttp.ClientSession, client: RunnerClient, tmp_path: Path
) -> None:
    """The request to begin it was overtaken by the one to end it."""
    stop = asyncio.Event()
    stop.set()
    request = _command("touch", str(tmp_path / "ran"))
    assert (await client.run(request, print, stop)).outcome is RunOutcome.STOPPED
    assert (await client.run(request, print)).outcome is RunOutcome.STOPPED
    assert not (tmp_path / "ran").exists()


async def test_what_is_lost_to_a_next_life_does_not_begin_later(
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    client: RunnerClient,
    line: Line,
    tmp_path: Path,
) -> None:
    """The request to begin it was on its way when its client was killed."""
    line.hold()
    request = _command("touch", str(tmp_path / "ran"))
    first = _through(line, session, runner_service)
    running = asyncio.create_task(first.run(request, print))
    await line.used(1)
    assert await client.trace("job.1", request.run_id) is RunTrace.LOST
    line.release()
    assert (await running).outcome is RunOutcome.STOPPED
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("patient")
async def test_a_stop_wakes_a_client_that_waits_to_try_again(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Whose next attempt would be long after."""
    problems: list[RunnerError | None] = []
    client = RunnerClient(
        session, runner_service.address, namespace="t", on_problem=problems.append
    )
    await runner_service.stop()
    stop = asyncio.Event()
    running = asyncio.create_task(
        client.run(_command("touch", str(tmp_path / "ran")), print, stop)
    )
    await _until(lambda: problems)
    await runner_service.start()
    stop.set()
    await _stopped_soon(running)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("patient")
async def test_a_stop_while_the_service_is_down_comes_as_soon_as_it_is_back(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """However long it was down. What it had left running is ended."""
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    stop = asyncio.Event()
    running = asyncio.create_task(client.run(_handler("hanging.sh", note), print, stop))
    await _until(note.exists)
    await runner_service.kill()
    stop.set()
    await asyncio.sleep(5)
    await runner_service.start()
    await _stopped_soon(running, RunOutcome.INTERRUPTED)
    assert not living(int(note.read_text().split()[0]))


@pytest.mark.usefixtures("patient")
async def test_a_stop_finds_its_way_past_a_stream_that_is_dead(
    session: aiohttp.ClientSession,
    runner_service: RunnerService,
    line: Line,
    tmp_path: Path,
) -> None:
    """As after a change of the network, of which nobody tells the connection."""
    client = _through(line, session, runner_service)
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    events: list[RunEvent] = []
    stop = asyncio.Event()
    running = asyncio.create_task(
        client.run(_handler("hanging.sh", note), events.append, stop)
    )
    await _until(lambda: events and note.exists())
    line.forsake()
    stop.set()
    result = await _stopped_soon(running)
    assert result.stdout == "ended in order\n"


async def test_two_clients_follow_one_run(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Both are told everything; one that goes away takes nothing from the other."""
    runner_service.handler("telling.sh", _TELLING)
    told = tmp_path / "told"
    events: list[list[RunEvent]] = [[], [], []]
    running = [
        asyncio.create_task(
            RunnerClient(session, runner_service.address, namespace="thing-1").run(
                _handler("telling.sh", told), each.append
            )
        )
        for each in events
    ]
    for each in events:
        await _told(each, b"line 1\n")
    running[2].cancel()
    await asyncio.wait(running[2:])
    for number in (1, 2, 3):
        Path(f"{told}.{number}").touch()
    first, second = await asyncio.gather(*running[:2])
    assert first == second
    assert events[0] == events[1]
    assert _stdout(events[0]) == b"line 1\nline 2\nline 3\nline 4\n"


async def test_a_step_is_found_again_with_other_arguments(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """As those with a presigned URL are at each delivery; what was asked first counts."""
    runner_service.handler("telling.sh", _TELLING)
    told = tmp_path / "told"
    events: list[RunEvent] = []
    first = asyncio.create_task(
        client.run(_handler("telling.sh", told, "?X-Amz-Signature=1"), events.append)
    )
    await _told(events, b"line 1\n")
    first.cancel()
    await asyncio.wait((first,))
    for number in (1, 2, 3):
        Path(f"{told}.{number}").touch()
    again = _handler("telling.sh", tmp_path / "other", "?X-Amz-Signature=2")
    result = await client.run(again, print)
    assert (result.exit_status, result.stdout.count("line")) == (0, 4)


async def test_the_longest_names_fit(
    session: aiohttp.ClientSession, runner_service: RunnerService
) -> None:
    """AWS allows 128 characters for a thing, and 64 for a job; files are named by both."""
    client = RunnerClient(session, runner_service.address, namespace="t" * 128)
    job_key = f"{'j' * 64}.{2**63 - 1}.1764041000"
    request = _command(
        *("sh", "-c", "echo >$AWS_IOT_JOBS_DIR/note"),
        run_id=f"{job_key}.99.999",
        job_key=job_key,
    )
    assert (await client.run(request, print)).exit_status == 0
    await runner_service.kill()
    await runner_service.start()
    assert (await client.run(request, print)).exit_status == 0
    await client.release(job_key)
    assert list((runner_service.data / "work").iterdir()) == []
    assert list((runner_service.data / "runs").iterdir()) == []


async def test_a_step_that_ended_while_the_service_is_stopped_is_not_interrupted(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Its last process is being ended when the service has to stop."""
    note = tmp_path / "note"
    stubborn = f"(trap '' TERM; touch {note}; sleep 60) &"
    script = f"{stubborn} until [ -e {note} ]; do sleep 0.02; done; exit 5"
    running = asyncio.create_task(client.run(_command("sh", "-c", script), print))
    await _until(note.exists)
    await asyncio.sleep(0.5)
    await runner_service.stop()
    await runner_service.start()
    result = await running
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 5)


async def test_a_full_disk_delays_a_step(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """It is begun once there is space; the log says it once."""
    problems: list[RunnerError | None] = []
    client = RunnerClient(
        session, runner_service.address, namespace="t", on_problem=problems.append
    )
    files = runner_service.data / "runs"
    files.touch()
    running = asyncio.create_task(
        client.run(_command("sh", "-c", f"echo >>{tmp_path}/ran"), print)
    )
    await _until(lambda: problems)
    await asyncio.sleep(1)
    assert "cannot be saved" in str(problems[0])
    assert not (tmp_path / "ran").exists()
    files.unlink()
    assert (await running).exit_status == 0
    assert problems[1:] == [None]
    assert (tmp_path / "ran").read_text() == "\n"
    assert runner_service.log.count("cannot be saved") == 1


async def test_a_client_waits_for_its_turn(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """No more than four steps at a time; being busy is told as what it is."""
    runner_service.handler("telling.sh", _TELLING)
    requests = [
        _handler("telling.sh", tmp_path / str(index), run_id=f"job.{index}.1.1")
        for index in range(5)
    ]
    problems: list[RunnerError | None] = []
    client = RunnerClient(
        session, runner_service.address, namespace="t", on_problem=problems.append
    )
    running = [asyncio.create_task(client.run(each, print)) for each in requests]
    await _until(lambda: problems)
    assert isinstance(problems[0], RunnerBusyError)
    assert not any(task.done() for task in running)
    for index in range(5):
        for number in (1, 2, 3):
            (tmp_path / f"{index}.{number}").touch()
    results = await asyncio.gather(*running)
    assert [result.exit_status for result in results] == [0] * 5
    assert problems[-1] is None


async def test_a_killed_service_says_that_the_step_was_interrupted(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """What it left running is ended before that is said."""
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    running = asyncio.create_task(client.run(_handler("hanging.sh", note), print))
    await _until(note.exists)
    pid = int(note.read_text().split()[0])
    await runner_service.kill()
    assert living(pid)
    await runner_service.start()
    assert (await running).outcome is RunOutcome.INTERRUPTED
    assert not living(pid)


async def test_a_finished_step_outlives_a_killed_service(
    client: RunnerClient, runner_service: RunnerService
) -> None:
    """Its result is known to the next life."""
    request = _command("sh", "-c", "echo done; exit 4")
    result = await client.run(request, print)
    await runner_service.kill()
    await runner_service.start()
    assert await client.run(request, print) == result
    assert result.stdout == "done\n"


async def test_a_stopped_service_ends_its_runs_in_an_orderly_way(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Within the grace time; to the client the step was interrupted."""
    runner_service.handler("hanging.sh", _HANGING)
    note = tmp_path / "note"
    running = asyncio.create_task(client.run(_handler("hanging.sh", note), print))
    await _until(note.exists)
    async with asyncio.timeout(runner_service.grace):
        await runner_service.stop()
    assert Path(f"{note}.ended").exists()
    await runner_service.start()
    assert (await running).outcome is RunOutcome.INTERRUPTED


async def test_a_stubborn_step_does_not_hold_up_the_stop(
    client: RunnerClient, runner_service: RunnerService, tmp_path: Path
) -> None:
    """The grace time, and little more."""
    script = f"trap '' TERM; touch {tmp_path}/note; while :; do sleep 0.1; done"
    running = asyncio.create_task(client.run(_command("sh", "-c", script), print))
    await _until((tmp_path / "note").exists)
    async with asyncio.timeout(runner_service.grace + 3):
        await runner_service.stop()
    running.cancel()
    await asyncio.wait((running,))


async def test_handlers_are_listed_and_set_right(
    client: RunnerClient, runner_service: RunnerService
) -> None:
    """What is wrong with a handler is told, and can be put right."""
    runner_service.handler("right.sh", "")
    wrong = runner_service.handler("wrong.sh", "", mode=0o644)
    handlers = await client.handlers()
    assert handlers["right.sh"] is None
    assert "has mode 644" in (handlers["wrong.sh"] or "")
    assert await client.fix_permissions() == PermissionsFix(changed=(str(wrong),))
    assert await client.handlers() == {"right.sh": None, "wrong.sh": None}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_handlers_of_others_are_named_and_left(
    client: RunnerClient, runner_service: RunnerService
) -> None:
    """With whose they are: a person decides."""
    foreign = runner_service.handler("foreign.sh", "")
    nobody = pwd.getpwnam("nobody")
    os.chown(foreign, nobody.pw_uid, nobody.pw_gid)
    left = LeftFile(
        path=str(foreign),
        owner="nobody",
        reason=f"{foreign} belongs to nobody, not to root",
    )
    assert await client.fix_permissions() == PermissionsFix(left=(left,))
    assert "has mode 700 and owner" in ((await client.handlers())["foreign.sh"] or "")


async def test_a_bundle_that_was_left_is_handed_over(
    client: RunnerClient, runner_service: RunnerService
) -> None:
    """As it is now; it stays where it is."""
    assert await client.bundle() is None
    runner_service.bundle.write_bytes(b"\0what it has")
    assert await client.bundle() == b"\0what it has"
    runner_service.bundle.write_bytes(bytes(MAX_BYTES + 5))
    assert await client.bundle() == bytes(MAX_BYTES + 1)
    assert runner_service.bundle.exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
async def test_what_is_no_file_is_no_bundle(
    client: RunnerClient, runner_service: RunnerService, kind: str
) -> None:
    """Neither waited for nor followed nor kept open, whoever has put it there."""
    bundle = runner_service.bundle
    match kind:
        case "link":
            bundle.symlink_to(runner_service.data / "token")
        case "pipe":
            os.mkfifo(bundle)
        case "directory":
            bundle.mkdir()
    assert runner_service.process is not None
    opened = Path(f"/proc/{runner_service.process.pid}/fd")
    counts = []
    for _ in range(2):
        with pytest.raises(RunnerUnreachableError, match=f"answers 409: {bundle}: "):
            await client.bundle()
        counts.append(len(list(opened.iterdir())))
    assert counts[1] == counts[0]


async def test_a_service_says_what_it_is(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """The app's version too, where it is the app's."""
    runner_service = RunnerService(tmp_path)
    await runner_service.start(AWS_IOT_JOBS_APP_VERSION="1.2.3")
    info = await RunnerClient(session, runner_service.address, namespace="t").info()
    await runner_service.stop()
    assert info.app_version == "1.2.3"
    assert info.operating_systems[0] == "linux"
    assert info.architecture == os.uname().machine
    assert info.handler_directory == str(runner_service.handlers)


async def test_what_is_in_the_way_is_told(
    session: aiohttp.ClientSession, runner_service: RunnerService, tmp_path: Path
) -> None:
    """Each in a class of its own."""
    wrong = RunnerAddress(url=runner_service.url, token="wrong")
    with pytest.raises(RunnerTokenError):
        await RunnerClient(session, wrong, namespace="t").info()
    other = RunnerAddress(url=f"{runner_service.url}/health?", token="wrong")
    with pytest.raises(RunnerVersionError):
        await RunnerClient(session, other, namespace="t").info()
    await runner_service.stop()
    nobody = RunnerAddress(url=runner_service.url, token="any")
    with pytest.raises(RunnerUnreachableError):
        await RunnerClient(session, nobody, namespace="t").info()


async def test_a_wrong_token_is_waited_out(
    session: aiohttp.ClientSession, runner_service: RunnerService
) -> None:
    """Nothing is lost when the token has changed: it is told, and the step waits."""
    problems: list[RunnerError | None] = []
    address = RunnerAddress(url=runner_service.url, token="wrong")
    client = RunnerClient(session, address, namespace="t", on_problem=problems.append)
    running = asyncio.create_task(client.run(_command("true"), print))
    await _until(lambda: problems)
    assert isinstance(problems[0], RunnerTokenError)
    assert "wrong" not in repr(address)
    running.cancel()
    await asyncio.wait((running,))


async def test_check(client: RunnerClient, runner_service: RunnerService) -> None:
    """The service tells what it would run, and makes nothing for it."""
    file = runner_service.handler("fine.sh", "#!/bin/sh\n")
    fine = StepRequest(
        run_id="r",
        job_key="j",
        call=HandlerCall(handler="fine.sh", args=("a",), path="default"),
        run_as_user="root",
    )
    assert await client.check(fine) == StepCheck(path=str(file), acts_as_root=True)
    missing = StepRequest(
        run_id="r", job_key="j", call=HandlerCall(handler="x.sh", path="default")
    )
    problem = (await client.check(missing)).problem
    assert problem == f"there is no handler 'x.sh' in {runner_service.handlers}"
    assert not [it for it in runner_service.data.rglob("*") if "thing-1" in it.name]


async def test_check_of_what_the_service_does_not_take(client: RunnerClient) -> None:
    """That is a run's refusal, too."""
    call = CommandCall(argv=("true", "x" * 300_000))
    request = StepRequest(run_id="r", job_key="j", call=call)
    refused = await client.run(request, lambda _: None)
    assert refused.outcome is RunOutcome.REFUSED
    assert await client.check(request) == StepCheck(problem=refused.detail)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.HTTPNotFound, "does not know how to check a step; update it"),
        (lambda: web.json_response({"path": 1}), "is no runner that is known here"),
        (web.HTTPUnauthorized, "does not accept the token"),
        (web.HTTPBadGateway, "answers 502"),
    ],
)
async def test_no_check(
    session: aiohttp.ClientSession,
    answer: Callable[[], web.StreamResponse],
    why: str,
) -> None:
    """Whatever else answers, it is told why nobody can say, and asked once."""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = answer()
        if isinstance(response, Exception):
            raise response
        return response

    app = web.Application()
    app.router.add_post("/v1/check", respond)
    async with TestServer(app) as server:
        client = RunnerClient(
            session,
            RunnerAddress(url=str(server.make_url("/")), token="t"),
            namespace="thing-1",
        )
        request = StepRequest(run_id="r", job_key="j", call=CommandCall(argv=("true",)))
        with pytest.raises(StepNotCheckedError, match=why):
            await client.check(request)
