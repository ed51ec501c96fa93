"""A fleet in the local AWS: the stack of cloudformation/fleet.yaml, and bundles of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from enrollment.bundle import BundleRequest, make_bundle
from enrollment.fleet_stack import read_fleet_stack

from .aws import LocalAws
from .paths import FLEET_TEMPLATE
from .process import StackError

FLEET_NAME = "homes"
NO_UPDATES = "No updates are to be performed"
POLL_SECONDS = 0.1
STACK_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A stack that stands. `name` is also that of its thing group and provisioning template."""

    name: str
    outputs: Mapping[str, str]

    @property
    def group_arn(self) -> str:
        """The target of a job for all homes."""
        return self.outputs["HomesGroupArn"]

    def job_template_arn(self, name: str) -> str:
        """Return what to make a job from: of "hello-1", for example."""
        return f"{self.outputs['JobTemplateArnPrefix']}{name}"


async def create_fleet(
    aws: LocalAws, name: str = FLEET_NAME, **parameters: str
) -> Fleet:
    """Create a fleet's stack with these parameters of the template.

    Raises StackError if it does not come to stand.
    """
    return await asyncio.to_thread(_deploy, aws, name, parameters, update=False)


async def update_fleet(aws: LocalAws, fleet: Fleet, **parameters: str) -> Fleet:
    """Give a fleet's stack these parameters; others have their defaults. Raises as above."""
    return await asyncio.to_thread(_deploy, aws, fleet.name, parameters, update=True)


def _deploy(
    aws: LocalAws, name: str, parameters: Mapping[str, str], *, update: bool
) -> Fleet:
    cloudformation = aws.client("cloudformation")
    deploy = cloudformation.update_stack if update else cloudformation.create_stack
    done = "stack_update_complete" if update else "stack_create_complete"
    try:
        deploy(
            StackName=name,
            TemplateBody=FLEET_TEMPLATE.read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        cloudformation.get_waiter(done).wait(
            StackName=name,
            WaiterConfig={
                "Delay": POLL_SECONDS,
                "MaxAttempts": round(STACK_SECONDS / POLL_SECONDS),
            },
        )
    except ClientError as err:
        if NO_UPDATES not in str(err):
            raise StackError(f"The stack {name} is refused: {err}") from None
    except WaiterError:
        raise StackError(_why(cloudformation, name), aws.log) from None
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {
        output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]
    }
    return Fleet(name=name, outputs=outputs)


def _why(cloudformation: Any, name: str) -> str:
    """Return what is said of the first resource that was not made."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    ]
    return f"The stack {name} does not stand: {reasons[-1:]}"


async def fleet_bundle(
    aws: LocalAws,
    fleet: Fleet,
    *,
    temporary: bool = False,
    parameters: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the content of a bundle with a new claim, for homes of the local AWS."""
    request = BundleRequest(
        temporary=temporary,
        parameters=parameters or {},
        endpoint=aws.mqtt_host,
        port=aws.mqtt_port,
        root_ca=aws.root_ca,
    )

    def make() -> dict[str, Any]:
        stack = read_fleet_stack(aws.client("cloudformation"), aws.iot, fleet.name)
        return dict(make_bundle(aws.iot, stack, request).content)

    return await asyncio.to_thread(make)
