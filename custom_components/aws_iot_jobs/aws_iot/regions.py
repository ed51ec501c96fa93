"""Which region of AWS an endpoint is in, and how Amazon S3 is called there."""

import re
from typing import Final

_ENDPOINT: Final = re.compile(
    r"[^.]+\.(?:ats\.)?iot(?:-fips)?\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)\."
    r"(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
)
_CHINA: Final = "cn-"
_FIRST_REGION: Final = "us-east-1"


def region_of(endpoint: str) -> str | None:
    """Return the region of an endpoint; None for one of somebody's own domain."""
    found = _ENDPOINT.fullmatch(endpoint.lower())
    return None if found is None else found["region"]


def s3_hosts(region: str) -> tuple[str, ...]:
    """Return the hosts of Amazon S3 in a region; buckets may have names below each."""
    domain = "amazonaws.com.cn" if region.startswith(_CHINA) else "amazonaws.com"
    hosts = (f"s3.{region}.{domain}", f"s3.dualstack.{region}.{domain}")
    # What names no region is answered from there.
    return (*hosts, f"s3.{domain}") if region == _FIRST_REGION else hosts
