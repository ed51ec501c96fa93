"""Jobs that wait for somebody: what AWS and Home Assistant are told, and what ends the wait."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.errors import NoSuchJobError
from custom_components.aws_iot_jobs.jobs.events import JobEventType

from ..broker import Broker
from ..fake_jobs_service import Execution, FakeJobsService
from .conftest import Device
from .documents import command_step, document, handler_step

_WAITING = {"reason": "waiting for approval in Home Assistant"}
_URL = "https://bucket.s3.eu-central-1.amazonaws.com/firmware.bin"


def _with_path(handler: str, path: str) -> dict[str, Any]:
    step = handler_step(handler)
    step["action"]["input"]["path"] = path
    return step


@pytest.fixture
async def careful(stopped_device: Device, service: FakeJobsService) -> Device:
    """Return a connected thing whose jobs all wait for approval."""
    return await _with_policy(stopped_device, ApprovalPolicy.EVERY_JOB)


async def _with_policy(
    device: Device, policy: ApprovalPolicy, **settings: Any
) -> Device:
    device.settings = replace(device.settings, approval=policy, **settings)
    await device.start()
    await device.connected()
    return device


async def _waits(device: Device) -> None:
    await device.until(lambda state: state.job is not None and bool(state.job.approval))


async def _waiting_job(device: Device, service: FakeJobsService) -> Execution:
    job = service.create_job(document(command_step("true")))
    await _waits(device)
    await service.until(lambda: job.status_details == _WAITING)
    return job


async def test_nothing_runs_before_it_is_approved(
    careful: Device, service: FakeJobsService
) -> None:
    """AWS knows what is waited for; then the job runs as any other."""
    job = await _waiting_job(careful, service)
    assert job.status == "IN_PROGRESS"
    waiting = careful.state.job
    assert waiting is not None
    assert waiting.last_started_index is None
    assert [step.name for step in waiting.steps] == ["true"]
    await careful.agent.approve(job.job_id)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    await careful.until(lambda state: state.job is None)
    (requested,) = [
        event
        for event in careful.events
        if event.type is JobEventType.APPROVAL_REQUESTED
    ]
    assert requested.step_count == 1
    assert [event.type for event in careful.events] == [
        JobEventType.RECEIVED,
        JobEventType.APPROVAL_REQUESTED,
        JobEventType.APPROVED,
        JobEventType.STARTED,
        JobEventType.STEP_STARTED,
        JobEventType.STEP_FINISHED,
        JobEventType.SUCCEEDED,
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("", "rejected in Home Assistant"),
        (" not today ", "rejected in Home Assistant: not today"),
    ],
)
async def test_a_rejection_is_told_with_its_reason(
    careful: Device, service: FakeJobsService, reason: str, told: str
) -> None:
    """AWS gets the person's words."""
    job = await _waiting_job(careful, service)
    await careful.agent.reject(reason=reason)
    await service.ended(job)
    assert job.status == "REJECTED"
    assert job.status_details == {"reason": told}
    await careful.until(lambda state: state.jobs_failed == 1)


