"""Jobs that wait stay in the queue of AWS, under the policies that docs/aws.md has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from stack.aws import LocalAws, Thing

from ..jobs.conftest import Device
from ..jobs.documents import command_step, document
from .conftest import SharedFleet

JOB = document(command_step("true"))


async def test_what_waits_is_seen_and_stays_queued(
    shared: SharedFleet, tmp_path: Path
) -> None:
    """While jobs are held, and until somebody approves; then it is run."""
    aws = shared.aws
    thing = await aws.create_thing("home-peek", rights=("Peek",))
    async with _agent(aws, thing, tmp_path) as device:
        await device.agent.take_jobs(takes=False)
        job_id = await aws.create_job(thing, JOB)
        await device.until(lambda state: state.waiting is not None)
        assert device.state.waiting is not None
        assert device.state.waiting.key.job_id == job_id
        assert (await aws.describe_execution(thing, job_id)).status == "QUEUED"

        await device.agent.take_jobs(takes=True)
        await device.until(
            lambda state: state.job is not None and state.job.approval is not None
        )
        assert (await aws.describe_execution(thing, job_id)).status == "QUEUED"
        await device.agent.approve(job_id)
        assert (await aws.wait_for_execution(thing, job_id)).status == "SUCCEEDED"

        job_id = await aws.create_job(thing, JOB)
        await device.until(
            lambda state: state.job is not None and state.job.key.job_id == job_id
        )
        await aws.cancel_job(job_id)
        await device.until(lambda state: state.job is None)
        assert device.state.last_job is not None
        assert device.state.last_job.status == "CANCELED"


@asynccontextmanager
async def _agent(aws: LocalAws, thing: Thing, directory: Path) -> AsyncIterator[Device]:
    """Run an agent that looks ahead, and whose jobs have to be approved."""
    settings = AgentSettings(
        connection=ConnectionSettings(
            endpoint=aws.mqtt_host,
            port=aws.mqtt_port,
            thing_name=thing.name,
            certificate=thing.certificate.encode(),
            private_key=thing.private_key.encode(),
            root_ca=aws.root_ca.encode(),
        ),
        directory=directory / "thing",
        facts={},
        approval=ApprovalPolicy.EVERY_JOB,
        peek=True,
    )
    device = Device(settings=settings, handlers=directory)
    await device.start()
    try:
        await device.connected()
        yield device
    finally:
        await device.stop()
