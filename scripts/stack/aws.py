"""The local AWS: ministack, with its control plane on HTTP and AWS IoT on MQTT."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import secrets
from types import TracebackType
from typing import Any, Self

import aiohttp
import boto3
from botocore.config import Config

from .paths import MINISTACK_LAUNCHER, MINISTACK_PYTHON
from .policy import minimal_policy, optional_policy
from .process import Child, free_ports

REGION = "us-east-1"
ACCOUNT = "000000000000"
POLICY_NAME = "HomeAssistantJobs"

START_SECONDS = 60
STOP_SECONDS = 10
WAIT_SECONDS = 60
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a job can be for: a thing, or a group of them."""

    name: str
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Target):
    """A thing with its certificate and private key, both PEM."""

    certificate_arn: str
    certificate: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A job execution as AWS describes it to its operator."""

    job_id: str
    execution_number: int
    status: str
    status_details: Mapping[str, str]
    version_number: int

    @property
    def ended(self) -> bool:
        """Whether its status is a terminal one."""
        return self.status not in ("QUEUED", "IN_PROGRESS")


class LocalAws:
    """An AWS of its own: nothing is in it at first, and nothing outlives it.

    `iot` is boto3's client, for what there is no method for. A job runs commands on this
    machine, so only who has the access key, made up anew each time, is answered: not every
    web page that tries the ports of its visitors.
    """

    iot: Any
    root_ca: str

    def __init__(self, directory: Path) -> None:
        """Take a directory for the log and temporary files; it is made if missing."""
        self.directory = directory
        self.log = directory / "aws.log"
        self.region = REGION
        self.account = ACCOUNT
        self.access_key_id = f"demo{secrets.token_hex(6)}"
        self.secret_access_key = secrets.token_hex(16)
        self.http_port, self.mqtt_port = free_ports(2)
        self.endpoint_url = f"http://127.0.0.1:{self.http_port}"
        # Its certificate has this name; the one that DescribeEndpoint gives does not resolve.
        self.mqtt_host = "localhost"
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers. Raises StackError if it does not."""
        await asyncio.to_thread(self.directory.mkdir, parents=True, exist_ok=True)
        self._child = await Child.start(
            "The local AWS",
            [MINISTACK_PYTHON, MINISTACK_LAUNCHER],
            directory=self.directory,
            environment=self._environment(),
            log=self.log,
        )
        try:
            async with aiohttp.ClientSession(self.endpoint_url) as session:
                self.root_ca = await self._child.until(
                    lambda: _read_root_ca(session), START_SECONDS
                )
            self.iot = await asyncio.to_thread(self.client, "iot")
        except BaseException:
            await self._child.kill()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        if self._child:
            await self._child.stop(STOP_SECONDS)

    @property
    def process(self) -> Child:
        """The process, for those who want to freeze it or to take it away."""
        if self._child is None:
            raise RuntimeError("the local AWS has not been started")
        return self._child

    async def create_thing(self, name: str, *, rights: Collection[str] = ()) -> Thing:
        """Create a thing with a certificate that has the documented policy and no more.

        `rights` are optional policies that it has beyond that: "Inventory", "Peek".
        """
        return await asyncio.to_thread(self._create_thing, name, rights)

    def _create_thing(self, name: str, rights: Collection[str]) -> Thing:
        arn: str = self.iot.create_thing(thingName=name)["thingArn"]
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        certificate_arn: str = made["certificateArn"]
        policies = {POLICY_NAME: minimal_policy(self.region, self.account)}
        for right in rights:
            policies[f"{POLICY_NAME}{right}"] = optional_policy(
                right, self.region, self.account
            )
        for policy, document in policies.items():
            self._attach_policy(policy, document, certificate_arn)
        self.iot.attach_thing_principal(thingName=name, principal=certificate_arn)
        return Thing(
            name=name,
            arn=arn,
            certificate_arn=certificate_arn,
            certificate=made["certificatePem"],
            private_key=made["keyPair"]["PrivateKey"],
        )

    def _attach_policy(self, name: str, document: str, target: str) -> None:
        """Attach a policy, which is created where it is not there yet."""
        policies = self.iot.list_policies()["policies"]
        if all(policy["policyName"] != name for policy in policies):
            self.iot.create_policy(policyName=name, policyDocument=document)
        self.iot.attach_policy(policyName=name, target=target)

    async def create_job(
        self,
        target: Target,
        document: str | Mapping[str, Any],
        *,
        job_id: str | None = None,
        **options: Any,
    ) -> str:
        """Create a job for a thing or a group and return its ID, a random one if none is given.

        `options` go to boto3's `create_job` as they are.
        """
        job_id = job_id or f"job-{secrets.token_hex(4)}"
        text = document if isinstance(document, str) else json.dumps(document)
        await asyncio.to_thread(
            self.iot.create_job,
            jobId=job_id,
            targets=[target.arn],
            document=text,
            **options,
        )
        return job_id

    async def cancel_job(self, job_id: str, *, force: bool = False) -> None:
        """Cancel a job; with `force` its running executions too."""
        await asyncio.to_thread(self.iot.cancel_job, jobId=job_id, force=force)

    async def describe_execution(
        self, thing: Target, job_id: str, *, execution_number: int | None = None
    ) -> Execution:
        """Return what AWS knows of a job on a thing; without a number, of its latest try."""
        number = (
            {} if execution_number is None else {"executionNumber": execution_number}
        )
        answer = await asyncio.to_thread(
            self.iot.describe_job_execution,
            jobId=job_id,
            thingName=thing.name,
            **number,
        )
        found = answer["execution"]
        return Execution(
            job_id=job_id,
            execution_number=found["executionNumber"],
            status=found["status"],
            status_details=found.get("statusDetails", {}).get("detailsMap", {}),
            version_number=found["versionNumber"],
        )

    async def follow_execution(
        self, thing: Target, job_id: str
    ) -> AsyncIterator[Execution]:
        """Give a job's execution each time that it has changed, until it has ended."""
        last = None
        while last is None or not last.ended:
            execution = await self.describe_execution(thing, job_id)
            if execution != last:
                yield execution
                last = execution
            await asyncio.sleep(POLL_SECONDS)

    async def wait_for_execution(
        self, thing: Target, job_id: str, *, seconds: float = WAIT_SECONDS
    ) -> Execution:
        """Return the execution when it has ended. Raises TimeoutError if it has not by then."""
        async with asyncio.timeout(seconds):
            async for execution in self.follow_execution(thing, job_id):
                if execution.ended:
                    return execution
        raise RuntimeError("an execution is followed until it has ended")

    async def job_ids(self, thing: Thing) -> list[str]:
        """Return the IDs of all jobs that the thing has or had, the newest first."""
        return await asyncio.to_thread(self._job_ids, thing)

    def _job_ids(self, thing: Thing) -> list[str]:
        pages = self.iot.get_paginator("list_job_executions_for_thing").paginate(
            thingName=thing.name
        )
        return [
            summary["jobId"] for page in pages for summary in page["executionSummaries"]
        ]

    def policy(self, name: str) -> dict[str, Any]:
        """Return the document of a policy, as it holds now."""
        found = self.iot.get_policy(policyName=name)["policyDocument"]
        document: dict[str, Any] = json.loads(found)
        return document

    def client(self, service: str) -> Any:
        """Return boto3's client of a service. Takes its time: call it in a thread."""
        # A proxy of the user's would be asked for loopback as well.
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(proxies={}, connect_timeout=5, read_timeout=30),
        )

    def _environment(self) -> dict[str, str]:
        folder = str(self.directory)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": folder,
            "TMPDIR": folder,
            "STATE_DIR": folder,
            "S3_DATA_DIR": folder,
            # Enforces IoT policies, and the access key below.
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "MINISTACK_REGION": self.region,
            "MINISTACK_ACCOUNT_ID": self.account,
            "MINISTACK_HOST": "localhost",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.http_port),
            "IOT_MTLS_PORT": str(self.mqtt_port),
            "PERSIST_STATE": "0",
            "SFTP_ENABLED": "0",
        }


async def _read_root_ca(session: aiohttp.ClientSession) -> str | None:
    """Return the certificate authority of AWS IoT, PEM, as soon as it is served."""
    try:
        async with session.get("/_ministack/health") as answer:
            health = await answer.json()
        if health.get("iot_mtls") != "listening":
            return None
        async with session.get("/_ministack/iot/ca.pem") as answer:
            return await answer.text() if answer.status == 200 else None
    except aiohttp.ClientError:
        return None
