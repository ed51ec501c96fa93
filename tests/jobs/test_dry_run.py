"""Jobs that say what they would do, and do nothing."""

from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.fences import Fences, read_document

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document, handler_step

DRY_RUN: dict[str, Any] = {"action": {"type": "dryRun"}}


async def test_nothing_runs_and_the_plan_is_told(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """In words, as whoever approves a job sees it."""
    device.handler("greet.sh", "#!/bin/sh")
    steps = [command_step(f"touch,{tmp_path}/ran"), handler_step("greet.sh")]
    job = service.create_job(document(DRY_RUN, *steps))
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED"
    assert (
        ended.status_details["reason"] == "dry run: nothing was run; 2 steps would be"
    )
    assert "command from AWS" in ended.status_details["stdout"]
    assert "greet.sh" in ended.status_details["stdout"]
    assert not (tmp_path / "ran").exists()
    await device.until(lambda state: state.job is None)
    assert device.state.last_job is not None
    assert [step.status for step in device.state.last_job.steps] == ["SKIPPED"] * 2


async def test_what_would_fail_is_told(
    device: Device, service: FakeJobsService
) -> None:
    """With the step, and why; nobody is asked for approval of it."""
    await device.stop()
    device.settings = type(device.settings)(
        connection=device.settings.connection,
        directory=device.settings.directory,
        facts=device.settings.facts,
        approval=ApprovalPolicy.EVERY_JOB,
    )
    await device.start()
    job = service.create_job(document(DRY_RUN, handler_step("missing.sh")))
    ended = await service.ended(job)
    assert ended.status == "FAILED"
    assert ended.status_details["reason"].startswith(
        "dry run: nothing was run; step 1 of 1 'missing.sh': "
    )
    assert "missing.sh" in ended.status_details["reason"]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (
            [command_step("true"), DRY_RUN],
            'steps[1].action.type: "dryRun" has to be the first step of a document',
        ),
        (
            [DRY_RUN, DRY_RUN],
            'steps[1].action.type: "dryRun" has to be the first step of a document',
        ),
        ([DRY_RUN], 'steps: "dryRun" needs steps after it, of which it tells'),
        (
            [DRY_RUN, command_step("")],
            "steps[1].action.name: required",
        ),
    ],
)
def test_it_comes_first(steps: list[dict[str, Any]], problem: str) -> None:
    """What is wrong after it is told by its place in the document."""
    with pytest.raises(InvalidJobDocumentError) as raised:
        parse_job_document(document(*steps))
    assert str(raised.value) == problem


def test_it_is_no_last_step() -> None:
    """Nothing would come after it."""
    with pytest.raises(InvalidJobDocumentError, match="finalStep"):
        parse_job_document(document(command_step("true"), finalStep=DRY_RUN))


def test_fences_name_the_place_in_the_document() -> None:
    """The step of the dry run counts there."""
    with pytest.raises(InvalidJobDocumentError) as raised:
        read_document(document(DRY_RUN, command_step("true")), Fences(commands=True))
    assert raised.value.path == "steps[1].action.input.command"
