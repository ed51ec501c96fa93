"""A home of the stack gets another certificate, and the one before it is deactivated."""

import contextlib
import json

import pytest

from custom_components.aws_iot_jobs.aws_iot import provisioning, rotation
from custom_components.aws_iot_jobs.aws_iot.check import check_connection
from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import (
    ClaimPolicyError,
    HookRefusedError,
)
from custom_components.aws_iot_jobs.aws_iot.errors import AwsIotError
from custom_components.aws_iot_jobs.aws_iot.provisioning import Provisioning

from ..aws_iot.fleet import Store
from .conftest import SharedFleet
from .home import enrol

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]

TEMPLATE = "homes-rotation"
KEYS_BY_AWS = "KeysByAws"


@pytest.fixture(autouse=True)
def keys_by_aws(shared: SharedFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the local AWS make keys, as it answers to no signing request."""
    monkeypatch.setattr(provisioning, "ANSWER_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(rotation, "MIN_INTERVAL_SECONDS", 0)
    shared.update(Rotation="yes")


def allow_keys(shared: SharedFleet, home: ConnectionSettings) -> None:
    """Let a home have a key made by AWS, with each of its certificates."""
    iot = shared.aws.iot
    where = f"arn:aws:iot:{shared.aws.region}:{shared.aws.account}"
    topic = "$aws/certificates/create/json"
    statements = [
        {
            "Effect": "Allow",
            "Action": ["iot:Publish", "iot:Subscribe", "iot:Receive"],
            "Resource": [f"{where}:topic/{topic}*", f"{where}:topicfilter/{topic}/*"],
        }
    ]
    with contextlib.suppress(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_policy(
            policyName=KEYS_BY_AWS,
            policyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": statements}
            ),
        )
    for principal in principals(shared, home):
        iot.attach_policy(policyName=KEYS_BY_AWS, target=principal)


def principals(shared: SharedFleet, home: ConnectionSettings) -> list[str]:
    """Return the certificates of a home."""
    found: list[str] = shared.aws.iot.list_thing_principals(thingName=home.thing_name)[
        "principals"
    ]
    return found


def active(shared: SharedFleet, home: ConnectionSettings) -> set[str]:
    """Return those of them that are active."""
    described = (
        shared.aws.iot.describe_certificate(certificateId=it.rpartition("/")[2])
        for it in principals(shared, home)
    )
    return {
        it["certificateDescription"]["certificatePem"].strip()
        for it in described
        if it["certificateDescription"]["status"] == "ACTIVE"
    }


def pem(home: ConnectionSettings) -> str:
    """Return the certificate of a home."""
    return home.certificate.decode().strip()


def test_the_old_certificate_goes_when_the_new_one_is_in_use(
    shared: SharedFleet,
) -> None:
    """Not before: until then both work."""
    home = shared.run(enrol(shared.bundle, "rotates"))
    allow_keys(shared, home)
    store = Store()
    renewed = shared.run(rotation.renew(home, TEMPLATE, store))
    assert renewed.thing_name == home.thing_name
    assert active(shared, home) == {pem(home), pem(renewed)}
    shared.run(check_connection(home))
    pending = shared.run(store.load())
    assert pending is not None

    shared.run(rotation.retire_others(renewed, pending))
    assert active(shared, home) == {pem(renewed)}
    shared.run(check_connection(renewed))
    with pytest.raises(AwsIotError):
        shared.run(check_connection(home))


def test_what_an_earlier_try_has_left_is_deactivated(shared: SharedFleet) -> None:
    """A certificate whose key is lost, for example."""
    home = shared.run(enrol(shared.bundle, "tries-twice"))
    allow_keys(shared, home)
    lost = shared.run(rotation.renew(home, TEMPLATE, Store()))
    renewed = shared.run(rotation.renew(home, TEMPLATE, Store()))
    assert active(shared, home) == {pem(home), pem(renewed)}
    assert pem(lost) not in active(shared, home)


def test_nobody_gets_a_certificate_of_another_home(shared: SharedFleet) -> None:
    """Nor has one of another home deactivated."""
    home = shared.run(enrol(shared.bundle, "is-asked-for"))
    other = shared.run(enrol(shared.bundle, "asks"))
    allow_keys(shared, other)

    async def ask() -> None:
        async with Provisioning(other, other.thing_name) as asking:
            made = await asking.create_keys_and_certificate()
            with pytest.raises(HookRefusedError):
                await asking.register_thing(
                    TEMPLATE,
                    made.ownership_token,
                    {rotation.THING_NAME: home.thing_name},
                )

    shared.run(ask())
    assert active(shared, home) == {pem(home)}
    assert active(shared, other) == {pem(other)}


def test_without_the_right_nothing_is_asked(shared: SharedFleet) -> None:
    """What is missing is said, and the home has the certificate that it had."""
    shared.update()
    home = shared.run(enrol(shared.bundle, "may-not"))
    with pytest.raises(ClaimPolicyError) as refused:
        shared.run(rotation.renew(home, TEMPLATE, Store()))
    assert "$aws/certificates/create-from-csr/json" in refused.value.resource
    assert active(shared, home) == {pem(home)}


def test_a_claim_is_no_way_to_another_certificate(shared: SharedFleet) -> None:
    """Its policy does not know the template."""
    claim = ConnectionSettings(
        endpoint=shared.bundle["endpoint"],
        port=shared.bundle["port"],
        root_ca=shared.bundle["rootCa"].encode(),
        certificate=shared.bundle["claimCertificate"].encode(),
        private_key=shared.bundle["claimPrivateKey"].encode(),
        thing_name="claim-1",
    )

    with pytest.raises(ClaimPolicyError):
        shared.run(rotation.renew(claim, TEMPLATE, Store()))
