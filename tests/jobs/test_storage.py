"""A disk that is full, read-only or gone: it costs time, but no job and no step."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
import contextlib
import errno
import os
from pathlib import Path
import shutil
import subprocess
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs import (
    agent as agent_module,
    job as job_module,
    journal,
)
from custom_components.aws_iot_jobs.jobs.journal import Journal

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document

DISK_BYTES = 512 * 1024
_RUNNING = b'"IN_PROGRESS"'


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(agent_module, "_FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(job_module, "_FIRST_PAUSE_SECONDS", 0.1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return what the steps write to, on another disk."""
    return tmp_path / "log"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk where the thing has its files."""
    directory = tmp_path / "thing"
    directory.mkdir()
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={DISK_BYTES},nr_inodes=400",
        "tmpfs",
        str(directory),
    ]
    subprocess.run(mount, check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.fixture
async def agent_process(broker: Broker, tmp_path: Path) -> AsyncIterator[AgentProcess]:
    """Make an agent that can be killed."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    process = AgentProcess(broker.settings(THING), tmp_path, handlers)
    yield process
    await process.stop()


def _fill(disk: Path) -> None:
    """Leave nothing free, as a log that is written to all the time."""
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def _refuse(
    monkeypatch: pytest.MonkeyPatch, number: int, refused: Callable[[bytes], bool]
) -> None:
    """Have the disk refuse what is written to the journal, while that is wanted."""
    for name in ("append_to_file", "replace_file"):
        write = getattr(journal, name)

        def refuse(path: Path, data: bytes, write: Any = write) -> None:
            if refused(data):
                raise OSError(number, os.strerror(number))
            write(path, data)

        monkeypatch.setattr(journal, name, refuse)


def _remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


