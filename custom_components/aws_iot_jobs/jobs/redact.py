"""Keeping what opens doors out of what is shown."""

from collections.abc import Mapping
import re
from typing import Any

_PRESIGNED_URL = re.compile(
    r"""(https?://[^\s?"'<>]+)\?[^\s"'<>]*(?:X-Amz-|Signature=)[^\s"'<>]*""",
    re.IGNORECASE,
)


def without_signatures(value: Any) -> Any:
    """Return a value whose texts have no query in URLs that are presigned.

    Whoever has such a query may download what the URL names.
    """
    if isinstance(value, str):
        return _PRESIGNED_URL.sub(r"\1", value)
    if isinstance(value, Mapping):
        return {key: without_signatures(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_signatures(item) for item in value]
    return value
