"""Jobs that have to wait stay in AWS's queue, where the policy lets them be looked at."""

from collections.abc import AsyncIterator
from dataclasses import replace
import logging
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.events import JobEventType
from custom_components.aws_iot_jobs.jobs.fences import Fences

from ..broker import Broker
from ..fake_jobs_service import Execution, FakeJobsService
from .conftest import Device
from .documents import command_step, document

TRUE = document(command_step("true"))
STATEMENTS = ("Peek", "PeekSubscribe", "PeekReceive")
PEEK = "custom_components.aws_iot_jobs.jobs.peek"
SERVICE = "custom_components.aws_iot_jobs.aws_iot.service"


@pytest.fixture
def lacking() -> tuple[str, ...]:
    """Return which of the statements the policy does not have: a test says otherwise."""
    return ()


@pytest.fixture
async def broker(tmp_path: Path, lacking: tuple[str, ...]) -> AsyncIterator[Broker]:
    """Run a broker whose policy has the statements, unless a test wants it without."""
    statements = [it for it in STATEMENTS if it not in lacking]
    async with Broker(tmp_path / "broker", statements=statements) as broker:
        yield broker


@pytest.fixture
async def curious(stopped_device: Device, service: FakeJobsService) -> Device:
    """Return a connected thing that looks ahead."""
    return await _start(stopped_device, service)


@pytest.fixture
async def careful(stopped_device: Device, service: FakeJobsService) -> Device:
    """Return one whose jobs all wait for approval, too."""
    return await _start(stopped_device, service, approval=ApprovalPolicy.EVERY_JOB)


@pytest.fixture
def quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is not answered given up soon."""
    monkeypatch.setattr(f"{SERVICE}.ANSWER_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(f"{PEEK}._FIRST_PAUSE_SECONDS", 0.02)


async def _start(
    device: Device, service: FakeJobsService, **settings: object
) -> Device:
    device.settings = replace(device.settings, peek=True, **settings)  # type: ignore[arg-type]
    await device.start()
    await device.connected()
    # A request that is on its way would begin what is created now.
    await service.until(lambda: bool(service.requests))
    return device


def _count(service: FakeJobsService, ending: str) -> int:
    return sum(topic.endswith(ending) for topic, _ in service.requests)


async def _waits(device: Device, job: Execution) -> None:
    await device.until(
        lambda state: (
            state.job is not None
            and state.job.approval is not None
            and state.job.key.job_id == job.job_id
        )
    )


async def _shows(device: Device, job: Execution | None) -> None:
    """Wait until the job is shown as the one that waits, or none is."""
    await device.until(
        lambda state: (
            (None if state.waiting is None else state.waiting.key.job_id)
            == (None if job is None else job.job_id)
        )
    )


# Held


async def test_what_waits_is_seen(curious: Device, service: FakeJobsService) -> None:
    """With its steps, and though it stays where it is; then it is run."""
    await curious.agent.take_jobs(takes=False)
    job = service.create_job(TRUE)
    await _shows(curious, job)
    waiting = curious.state.waiting
    assert waiting is not None
    assert waiting.status is JobStatus.QUEUED
    assert [step.name for step in waiting.steps] == ["true"]
    assert job.status == "QUEUED"
    assert curious.state.job is None
    assert curious.events == []
    await curious.agent.take_jobs(takes=True)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert curious.state.waiting is None


async def test_what_waited_before_is_seen_after_a_restart(
    curious: Device, service: FakeJobsService
) -> None:
    """AWS does not tell of it by itself."""
    await curious.agent.take_jobs(takes=False)
    job = service.create_job(TRUE)
    await _shows(curious, job)
    await curious.stop()
    await curious.start()
    await _shows(curious, job)
    assert job.status == "QUEUED"


async def test_what_is_cancelled_waits_no_more(
    curious: Device, service: FakeJobsService
) -> None:
    """The next one is seen in its place, and then none."""
    await curious.agent.take_jobs(takes=False)
    first, second = service.create_job(TRUE), service.create_job(TRUE)
    await _shows(curious, first)
    service.end(first, "CANCELED")
    await _shows(curious, second)
    service.end(second, "CANCELED")
    await _shows(curious, None)


async def test_what_is_under_way_does_not_wait(
    curious: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """It goes on; the one behind it is seen when it has ended."""
    gate = tmp_path / "gate"
    step = command_step(f"sh,-c,until [ -e {gate} ]; do sleep 0.02; done")
    job = service.create_job(document(step))
    await curious.until(lambda state: state.job is not None)
    await curious.agent.take_jobs(takes=False)
    other = service.create_job(TRUE)
    assert curious.state.waiting is None
    gate.touch()
    await service.ended(job)
    await _shows(curious, other)


async def test_why_it_will_not_be_run_is_seen(
    curious: Device, service: FakeJobsService
) -> None:
    """AWS hears of it when jobs are taken: until then, it may be cancelled or replaced."""
    await curious.agent.take_jobs(takes=False)
    job = service.create_job({"version": "1.0", "steps": []})
    await _shows(curious, job)
    assert curious.state.waiting is not None
    assert "steps" in curious.state.waiting.reason
    assert job.status == "QUEUED"
    await curious.agent.take_jobs(takes=True)
    await service.ended(job)
    assert job.status == "REJECTED"


# Approval


async def test_a_job_that_waits_for_approval_stays_queued(
    careful: Device, service: FakeJobsService
) -> None:
    """So its timer does not run; approved, it is begun, and its timer counts."""
    job = service.create_job(TRUE, seconds_before_timed_out=600)
    await _waits(careful, job)
    assert job.status == "QUEUED"
    assert careful.state.job is not None
    assert careful.state.job.approval is not None
    assert _count(service, "start-next") == 0
    await careful.agent.approve(job.job_id)
    await service.ended(job)
    assert job.history == ["IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"]
    await careful.until(lambda state: state.job is None)
    assert [event.type for event in careful.events] == [
        JobEventType.RECEIVED,
        JobEventType.APPROVAL_REQUESTED,
        JobEventType.APPROVED,
        JobEventType.STARTED,
        JobEventType.STEP_STARTED,
        JobEventType.STEP_FINISHED,
        JobEventType.SUCCEEDED,
    ]


async def test_what_comes_just_after_a_look_is_not_begun(
    careful: Device, service: FakeJobsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there was nothing, nothing is begun: it may be something by then."""
    jobs: list[Execution] = []
    answer = service._peek

    def answer_and_create(thing_name: str) -> dict[str, object]:
        answered = answer(thing_name)
        if not jobs:
            jobs.append(service.create_job(TRUE))
        return answered

    monkeypatch.setattr(service, "_peek", answer_and_create)
    careful.agent.check_for_jobs()
    await service.until(lambda: bool(jobs))
    await _waits(careful, jobs[0])
    assert jobs[0].status == "QUEUED"


