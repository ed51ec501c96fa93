"""Endpoints of each partition of AWS: entered as they are, and known by their names."""

import pytest

from custom_components.aws_iot_jobs.aws_iot.authorities import is_amazons
from custom_components.aws_iot_jobs.aws_iot.regions import region_of, s3_hosts
from custom_components.aws_iot_jobs.validation import read_endpoint


@pytest.mark.parametrize(
    ("endpoint", "region", "s3"),
    [
        ("a1-ats.iot.eu-central-1.amazonaws.com", "eu-central-1", "amazonaws.com"),
        ("a1-ats.iot.eu-west-1.api.aws", "eu-west-1", "amazonaws.com"),
        ("data-ats.iot.us-east-2.api.aws", "us-east-2", "amazonaws.com"),
        ("a1.ats.iot.cn-north-1.amazonaws.com.cn", "cn-north-1", "amazonaws.com.cn"),
        ("a1.ats.iot.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1", "amazonaws.com.cn"),
        ("a1-ats.iot.us-gov-west-1.amazonaws.com", "us-gov-west-1", "amazonaws.com"),
        ("a1-ats.iot-fips.us-gov-east-1.amazonaws.com", "us-gov-east-1", "amazonaws.com"),
        ("a1-ats.iot-fips.ca-central-1.amazonaws.com", "ca-central-1", "amazonaws.com"),
    ],
)  # fmt: skip
def test_endpoint(endpoint: str, region: str, s3: str) -> None:
    """Nothing about it is changed; it tells who signs for it, and where files may come from."""
    assert read_endpoint(f"https://{endpoint}/") == endpoint
    assert is_amazons(endpoint)
    assert region_of(endpoint) == region
    assert s3_hosts(region) == (f"s3.{region}.{s3}", f"s3.dualstack.{region}.{s3}")
