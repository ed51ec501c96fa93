"""What the integration's dialog asks for."""

from pathlib import Path
from typing import Any

from .aws import LocalAws, Thing
from .config_flow import Upload

DOMAIN = "aws_iot_jobs"


def integration_fields(
    aws: LocalAws, thing: Thing, *, handler_directory: Path | None = None
) -> dict[str, Any]:
    """Return how the dialog is filled in, to serve a thing of a local AWS."""
    fields: dict[str, Any] = {
        "endpoint": aws.mqtt_host,
        "port": aws.mqtt_port,
        "thing_name": thing.name,
        "certificate": Upload("certificate.pem", thing.certificate),
        "private_key": Upload("private-key.pem", thing.private_key),
        "root_ca": Upload("root-ca.pem", aws.root_ca),
    }
    if handler_directory is not None:
        fields["handler_directory"] = str(handler_directory)
        fields["install_samples"] = False
    return fields
