"""Enrolling a home with a claim, in the dialog that adds a thing."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.enrolment import (
    EnrolmentRequest,
    EnrolmentStore,
)
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import (
    ClaimPolicyError,
    ClaimRefusedError,
    EnrolmentError,
    EnrolmentProblem,
    HookFailedError,
    HookRefusedError,
    LimitedError,
    NoAnswerError,
    NotConnectedError,
    ParameterMissingError,
    ParametersInvalidError,
    TemplatePolicyError,
    TemplateUnusableError,
    ThingPolicyError,
    ThingRefusedError,
    ThingUnknownError,
    TokenExpiredError,
    UnexpectedError,
)
from custom_components.aws_iot_jobs.aws_iot.errors import (
    ClockError,
    EndpointError,
    NoTlsError,
    ServerCertificateError,
    UnknownHostError,
)
from custom_components.aws_iot_jobs.aws_iot.pending_enrolment import PendingEnrolment
from custom_components.aws_iot_jobs.const import (
    CONF_BUNDLE,
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ENDPOINT,
    CONF_INSTALL_SAMPLES,
    CONF_PARAMETERS,
    CONF_ROOT_CA,
    CONF_ROTATION_TEMPLATE,
    CONF_RUNNER,
    CONF_TEMPLATE,
    CONF_THING_NAME,
)
from custom_components.aws_iot_jobs.enrolment_store import (
    SAVED_AFTER,
    PendingEnrolmentStore,
)
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow
from homeassistant.helpers import instance_id
from homeassistant.util.dt import utcnow

from ..certificates import CertificateAuthority, Credentials
from .conftest import ENDPOINT, THING
from .dialog import (
    Form,
    Upload,
    add,
    begin,
    choose,
    enter,
    errors,
    private_key,
    settled,
    shown_files,
    submit,
    suggested,
    words,
)
from .fake_agent import FakeAgent

TEMPLATE = "home-assistant"


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


@pytest.fixture(scope="session")
def claim(ca: CertificateAuthority) -> Credentials:
    """Make the certificate and key of a claim."""
    return ca.device("claim")


class FakeEnrolment:
    """Enrolling as AWS IoT does it: each certificate is one that there is from then on.

    It goes wrong as `error` says, and waits where it is told to.
    """

    def __init__(self, make: Callable[[], Credentials]) -> None:
        """Begin without a certificate."""
        self.made: list[Credentials] = []
        self.requests: list[EnrolmentRequest] = []
        self.error: Exception | None = None
        self.certified = asyncio.Event()
        self.may_register = asyncio.Event()
        self.may_register.set()
        self.ended = 0
        self._make = make

    async def enrol(
        self, request: EnrolmentRequest, store: EnrolmentStore
    ) -> ConnectionSettings:
        """Enrol."""
        self.requests.append(request)
        try:
            if self.error is not None:
                raise self.error
            pending = await store.load() or await self._certify(request, store)
            self.certified.set()
            await self.may_register.wait()
            await store.save(replace(pending, thing_name=THING))
        finally:
            self.ended += 1
        assert pending.certificate is not None
        assert pending.private_key is not None
        return ConnectionSettings(
            endpoint=request.endpoint,
            port=request.port,
            root_ca=request.root_ca,
            thing_name=THING,
            certificate=pending.certificate.encode(),
            private_key=pending.private_key.encode(),
        )

    async def _certify(
        self, request: EnrolmentRequest, store: EnrolmentStore
    ) -> PendingEnrolment:
        self.made.append(self._make())
        pending = PendingEnrolment(
            endpoint=request.endpoint,
            template=request.template,
            parameters=request.parameters,
            private_key=self.made[-1].private_key.decode(),
            certificate=self.made[-1].certificate.decode(),
            certificate_id="id",
            ownership_token="token",
        )
        await store.save(pending)
        return pending


@pytest.fixture
def enrolment(ca: CertificateAuthority) -> Iterator[FakeEnrolment]:
    """Answer for AWS IoT, when a home is enrolled."""
    enrolment = FakeEnrolment(lambda: ca.device(THING))
    with patch("custom_components.aws_iot_jobs.enrolments.enrol", enrolment.enrol):
        yield enrolment


@pytest.fixture
async def form(upload: Upload, claim: Credentials) -> Form:
    """Fill in the form of a claim: all is well."""
    return {
        CONF_ENDPOINT: ENDPOINT,
        CONF_TEMPLATE: TEMPLATE,
        CONF_PARAMETERS: "Site=north",
        CONF_PORT: 8883,
        CONF_CLAIM_CERTIFICATE: await upload(claim.certificate, "claim.pem"),
        CONF_CLAIM_PRIVATE_KEY: await upload(claim.private_key, "claim.key"),
    }


@pytest.fixture
async def form_again(upload: Upload, claim: Credentials) -> Form:
    """Fill in the same once more, by a bundle: files are uploaded for one dialog."""
    content = _bundle(claim, parameters={"Site": "north"})
    return {CONF_BUNDLE: await upload(content, "fleet.json")}


@pytest.fixture
async def flow(hass: HomeAssistant) -> ConfigFlowResult:
    """Begin to add a thing with a claim."""
    return await begin(hass, "claim")


def _bundle(claim: Credentials, **more: Any) -> bytes:
    """Return a bundle for a claim."""
    content = {
        "endpoint": ENDPOINT,
        "template": TEMPLATE,
        "claimCertificate": claim.certificate.decode(),
        "claimPrivateKey": claim.private_key.decode(),
    }
    return json.dumps(content | more).encode()


async def _kept(hass: HomeAssistant) -> PendingEnrolment | None:
    """Return what is kept of an enrolment."""
    return await PendingEnrolmentStore(hass).load()


async def _saved(hass: HomeAssistant) -> None:
    """Let the time pass after which an entry is surely on disk."""
    await hass.async_block_till_done()
    async_fire_time_changed(hass, utcnow() + SAVED_AFTER + timedelta(seconds=1))
    await hass.async_block_till_done()


async def test_enrol_by_a_bundle(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    upload: Upload,
    claim: Credentials,
    ca: CertificateAuthority,
) -> None:
    """One file enrols a home; nothing of the claim is stored, and the key is kept apart."""
    content = _bundle(
        claim,
        endpoint="iot.example.com",
        port=443,
        rootCa=ca.certificate.decode(),
        parameters={"Site": "north", "Port": "1"},
    )
    form = {CONF_BUNDLE: await upload(content, "fleet.json")}
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == THING
    (made,) = enrolment.made
    assert result["data"] == {
        CONF_ENDPOINT: "iot.example.com",
        CONF_PORT: 443,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: made.certificate.decode(),
        CONF_ROOT_CA: ca.certificate.decode(),
        CONF_ROTATION_TEMPLATE: f"{TEMPLATE}-rotation",
        CONF_RUNNER: {"kind": "local"},
    }
    assert result["result"].unique_id == THING
    assert await private_key(hass, THING) == made.private_key
    (request,) = enrolment.requests
    assert request == EnrolmentRequest(
        endpoint="iot.example.com",
        port=443,
        template=TEMPLATE,
        claim_certificate=claim.certificate,
        claim_private_key=claim.private_key,
        parameters={
            "SerialNumber": await instance_id.async_get(hass),
            "Site": "north",
            "Port": "1",
        },
        root_ca=ca.certificate,
    )
    stored = json.dumps(hass_storage)
    assert json.dumps(made.private_key.decode()) in stored
    assert json.dumps(claim.private_key.decode()) not in stored
    assert json.dumps(claim.certificate.decode()) not in stored


@pytest.mark.parametrize(
    ("entered", "asked"),
    [
        ("", {"SerialNumber": "{own}"}),
        (" Site = north = 2 \n\n", {"SerialNumber": "{own}", "Site": "north = 2"}),
        ("SerialNumber=4711", {"SerialNumber": "4711"}),
        ("SerialNumber=\nId=1", {"Id": "1"}),
    ],
)
async def test_parameters(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    entered: str,
    asked: dict[str, str],
) -> None:
    """The serial number is that of this Home Assistant, unless another one is entered."""
    own = await instance_id.async_get(hass)
    assert flow["description_placeholders"]["serial_number"] == own  # type: ignore[index]
    result = await submit(hass, flow, form | {CONF_PARAMETERS: entered})
    assert result["type"] is FlowResultType.MENU
    expected = {name: value.format(own=own) for name, value in asked.items()}
    assert enrolment.requests[-1].parameters == expected
    assert enrolment.requests[-1].root_ca is None


async def test_fields_with_faults(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    claim: Credentials,
    credentials: Credentials,
) -> None:
    """Each fault is told at its field, in words; what is good need not be entered again."""
    flow = await submit(hass, flow, {})
    missing = dict.fromkeys(
        (CONF_ENDPOINT, CONF_TEMPLATE, CONF_CLAIM_CERTIFICATE, CONF_CLAIM_PRIVATE_KEY),
        "missing",
    )
    assert errors(flow) == missing
    bad = {
        CONF_ENDPOINT: "no host",
        CONF_TEMPLATE: "no template",
        CONF_PARAMETERS: "Site",
        CONF_PORT: 0,
        CONF_CLAIM_CERTIFICATE: await upload(claim.private_key),
        CONF_CLAIM_PRIVATE_KEY: await upload(claim.certificate),
    }
    flow = await submit(hass, flow, bad)
    assert errors(flow) == {
        CONF_ENDPOINT: "invalid_endpoint",
        CONF_TEMPLATE: "invalid_template",
        CONF_PARAMETERS: "invalid_parameters",
        CONF_PORT: "invalid_port",
        CONF_CLAIM_CERTIFICATE: "file_is_private_key",
        CONF_CLAIM_PRIVATE_KEY: "file_is_certificate",
    }
    assert (await words(hass, flow))[CONF_PARAMETERS].endswith(": Site")
    other_key = await upload(credentials.private_key, "other.key")
    flow = await submit(hass, flow, form | {CONF_CLAIM_PRIVATE_KEY: other_key})
    assert errors(flow) == {CONF_CLAIM_PRIVATE_KEY: "private_key_mismatch"}
    assert shown_files(flow) == {CONF_CLAIM_CERTIFICATE: "claim.pem"}
    assert suggested(flow)[CONF_TEMPLATE] == TEMPLATE
    arn = f"arn:aws:iot:eu-central-1:123456789012:provisioningtemplate/{TEMPLATE}"
    rest = {
        CONF_ENDPOINT: ENDPOINT,
        CONF_TEMPLATE: arn,
        CONF_CLAIM_PRIVATE_KEY: form[CONF_CLAIM_PRIVATE_KEY],
    }
    assert not enrolment.requests
    assert (await submit(hass, flow, rest))["type"] is FlowResultType.MENU
    assert enrolment.requests[-1].template == TEMPLATE


ERRORS: list[tuple[EnrolmentError, str, str, str]] = [
    (
        ClaimRefusedError("it says no."),
        CONF_CLAIM_CERTIFICATE,
        "claim_refused",
        "no. C",
    ),
    (
        ClaimPolicyError("iot:Publish", "topic/x"),
        CONF_CLAIM_CERTIFICATE,
        "claim_policy",
        "iot:Publish on topic/x",
    ),
    (
        TemplatePolicyError("iot:Publish", "topic/x"),
        CONF_TEMPLATE,
        "template_policy",
        "iot:Publish on topic/x",
    ),
    (TemplateUnusableError("unknown"), CONF_TEMPLATE, "template_unusable", "unknown"),
    (
        HookRefusedError("denied"),
        CONF_PARAMETERS,
        "hook_refused",
        "delete the old certificate and delete the thing in AWS",
    ),
    (HookFailedError("time is over"), CONF_TEMPLATE, "hook_failed", "time is over"),
    (
        ParameterMissingError("unresolved", "Site"),
        CONF_PARAMETERS,
        "parameter_missing",
        "Site=value",
    ),
    (ParametersInvalidError("bad"), CONF_PARAMETERS, "parameters_invalid", "bad"),
    (TokenExpiredError("too late"), "base", "token_expired", "too late"),
    (LimitedError("too many"), "base", "limited", "too many"),
    (NoAnswerError("after 10 s"), "base", "no_answer", "after 10 s"),
    (ThingUnknownError("a1b2"), "base", "thing_unknown", "a1b2"),
    (ThingRefusedError("refused", THING), "base", "thing_refused", f"as {THING}"),
    (ThingPolicyError("no topic", THING), "base", "thing_policy", f"as {THING}"),
    (UnexpectedError("odd"), "base", "unexpected", "odd"),
]


async def test_errors_of_aws(
    hass: HomeAssistant, enrolment: FakeEnrolment, flow: ConfigFlowResult, form: Form
) -> None:
    """Each error is told at its field, in words; then the enrolment goes on."""
    told = {key for _, _, key, _ in ERRORS}
    assert {f"enrolment_{key}" for key in told} == set(EnrolmentProblem) - {
        EnrolmentProblem.NOT_CONNECTED
    }
    entered = form
    for error, field, key, text in ERRORS:
        enrolment.error = error
        flow = await submit(hass, flow, entered)
        assert errors(flow) == {field: f"enrolment_{key}"}
        assert text in (await words(hass, flow))[field]
        if field == CONF_CLAIM_CERTIFICATE:
            # What is wrong with it is known: it is asked for once more.
            assert CONF_CLAIM_CERTIFICATE not in shown_files(flow)
            assert CONF_CLAIM_PRIVATE_KEY in shown_files(flow)
        entered = form
    enrolment.error = None
    assert (await submit(hass, flow, entered))["type"] is FlowResultType.MENU


@pytest.mark.parametrize(
    ("error", "field", "key"),
    [
        (UnknownHostError("no such host"), CONF_ENDPOINT, "endpoint_unknown"),
        (NoTlsError("plain"), CONF_PORT, "port_without_tls"),
        (EndpointError("nobody"), CONF_ENDPOINT, "endpoint_unreachable"),
        (ServerCertificateError("untrusted"), CONF_ROOT_CA, "server_not_trusted"),
        (ClockError("1970"), "base", "clock_wrong"),
    ],
)
async def test_endpoint_that_does_not_answer(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    error: Any,
    field: str,
    key: str,
) -> None:
    """It is told as that of a thing that has its certificate."""
    enrolment.error = NotConnectedError(error)
    result = await submit(hass, flow, form)
    assert errors(result) == {field: key}
    assert str(error) in (await words(hass, result))[field]


async def test_claim_that_is_over(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """Where a claim is refused that is not valid any more, this is said."""
    over = ca.device("claim", valid_until=timedelta(seconds=-1))
    enrolment.error = ClaimRefusedError("refused")
    files = {
        CONF_CLAIM_CERTIFICATE: await upload(over.certificate),
        CONF_CLAIM_PRIVATE_KEY: await upload(over.private_key),
    }
    result = await submit(hass, flow, form | files)
    assert errors(result) == {CONF_CLAIM_CERTIFICATE: "certificate_expired"}


async def test_nothing_can_be_saved(
    hass: HomeAssistant,
    storage_on_disk: Path,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """A full disk is told: nothing is asked of AWS that would be lost."""
    with patch(
        "homeassistant.util.file.AtomicWriter.open", side_effect=OSError("it is full")
    ):
        result = await submit(hass, flow, form)
    assert errors(result) == {"base": "enrolment_not_kept"}
    assert (await submit(hass, result, form))["type"] is FlowResultType.MENU


async def test_unexpected_exception(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log tells more."""
    enrolment.error = TypeError("a mistake")
    result = await submit(hass, flow, form)
    assert errors(result) == {"base": "unknown"}
    assert "a mistake" in caplog.text


