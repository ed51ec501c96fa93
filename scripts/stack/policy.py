"""The IoT policy that users are told to create: there is one, and it stands in the README."""

import json
import re

from .paths import README


def minimal_policy(region: str, account: str) -> str:
    """Return the README's policy as JSON, for a region and an account.

    Raises LookupError if the README has none.
    """
    for block in re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL):
        if "REGION:ACCOUNT" in block:
            policy = json.loads(block.replace("REGION:ACCOUNT", f"{region}:{account}"))
            return json.dumps(policy)
    raise LookupError(f"there is no policy in {README}")
