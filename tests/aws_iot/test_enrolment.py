"""A home enrols with a claim, over a broker that enforces the claim's policy."""

import asyncio
from dataclasses import replace
import logging

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
import pytest

from custom_components.aws_iot_jobs.aws_iot import enrolment, provisioning
from custom_components.aws_iot_jobs.aws_iot.check import check_connection
from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import (
    ClaimPolicyError,
    ClaimRefusedError,
    EnrolmentField,
    EnrolmentProblem,
    HookRefusedError,
    NoAnswerError,
    NotConnectedError,
    ParameterMissingError,
    TemplatePolicyError,
    ThingPolicyError,
    ThingRefusedError,
    ThingUnknownError,
    UnexpectedError,
)
from custom_components.aws_iot_jobs.aws_iot.errors import (
    CredentialsError,
    EndpointError,
)

from ..broker import HOST
from ..certificates import CertificateAuthority
from ..fake_provisioning_service import (
    CREATE,
    CREATE_FROM_CSR,
    REGISTER,
    SERIAL_NUMBER,
    Rejection,
)
from .fleet import THING, Fleet, Store


def fit(settings: ConnectionSettings) -> bool:
    """Tell whether the certificate is for the key."""
    certificate = x509.load_pem_x509_certificate(settings.certificate)
    key = load_pem_private_key(settings.private_key, None)
    return key.public_key() == certificate.public_key()


