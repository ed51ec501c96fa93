"""Which authorities may sign an endpoint's certificate where the user names none.

The public ones that Home Assistant ships with certifi: the system's own may be missing in a
container. For AWS's endpoints Amazon's own among them will do. Each connection has its own copy
of those that it trusts, parsed: of Amazon's that is next to nothing, of all of them a megabyte.
"""

from functools import cache
import re
import ssl
from typing import Any, Final

import certifi

# AWS calls endpoints "ats" that Amazon Trust Services sign for. Those without it in the name are
# older, and others sign for them.
_ENDPOINT: Final = re.compile(
    r"(.*[.-])?ats\.iot(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws)",
    re.IGNORECASE,
)
_AMAZONS: Final = {
    *(("Amazon", f"Amazon Root CA {number}") for number in range(1, 5)),
    (
        "Starfield Technologies, Inc.",
        "Starfield Services Root Certificate Authority - G2",
    ),
}


def is_amazons(endpoint: str) -> bool:
    """Return whether Amazon's authorities sign for an endpoint, by its name."""
    return _ENDPOINT.fullmatch(endpoint) is not None


@cache
def public() -> bytes:
    """Return all public authorities, as PEM. Blocks the first time."""
    return certifi.contents().encode()


@cache
def amazons() -> bytes:
    """Return Amazon's authorities among the public ones, as PEM. Blocks the first time.

    Returns all public ones should none of them be Amazon's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certifi.contents())
    found = zip(
        context.get_ca_certs(), context.get_ca_certs(binary_form=True), strict=True
    )
    chosen = "".join(
        ssl.DER_cert_to_PEM_cert(certificate)
        for shown, certificate in found
        if _subject(shown) in _AMAZONS
    )
    return chosen.encode() or public()


def _subject(shown: dict[str, Any]) -> tuple[str, str]:
    """Return the organization's and the common name of a certificate."""
    subject = dict(pair for part in shown["subject"] for pair in part)
    return subject.get("organizationName", ""), subject.get("commonName", "")
