"""The link is down, the broker gone, frozen or new: steps go on, and results arrive."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot import (
    backoff,
    connection,
    service as service_module,
)
from custom_components.aws_iot_jobs.aws_iot.check import check_connection
from custom_components.aws_iot_jobs.aws_iot.errors import (
    CredentialsError,
    EndpointError,
    NotAuthorizedError,
    ServerCertificateError,
    TakenOverError,
)
from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.runner.local import LocalRunner

from ..broker import Broker
from ..certificates import CertificateAuthority
from ..fake_jobs_service import FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document, handler_step

pytestmark = pytest.mark.slow

_UNTIL = """#!/bin/sh
echo run >>"$2.runs"
while [ ! -e "$2" ]; do sleep 0.05; done
echo done
"""


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a dead link within seconds."""
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 2)
    monkeypatch.setattr(connection, "PING_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(connection, "ACK_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 1)
    monkeypatch.setattr(service_module, "ANSWER_TIMEOUT_SECONDS", 1)


@pytest.fixture
async def gate(device: Device, tmp_path: Path) -> Path:
    """Make a handler that ends when this file appears."""
    device.handler("until.sh", _UNTIL)
    return tmp_path / "gate"


async def test_it_is_told_since_when_and_until_when_nothing_is_connected(
    device: Device, broker: Broker
) -> None:
    """When the next try comes, and no longer once it has begun; nothing while connected."""
    assert _times(device.state) == (None, None)
    before = datetime.now(UTC)
    device.states.clear()
    await broker.kill()
    await device.until(lambda _: len(_waits(device)) > 2)
    told = [_times(state) for state in device.states if not state.connected]
    (since,) = {since for since, _ in told}
    assert since is not None
    assert before <= since
    for wait in _waits(device):
        assert wait >= since
    # Between two waits, a try is under way.
    tries = [at for _, at in told]
    assert all(None in pair for pair in pairwise(tries) if len(set(pair)) > 1)
    await broker.start()
    await device.connected()
    assert _times(device.state) == (None, None)


def _waits(device: Device) -> list[datetime]:
    """Return when each next try was to come that has been told."""
    told = (state.next_try_at for state in device.states)
    return list(dict.fromkeys(at for at in told if at is not None))


def _times(state: AgentState) -> tuple[datetime | None, datetime | None]:
    """Return since when it is not connected, and when it tries again."""
    return state.disconnected_since, state.next_try_at


@pytest.mark.parametrize("outage", ["kill", "freeze", "restart"])
async def test_a_step_goes_on_and_its_result_arrives_afterwards(
    device: Device, service: FakeJobsService, broker: Broker, gate: Path, outage: str
) -> None:
    """Whatever happens to the broker meanwhile, the step runs once and to its end."""
    job = service.create_job(document(handler_step("until.sh", str(gate))))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    match outage:
        case "kill":
            await broker.kill()
        case "freeze":
            broker.freeze()
        case "restart":
            await broker.restart()
    if outage != "restart":
        await device.until(lambda state: not state.connected)
        gate.touch()
        await device.until(
            lambda state: state.job is not None and state.job.current_index is None
        )
        broker.thaw() if outage == "freeze" else await broker.start()
    gate.touch()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert job.status_details["stdout"].strip() == "done"
    assert Path(f"{gate}.runs").read_text() == "run\n"


async def test_a_step_goes_on_while_the_certificate_is_refused(
    device: Device,
    service: FakeJobsService,
    broker: Broker,
    gate: Path,
    tmp_path: Path,
) -> None:
    """As when it was deactivated in AWS by mistake, and activated again."""
    job = service.create_job(document(handler_step("until.sh", str(gate))))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    authority = tmp_path / "broker" / "ca.pem"
    await broker.kill()
    authority.write_bytes(CertificateAuthority().certificate)
    await broker.start()
    await device.until(lambda state: isinstance(state.error, CredentialsError))
    gate.touch()
    await device.until(
        lambda state: state.job is not None and state.job.current_index is None
    )
    await broker.kill()
    authority.write_bytes(broker.ca.certificate)
    await broker.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert Path(f"{gate}.runs").read_text() == "run\n"


async def test_a_job_created_during_an_outage_is_taken_afterwards(
    device: Device, service: FakeJobsService, broker: Broker
) -> None:
    """The notification is lost with the session; the agent asks by itself."""
    await broker.kill()
    await device.until(lambda state: not state.connected)
    job = service.create_job(document(command_step("true")))
    await broker.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_jobs_still_arrive_after_several_sessions(
    device: Device, service: FakeJobsService, broker: Broker
) -> None:
    """Each new session has its subscriptions."""
    for _ in range(3):
        await broker.restart()
        await device.until(lambda state: state.connected)
        job = await service.ended(service.create_job(document(command_step("true"))))
        assert job.status == "SUCCEEDED"


