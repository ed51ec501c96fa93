"""What a signed job document looks like, to those who cannot look into it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
import json
from typing import Any

from jwt.utils import base64url_encode

from .signer import Signer, SigningError

CLAIMS = ("exp", "targets", "jobId")
MAX_BYTES = 32 * 1024
"""AWS takes no longer job document (AWS IoT Jobs limits)."""


def envelope(
    document: Mapping[str, Any],
    *,
    signer: Signer,
    job_id: str,
    targets: Sequence[str],
    expires_at: datetime,
    urls: Mapping[str, str],
) -> dict[str, Any]:
    """Return a job document that holds another one, signed. Raises SigningError."""
    for claim in CLAIMS:
        if claim in document:
            raise SigningError(
                f"the document has {claim!r} already: it is said beside it"
            )
    payload = {
        **document,
        "exp": int(expires_at.timestamp()),
        "targets": list(targets),
        "jobId": job_id,
    }
    given: dict[str, Any] = {"jws": _jws(payload, signer)}
    if urls:
        given["urls"] = dict(urls)
    signed = {
        "version": "1.0",
        "steps": [{"action": {"name": "Signed", "type": "signed", "input": given}}],
    }
    if len(json.dumps(signed).encode()) > MAX_BYTES:
        raise SigningError(
            f"signed, the document is longer than AWS takes ({MAX_BYTES} bytes)"
        )
    return signed


def _jws(payload: Mapping[str, Any], signer: Signer) -> str:
    header = {"alg": signer.algorithm, "kid": signer.key_id}
    signed = b".".join(
        base64url_encode(json.dumps(part, separators=(",", ":")).encode())
        for part in (header, payload)
    )
    signature = base64url_encode(signer.sign(signed))
    return b".".join((signed, signature)).decode()
