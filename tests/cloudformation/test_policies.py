"""The policies of the stack: what the documentation says, and what AWS takes."""

import json
import re
from typing import Any

import pytest

from stack.paths import FLEET_TEMPLATE
from stack.policy import ROTATION_TEMPLATE, minimal_policy, optional_policy

from .conftest import SharedFleet

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]

MOST_CHARACTERS = 2048
"""Of a policy, without what is white."""
LONGEST_NAME = "a" * 36
"""What a provisioning template, and so a stack, may be called."""
# The longest of each partition.
REGIONS = [
    ("aws", "ap-southeast-1"),
    ("aws-cn", "cn-northwest-1"),
    ("aws-us-gov", "us-gov-west-1"),
]


def documented(shared: SharedFleet, *optional: str) -> list[dict[str, Any]]:
    """Return the statements of the policies in docs/aws.md."""
    where = shared.aws.region, shared.aws.account
    policies = [minimal_policy(*where)]
    policies += [optional_policy(name, *where) for name in optional]
    return [it for policy in policies for it in json.loads(policy)["Statement"]]


def in_order(statements: list[dict[str, Any]]) -> list[str]:
    """Return statements so that those of two policies compare."""
    return sorted(json.dumps(it, sort_keys=True) for it in statements)


@pytest.mark.parametrize(
    "optional",
    [(), ("Inventory",), ("Peek",), ("Rotation",), ("Inventory", "Peek", "Rotation")],
)
def test_a_home_may_do_what_is_documented(
    shared: SharedFleet, optional: tuple[str, ...]
) -> None:
    """Statement by statement, and no more."""
    shared.update(**dict.fromkeys(optional, "yes"))
    found = shared.statements("ThingPolicyName", "ReceivePolicyName")
    assert in_order(found) == in_order(documented(shared, *optional))


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_policies_are_short_enough_for_aws(
    shared: SharedFleet, partition: str, region: str
) -> None:
    """With all rights, in each partition, for the longest name of a stack."""
    shared.update(Inventory="yes", Peek="yes", Rotation="yes")
    for output in ("ThingPolicyName", "ReceivePolicyName", "ClaimPolicyName"):
        policy = json.dumps(
            shared.aws.policy(shared.fleet.outputs[output]), separators=(",", ":")
        )
        there = (
            policy.replace("arn:aws:", f"arn:{partition}:")
            .replace(shared.aws.region, region)
            .replace(f"/{shared.fleet.name}/", f"/{LONGEST_NAME}/")
            .replace(f"/{ROTATION_TEMPLATE}/", f"/{LONGEST_NAME}/")
        )
        assert len(there) <= MOST_CHARACTERS, output


def test_documented_policies_are_short_enough_for_aws() -> None:
    """Each by itself, in the region with the longest name."""
    for policy in (
        minimal_policy("ap-southeast-1", "123456789012"),
        optional_policy("Inventory", "ap-southeast-1", "123456789012"),
        optional_policy("Peek", "ap-southeast-1", "123456789012"),
        optional_policy("Rotation", "ap-southeast-1", "123456789012"),
    ):
        assert len(re.sub(r"\s", "", policy)) <= MOST_CHARACTERS


def test_no_partition_is_taken_for_granted() -> None:
    """It is for China and GovCloud too."""
    template = FLEET_TEMPLATE.read_text()
    assert "arn:${AWS::Partition}:" in template
    assert "arn:aws" not in template
    assert "amazonaws.com/" not in template


def test_policies_outlive_the_stack() -> None:
    """Else all homes would be refused once it is deleted."""
    resources = re.split(r"\n  (?=\w+:\n)", FLEET_TEMPLATE.read_text())
    policies = [it for it in resources if "    Type: AWS::IoT::Policy\n" in it]
    assert len(policies) == 3
    for policy in policies:
        assert "\n    DeletionPolicy: Retain\n" in policy
        assert "\n    UpdateReplacePolicy: Retain\n" in policy
