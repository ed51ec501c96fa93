"""The IoT policies that users are told to create: each stands once, in docs/aws.md."""

from collections.abc import Iterator
import json
import re
from typing import Any

from .paths import AWS_SET_UP

ROTATION_TEMPLATE = "homes-rotation"
"""The template that the right to another certificate is for, in the local AWS."""


def minimal_policy(region: str, account: str) -> str:
    """Return the policy that every home needs as JSON, for a region and an account.

    Raises LookupError if there is none.
    """
    for policy in _documented(region, account):
        if not any("Sid" in statement for statement in policy["Statement"]):
            return json.dumps(policy)
    raise LookupError(f"there is no policy in {AWS_SET_UP}")


def optional_policy(name: str, region: str, account: str) -> str:
    """Return a policy that a home may have beyond it as JSON: "Inventory", "Peek", "Rotation".

    Its name is the Sid of its first statement. Raises LookupError if there is none.
    """
    for policy in _documented(region, account):
        if policy["Statement"][0].get("Sid") == name:
            return json.dumps(policy)
    raise LookupError(f"there is no policy {name} in {AWS_SET_UP}")


def _documented(region: str, account: str) -> Iterator[dict[str, Any]]:
    for block in re.findall(r"```json\n(.*?)```", AWS_SET_UP.read_text(), re.DOTALL):
        if "REGION:ACCOUNT" in block:
            there = block.replace("REGION:ACCOUNT", f"{region}:{account}")
            yield json.loads(there.replace("TEMPLATE", ROTATION_TEMPLATE))