async def test_a_home_enrols_with_a_key_that_it_does_not_tell(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """What it returns works, which was tried; the claim is kept nowhere."""
    caplog.set_level(logging.DEBUG)
    settings = await fleet.enrol()
    assert settings.thing_name == THING
    assert (settings.endpoint, settings.port) == (HOST, fleet.link.port)
    assert settings.root_ca == fleet.broker.ca.certificate
    assert fit(settings)
    (active,) = fleet.provisioning.active
    assert settings.certificate.decode() == active.pem
    assert fleet.provisioning.asked == [CREATE_FROM_CSR, REGISTER]
    assert [topic for topic, _ in fleet.jobs.requests] != []
    assert "PRIVATE KEY" not in str(fleet.provisioning.requests)
    claim_key = fleet.request.claim_private_key.decode().splitlines()[1]
    assert claim_key not in "".join(fleet.store.saved)
    key = settings.private_key.decode().splitlines()[1]
    for secret in (claim_key, key, active.token):
        assert secret not in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    await fleet.broker.logged(r"New client connected .* as claim-[0-9a-f-]{36} ")


async def test_aws_makes_the_key_where_it_does_not_answer_to_a_signing_request(
    fleet: Fleet,
) -> None:
    """As a local AWS may not."""
    fleet.provisioning.faults.silent.add(CREATE_FROM_CSR)
    settings = await fleet.enrol()
    assert fit(settings)
    assert fleet.provisioning.asked == [CREATE_FROM_CSR, CREATE, REGISTER]
    (active,) = fleet.provisioning.active
    assert settings.certificate.decode() == active.pem


@pytest.mark.parametrize(
    "forbidden", [(f"{CREATE_FROM_CSR}/accepted",), (CREATE_FROM_CSR,)]
)
async def test_aws_makes_the_key_where_the_policy_has_no_signing_request(
    fleet: Fleet,
) -> None:
    """As the one of AWS's own example."""
    settings = await fleet.enrol()
    assert fit(settings)
    assert fleet.provisioning.asked == [CREATE, REGISTER]


@pytest.mark.parametrize(
    ("forbidden", "action", "resource"),
    [
        ((CREATE_FROM_CSR, CREATE), "iot:Publish", CREATE),
        (
            (f"{CREATE_FROM_CSR}/accepted", f"{CREATE}/accepted"),
            "iot:Subscribe",
            f"{CREATE}/accepted",
        ),
    ],
)
async def test_a_claim_without_rights_is_told_which(
    fleet: Fleet, action: str, resource: str
) -> None:
    """By action and topic, as the policy has to have them."""
    error = await fleet.refused()
    assert isinstance(error, ClaimPolicyError)
    assert error.field is EnrolmentField.CLAIM_CERTIFICATE
    assert (error.action, error.resource) == (action, resource)


async def test_a_template_that_the_claim_is_not_for_is_told_at_the_template(
    fleet: Fleet,
) -> None:
    """Most likely it has another name."""
    fleet.request = replace(fleet.request, template="others")
    error = await fleet.refused()
    assert isinstance(error, TemplatePolicyError)
    assert error.field is EnrolmentField.TEMPLATE
    assert "others" in error.resource


@pytest.mark.parametrize(
    ("rejection", "field", "problem"),
    [
        (
            Rejection("InvalidTemplate", "Template with name homes does not exist."),
            EnrolmentField.TEMPLATE,
            EnrolmentProblem.TEMPLATE_UNUSABLE,
        ),
        (
            Rejection("InvalidTemplate", "Template homes is not enabled."),
            EnrolmentField.TEMPLATE,
            EnrolmentProblem.TEMPLATE_UNUSABLE,
        ),
        (
            Rejection("ProvisioningFailed", "ThingGroup 123:homes not found."),
            EnrolmentField.TEMPLATE,
            EnrolmentProblem.TEMPLATE_UNUSABLE,
        ),
        (
            Rejection("ProvisioningFailed", "Invalid thingName: must match […]"),
            EnrolmentField.PARAMETERS,
            EnrolmentProblem.PARAMETERS_INVALID,
        ),
        (
            Rejection("AccessDenied", "Access Denied", 403),
            EnrolmentField.PARAMETERS,
            EnrolmentProblem.HOOK_REFUSED,
        ),
        (
            Rejection("InvocationError", "Access denied while invoking Lambda"),
            EnrolmentField.TEMPLATE,
            EnrolmentProblem.HOOK_FAILED,
        ),
        (
            Rejection("InvalidResult", "Provisioning hook result is invalid."),
            EnrolmentField.TEMPLATE,
            EnrolmentProblem.HOOK_FAILED,
        ),
        (
            Rejection("InvalidParameters", "Cannot resolve reference value: Room"),
            EnrolmentField.PARAMETERS,
            EnrolmentProblem.PARAMETER_MISSING,
        ),
        (
            Rejection("InvalidParameters", "Too many parameters"),
            EnrolmentField.PARAMETERS,
            EnrolmentProblem.PARAMETERS_INVALID,
        ),
        (
            Rejection("InvalidCertificateOwnershipToken", "… token is invalid."),
            EnrolmentField.BASE,
            EnrolmentProblem.TOKEN_EXPIRED,
        ),
        (
            Rejection("InvalidPayload", "Message cannot be parsed"),
            EnrolmentField.BASE,
            EnrolmentProblem.UNEXPECTED,
        ),
        (
            Rejection("", "", 418),
            EnrolmentField.BASE,
            EnrolmentProblem.UNEXPECTED,
        ),
    ],
    ids=lambda value: value.code if isinstance(value, Rejection) else "",
)
async def test_what_aws_rejects_is_told_at_its_field_in_its_own_words(
    rejection: Rejection, field: EnrolmentField, problem: EnrolmentProblem
) -> None:
    """Whatever it is."""
    error = provisioning.rejection(rejection.status, rejection.code, rejection.message)
    assert (error.field, error.key) == (field, problem)
    assert str(error) == rejection.message or not rejection.message
    assert error.placeholders["error"] == str(error)


@pytest.mark.parametrize("template", ["", "homes/#", "a" * 37])
async def test_a_template_that_is_none_is_told_before_anything_is_asked(
    fleet: Fleet, template: str
) -> None:
    """It gets into topics."""
    fleet.request = replace(fleet.request, template=template)
    error = await fleet.refused()
    assert error.key is EnrolmentProblem.TEMPLATE_UNUSABLE
    assert fleet.link.accepted == []


async def test_a_rejected_home_enrols_when_its_owner_has_seen_to_it(
    fleet: Fleet,
) -> None:
    """With the same certificate, where the parameters are the same."""
    fleet.provisioning.faults.rejections[REGISTER] = [
        Rejection("InvalidTemplate", "Template homes is not enabled.")
    ]
    error = await fleet.refused()
    assert str(error) == "Template homes is not enabled."
    await fleet.enrol()
    assert fleet.provisioning.asked == [CREATE_FROM_CSR, REGISTER, REGISTER]


async def test_a_missing_parameter_is_named(fleet: Fleet) -> None:
    """And the next try, with another request, begins anew."""
    fleet.request = replace(fleet.request, parameters={})
    error = await fleet.refused()
    assert isinstance(error, ParameterMissingError)
    assert error.parameter == SERIAL_NUMBER
    fleet.request = replace(fleet.request, parameters={SERIAL_NUMBER: THING})
    await fleet.enrol()
    assert fleet.provisioning.asked == [CREATE_FROM_CSR, REGISTER] * 2
    assert len(fleet.provisioning.active) == 1


async def test_what_passes_is_asked_again(fleet: Fleet) -> None:
    """Throttling, an internal error."""
    fleet.provisioning.faults.rejections = {
        CREATE_FROM_CSR: [Rejection("ThrottlingException", "Rate exceeded", 429)],
        REGISTER: [Rejection("InternalFailure", "Internal failure", 500)],
    }
    await fleet.enrol()
    assert fleet.provisioning.asked == [
        *(CREATE_FROM_CSR, CREATE_FROM_CSR),
        *(REGISTER, REGISTER),
    ]


async def test_what_does_not_pass_is_told_in_the_end(fleet: Fleet) -> None:
    """A quota, for instance."""
    fleet.provisioning.faults.rejections[CREATE_FROM_CSR] = [
        Rejection("LimitExceededException", "No more certificates", 410)
    ] * provisioning.TRIES
    error = await fleet.refused()
    assert error.key is EnrolmentProblem.LIMITED
    assert str(error) == "No more certificates"


async def test_a_lost_answer_is_asked_again_with_the_same_token(fleet: Fleet) -> None:
    """The thing has the same certificate then."""
    fleet.provisioning.faults.lost.add(REGISTER)
    await fleet.enrol()
    assert fleet.provisioning.asked == [CREATE_FROM_CSR, REGISTER, REGISTER]
    (first, second) = fleet.provisioning.requests[1:]
    assert first == second
    assert len(fleet.provisioning.active) == 1


async def test_a_lost_connection_is_made_again(fleet: Fleet) -> None:
    """While a request is under way: the answer to that is lost with it."""
    cuts: list[asyncio.Task[None]] = []

    def cut(topic: str) -> None:
        if fleet.provisioning.asked.count(topic) == 1:
            fleet.provisioning.faults.lost.add(topic)
            cuts.append(asyncio.create_task(fleet.link.cut()))

    fleet.provisioning.on_request = cut
    settings = await fleet.enrol()
    assert fleet.provisioning.asked == [
        *(CREATE_FROM_CSR, CREATE_FROM_CSR),
        *(REGISTER, REGISTER),
    ]
    (active,) = fleet.provisioning.active
    assert settings.certificate.decode() == active.pem


async def test_silence_is_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was begun goes on another day."""
    monkeypatch.setattr(provisioning, "TRIES", 1)
    fleet.provisioning.faults.silent.add(REGISTER)
    error = await fleet.refused()
    assert isinstance(error, NoAnswerError)
    fleet.provisioning.faults.silent.clear()
    await fleet.enrol()
    assert fleet.provisioning.active == fleet.provisioning.certificates
    assert len(fleet.provisioning.active) == 1


async def test_a_certificate_that_is_gone_is_made_anew(fleet: Fleet) -> None:
    """AWS deletes within an hour what was not registered, and the token ends."""
    authority = fleet.provisioning.authority
    fleet.provisioning.authority = CertificateAuthority()
    fleet.provisioning.faults.rejections[REGISTER] = [Rejection("AccessDenied", "No")]
    await fleet.refused()
    fleet.provisioning.authority = authority
    fleet.provisioning.forget_tokens()
    await fleet.enrol()
    assert fleet.provisioning.asked == [
        *(CREATE_FROM_CSR, REGISTER, REGISTER),
        *(CREATE_FROM_CSR, REGISTER),
    ]
    assert len(fleet.provisioning.active) == 1


async def test_no_second_certificate_is_made_where_the_first_is_active(
    fleet: Fleet,
) -> None:
    """Its owner is told, where a policy that allows any name does not tell the thing's."""
    await fleet.enrol()
    fleet.store.saved.pop()
    fleet.provisioning.forget_tokens()
    error = await fleet.refused()
    assert isinstance(error, ThingUnknownError)
    assert error.certificate_id == fleet.provisioning.active[0].certificate_id
    assert len(fleet.provisioning.certificates) == 1


async def test_a_serial_that_is_known_is_refused(fleet: Fleet) -> None:
    """By the hook: another home cannot take its jobs over."""
    await fleet.enrol()
    fleet.store = Store()
    fleet.provisioning.authority = CertificateAuthority()
    error = await fleet.refused()
    assert isinstance(error, HookRefusedError)
    assert error.field is EnrolmentField.PARAMETERS
    assert len(fleet.provisioning.active) == 1


async def test_what_is_known_already_is_only_tried(fleet: Fleet) -> None:
    """After a crash before the entry was saved, for instance."""
    first = await fleet.enrol()
    asked = list(fleet.provisioning.asked)
    assert await fleet.enrol() == first
    assert fleet.provisioning.asked == asked


async def test_a_certificate_that_works_no_more_is_registered_again(
    fleet: Fleet,
) -> None:
    """It was made inactive or deleted since."""
    authority = fleet.provisioning.authority
    fleet.provisioning.authority = CertificateAuthority()
    assert isinstance(await fleet.refused(), ThingRefusedError)
    fleet.provisioning.authority = authority
    fleet.provisioning.certificates.clear()
    await fleet.enrol()
    assert fleet.provisioning.asked == [
        *(CREATE_FROM_CSR, REGISTER, REGISTER),
        *(CREATE_FROM_CSR, REGISTER),
    ]
    assert len(fleet.provisioning.active) == 1


async def test_a_fresh_certificate_that_is_refused_at_first_is_tried_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS IoT may need some seconds."""
    monkeypatch.setattr(enrolment, "REFUSED_SECONDS", 60)
    tries = 0

    async def refused_at_first(settings: ConnectionSettings) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise CredentialsError("not yet")
        await check_connection(settings)

    monkeypatch.setattr(enrolment, "check_connection", refused_at_first)
    settings = await fleet.enrol()
    assert tries == 3
    assert settings.thing_name == THING


async def test_a_fresh_certificate_that_stays_refused_is_told(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the thing that it is for; what there is stays."""

    async def refused(_: ConnectionSettings) -> None:
        raise CredentialsError("it was refused")

    with monkeypatch.context() as patched:
        patched.setattr(enrolment, "check_connection", refused)
        error = await fleet.refused()
    assert isinstance(error, ThingRefusedError)
    assert error.placeholders == {"error": "it was refused", "thing_name": THING}
    await fleet.enrol()
    assert fleet.provisioning.asked == [CREATE_FROM_CSR, REGISTER]


@pytest.mark.parametrize("forbidden", [(f"$aws/things/{THING}/jobs/+/update",)])
async def test_a_thing_without_rights_is_told_so(fleet: Fleet) -> None:
    """It is the thing's policy, not the claim's."""
    error = await fleet.refused()
    assert isinstance(error, ThingPolicyError)
    assert error.key is EnrolmentProblem.THING_POLICY
    assert "iot:Publish" in str(error)


async def test_a_claim_of_another_authority_is_refused(fleet: Fleet) -> None:
    """As one that AWS does not know, or that is inactive."""
    stranger = CertificateAuthority().device("claim")
    fleet.request = replace(
        fleet.request,
        claim_certificate=stranger.certificate,
        claim_private_key=stranger.private_key,
    )
    error = await fleet.refused()
    assert isinstance(error, ClaimRefusedError)
    assert error.field is EnrolmentField.CLAIM_CERTIFICATE


async def test_an_endpoint_that_nobody_knows_is_told_with_its_reason(
    fleet: Fleet,
) -> None:
    """So that a dialog can say it as it says it elsewhere."""
    fleet.request = replace(fleet.request, endpoint="unknown.invalid")
    error = await fleet.refused()
    assert isinstance(error, NotConnectedError)
    assert isinstance(error.error, EndpointError)
    assert error.field is EnrolmentField.ENDPOINT


@pytest.mark.parametrize("name", [None, "", "../etc", "a" * 129])
async def test_a_name_that_is_none_goes_nowhere(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """It would get into topics, and into the names of files."""
    monkeypatch.setattr(
        fleet.provisioning, "_register", lambda _: {"thingName": name} if name else {}
    )
    assert isinstance(await fleet.refused(), UnexpectedError)


async def test_who_gives_up_leaves_nothing_behind(fleet: Fleet) -> None:
    """The dialog is closed while an answer is waited for."""
    asked = asyncio.Event()
    fleet.provisioning.faults.silent.add(REGISTER)
    fleet.provisioning.on_request = lambda topic: (
        asked.set() if topic == REGISTER else None
    )
    task = asyncio.create_task(fleet.enrol())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fleet.link.idle()