def _noted(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


async def _has_noted(log: Path, word: str) -> None:
    async with asyncio.timeout(20):
        while word not in _noted(log):
            await asyncio.sleep(0.02)


def _note(log: Path, name: str, then: str = "true") -> dict[str, object]:
    return command_step(f"sh,-c,echo {name}.$AWS_IOT_JOBS_ATTEMPT >>{log}; {then}")


def _wait_for(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.02; done"


async def _filled_during_a_job(
    service: FakeJobsService, log: Path, fill: Callable[[], None]
) -> None:
    """Fill the disk while a job runs, which ends all the same: there is no room for another."""
    gate = log.with_name("gate")
    first = service.create_job(document(_note(log, "first", _wait_for(gate))))
    await _has_noted(log, "first.1")
    fill()
    gate.touch()
    assert (await service.ended(first)).status == "SUCCEEDED"


@pytest.mark.parametrize("filled", ["once", "again and again"])
async def test_finished_steps_are_not_repeated_when_the_disk_fills_up(
    agent_process: AgentProcess,
    service: FakeJobsService,
    disk: Path,
    log: Path,
    filled: str,
) -> None:
    """The agent is killed in a later step, or waits for room before it."""
    await agent_process.start()
    gate, last_gate = log.with_name("gate"), log.with_name("last_gate")
    job = service.create_job(
        document(
            _note(log, "a", _wait_for(gate)),
            _note(log, "b"),
            _note(log, "c"),
            _note(log, "d", _wait_for(last_gate)),
        )
    )
    await _has_noted(log, "a.1")
    _fill(disk)
    gate.touch()
    if filled == "once":
        await _has_noted(log, "d.1")
    else:
        await _has_noted(log, "b.1")
        for _ in range(20):
            _fill(disk)
            await asyncio.sleep(0.02)
    await agent_process.kill()
    (disk / "filler").unlink()
    last_gate.touch()
    await agent_process.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    begun = [word.partition(".")[0] for word in _noted(log)]
    assert sorted(set(begun)) == ["a", "b", "c", "d"]
    again = [word for word in _noted(log) if not word.endswith(".1")]
    # Only the step that was interrupted may come twice, and then says so.
    assert len(again) <= 1
    assert len(set(_noted(log))) == len(_noted(log))


async def test_a_full_disk_does_not_empty_the_queue(
    disk: Path, device: Device, service: FakeJobsService, log: Path
) -> None:
    """No job is taken while there is no room; then all run."""
    await _filled_during_a_job(service, log, lambda: _fill(disk))
    jobs = [service.create_job(document(_note(log, f"n{n}"))) for n in range(5)]
    await device.until(lambda state: state.storage_problem is not None)
    assert device.state.storage_problem == f"{disk}: No space left on device"
    assert {job.status for job in jobs} == {"QUEUED"}
    (disk / "filler").unlink()
    for job in jobs:
        await service.ended(job)
        assert job.status == "SUCCEEDED"
    await device.until(lambda state: state.storage_problem is None)
    assert _noted(log) == ["first.1", *(f"n{n}.1" for n in range(5))]


async def test_a_disk_without_room_for_another_file_does_not_empty_the_queue(
    disk: Path, device: Device, service: FakeJobsService, log: Path
) -> None:
    """There are bytes enough, but no inodes: it is full all the same."""
    many = disk / "many"
    many.mkdir()

    def fill() -> None:
        with contextlib.suppress(OSError):
            for number in range(10**6):
                (many / str(number)).touch()

    await _filled_during_a_job(service, log, fill)
    jobs = [service.create_job(document(_note(log, f"n{n}"))) for n in range(3)]
    await device.until(lambda state: state.storage_problem is not None)
    assert {job.status for job in jobs} == {"QUEUED"}
    shutil.rmtree(many)
    for job in jobs:
        await service.ended(job)
        assert job.status == "SUCCEEDED"
    assert _noted(log) == ["first.1", *(f"n{n}.1" for n in range(3))]


async def test_a_disk_that_is_read_only_takes_no_job(
    disk: Path, device: Device, service: FakeJobsService, log: Path
) -> None:
    """As Linux makes a card that fails: what cannot begin is left to AWS's queue."""
    await service.until(lambda: bool(service.requests))
    _remount(disk, "ro")
    jobs = [service.create_job(document(_note(log, f"n{n}"))) for n in range(2)]
    await device.until(lambda state: state.storage_problem is not None)
    assert device.state.storage_problem == f"{disk}: Read-only file system"
    assert {job.status for job in jobs} == {"QUEUED"}
    _remount(disk, "rw")
    for job in jobs:
        await service.ended(job)
        assert job.status == "SUCCEEDED"
    assert _noted(log) == ["n0.1", "n1.1"]


async def test_no_step_starts_that_the_journal_does_not_know(
    device: Device,
    service: FakeJobsService,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a card that is read-only all of a sudden; a cancel is heard meanwhile."""
    refusing = [True]
    _refuse(monkeypatch, errno.EROFS, lambda data: bool(refusing) and _RUNNING in data)
    canceled = service.create_job(document(_note(log, "a")))
    await device.until(lambda state: state.storage_problem is not None)
    service.end(canceled, "CANCELED")
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert device.state.last_job.status == "CANCELED"
    assert [step.status for step in device.state.last_job.steps] == ["SKIPPED"]
    job = service.create_job(document(_note(log, "b")))
    await device.until(lambda state: state.job is not None)
    await device.until(lambda state: state.storage_problem is not None)
    assert _noted(log) == []
    refusing.clear()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert _noted(log) == ["b.1"]


async def test_a_step_that_has_ended_is_on_record_after_a_stop(
    device: Device,
    service: FakeJobsService,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The agent is stopped while the next step still waits for what has room by then."""
    refusing: list[bool] = []
    _refuse(monkeypatch, errno.ENOSPC, lambda _: bool(refusing))
    gate = log.with_name("gate")
    wait = f"until [ -e {gate} ]; do sleep 0.02; done"
    job = service.create_job(document(_note(log, "a", wait), _note(log, "b")))
    await _has_noted(log, "a.1")
    refusing.append(True)
    gate.touch()
    await device.until(lambda state: state.storage_problem is not None)
    refusing.clear()
    await device.stop()
    await device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert _noted(log) == ["a.1", "b.1"]


async def test_a_thing_folder_that_has_vanished_is_made_again(
    device: Device, service: FakeJobsService, log: Path
) -> None:
    """Between jobs and in mid-job."""
    gate = log.with_name("gate")
    shutil.rmtree(device.settings.directory)
    job = service.create_job(
        document(_note(log, "a", _wait_for(gate)), _note(log, "b"))
    )
    await _has_noted(log, "a.1")
    shutil.rmtree(device.settings.directory)
    gate.touch()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    await device.until(lambda state: state.job is None)
    content = await Journal(device.settings.directory).load()
    assert content.last_job == device.state.last_job