async def test_it_is_rejected_from_the_queue(
    careful: Device, service: FakeJobsService
) -> None:
    """Without having been begun."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    await careful.agent.reject(job.job_id, "not today")
    await service.ended(job)
    assert job.history == ["REJECTED"]
    assert job.status_details == {"reason": "rejected in Home Assistant: not today"}


async def test_nobody_decides(stopped_device: Device, service: FakeJobsService) -> None:
    """When the time is up it is rejected, as without looking ahead."""
    device = await _start(
        stopped_device, service, approval=ApprovalPolicy.EVERY_JOB, approval_limit=0.3
    )
    job = service.create_job(TRUE)
    await service.ended(job)
    assert job.history == ["REJECTED"]
    await device.until(lambda state: state.last_job is not None)


@pytest.mark.parametrize("approved", [False, True])
async def test_it_outlives_a_restart(
    careful: Device, service: FakeJobsService, *, approved: bool
) -> None:
    """It waits on, or runs if somebody approved it just before; nobody is asked twice."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    if approved:
        service.faults.lose_requests = 10**6
        await careful.agent.approve(job.job_id)
    await careful.stop()
    service.faults.lose_requests = 0
    assert job.status == "QUEUED"
    await careful.start()
    if not approved:
        await _waits(careful, job)
        assert job.status == "QUEUED"
        await careful.agent.approve(job.job_id)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    asked = [
        event
        for event in careful.events
        if event.type is JobEventType.APPROVAL_REQUESTED
    ]
    assert len(asked) == 1


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("deleted", [False, True])
async def test_cancelled_in_the_queue(
    careful: Device, service: FakeJobsService, *, deleted: bool, away: bool
) -> None:
    """It disappears from the home as what AWS has made of it, be the thing there or not."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    if away:
        await careful.stop()
    if deleted:
        service.delete(job)
    else:
        service.end(job, "CANCELED")
    if away:
        await careful.start()
    await careful.until(lambda state: state.job is None and state.last_job is not None)
    assert careful.state.last_job is not None
    assert careful.state.last_job.status == ("REMOVED" if deleted else "CANCELED")
    assert "IN_PROGRESS" not in job.history
    other = service.create_job(TRUE)
    await _waits(careful, other)
    assert other.status == "QUEUED"


async def test_the_next_one_is_not_begun_in_its_place(
    careful: Device, service: FakeJobsService
) -> None:
    """What was approved has gone when it is to be begun: the other one has to be asked for."""
    job, other = service.create_job(TRUE), service.create_job(TRUE)
    await _waits(careful, job)
    await careful.agent.take_jobs(takes=False)
    await careful.agent.approve(job.job_id)
    service.end(job, "CANCELED")
    await careful.until(lambda state: state.job is None)
    await careful.agent.take_jobs(takes=True)
    await _waits(careful, other)
    assert other.status == "QUEUED"


async def test_another_document_has_to_be_approved_anew(
    careful: Device, service: FakeJobsService
) -> None:
    """As without looking ahead: what runs is what was approved."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    job.document = document(command_step("false"))
    await careful.agent.approve(job.job_id)
    await service.until(lambda: job.status == "IN_PROGRESS")
    await _waits(careful, job)
    assert careful.state.job is not None
    assert [step.name for step in careful.state.job.steps] == ["false"]
    await careful.agent.reject(job.job_id)
    await service.ended(job)
    assert job.status == "REJECTED"


