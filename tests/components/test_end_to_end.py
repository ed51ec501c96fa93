"""A thing in Home Assistant, with its real agent, and AWS IoT Jobs behind a broker."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import Mapping
import gc
import os
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import CONF_ENDPOINT
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_PORT, EVENT_STATE_CHANGED, STATE_ON
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResultType

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING
from .dialog import connection, submit
from .repairs import issues
from .waiting import until

CONNECTED = "binary_sensor.thing_1_connected"


@pytest.mark.usefixtures("all_entities")
async def test_job(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """A job runs its handler and its command, and shows while it does."""
    states = _record_states(hass)
    assert await hass.config_entries.async_setup(thing.entry_id)
    handler = Path(hass.config.path("aws_iot_jobs", "handlers", "hello.sh"))
    handler.write_text('#!/bin/sh\necho "Hello $2!"\n')
    handler.chmod(0o700)
    job = service.create_job(
        {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [
                _step("Greet", "runHandler", handler="hello.sh", args=["World"]),
                _step("Echo", "runCommand", command="echo,Bye!"),
            ],
        }
    )
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    await _shows(hass, "sensor.thing_1_last_job_result", "succeeded")
    assert states["sensor.thing_1_job_status"] == ["in_progress", "idle"]
    assert states["sensor.thing_1_current_step"][0] == "Greet"
    assert states["sensor.thing_1_current_step"][-1] == "unknown"
    assert states["sensor.thing_1_current_job"] == [job.job_id, "unknown"]
    result = hass.states.get("sensor.thing_1_last_job_result")
    assert result is not None
    assert "Hello World!" in result.attributes["stdout"]


@pytest.mark.parametrize("how", ["unload", "stop"])
async def test_nothing_is_left(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    broker: Broker,
    service: FakeJobsService,
    tmp_path: Path,
    how: str,
) -> None:
    """The end of a thing is the end of its task, its connection and its processes."""
    # What tests before this one have left is not ours.
    threads = _threads()
    sockets, tasks, data = _sockets(), asyncio.all_tasks(), set(hass.data)
    # What Home Assistant sets up for the first of its kind, it keeps.
    assert await hass.config_entries.async_setup(thing.entry_id)
    assert await hass.config_entries.async_unload(thing.entry_id)
    listeners = hass.bus.async_listeners()
    assert await hass.config_entries.async_setup(thing.entry_id)
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    opened = asyncio.to_thread(fifo.read_text)
    service.create_job(
        {
            "version": "1.0",
            "steps": [
                _step(
                    "Wait",
                    "runCommand",
                    command=f"sh,-c,echo $$ > {fifo}; exec sleep 3600",
                )
            ],
        }
    )
    pid = int(await opened)
    assert _runs(pid)
    assert _threads()
    if how == "unload":
        assert await hass.config_entries.async_unload(thing.entry_id)
        assert thing.state is ConfigEntryState.NOT_LOADED
        assert not issues(hass)
        assert not {
            name for name in set(hass.data) - data if "aws_iot_jobs" in str(name)
        }
        assert _more(hass.bus.async_listeners(), listeners) == {}
        await _threads_have_ended(threads)
    else:
        await hass.async_stop()
    assert not _runs(pid)
    await broker.logged(f"Client {THING} disconnected")
    assert _sockets() == sockets
    assert not {
        task.get_name()
        for task in asyncio.all_tasks() - tasks
        if "aws_iot_jobs" in task.get_name() and not task.done()
    }


async def test_without_network(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Set-up does not wait for AWS IoT, and tells what is in the way."""
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_ENDPOINT: "localhost", CONF_PORT: 1}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(hass, lambda: "cannot be reached" in _error(hass))
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_reload(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """After a reload the thing is connected again, and takes jobs."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    await _shows(hass, CONNECTED, STATE_ON)
    assert await hass.config_entries.async_reload(thing.entry_id)
    await _shows(hass, CONNECTED, STATE_ON)
    job = service.create_job({"operation": "echo", "args": ["Hello"]})
    assert (await service.ended(job)).status == "SUCCEEDED"


async def test_reconfigure_while_connected(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """The check of new settings and the agent use one name, one after the other."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    await _shows(hass, CONNECTED, STATE_ON)
    form = {key: thing.data[key] for key in (CONF_ENDPOINT, CONF_PORT)}
    result = await submit(hass, await connection(hass, thing), form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    await _shows(hass, CONNECTED, STATE_ON)


def _step(name: str, kind: str, **given: Any) -> dict[str, Any]:
    return {"action": {"name": name, "type": kind, "input": given}}


def _record_states(hass: HomeAssistant) -> dict[str, list[str]]:
    """Return what each entity shows from now on, each state once it changes."""
    seen: dict[str, list[str]] = {}

    @callback
    def record(event: Event[EventStateChangedData]) -> None:
        old, new = event.data["old_state"], event.data["new_state"]
        if old is not None and new is not None and old.state != new.state:
            seen.setdefault(new.entity_id, []).append(new.state)

    hass.bus.async_listen(EVENT_STATE_CHANGED, record)
    return seen


async def _shows(hass: HomeAssistant, entity_id: str, state: str) -> None:
    """Wait until an entity has a state."""
    await until(hass, lambda: hass.states.is_state(entity_id, state))


def _error(hass: HomeAssistant) -> str:
    state = hass.states.get(CONNECTED)
    assert state is not None
    return str(state.attributes["error"])


def _sockets() -> int:
    """Return how many sockets this process has open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(str(link.readlink()).startswith("socket:") for link in links)


def _threads() -> set[str]:
    """Return the threads of awscrt."""
    tasks = Path("/proc/self/task").iterdir()
    names = {(task / "comm").read_text().strip() for task in tasks}
    return {name for name in names if name.startswith("Aws")}


async def _threads_have_ended(others: set[str]) -> None:
    """Wait until awscrt has no more threads: they end when who used them is collected."""
    async with asyncio.timeout(10):
        while _threads() - others:
            gc.collect()
            await asyncio.sleep(0.05)


def _more(after: Mapping[Any, int], before: Mapping[Any, int]) -> dict[Any, int]:
    """Return the events that have more listeners than before."""
    return {
        name: count - before.get(name, 0)
        for name, count in after.items()
        if count > before.get(name, 0)
    }


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that is a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
