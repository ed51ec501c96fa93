"""A named shadow of a thing, as far as a thing reports to it.

Topics and documents are those of the AWS IoT Device Shadow service:
https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-mqtt.html. Nothing is
subscribed to: that AWS IoT has taken a report, its acknowledgement tells.
"""

from collections.abc import Mapping
import json
from typing import Any
import uuid

MAX_DOCUMENT_BYTES = 8 * 1024
"""How large a shadow may be."""


def update_topic(thing_name: str, shadow: str) -> str:
    """Return where a thing publishes what it reports."""
    return f"$aws/things/{thing_name}/shadow/name/{shadow}/update"


def encode_report(reported: Mapping[str, Any] | None) -> bytes:
    """Return a report. A shadow keeps what it has, unless that is reported as None.

    None in the place of a report takes all of it back.
    """
    message = {"state": {"reported": reported}, "clientToken": uuid.uuid4().hex}
    return json.dumps(message, separators=(",", ":")).encode()


def merged(told: Mapping[str, Any], reported: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a shadow was told, all in all, by earlier reports and one after them.

    What a report leaves out, a shadow keeps.
    """
    result = dict(told)
    for name, value in reported.items():
        before = told.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = merged(before, value)
        else:
            result[name] = value
    return result