async def test_approved_while_jobs_are_not_taken(
    careful: Device, service: FakeJobsService
) -> None:
    """It is begun when they are: until then it costs no time at AWS."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    await careful.agent.take_jobs(takes=False)
    await careful.agent.approve(job.job_id)
    await careful.until(
        lambda state: state.job is not None and state.job.approved_at is not None
    )
    await careful.stop()
    await careful.start()
    await careful.connected()
    assert job.status == "QUEUED"
    await careful.agent.take_jobs(takes=True)
    await service.ended(job)
    assert job.status == "SUCCEEDED"


async def test_stopped_in_the_queue(careful: Device, service: FakeJobsService) -> None:
    """Somebody in the home may end it, too."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    await careful.agent.stop_job(job.job_id)
    await service.ended(job)
    assert job.history == ["FAILED"]


async def test_what_may_not_be_run_is_rejected_without_asking(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """Nobody is bothered with what a fence is before."""
    device = await _start(
        stopped_device,
        service,
        approval=ApprovalPolicy.EVERY_JOB,
        fences=Fences(commands=True),
    )
    job = service.create_job(TRUE)
    await service.ended(job)
    assert job.status == "REJECTED"
    await device.until(lambda state: state.last_job is not None)
    assert JobEventType.APPROVAL_REQUESTED not in {it.type for it in device.events}


@pytest.mark.usefixtures("quick_answers")
async def test_a_lost_answer_does_not_hide_that_it_is_cancelled(
    careful: Device, service: FakeJobsService
) -> None:
    """Nobody is asked for long to approve what is not there any more."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    service.faults.lose_requests = 1
    service.end(job, "CANCELED")
    await careful.until(lambda state: state.last_job is not None)
    assert careful.state.last_job is not None
    assert careful.state.last_job.status == "CANCELED"


@pytest.mark.parametrize("content", [TRUE, {"version": "1.0", "steps": []}])
async def test_the_next_one_waits_until_jobs_are_taken(
    careful: Device, service: FakeJobsService, content: object
) -> None:
    """Also where the one before it has gone while nobody was there to see that."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    await careful.agent.take_jobs(takes=False)
    await careful.stop()
    service.end(job, "CANCELED")
    other = service.create_job(content)
    await careful.start()
    await _shows(careful, other)
    assert careful.state.job is None
    assert careful.state.last_job is not None
    assert careful.state.last_job.key.job_id == job.job_id
    assert other.status == "QUEUED"


# Without the statement, or without the wish


@pytest.mark.usefixtures("quick_answers")
@pytest.mark.parametrize(
    "lacking", [STATEMENTS, *((it,) for it in STATEMENTS)], ids="-".join
)
async def test_without_a_statement_it_is_as_before(
    careful: Device,
    service: FakeJobsService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That is said once; jobs are begun and wait, and nothing is lost."""
    job = service.create_job(TRUE)
    await _waits(careful, job)
    await service.until(lambda: job.status == "IN_PROGRESS")
    asked = _count(service, "/get")
    await careful.agent.approve(job.job_id)
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    # One connection, one try: nothing waits for what is not answered.
    assert _count(service, "/get") == asked
    caplog.clear()
    await careful.agent.take_jobs(takes=False)
    other = service.create_job(TRUE)
    await careful.stop()
    await careful.start()
    await careful.connected()
    await careful.agent.take_jobs(takes=True)
    await _waits(careful, other)
    await service.until(lambda: other.status == "IN_PROGRESS")
    told = [
        it
        for it in caplog.records
        if "cannot look at jobs" in it.getMessage() and it.levelno == logging.WARNING
    ]
    # The agent before the restart has said so, too.
    assert len(told) == 1
    assert "statements Peek" in told[0].getMessage()


async def test_nothing_is_looked_at_unless_it_is_wanted(
    device: Device, service: FakeJobsService, broker: Broker
) -> None:
    """Not even subscribed to."""
    await device.agent.take_jobs(takes=False)
    service.create_job(TRUE)
    await device.stop()
    await device.start()
    await device.connected()
    await device.agent.take_jobs(takes=True)
    await device.until(lambda state: state.last_job is not None)
    assert _count(service, "/get") == 0
    assert not any("$next" in topic for topic in broker.subscribed_by("thing-1"))


async def test_jobs_that_need_not_wait_cost_no_request_more(
    curious: Device, service: FakeJobsService
) -> None:
    """Looking ahead is for what has to wait."""
    job = service.create_job(TRUE)
    await service.ended(job)
    assert _count(service, "/get") == 0


@pytest.mark.usefixtures("quick_answers")
async def test_an_answer_that_is_lost_is_asked_for_again(
    careful: Device, service: FakeJobsService
) -> None:
    """As all requests are."""
    service.faults.lose_requests = 1
    job = service.create_job(TRUE)
    await _waits(careful, job)
    assert _count(service, "/get") >= 2
    assert job.status == "QUEUED"
