"""What tells a job document from others."""

import hashlib
import json
from typing import Any

from .redact import without_signatures


def digest_of(document: Any) -> str:
    """Return what two deliveries of a document have in common, and two documents do not.

    AWS makes presigned URLs anew at each delivery.
    """
    text = json.dumps(without_signatures(document), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
