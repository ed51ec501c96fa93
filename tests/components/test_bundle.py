"""One file instead of many: AWS's connection kit, and bundles of our own."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from collections.abc import Mapping
from io import BytesIO
import json
from typing import Any
from unittest.mock import AsyncMock
import zipfile

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.bundle import MAX_MEMBERS, read_bundle
from custom_components.aws_iot_jobs.const import (
    CONF_BUNDLE,
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ENDPOINT,
    CONF_PARAMETERS,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_TEMPLATE,
    CONF_THING_NAME,
)
from custom_components.aws_iot_jobs.credential_files import MAX_FILE_BYTES
from custom_components.aws_iot_jobs.errors import InvalidInputError
from custom_components.aws_iot_jobs.uploads import UploadedFile
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from ..certificates import CertificateAuthority, Credentials, key_pem, make_key
from .conftest import ENDPOINT, THING
from .dialog import (
    Upload,
    add,
    begin,
    connection,
    errors,
    private_key,
    shown_files,
    submit,
    suggested,
    words,
)
from .fake_agent import FakeAgent

START_SH = """\
#!/usr/bin/env bash
set -e
if [ ! -f ./root-CA.crt ]; then
  curl https://www.amazontrust.com/repository/AmazonRootCA1.pem > root-CA.crt
fi
python3 aws-iot-device-sdk-python-v2/samples/pubsub.py --endpoint {endpoint} \
--ca_file root-CA.crt --cert {thing}.cert.pem --key {thing}.private.key \
--client_id basicPubSub --topic sdk/test/python --count 0
"""
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "arn:aws:iot:eu-central-1:123456789012:client/basicPubSub",
        }
    ],
}
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


def packed(
    files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """Return a zip file."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def kit(credentials: Credentials, endpoint: str = ENDPOINT) -> dict[str, str | bytes]:
    """Return what is in the connection kit that AWS gives out for a thing."""
    return {
        f"{THING}.cert.pem": credentials.certificate,
        f"{THING}.private.key": credentials.private_key,
        f"{THING}.public.key": PUBLIC_KEY,
        f"{THING}-Policy": json.dumps(POLICY),
        "start.sh": START_SH.format(endpoint=endpoint, thing=THING),
    }


def own(credentials: Credentials, **more: Any) -> dict[str, Any]:
    """Return a bundle of our own, as JSON has it."""
    return {
        "endpoint": ENDPOINT,
        "thingName": THING,
        "certificate": credentials.certificate.decode(),
        "privateKey": credentials.private_key.decode(),
        **more,
    }


def _read(content: bytes, name: str = "bundle") -> dict[str, Any]:
    """Return what a bundle has, by field."""
    found = read_bundle(UploadedFile(name, content))
    return {
        **found.texts,
        **{field: file.content for field, file in found.files.items()},
    }


def _refused(content: bytes) -> str:
    """Return why a file is no bundle."""
    with pytest.raises(InvalidInputError) as caught:
        read_bundle(UploadedFile("file", content))
    assert caught.value.errors.keys() == {CONF_BUNDLE}
    return caught.value.errors[CONF_BUNDLE]


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


@pytest.fixture
def pair(credentials: Credentials) -> dict[str, bytes]:
    """Return the two files that are in every bundle, by their fields."""
    return {
        CONF_CERTIFICATE: credentials.certificate,
        CONF_PRIVATE_KEY: credentials.private_key,
    }


