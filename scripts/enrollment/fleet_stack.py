"""What the stack of a fleet says of itself."""

from dataclasses import dataclass
import json
from typing import Any

from .command import EnrollmentError


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStack:
    """The parts of a stack that a claim needs, by their names in AWS IoT.

    `parameters` are the names that the provisioning template knows.
    """

    claim_policy: str
    template: str
    parameters: frozenset[str]


def read_fleet_stack(cloudformation: Any, iot: Any, name: str) -> FleetStack:
    """Return what a stack says; `cloudformation` and `iot` are boto3's clients.

    Raises EnrollmentError if the stack is none of cloudformation/fleet.yaml or its template is
    disabled, and botocore's errors if it cannot be read.
    """
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for output in stack.get("Outputs", ())
    }
    try:
        template = outputs["ProvisioningTemplateName"]
        claim_policy = outputs["ClaimPolicyName"]
    except KeyError as err:
        raise EnrollmentError(
            f"the stack {name} is {stack['StackStatus']} and has no output {err.args[0]}: "
            "expected one that cloudformation/fleet.yaml has made"
        ) from None
    described = iot.describe_provisioning_template(templateName=template)
    if not described["enabled"]:
        raise EnrollmentError(f"the provisioning template {template} is disabled")
    return FleetStack(
        claim_policy=claim_policy,
        template=template,
        parameters=frozenset(json.loads(described["templateBody"])["Parameters"]),
    )
