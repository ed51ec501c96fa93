"""The IoT policy that users are told to create: there is one, and it stands in docs/aws.md."""

import json
import re

from .paths import AWS_SET_UP


def minimal_policy(region: str, account: str) -> str:
    """Return the documented policy as JSON, for a region and an account.

    Raises LookupError if there is none.
    """
    for block in re.findall(r"```json\n(.*?)```", AWS_SET_UP.read_text(), re.DOTALL):
        if "REGION:ACCOUNT" in block:
            policy = json.loads(block.replace("REGION:ACCOUNT", f"{region}:{account}"))
            return json.dumps(policy)
    raise LookupError(f"there is no policy in {AWS_SET_UP}")