async def test_connection_kit(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """AWS's connection kit alone adds a thing."""
    content = packed(kit(credentials))
    form = {CONF_BUNDLE: await upload(content, "connect_device_package.zip")}
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == THING
    assert result["data"][CONF_ENDPOINT] == ENDPOINT
    assert result["data"][CONF_PORT] == 8883
    assert result["data"][CONF_CERTIFICATE] == credentials.certificate.decode()
    assert await private_key(hass, THING) == credentials.private_key


async def test_kit_without_endpoint(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """What a kit does not say is asked for; what it has is shown, and needed no more."""
    files = kit(credentials)
    del files["start.sh"]
    form = {CONF_BUNDLE: await upload(packed(files), "kit.zip")}
    result = await add(hass, flow, form)
    assert errors(result) == {CONF_ENDPOINT: "missing"}
    assert suggested(result)[CONF_THING_NAME] == THING
    assert shown_files(result) == {
        CONF_BUNDLE: "kit.zip",
        CONF_CERTIFICATE: f"{THING}.cert.pem",
        CONF_PRIVATE_KEY: f"{THING}.private.key",
    }
    entered = {CONF_ENDPOINT: ENDPOINT, CONF_THING_NAME: THING}
    result = await add(hass, result, entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_what_is_entered_counts_more(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    upload: Upload,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """A bundle fills in what is left empty; another bundle, what the first has filled in."""
    wrong = own(credentials, thingName="my thing", port=443)
    form = {
        CONF_BUNDLE: await upload(json.dumps(wrong).encode(), "wrong.json"),
        CONF_ENDPOINT: "mine.example.com",
    }
    result = await add(hass, flow, form)
    assert errors(result) == {CONF_THING_NAME: "invalid_thing_name"}
    assert suggested(result) == {
        CONF_ENDPOINT: "mine.example.com",
        CONF_THING_NAME: "my thing",
        CONF_PORT: 443,
    }
    right = own(credentials, endpoint="theirs.example.com", port=8884)
    again = suggested(result) | {
        CONF_ENDPOINT: "corrected.example.com",
        CONF_BUNDLE: await upload(json.dumps(right).encode(), "right.json"),
        CONF_ROOT_CA: await upload(ca.certificate),
    }
    result = await add(hass, result, again)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_ENDPOINT] == "corrected.example.com"
    assert result["data"][CONF_PORT] == 8884
    assert result["data"][CONF_ROOT_CA] == ca.certificate.decode()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"PK\3\4 and no more", "bundle_damaged"),
        (b"{}", "bundle_without_contents"),
        (b"neither this nor that", "bundle_unknown"),
        (b"", "bundle_unknown"),
        (key_pem(make_key()), "bundle_is_single_file"),
    ],
)
async def test_another_file(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: dict[str, Any],
    upload: Upload,
    content: bytes,
    error: str,
) -> None:
    """A file that is no bundle is told at its field, and forgotten; the others stay."""
    file = await upload(content, "other.bin")
    result = await add(hass, flow, form | {CONF_BUNDLE: file})
    assert errors(result) == {CONF_BUNDLE: error}
    assert shown_files(result).keys() == {
        CONF_CERTIFICATE,
        CONF_PRIVATE_KEY,
        CONF_ROOT_CA,
    }
    check_connection.assert_not_awaited()
    result = await add(hass, result, suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_renewal_by_a_bundle(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """A bundle has the new certificate and key; where the thing connects to stays."""
    renewed = ca.device(THING)
    content = json.dumps(own(renewed, endpoint="other.example.com")).encode()
    flow = await entry.start_reauth_flow(hass)
    result = await submit(hass, flow, {CONF_BUNDLE: await upload(content)})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.data[CONF_ENDPOINT] == ENDPOINT
    assert entry.data[CONF_CERTIFICATE] == renewed.certificate.decode()
    assert await private_key(hass, THING) == renewed.private_key


async def test_bundle_of_another_thing(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """A thing does not take what is for another one."""
    content = json.dumps(own(ca.device("thing-2"), thingName="thing-2")).encode()
    before = dict(entry.data)
    form = {
        CONF_BUNDLE: await upload(content),
        CONF_ENDPOINT: ENDPOINT,
        CONF_PORT: 8883,
    }
    result = await submit(hass, await connection(hass, entry), form)
    assert errors(result) == {CONF_BUNDLE: "bundle_of_another_thing"}
    told = (await words(hass, result))[CONF_BUNDLE]
    assert "another thing: thing-2" in told
    assert THING in told
    assert not shown_files(result)
    result = await submit(hass, result, suggested(result))
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data == before


@pytest.mark.parametrize(
    "line",
    [
        "python Publisher_Test.py -e {} -r root-CA.crt",
        "node device-example.js --host-name={} --private-key=raspi.private.key",
        'mvn exec:java -Dexec.args="-clientEndpoint {} -clientId sdk-java"',
        "python .\\samples\\pubsub.py --endpoint {}\r\n",
    ],
)
@pytest.mark.parametrize(
    "endpoint",
    [
        "a1b2c3d4e5f6g7-ats.iot.eu-west-1.amazonaws.com",
        "a1b2c3d4e5f6g7.iot.us-west-2.amazonaws.com",
        "a1b2c3d4e5f6g7.ats.iot.cn-north-1.amazonaws.com.cn",
    ],
)
def test_endpoint_in_a_script(pair: dict[str, bytes], line: str, endpoint: str) -> None:
    """The script of a kit has the endpoint, in whatever language the kit is for."""
    files: dict[str, str | bytes] = {"start.ps1": line.format(endpoint)}
    files["a.pem"] = pair[CONF_CERTIFICATE]
    assert _read(packed(files))[CONF_ENDPOINT] == endpoint


def test_root_ca_of_a_kit(
    credentials: Credentials, ca: CertificateAuthority, pair: dict[str, bytes]
) -> None:
    """An authority is taken where Amazon's do not sign: those are trusted anyway."""
    files = kit(credentials) | {"root-CA.crt": ca.certificate}
    assert CONF_ROOT_CA not in _read(packed(files))
    files = kit(credentials, endpoint="none") | {"root-CA.crt": ca.certificate}
    found = _read(packed(files))
    assert found == {CONF_THING_NAME: THING, CONF_ROOT_CA: ca.certificate} | pair


@pytest.mark.parametrize(
    "names",
    [
        ("certificate", "privateKey", "rootCa"),
        ("certificate_pem", "private_key", "root-ca"),
        ("certificatePem", "PrivateKey", "root_ca_pem"),
        ("CERT", "key", "ca"),
    ],
)
def test_names_in_json(
    names: tuple[str, str, str], pair: dict[str, bytes], ca: CertificateAuthority
) -> None:
    """However a program writes its words, they are understood, also inside of objects."""
    certificate, key, root_ca = names
    data = {
        "thing": {"thing_name": f" {THING} ", "port": True},
        "keyPair": {key: pair[CONF_PRIVATE_KEY].decode()},
        certificate: pair[CONF_CERTIFICATE].decode(),
        root_ca: ca.certificate.decode(),
        "endpointAddress": "broker.example.com",
        "Port": 8884,
        "cert-file": "/not/read",
    }
    assert _read(b"\xef\xbb\xbf" + json.dumps(data).encode()) == pair | {
        CONF_ROOT_CA: ca.certificate,
        CONF_ENDPOINT: "broker.example.com",
        CONF_THING_NAME: THING,
        CONF_PORT: 8884,
    }


def test_own_zip(pair: dict[str, bytes], ca: CertificateAuthority) -> None:
    """A zip file may say in JSON what it has no files for; folders and names do not matter."""
    said = {
        "endpoint": "broker.example.com",
        "thingName": THING,
        "certificate": "a.pem",
    }
    files: dict[str, str | bytes] = {
        "home/": b"",
        "home/bundle.json": json.dumps(said),
        "home/a.pem": pair[CONF_CERTIFICATE],
        "home\\b": pair[CONF_PRIVATE_KEY],
        "../../etc/c": ca.certificate,
        "__MACOSX/home/._a.pem": b"\0\5\x16\7",
        "README.txt": "{ this is no JSON",
        "list.json": "[1]",
    }
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert _read(packed(files, method)) == pair | {
            CONF_ENDPOINT: "broker.example.com",
            CONF_THING_NAME: THING,
            CONF_ROOT_CA: ca.certificate,
        }


def test_pem_with_both(pair: dict[str, bytes]) -> None:
    """A PEM file with a certificate and its key is a bundle, too."""
    both = b"".join(pair.values())
    assert _read(both) == {CONF_CERTIFICATE: both, CONF_PRIVATE_KEY: both}


def test_chain_in_files_of_its_own(ca: CertificateAuthority) -> None:
    """Where files are for one field, all of them are taken together."""
    one, other = ca.device(THING), ca.device("thing-2")
    found = _read(packed({"1.pem": one.certificate, "2.pem": other.certificate}))
    assert found == {CONF_CERTIFICATE: one.certificate + b"\n" + other.certificate}


def test_self_signed_certificate(ca: CertificateAuthority) -> None:
    """A certificate that is its own authority is the thing's where there is no other."""
    files = {"thing.pem": ca.certificate, "thing.key": key_pem(make_key())}
    assert _read(packed(files))[CONF_CERTIFICATE] == ca.certificate


def test_names_of_several_things(ca: CertificateAuthority) -> None:
    """A name that is not sure is asked for."""
    files: dict[str, str | bytes] = {"2.private.key": PUBLIC_KEY}
    files["1.cert.pem"] = ca.device("1").certificate
    assert CONF_THING_NAME not in _read(packed(files))


def test_encrypted_key_in_a_kit(credentials: Credentials) -> None:
    """A key that is encrypted is left to its own field to tell of."""
    locked = key_pem(make_key(), password=b"password")
    files = kit(credentials) | {f"{THING}.private.key": locked}
    assert _read(packed(files))[CONF_PRIVATE_KEY] == locked


def _marked_encrypted(data: bytes) -> bytes:
    """Return a zip file whose first member says that it is encrypted."""
    local, central = data.index(b"PK\3\4"), data.index(b"PK\1\2")
    changed = bytearray(data)
    changed[local + 6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def test_hostile_files(credentials: Credentials) -> None:
    """Whatever a file is made of, it is refused in words, within limits."""
    files = kit(credentials)
    whole = packed(files)
    assert _refused(_marked_encrypted(whole)) == "bundle_encrypted"
    assert _refused(packed(files, zipfile.ZIP_LZMA)) == "bundle_damaged"
    assert _refused(whole[: len(whole) // 2]) == "bundle_damaged"
    bitten = bytearray(whole)
    bitten[whole.index(b"PK\3\4") + 60 : whole.index(b"PK\3\4") + 90] = bytes(30)
    assert _refused(bytes(bitten)) == "bundle_damaged"
    bomb = packed({"bomb": bytes(100 * MAX_FILE_BYTES)})
    assert len(bomb) < MAX_FILE_BYTES
    assert _refused(bomb) == "bundle_too_large"
    bombs = {f"bomb-{number}": bytes(MAX_FILE_BYTES) for number in range(5)}
    assert _refused(packed(bombs)) == "bundle_too_large"
    many = {f"file-{number}": b"" for number in range(MAX_MEMBERS + 1)}
    assert _refused(packed(many)) == "bundle_too_large"
    assert _refused(b"PK" + bytes(MAX_FILE_BYTES)) == "bundle_too_large"
    assert _refused(b'{"a":' * 100_000) == "bundle_unknown"
    assert _refused(packed({"empty": b""})) == "bundle_without_contents"


def test_deep_json(credentials: Credentials) -> None:
    """What lies too deep is not looked for."""
    data: dict[str, Any] = {"endpoint": "deep.example.com"}
    for _ in range(10):
        data = {"more": data}
    assert _refused(json.dumps(data).encode()) == "bundle_without_contents"


@pytest.mark.parametrize(
    "names",
    [
        ("claimCertificate", "claimPrivateKey", "template"),
        ("claim_certificate_pem", "claim-private-key-pem", "templateName"),
        ("CLAIM CERTIFICATE", "Claim Private Key", "template_name"),
    ],
)
def test_claim_in_json(names: tuple[str, str, str], pair: dict[str, bytes]) -> None:
    """A claim has names of its own; those of parameters are anybody's."""
    certificate, key, template = names
    data = {
        certificate: pair[CONF_CERTIFICATE].decode(),
        key: pair[CONF_PRIVATE_KEY].decode(),
        template: "homes",
        "parameters": {"Port": "1", "ThingName": "x", "endpoint": "y=z"},
    }
    claim = {
        CONF_CLAIM_CERTIFICATE: pair[CONF_CERTIFICATE],
        CONF_CLAIM_PRIVATE_KEY: pair[CONF_PRIVATE_KEY],
    }
    assert _read(json.dumps(data).encode()) == claim | {
        CONF_TEMPLATE: "homes",
        CONF_PARAMETERS: "Port=1\nThingName=x\nendpoint=y=z",
    }


@pytest.mark.parametrize(
    "parameters",
    ["Site=north", ["Site"], {"Site": 1}, {"": "x"}, {"Site": "a\nb"}, {"a=b": "c"}],
)
def test_parameters_that_are_none(parameters: Any) -> None:
    """What cannot be entered is no parameter."""
    data = {"template": "homes", "parameters": parameters}
    assert _refused(json.dumps(data).encode()) == "bundle_parameters"


async def test_claim_as_aws_prints_it(
    hass: HomeAssistant, upload: Upload, pair: dict[str, bytes]
) -> None:
    """A claim for five minutes is taken as the AWS CLI prints it."""
    printed = {
        "certificateId": "a1b2",
        "certificatePem": pair[CONF_CERTIFICATE].decode(),
        "keyPair": {
            "PublicKey": PUBLIC_KEY,
            "PrivateKey": pair[CONF_PRIVATE_KEY].decode(),
        },
        "expiration": "2026-10-04T12:00:00+00:00",
    }
    form = {CONF_BUNDLE: await upload(json.dumps(printed).encode(), "claim.json")}
    result = await submit(hass, await begin(hass, "claim"), form)
    assert errors(result) == {CONF_ENDPOINT: "missing", CONF_TEMPLATE: "missing"}
    assert shown_files(result) == dict.fromkeys(
        (CONF_BUNDLE, CONF_CLAIM_CERTIFICATE, CONF_CLAIM_PRIVATE_KEY), "claim.json"
    )


async def test_bundle_in_the_wrong_form(
    hass: HomeAssistant,
    flow: ConfigFlowResult,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """A claim is no thing's certificate, and the other way round; the words say so."""
    thing = json.dumps(own(credentials, thingName=THING)).encode()
    form = {CONF_BUNDLE: await upload(thing)}
    result = await submit(hass, await begin(hass, "claim"), form)
    assert errors(result)[CONF_BUNDLE] == "bundle_of_a_thing"
    assert THING in (await words(hass, result))[CONF_BUNDLE]
    assert not shown_files(result)

    claim = {
        "claimCertificate": credentials.certificate.decode(),
        "claimPrivateKey": credentials.private_key.decode(),
        "template": "homes",
    }
    form = {CONF_BUNDLE: await upload(json.dumps(claim).encode())}
    result = await submit(hass, flow, form)
    assert errors(result)[CONF_BUNDLE] == "bundle_is_claim"
    assert not shown_files(result)
