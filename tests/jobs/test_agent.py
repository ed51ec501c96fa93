"""The agent, from a job in AWS to its result there, over a real broker and real processes."""

from pathlib import Path

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.model import StepStatus

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document, handler_step

PREFIX = f"$aws/things/{THING}/jobs/"


async def test_runs_the_steps_in_order_and_the_final_step_last(
    device: Device, service: FakeJobsService
) -> None:
    """Each step's output is in the result, in the order of the document."""
    device.handler("greet.sh", '#!/bin/sh\necho "$2 from $AWS_IOT_JOB_ID as [$1]"\n')
    job = service.create_job(
        document(
            handler_step("greet.sh", "hello"),
            command_step("echo,second"),
            finalStep=command_step("echo,last"),
        )
    )
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert job.status_details["stdout"].split("\n") == [
        f"hello from {job.job_id} as [] second last"
    ]
    assert job.status_details["reason"] == "3 of 3 steps succeeded"
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert [step.status for step in device.state.last_job.steps] == [
        StepStatus.SUCCEEDED
    ] * 3
    assert device.state.job is None


async def test_keeps_within_the_minimal_policy(
    device: Device, service: FakeJobsService, broker: Broker
) -> None:
    """All that the thing ever subscribes to and publishes is what the policy lists."""
    for status in ("echo,hello", "false"):
        await service.ended(service.create_job(document(command_step(status))))
    await service.ended(service.create_job({"version": "1.0"}))
    await device.stop()
    assert set(broker.subscribed_by(THING)) == {
        f"{PREFIX}start-next/accepted",
        f"{PREFIX}start-next/rejected",
        f"{PREFIX}+/update/accepted",
        f"{PREFIX}+/update/rejected",
        f"{PREFIX}notify-next",
    }
    assert set(broker.published_by(THING)) == {
        f"{PREFIX}start-next",
        f"{PREFIX}job-1/update",
        f"{PREFIX}job-2/update",
        f"{PREFIX}job-3/update",
    }


async def test_nothing_runs_before_aws_has_accepted_in_progress(
    stopped_device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """While the first update goes unanswered, no step has run."""
    service.faults.reject.extend([None, "RequestThrottled"])
    # AWS announces it while nobody listens, so that start-next says nothing of it.
    job = service.create_job(document(command_step(f"touch,{tmp_path / 'ran'}")))
    await stopped_device.start()
    await service.until(lambda: len(service.requests) >= 2)
    assert not (tmp_path / "ran").exists()
    await service.ended(job)
    assert (tmp_path / "ran").exists()


async def test_a_failed_step_ends_the_job(
    device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """The reason names step and exit status; nothing after it runs."""
    device.handler("fail.sh", "#!/bin/sh\necho before; exit 3\n")
    touch = f"touch,{tmp_path / 'ran'}"
    job = service.create_job(
        document(
            handler_step("fail.sh"), command_step(touch), finalStep=command_step(touch)
        )
    )
    await service.ended(job)
    assert job.status == "FAILED"
    assert job.status_details["reason"] == "step 1 of 2 'fail.sh': exit status 3"
    assert job.status_details["stdout"].strip() == "before"
    assert not (tmp_path / "ran").exists()


async def test_an_ignored_failure_does_not_end_the_job(
    device: Device, service: FakeJobsService
) -> None:
    """The job succeeds, and its reason still tells of the failure."""
    device.handler("fail.sh", "#!/bin/sh\nexit 3\n")
    job = service.create_job(
        document(
            handler_step("fail.sh", ignoreStepFailure="true"),
            command_step("echo,after"),
        )
    )
    await service.ended(job)
    assert job.status == "SUCCEEDED"
    assert job.status_details["reason"] == (
        "1 of 2 steps succeeded; failure ignored: step 1 of 2 'fail.sh': exit status 3"
    )
    assert job.status_details["stdout"].strip() == "after"


async def test_an_invalid_document_is_rejected_with_the_field(
    device: Device, service: FakeJobsService
) -> None:
    """Nothing is run, and the reason names what is missing."""
    job = service.create_job({"version": "1.0"})
    await service.ended(job)
    assert job.status == "REJECTED"
    assert job.history[-1] == "REJECTED"
    assert job.status_details == {"reason": "invalid job document: steps: required"}
    await device.until(lambda state: state.last_job is not None)
    assert device.state.last_job is not None
    assert device.state.last_job.status is JobStatus.REJECTED


async def test_jobs_that_wait_are_run_one_after_the_other(
    stopped_device: Device, service: FakeJobsService, tmp_path: Path
) -> None:
    """A queue from before the agent's start is worked off in its order, never in parallel."""
    log = tmp_path / "log"
    stopped_device.handler(
        "log.sh",
        f'#!/bin/sh\necho "begin $2" >>{log}; sleep 0.05; echo "end $2" >>{log}\n',
    )
    jobs = [
        service.create_job(document(handler_step("log.sh", str(n)))) for n in range(5)
    ]
    await stopped_device.start()
    for job in jobs:
        assert (await service.ended(job)).status == "SUCCEEDED"
    assert log.read_text().split("\n")[:-1] == [
        f"{what} {n}" for n in range(5) for what in ("begin", "end")
    ]
