"""The files of a thing, as users have them, in its dialog."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from unittest.mock import AsyncMock

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import load_pem_x509_certificate
import pytest

from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
)
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from ..certificates import (
    CertificateAuthority,
    Credentials,
    key_pem,
    make_key,
    make_rsa_key,
)
from .conftest import THING
from .dialog import Form, Upload, add, errors, private_key, suggested
from .fake_agent import FakeAgent


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


async def test_add_with_rsa_key_and_der_files(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """DER will do as well as PEM, and becomes PEM."""
    key = make_rsa_key()
    made = ca.device(THING, key=key)
    certificate = load_pem_x509_certificate(made.certificate)
    form[CONF_CERTIFICATE] = await upload(certificate.public_bytes(Encoding.DER))
    form[CONF_PRIVATE_KEY] = await upload(
        key.private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
    )
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_CERTIFICATE] == made.certificate.decode()
    assert await private_key(hass, THING) == made.private_key


async def test_certificate_file_with_more_in_it(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """A chain is kept; a private key beside it does not get into the entry."""
    chain = credentials.certificate + ca.certificate
    form[CONF_CERTIFICATE] = await upload(credentials.private_key + chain)
    result = await add(hass, flow, form)
    assert result["data"][CONF_CERTIFICATE] == chain.decode()


async def test_files_as_other_tools_write_them(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    ca: CertificateAuthority,
    credentials: Credentials,
) -> None:
    """All in one file of PowerShell, the authority first; of two keys, the one that fits."""
    chain = credentials.certificate + ca.certificate
    keys = key_pem(make_key()) + credentials.private_key
    everything = (keys + ca.certificate + b"\n" + credentials.certificate).decode()
    written = everything.replace("\n", "\r\n").encode("utf-16")
    form[CONF_CERTIFICATE] = await upload(written)
    form[CONF_PRIVATE_KEY] = await upload(written)
    form[CONF_ROOT_CA] = await upload(b"\n" + ca.certificate.replace(b"\n", b"\n\n"))
    result = await add(hass, flow, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_CERTIFICATE] == chain.decode()
    assert result["data"][CONF_ROOT_CA] == ca.certificate.decode()
    assert await private_key(hass, THING) == credentials.private_key


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("certificate.pem", "✓ certificate.pem"),
        (f"{'a' * 60}-thing.pem", f"✓ {'a' * 29}…{'a' * 19}-thing.pem"),
    ],
    ids=["short", "long"],
)
async def test_name_of_a_file_that_is_kept(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    credentials: Credentials,
    name: str,
    shown: str,
) -> None:
    """It is shown in a line, however long it is, with its beginning and its end."""
    files = {
        CONF_CERTIFICATE: await upload(credentials.certificate, name),
        CONF_PRIVATE_KEY: await upload(b"not a key"),
    }
    result = await add(hass, flow, form | files)
    assert result["description_placeholders"] is not None
    assert result["description_placeholders"]["certificate_file"] == shown


@pytest.mark.parametrize(
    ("field", "content", "error"),
    [
        (CONF_CERTIFICATE, b"not a certificate", "invalid_certificate"),
        (CONF_CERTIFICATE, b"-----BEGIN CERTIFICATE-----\n", "file_damaged"),
        (CONF_CERTIFICATE, b"", "file_empty"),
        pytest.param(
            CONF_CERTIFICATE, b" " * 1024 * 1025, "file_too_large", id="too large"
        ),
        (CONF_CERTIFICATE, key_pem(make_key()), "file_is_private_key"),
        (CONF_PRIVATE_KEY, b"not a key", "invalid_private_key"),
        (CONF_PRIVATE_KEY, b"-----BEGIN PRIVATE KEY-----\n", "file_damaged"),
        (
            CONF_PRIVATE_KEY,
            key_pem(make_key(), password=b"password"),
            "private_key_encrypted",
        ),
        (
            CONF_PRIVATE_KEY,
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "private_key_unsupported",
        ),
        (CONF_PRIVATE_KEY, key_pem(make_key()), "private_key_mismatch"),
        (CONF_ROOT_CA, b"not a certificate", "invalid_root_ca"),
    ],
)
async def test_unusable_files(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    upload: Upload,
    field: str,
    content: bytes,
    error: str,
) -> None:
    """What is wrong with a file is told at its field; the good files stay."""
    result = await add(hass, flow, form | {field: await upload(content)})
    assert result["type"] is FlowResultType.FORM
    assert errors(result) == {field: error}
    # What is shown again is what the form had: names of uploads, never their content.
    assert suggested(result).items() <= form.items()
    assert field not in suggested(result)
    check_connection.assert_not_awaited()
    result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