async def test_the_wait_ends_by_itself(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """After the time limit, the job is rejected."""
    device = await _with_policy(
        stopped_device, ApprovalPolicy.EVERY_JOB, approval_limit=0.3
    )
    job = service.create_job(document(command_step("true")))
    await service.ended(job)
    assert job.status == "REJECTED"
    assert "not approved" in job.status_details["reason"]
    await device.until(lambda state: state.job is None)


async def test_the_wait_ends_before_the_timer_of_aws(
    careful: Device, service: FakeJobsService
) -> None:
    """The operator learns why, instead of a time-out."""
    job = service.create_job(document(command_step("true")), seconds_before_timed_out=1)
    await service.ended(job)
    assert job.status == "REJECTED"
    assert "not approved" in job.status_details["reason"]


async def test_a_cancel_ends_the_wait(
    careful: Device, service: FakeJobsService
) -> None:
    """The job has ended for everybody."""
    job = await _waiting_job(careful, service)
    service.end(job, "CANCELED")
    await careful.until(lambda state: state.last_job is not None)
    last = careful.state.last_job
    assert last is not None
    assert last.status == "CANCELED"
    assert last.approval is None
    with pytest.raises(NoSuchJobError):
        await careful.agent.approve()


@pytest.mark.parametrize("approved", [True, False])
async def test_the_wait_survives_a_restart(
    careful: Device, service: FakeJobsService, *, approved: bool
) -> None:
    """With its time limit; whoever looks sees it at once."""
    job = await _waiting_job(careful, service)
    waiting = careful.state.job
    await careful.stop()
    await careful.start()
    await careful.connected()
    await _waits(careful)
    assert waiting is not None
    assert careful.state.job is not None
    assert careful.state.job.approval == waiting.approval
    await _decide(careful, approved=approved)
    await service.ended(job)
    assert job.status == ("SUCCEEDED" if approved else "REJECTED")


@pytest.mark.parametrize("approved", [True, False])
async def test_who_decides_while_aws_is_away_is_heard(
    careful: Device, service: FakeJobsService, broker: Broker, *, approved: bool
) -> None:
    """Also when Home Assistant is restarted before AWS is back."""
    job = await _waiting_job(careful, service)
    await broker.kill()
    await careful.stop()
    await careful.start()
    await _waits(careful)
    await _decide(careful, approved=approved)
    await careful.stop()
    await broker.start()
    await careful.start()
    await service.ended(job)
    assert job.status == ("SUCCEEDED" if approved else "REJECTED")


async def test_what_was_approved_is_not_asked_for_again(
    careful: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """A restart in mid-job needs no second approval."""
    gate = tmp_path / "gate"
    step = command_step(f"sh,-c,until [ -e {gate} ]; do sleep 0.02; done")
    job = service.create_job(document(command_step("true"), step))
    await _waits(careful)
    await careful.agent.approve()
    await careful.until(
        lambda state: state.job is not None and state.job.current_index == 1
    )
    await careful.stop()
    gate.touch()
    await careful.start()
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_urls_that_were_waited_over_are_made_anew(
    careful: Device, service: FakeJobsService
) -> None:
    """The document that runs is the one that AWS delivers after the approval."""
    careful.handler("note.sh", '#!/bin/sh\necho "$2"\n')
    job = service.create_job(_download("old"))
    await _waits(careful)
    job.document = _download("new")
    await careful.agent.approve()
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert "X-Amz-Signature=new" in job.status_details["stdout"]


async def test_other_steps_are_asked_for_again(
    careful: Device, service: FakeJobsService
) -> None:
    """What runs is what was approved."""
    job = await _waiting_job(careful, service)
    job.document = document(command_step("false"))
    await careful.agent.approve()
    await careful.until(
        lambda _: (
            [event.type for event in careful.events].count(
                JobEventType.APPROVAL_REQUESTED
            )
            == 2
        )
    )
    assert job.status == "IN_PROGRESS"
    await careful.agent.reject()
    await service.ended(job)
    assert job.status == "REJECTED"


async def test_who_decides_for_another_job_decides_nothing(
    careful: Device, service: FakeJobsService
) -> None:
    """The card of a job that has gone may still be open."""
    await _waiting_job(careful, service)
    with pytest.raises(NoSuchJobError):
        await careful.agent.approve("another")
    with pytest.raises(NoSuchJobError):
        await careful.agent.reject("another")
    await _waits(careful)


async def test_a_job_that_waits_can_be_stopped(
    careful: Device, service: FakeJobsService
) -> None:
    """It fails, as any job that is stopped here."""
    job = await _waiting_job(careful, service)
    await careful.agent.stop_job()
    await service.ended(job)
    assert job.status == "FAILED"
    assert job.status_details["reason"] == "stopped in Home Assistant"


@pytest.mark.parametrize(
    ("step", "waits"),
    [
        (handler_step("mine.sh"), False),
        (_with_path("mine.sh", ""), False),
        (_with_path("mine.sh", "/usr/bin"), True),
        # A program that lies on PATH does whatever its arguments say.
        (_with_path("sh", ""), True),
        (command_step("true"), True),
    ],
    ids=["default", "no path, here", "path", "no path, on PATH", "command"],
)
async def test_which_jobs_wait_for_what_they_bring_along(
    stopped_device: Device,
    service: FakeJobsService,
    step: dict[str, Any],
    *,
    waits: bool,
) -> None:
    """Handlers that were put here are trusted; what the document says runs is not."""
    device = await _with_policy(stopped_device, ApprovalPolicy.COMMANDS)
    device.handler("mine.sh", "#!/bin/sh\n")
    requested: list[JobEventType] = []
    device.agent.subscribe_events(lambda event: requested.append(event.type))
    job = service.create_job(document(step))
    if waits:
        await _waits(device)
        await device.agent.reject()
    await service.ended(job)
    assert (JobEventType.APPROVAL_REQUESTED in requested) == waits


async def _decide(device: Device, *, approved: bool) -> None:
    if approved:
        await device.agent.approve()
    else:
        await device.agent.reject()


def _download(signature: str) -> dict[str, Any]:
    url = f"{_URL}?X-Amz-Signature={signature}"
    return document(handler_step("note.sh", url), includeStdOut="true")
