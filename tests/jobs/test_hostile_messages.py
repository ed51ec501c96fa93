"""Messages that AWS never sends, and some that it might: survived, told once, no job lost."""

import json
import logging
import sys
from typing import Any

import pytest

from ..fake_jobs_service import FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document

PREFIX = f"$aws/things/{THING}/jobs/"
_EXECUTION: dict[str, Any] = {
    "jobId": "x",
    "status": "QUEUED",
    "versionNumber": 1,
    "executionNumber": 1,
    "jobDocument": {"version": "1.0", "steps": []},
}


def _without(field: str) -> dict[str, Any]:
    return {key: value for key, value in _EXECUTION.items() if key != field}


_EXECUTIONS: list[Any] = [
    {},
    [],
    "x",
    {"jobId": "x"},
    _EXECUTION | {"jobId": "../../etc"},
    _EXECUTION | {"jobId": "x" * 65},
    _EXECUTION | {"jobId": None},
    _EXECUTION | {"executionNumber": "1"},
    _EXECUTION | {"executionNumber": True},
    _EXECUTION | {"versionNumber": 1.5},
    _EXECUTION | {"status": "NOVEL"},
    _without("executionNumber"),
    _without("jobDocument"),
]
PAYLOADS: list[bytes] = [
    b"",
    b"\xff\xfe",
    b"{",
    b"null",
    b"[]",
    b"42",
    b'"text"',
    b"[" * 100_000,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b'{"clientToken": ' + b"1" * 5000 + b"}",
    json.dumps({"filler": "x" * 120_000}).encode(),
    *(json.dumps({"execution": given}).encode() for given in _EXECUTIONS),
    json.dumps({"clientToken": "unknown"}).encode(),
    json.dumps({"clientToken": "unknown", "message": "no code"}).encode(),
    json.dumps({"clientToken": 5, "code": ["x"], "executionState": 3}).encode(),
]
TOPICS = (
    "start-next/accepted",
    "start-next/rejected",
    "job-1/update/accepted",
    "no-such-job/update/rejected",
    "notify-next",
)


async def _works(service: FakeJobsService) -> None:
    job = await service.ended(service.create_job(document(command_step("true"))))
    assert job.status == "SUCCEEDED"


@pytest.mark.parametrize("topic", TOPICS)
async def test_nonsense_is_survived(
    device: Device,
    service: FakeJobsService,
    topic: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next job runs as if nothing had been."""
    for payload in PAYLOADS:
        await service.send(PREFIX + topic, payload)
    await _works(service)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_same_nonsense_is_told_once(
    device: Device, service: FakeJobsService, caplog: pytest.LogCaptureFixture
) -> None:
    """A flood of it does not flood the log."""
    for _ in range(50):
        await service.send(f"{PREFIX}start-next/accepted", b"{")
    await _works(service)
    told = [
        record for record in caplog.records if "Ignored a message" in record.message
    ]
    assert sum(record.levelno >= logging.INFO for record in told) == 1


@pytest.mark.parametrize("topic", TOPICS)
async def test_nonsense_while_a_job_runs_does_not_disturb_it(
    device: Device, service: FakeJobsService, topic: str
) -> None:
    """Its answers still find their requests."""
    job = service.create_job(document(command_step("sleep,1"), command_step("true")))
    await device.until(lambda state: state.job is not None)
    for payload in PAYLOADS:
        await service.send(PREFIX + topic, payload)
    await service.ended(job)
    assert job.status == "SUCCEEDED"


@pytest.mark.parametrize(
    "document_given", [None, "text", 5, [], {}, {"version": "1.0", "steps": None}]
)
async def test_a_job_without_a_real_document_is_rejected(
    device: Device, service: FakeJobsService, document_given: Any
) -> None:
    """With a reason in words."""
    job = await service.ended(service.create_job(document_given))
    assert job.status == "REJECTED"
    assert job.status_details["reason"].startswith("invalid job document: ")


async def test_a_document_that_hardly_is_json_is_rejected(
    device: Device, service: FakeJobsService
) -> None:
    """A number of 5000 digits is valid JSON, and more than Python reads by itself."""
    number = 10**4000 * 10**1000
    sys.set_int_max_str_digits(10_000)
    try:
        job = service.create_job({"version": number})
        await service.until(lambda: job.status == "IN_PROGRESS")
    finally:
        sys.set_int_max_str_digits(4300)
    await service.ended(job)
    assert job.status == "REJECTED"
    assert job.status_details["reason"].startswith("invalid job document: version: ")


async def test_answers_for_another_thing_are_ignored(
    device: Device, service: FakeJobsService
) -> None:
    """The broker would not deliver them; if it did, nothing would come of it."""
    await service.send("$aws/things/thing-2/jobs/notify-next", b"{}")
    await _works(service)