async def test_closed_in_the_middle(
    hass: HomeAssistant,
    storage_on_disk: Path,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """A dialog that is closed ends its work; the next one ends with the same certificate."""
    enrolment.may_register.clear()
    shown = await enter(hass, flow, form)
    assert shown["type"] is FlowResultType.SHOW_PROGRESS
    assert shown["description_placeholders"] == {
        "endpoint": ENDPOINT,
        "template": TEMPLATE,
    }
    await enrolment.certified.wait()
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    assert enrolment.ended == 1
    (kept,) = storage_on_disk.glob("aws_iot_jobs*")
    assert kept.stat().st_mode & 0o777 == 0o600

    enrolment.may_register.set()
    result = await add(hass, await begin(hass, "claim"), form_again)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (made,) = enrolment.made
    assert result["data"][CONF_CERTIFICATE] == made.certificate.decode()
    assert await private_key(hass, THING) == made.private_key


async def test_closed_between_enrolment_and_entry(
    hass: HomeAssistant,
    storage_on_disk: Path,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """The next dialog ends with the same thing, and then nothing is left of it."""
    menu = await submit(hass, flow, form)
    hass.config_entries.flow.async_abort(menu["flow_id"])
    result = await add(hass, await begin(hass, "claim"), form_again)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert len(enrolment.made) == 1
    # Killed now, Home Assistant may not have the entry: it is saved a second later.
    assert await _kept(hass) is not None
    await _saved(hass)
    assert await _kept(hass) is None
    (kept,) = storage_on_disk.glob("aws_iot_jobs*")
    assert kept.name == f"aws_iot_jobs.{THING}"


async def test_killed_after_the_entry_was_made(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """What is left of an enrolment is forgotten at the next start, and by a removal."""
    result = await add(hass, flow, form)
    entry = result["result"]
    await hass.config_entries.async_unload(entry.entry_id)
    await _saved(hass)
    assert await _kept(hass) is not None
    await hass.config_entries.async_setup(entry.entry_id)
    await _saved(hass)
    assert await _kept(hass) is None

    await hass.config_entries.async_remove(entry.entry_id)
    result = await add(hass, await begin(hass, "claim"), form_again)
    assert await _kept(hass) is not None
    await hass.config_entries.async_remove(result["result"].entry_id)
    assert await _kept(hass) is None
    assert len(enrolment.made) == 2


async def test_page_reload_in_mid_enrolment(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """One home is enrolled at a time: the last dialog goes on with what another began."""
    enrolment.may_register.clear()
    left = await enter(hass, flow, form)
    await enrolment.certified.wait()
    again = await enter(hass, await begin(hass, "claim"), form_again)
    told = await settled(hass, left)
    assert errors(told) == {"base": "enrolment_ended"}
    assert enrolment.ended == 1
    enrolment.may_register.set()
    assert (await settled(hass, again))["type"] is FlowResultType.MENU
    assert len(enrolment.made) == 1


async def test_thing_that_is_there(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """A home that is this thing already is not added again; what was made is kept."""
    result = await submit(hass, flow, form)
    assert result["reason"] == "already_configured"
    await hass.config_entries.async_remove(entry.entry_id)
    assert await _kept(hass) is not None


async def test_another_dialog_of_the_same_thing(
    hass: HomeAssistant,
    enrolment: FakeEnrolment,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """Two dialogs that come to the same thing: the last one goes on."""
    first = await submit(hass, flow, form)
    assert first["type"] is FlowResultType.MENU
    second = await submit(hass, await begin(hass, "claim"), form_again)
    assert second["type"] is FlowResultType.MENU
    with pytest.raises(UnknownFlow):
        await choose(hass, first, "local")
    local = await choose(hass, second, "local")
    result = await submit(hass, local, {CONF_INSTALL_SAMPLES: False})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert len(enrolment.made) == 1


async def test_kept_on_disk_or_not_at_all(
    hass: HomeAssistant, storage_on_disk: Path
) -> None:
    """What cannot be saved is told, also when Home Assistant ends; what is damaged is none."""
    pending = PendingEnrolment(
        endpoint=ENDPOINT, template=TEMPLATE, parameters={"a": "b"}
    )
    await PendingEnrolmentStore(hass).save(pending)
    assert await _kept(hass) == pending
    (file,) = storage_on_disk.iterdir()
    file.write_text(file.read_text().replace("template", "other"))
    assert await _kept(hass) is None
    # From now on Home Assistant saves last of all.
    hass.set_state(CoreState.stopping)
    with pytest.raises(OSError, match="cannot be saved"):
        await PendingEnrolmentStore(hass).save(pending)
    hass.set_state(CoreState.running)