async def test_lost_requests_and_answers_are_made_good(
    device: Device, service: FakeJobsService, gate: Path
) -> None:
    """A request that had its effect before its answer was lost has it only once."""
    gate.touch()
    service.faults.lose_requests = 1
    service.faults.lose_answers = 2
    job = service.create_job(document(handler_step("until.sh", str(gate))))
    await service.until(lambda: service.faults.lose_answers == 0)
    service.faults.lose_answers = 1
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert Path(f"{gate}.runs").read_text() == "run\n"
    assert job.history.count("SUCCEEDED") == 1


async def test_throttling_and_internal_errors_are_waited_out(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """They are no answers."""
    codes = ["RequestThrottled", None, "InternalError", None, "RequestThrottled", ""]
    service.faults.reject.extend(codes)
    job = service.create_job(document(command_step("true")))
    await stopped_device.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert not service.faults.reject


async def test_two_clients_of_one_name_are_told(
    device: Device, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They throw each other off: that slows down, and both say what it is."""
    rival = Agent(
        replace(device.settings, directory=tmp_path / "rival"),
        LocalRunner(device.handlers, tmp_path / "rival" / "work"),
    )
    serving = asyncio.ensure_future(rival.run())
    try:
        await device.until(lambda state: isinstance(state.error, TakenOverError), 30)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    await device.until(lambda state: state.connected)
    assert device.state.error is None


async def test_a_key_of_another_certificate_is_told(lone_device: Device) -> None:
    """Without a fitting key there is nothing to try."""
    key = CertificateAuthority().device(THING).private_key
    await _start_with(lone_device, private_key=key)
    with pytest.raises(CredentialsError, match="cannot be used"):
        await lone_device.ended()


async def test_the_name_can_be_lent_while_a_job_runs(
    device: Device, service: FakeJobsService, gate: Path
) -> None:
    """A check of new settings connects with it, undisturbed; then the job is reported."""
    job = service.create_job(document(handler_step("until.sh", str(gate))))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    async with device.agent.disconnected():
        assert not device.state.connected
        await check_connection(device.settings.connection)
    await device.connected()
    gate.touch()
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_a_lending_that_is_ended_while_it_begins(
    device: Device, broker: Broker
) -> None:
    """The agent comes back, though it had not even disconnected yet."""

    async def lend() -> None:
        async with device.agent.disconnected():
            await asyncio.Event().wait()

    await device.connected()
    lending = asyncio.create_task(lend())
    await asyncio.sleep(0)
    lending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lending
    async with asyncio.timeout(10):
        await broker.logged(rf"New client connected .* as {THING} ", count=2)


@pytest.fixture
async def lone_device(stopped_device: Device) -> AsyncIterator[Device]:
    """Return a thing to be started with other settings."""
    yield stopped_device
    await stopped_device.stop()


async def test_an_unknown_endpoint_is_told(lone_device: Device) -> None:
    """The name cannot be resolved."""
    await _start_with(lone_device, endpoint="nowhere.invalid")
    await lone_device.until(lambda state: isinstance(state.error, EndpointError))


async def test_a_closed_port_is_told(lone_device: Device) -> None:
    """Nothing listens there."""
    await _start_with(lone_device, port=1)
    await lone_device.until(lambda state: isinstance(state.error, EndpointError))


async def test_a_server_of_another_authority_is_told(lone_device: Device) -> None:
    """What answers cannot prove to be the endpoint; the TLS library takes its time."""
    await _start_with(lone_device, root_ca=CertificateAuthority().certificate)
    await lone_device.until(
        lambda state: isinstance(state.error, ServerCertificateError), within=40
    )


async def test_a_refused_certificate_is_told(lone_device: Device) -> None:
    """The broker does not know who signed it."""
    stranger = CertificateAuthority().device(THING)
    await _start_with(
        lone_device,
        certificate=stranger.certificate,
        private_key=stranger.private_key,
    )
    await lone_device.until(lambda state: isinstance(state.error, CredentialsError))


async def test_a_policy_that_refuses_a_subscription_is_told(
    lone_device: Device, tmp_path: Path
) -> None:
    """The filter is named; all the other filters were allowed."""
    refused = f"$aws/things/{THING}/jobs/notify-next"
    async with Broker(tmp_path / "strict", forbidden=[refused]) as strict:
        lone_device.settings = replace(
            lone_device.settings, connection=strict.settings(THING)
        )
        await lone_device.start()
        await lone_device.until(
            lambda state: isinstance(state.error, NotAuthorizedError)
        )
        assert isinstance(lone_device.state.error, NotAuthorizedError)
        assert lone_device.state.error.resources == (refused,)
        assert not lone_device.state.connected
        await lone_device.stop()


async def test_a_network_that_is_back_is_used_at_once(
    device: Device,
    service: FakeJobsService,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hint from outside ends the wait for the next try."""
    await device.stop()
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 60)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 120)
    await device.start()
    await device.connected()
    await broker.kill()
    await device.until(lambda state: not state.connected)
    await broker.start()
    device.agent.retry_now()
    await device.until(lambda state: state.connected, within=5)


async def _start_with(device: Device, **changes: object) -> None:
    settings = replace(device.settings.connection, **changes)  # type: ignore[arg-type]
    device.settings = replace(device.settings, connection=settings)
    await device.start()
