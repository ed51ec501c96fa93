"""What AWS is told of a job, and what its answers do."""

import json
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus

from ...broker import Broker
from ...fake_jobs_service import FakeJobsService
from ..conftest import THING, Device
from ..documents import command_step, document
from .conftest import Engine

PREFIX = f"$aws/things/{THING}/jobs/"


async def test_updates_of_a_job(
    stopped_device: Device, service: FakeJobsService, broker: Broker
) -> None:
    """IN_PROGRESS before anything runs, then the end; all on the job's own topic."""
    step = command_step("sh,-c,echo out; echo err >&2", name="s")
    job = service.create_job(document(step))
    await stopped_device.start()
    await service.ended(job)
    first, *_, last = job.accepted
    assert first["status"] == "IN_PROGRESS"
    assert first["statusDetails"] == {"step": "s", "stepIndex": "1", "stepCount": "1"}
    assert last["status"] == "SUCCEEDED"
    # This service takes no newline; the details are sent again without.
    assert last["statusDetails"] == {
        "reason": "1 of 1 steps succeeded",
        "stdout": "out",
        "stderr": "err",
    }
    updates = [topic for topic in broker.published_by(THING) if "update" in topic]
    assert set(updates) == {f"{PREFIX}{job.job_id}/update"}


async def test_updates_carry_what_keeps_them_in_order(
    device: Device, service: FakeJobsService
) -> None:
    """There none of these is sent, so a stale update overwrites a newer one."""
    job = await service.ended(service.create_job(document(command_step("true"))))
    updates = [
        request for topic, request in service.requests if topic.endswith("/update")
    ]
    assert [request["expectedVersion"] for request in updates] == list(
        range(2, 2 + len(updates))
    )
    for request in updates:
        assert request["executionNumber"] == job.execution_number
        assert request["includeJobExecutionState"] is True
    tokens = [request["clientToken"] for _, request in service.requests]
    assert len(set(tokens)) == len(tokens)
    assert all(1 <= len(token) <= 64 for token in tokens)


async def test_details_without_output_have_no_empty_pair(
    device: Device, service: FakeJobsService
) -> None:
    """AWS takes no empty value."""
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert job.status_details == {"reason": "1 of 1 steps succeeded"}


@pytest.mark.parametrize("status", [1, 2, 3, 7, 126, 127, 128, 129, 137, 254, 255])
async def test_reason_of_an_exit_status(engine: Engine, status: int) -> None:
    """There 1-126 are told as signals, 127 as stopped, 128 as 0, 129-254 as signals."""
    step = command_step(f"sh,-c,exit {status}", name="s")
    outcome = await engine.run(document(step))
    assert outcome.status is JobStatus.FAILED
    assert outcome.reason == f"step 1 of 1 's': exit status {status}"


async def test_reason_of_success(engine: Engine) -> None:
    """How many steps there were."""
    step = command_step("true")
    outcome = await engine.run(document(step, step, finalStep=step))
    assert outcome.reason == "3 of 3 steps succeeded"


@pytest.mark.parametrize("code", ["RequestThrottled", "InternalError"])
async def test_updates_are_tried_again_after(
    device: Device, service: FakeJobsService, code: str
) -> None:
    """What may pass is waited out, with a new token each time."""
    job = service.create_job(document(command_step("true")))
    service.faults.reject.extend([None, code])
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    tokens = [request["clientToken"] for _, request in service.requests]
    assert len(set(tokens)) == len(tokens)


async def test_updates_that_aws_refuses_for_good_run_nothing(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """There the job runs, whatever AWS answers to its start."""
    ran = stopped_device.handlers / "ran"
    job = service.create_job(document(command_step(f"touch,{ran}")))
    service.faults.reject.extend([None, "InvalidTopic"])
    await stopped_device.start()
    await service.ended(job)
    assert job.status == "FAILED"
    assert "did not accept its start: InvalidTopic" in job.status_details["reason"]
    assert not ran.exists()


async def test_answers_that_end_the_device_client(
    device: Device, service: FakeJobsService
) -> None:
    """An unknown token, none, no code, an answer twice, an execution without fields."""
    service.faults.double_answers = True
    gate = device.handlers / "gate"
    wait = command_step(f"sh,-c,until [ -e {gate} ]; do sleep 0.01; done", name="wait")
    job = service.create_job(document(wait))
    await service.until(lambda: job.status_details.get("step") == "wait")
    update, next_one = f"{PREFIX}{job.job_id}/update/", f"{PREFIX}notify-next"
    nonsense: list[tuple[str, Any]] = [
        (f"{update}rejected", {"clientToken": "unknown", "code": "InternalError"}),
        (f"{update}rejected", {"clientToken": "unknown"}),
        (f"{update}rejected", {"code": "InternalError"}),
        (f"{update}rejected", {}),
        (f"{update}accepted", {"clientToken": "unknown"}),
        (f"{update}accepted", {}),
        (next_one, {"execution": {}}),
        (next_one, {"execution": {"jobId": "j", "status": "QUEUED"}}),
        (next_one, {"execution": {"jobId": "j", "executionNumber": 1}}),
        (f"{PREFIX}start-next/accepted", {"execution": {}}),
        (f"{PREFIX}start-next/rejected", {}),
    ]
    for topic, message in nonsense:
        await service.send(topic, json.dumps(message).encode())
    gate.touch()
    assert (await service.ended(job)).status == "SUCCEEDED"
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert job.status == "SUCCEEDED"
