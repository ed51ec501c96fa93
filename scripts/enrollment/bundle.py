"""A bundle: all that a Home Assistant needs to enrol, with a claim made for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .command import EnrollmentError
from .fleet_stack import FleetStack

AWS_PORT = 8883


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What a bundle is to have.

    `parameters` are those of the provisioning template that are the same for all homes which
    get it. Without an `endpoint`, it is the account's own; `root_ca` (PEM) is for one whose
    authority is not Amazon's.
    """

    temporary: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    endpoint: str | None = None
    port: int = AWS_PORT
    root_ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A certificate to enrol with, and its private key, both PEM.

    `expires` is for a temporary one: until when it can be used.
    """

    certificate_id: str
    certificate: str
    private_key: str = field(repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A claim, and the `content` of the file that has it."""

    claim: Claim
    content: Mapping[str, Any] = field(repr=False)


def make_bundle(iot: Any, fleet: FleetStack, request: BundleRequest) -> Bundle:
    """Make a claim and return it with all that belongs to it; `iot` is boto3's client.

    Raises EnrollmentError if the template does not know a parameter, and botocore's errors.
    """
    if unknown := request.parameters.keys() - fleet.parameters:
        known = (name for name in fleet.parameters if not name.startswith("AWS::"))
        raise EnrollmentError(
            f"the provisioning template {fleet.template} has no parameter "
            f"{', '.join(sorted(unknown))}: it has {', '.join(sorted(known))}"
        )
    endpoint = request.endpoint or _endpoint(iot)
    make_claim = _temporary_claim if request.temporary else _lasting_claim
    claim = make_claim(iot, fleet)
    content: dict[str, Any] = {"endpoint": endpoint}
    if request.port != AWS_PORT:
        content["port"] = request.port
    if request.root_ca:
        content["rootCa"] = request.root_ca
    content |= {
        "template": fleet.template,
        "parameters": dict(request.parameters),
        "claimCertificate": claim.certificate,
        "claimPrivateKey": claim.private_key,
    }
    return Bundle(claim=claim, content=content)


def revoke_claim(iot: Any, claim: Claim) -> None:
    """Make a claim that nobody has worthless; a temporary one ends by itself."""
    if claim.expires is None:
        iot.update_certificate(certificateId=claim.certificate_id, newStatus="INACTIVE")
        iot.delete_certificate(certificateId=claim.certificate_id, forceDelete=True)


def _endpoint(iot: Any) -> str:
    answer = iot.describe_endpoint(endpointType="iot:Data-ATS")
    endpoint: str = answer["endpointAddress"]
    return endpoint


def _temporary_claim(iot: Any, fleet: FleetStack) -> Claim:
    made = iot.create_provisioning_claim(templateName=fleet.template)
    return _claim(made, expires=made["expiration"])


def _lasting_claim(iot: Any, fleet: FleetStack) -> Claim:
    """Make a certificate, which is of no use before it has its policy."""
    made = iot.create_keys_and_certificate(setAsActive=True)
    claim = _claim(made)
    try:
        iot.attach_policy(policyName=fleet.claim_policy, target=made["certificateArn"])
    except BaseException:
        revoke_claim(iot, claim)
        raise
    return claim


def _claim(made: Mapping[str, Any], expires: datetime | None = None) -> Claim:
    return Claim(
        certificate_id=made["certificateId"],
        certificate=made["certificatePem"],
        private_key=made["keyPair"]["PrivateKey"],
        expires=expires,
    )
