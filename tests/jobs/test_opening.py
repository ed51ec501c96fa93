"""A job takes two requests: the one that begins it says where it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.model import (
    ExecutionKey,
    JobExecution,
    JobStatus,
)
from custom_components.aws_iot_jobs.jobs.journal import Journal
from custom_components.aws_iot_jobs.jobs.opening import (
    NOTHING,
    has_taken,
    opening_of,
    seconds_of_job,
)
from custom_components.aws_iot_jobs.jobs.report import Report
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings

from ..fake_jobs_service import Execution, FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document

_DETAILS = {"step": "sleep,1", "stepIndex": "1", "stepCount": "1"}


def _asked(service: FakeJobsService) -> list[str]:
    """Return the operations that were asked for, with the status of each update."""
    return [
        request.get("status", topic.rpartition("/")[2])
        for topic, request in service.requests
    ]


async def _idle(device: Device, service: FakeJobsService) -> None:
    """Wait until the agent has asked for a job, and there is none."""
    await service.until(lambda: bool(service.requests))
    await device.connected()
    service.requests.clear()


async def test_a_job_takes_two_requests(
    device: Device, service: FakeJobsService
) -> None:
    """And one finds out that there is no other."""
    await _idle(device, service)
    job = await service.ended(service.create_job(document(command_step("sleep,1"))))
    await service.until(lambda: len(service.requests) >= 3)
    assert _asked(service) == ["start-next", "SUCCEEDED", "start-next"]
    assert service.requests[0][1]["statusDetails"] == _DETAILS
    assert "stepTimeoutInMinutes" not in service.requests[0][1]
    assert job.history == ["IN_PROGRESS", "SUCCEEDED"]


async def test_in_a_queue_each_job_is_asked_for_once(
    device: Device, service: FakeJobsService
) -> None:
    """AWS announces it when the one before has ended, which may be a little late."""
    await _idle(device, service)
    jobs = [service.create_job(document(command_step("true"))) for _ in range(5)]
    await service.ended(jobs[-1])
    asked = [status for status in _asked(service) if status != "IN_PROGRESS"]
    assert asked == ["start-next", "SUCCEEDED"] * 5


async def test_what_runs_is_told_while_it_runs(
    device: Device, service: FakeJobsService
) -> None:
    """AWS shows the step, and a cancel is heard."""
    await _idle(device, service)
    job = service.create_job(document(command_step("sleep,60", timeoutSeconds=90)))
    await device.until(lambda state: state.job is not None)
    assert job.status_details["step"] == "sleep,60"
    # 90 s and a margin for the step, and half an hour for an outage.
    assert job.step_timeout_minutes == 32
    service.end(job, "CANCELED")
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert device.state.last_job.status is JobStatus.CANCELED


async def test_the_step_timer_is_not_the_time_of_the_job(
    device: Device, service: FakeJobsService
) -> None:
    """A job without a timer has none, though AWS tells of when its step's one ends."""
    await _idle(device, service)
    gate = device.handlers / "gate"
    step = command_step(
        f"sh,-c,until [ -e {gate} ]; do sleep 0.02; done", timeoutSeconds=90
    )
    job = service.create_job(document(step))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    assert job.as_execution()["approximateSecondsBeforeTimedOut"] == 32 * 60
    record = (await Journal(device.settings.directory).load()).record
    assert record is not None
    assert record.timer is None
    gate.touch()
    await service.ended(job)
    assert job.status == "SUCCEEDED"


@pytest.mark.parametrize("timed", [True, False])
async def test_another_job_than_the_announced_one_gets_its_own_details(
    device: Device,
    service: FakeJobsService,
    monkeypatch: pytest.MonkeyPatch,
    timed: bool,
) -> None:
    """The announced one is canceled before it is asked for; no timer of it is left."""
    await _idle(device, service)
    jobs: list[Execution] = []
    announced = service.create_job(
        document(command_step("true", name="announced", timeoutSeconds=300))
    )
    check_room = Journal.check_room

    async def cancel_it(journal: Journal) -> None:
        await check_room(journal)
        if not jobs:
            service.end(announced, "CANCELED")
            limit = {"timeoutSeconds": 60} if timed else {}
            step = command_step("sleep,1", name="another", **limit)
            jobs.append(service.create_job(document(step)))

    monkeypatch.setattr(Journal, "check_room", cancel_it)
    await service.until(lambda: bool(jobs))
    (another,) = jobs
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    assert another.status_details["step"] == "another"
    assert another.step_timeout_minutes == (32 if timed else None)
    assert (await service.ended(another)).status == "SUCCEEDED"


async def test_a_cancel_right_behind_the_answer_is_heard(
    device: Device, service: FakeJobsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No update would be refused that could tell of it."""
    await _idle(device, service)
    start_next = service._start_next

    def cancel(*args: Any) -> dict[str, Any]:
        answer = start_next(*args)
        if answer:
            service.end(job, "CANCELED")
        return answer

    monkeypatch.setattr(service, "_start_next", cancel)
    job = service.create_job(document(command_step("sleep,60")))
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert device.state.last_job.status is JobStatus.CANCELED


async def test_details_that_aws_refuses_cost_no_job(
    device: Device, service: FakeJobsService
) -> None:
    """Whatever it does not like, it is asked again without."""
    await _idle(device, service)
    service.faults.reject.append("InvalidRequest")
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert job.status == "SUCCEEDED"
    assert _asked(service)[:4] == [
        "start-next",
        "start-next",
        "IN_PROGRESS",
        job.status,
    ]
    assert "statusDetails" not in service.requests[1][1]


async def test_a_lost_answer_is_made_good(
    device: Device, service: FakeJobsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job has begun with its details, and is handed out once more with them."""
    await _idle(device, service)
    monkeypatch.setattr(
        "custom_components.aws_iot_jobs.aws_iot.service.ANSWER_TIMEOUT_SECONDS", 0.3
    )
    service.faults.lose_answers = 1
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert _asked(service)[:3] == ["start-next", "start-next", "SUCCEEDED"]
    assert job.history == ["IN_PROGRESS", "SUCCEEDED"]


_QUEUED = JobExecution(
    key=ExecutionKey("job-1", 1, 7),
    status=JobStatus.QUEUED,
    version_number=1,
    document=document(command_step("sleep,1")),
)


def _handed_out(left: int | None = None, **details: str) -> JobExecution:
    return replace(
        _QUEUED,
        status=JobStatus.IN_PROGRESS,
        status_details=_DETAILS | details,
        seconds_before_timed_out=left,
    )


@pytest.mark.parametrize(
    "announced",
    [
        None,
        replace(_QUEUED, status=JobStatus.IN_PROGRESS),
        replace(_QUEUED, document={"version": "1.0", "steps": []}),
        replace(_QUEUED, document=_QUEUED.document | {"conditions": [{"key": "x"}]}),
    ],
)
def test_of_what_does_not_begin_nothing_is_said(
    announced: JobExecution | None, tmp_path: Path
) -> None:
    """Not announced, in progress already, or going to be rejected."""
    connection = ConnectionSettings(
        endpoint="localhost", thing_name=THING, certificate=b"", private_key=b""
    )
    settings = AgentSettings(connection=connection, directory=tmp_path, facts={})
    assert opening_of(_QUEUED, settings).details == _DETAILS
    assert opening_of(announced, settings) == NOTHING


@pytest.mark.parametrize(
    ("opened", "wanted", "left", "taken"),
    [
        (None, None, None, True),
        # A job's own timer says nothing of a step timer that was not asked for.
        (None, None, 60, True),
        (None, -1, None, True),
        (32, 32, 1920, True),
        (32, 32, 1915, True),
        # The job's own timer ends first, whether the other was set or not.
        (32, 32, 600, True),
        (32, 32, 1921, False),
        (32, 32, None, False),
        (32, 31, 1860, False),
        (32, None, 1920, False),
        (None, 32, None, False),
    ],
)
def test_what_aws_has_taken_is_not_told_again(
    opened: int | None, wanted: int | None, left: int | None, taken: bool
) -> None:
    """Its answer tells of the details, and of the timer that ends first."""
    opening = Report(details=_DETAILS, step_timer_minutes=opened)
    report = Report(details=_DETAILS, step_timer_minutes=wanted)
    assert has_taken(_handed_out(left), opening, report) == taken
    assert not has_taken(_handed_out(left, step="else"), opening, report)
    assert not has_taken(_handed_out(left), NOTHING, report)


@pytest.mark.parametrize(
    ("opened", "told", "seconds"),
    [
        (None, None, None),
        (None, 600, 600),
        (32, 600, 600),
        (32, 1860, 1860),
        (32, 1861, None),
        (32, 1920, None),
        (32, None, None),
    ],
)
def test_the_time_of_a_job_is_known_where_it_ends_first(
    opened: int | None, told: int | None, seconds: int | None
) -> None:
    """Otherwise it comes after all that the steps may take."""
    opening = Report(details=_DETAILS, step_timer_minutes=opened)
    assert seconds_of_job(_handed_out(told), opening) == seconds


async def test_late_news_of_the_running_job_cost_no_request(
    device: Device, service: FakeJobsService
) -> None:
    """start-next may have begun what AWS still announces."""
    await _idle(device, service)
    job = service.create_job(document(command_step("sleep,0.5")))
    await device.until(lambda state: state.job is not None)
    late = job.as_execution() | {"status": "QUEUED", "versionNumber": 1}
    topic = f"$aws/things/{THING}/jobs/notify-next"
    await service.send_json(topic, {"execution": late})
    await service.ended(job)
    assert _asked(service)[:2] == ["start-next", "SUCCEEDED"]
