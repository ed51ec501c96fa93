"""Certificates and keys as people have them: taken where they are whole, or named."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import subprocess
import time

from awscrt.io import ClientTlsContext, TlsContextOptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    serialize_key_and_certificates,
)
from hypothesis import given, settings, strategies as st
import pytest

from custom_components import aws_iot_jobs
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
)
from custom_components.aws_iot_jobs.credential_files import MAX_FILE_BYTES
from custom_components.aws_iot_jobs.credentials import (
    READERS,
    check_fit,
    pair_up,
    read_certificate,
    read_private_key,
    read_root_ca,
)
from custom_components.aws_iot_jobs.errors import InvalidInputError

from ..certificates import (
    CertificateAuthority,
    Credentials,
    key_pem,
    make_key,
    make_rsa_key,
)

CA = CertificateAuthority()
RSA_KEY = make_rsa_key()
EC_KEY = make_key()
MADE = CA.device("thing", key=RSA_KEY)
OTHER = CA.device("other", key=EC_KEY)
CERTIFICATE = x509.load_pem_x509_certificate(MADE.certificate)
WORDS = json.loads(
    (Path(aws_iot_jobs.__file__).parent / "translations/en.json").read_text()
)["config"]["error"]


def openssl(*args: str, given: bytes) -> bytes:
    """Have OpenSSL's program do something; return what it writes."""
    return subprocess.run(
        ("openssl", *args), input=given, capture_output=True, check=True
    ).stdout


def refusal(field: str, data: bytes) -> str:
    """Return the error that a file gets in a field, which has words."""
    with pytest.raises(InvalidInputError) as caught:
        READERS[field](data)
    assert set(caught.value.errors) == {field}
    error = caught.value.errors[field]
    assert error in WORDS
    return error


# What is whole is taken


def quoted(pem: bytes) -> bytes:
    """Return text as a C header has it."""
    lines = pem.decode().splitlines()
    return "".join(f'    "{line}\\n" \\\n' for line in lines).encode()


def in_json(pem: bytes) -> bytes:
    """Return what the AWS CLI prints, where it prints JSON."""
    return json.dumps({"certificateArn": "arn:aws:iot", "pem": pem.decode()}).encode()


def rewrapped(pem: bytes, length: int) -> bytes:
    """Return text with lines of another length."""
    first, *middle, last = pem.decode().splitlines()
    body = "".join(middle)
    lines = [body[n : n + length] for n in range(0, len(body), length)]
    return "\n".join([first, *lines, last]).encode()


def _der(pem: bytes) -> bytes:
    if b"PRIVATE" in pem:
        key = load_pem_private_key(pem, None)
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda pem: pem,
    "without the last newline": bytes.strip,
    "blank lines before and behind": lambda pem: b"\n\r\n \n" + pem + b"\n\n",
    "blank lines within": lambda pem: pem.replace(b"\n", b"\n\n"),
    "a blank line behind the first": lambda pem: pem.replace(b"-\n", b"-\n\n", 1),
    "a blank line before the last": lambda pem: pem.replace(
        b"\n-----END", b"\n \n-----END"
    ),
    "white space around lines": lambda pem: pem.replace(b"\n", b" \t\n  \t"),
    "no-break spaces": lambda pem: pem.replace(b"\n", "\u00a0\n".encode()),
    "CR LF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "CR LF, twice": lambda pem: pem.replace(b"\n", b"\r\r\n"),
    "CR": lambda pem: pem.replace(b"\n", b"\r"),
    "spaces for line ends": lambda pem: pem.replace(b"\n", b" "),
    "no line ends": lambda pem: pem.replace(b"\n", b""),
    "short lines": lambda pem: rewrapped(pem, 10),
    "long lines": lambda pem: rewrapped(pem, 1000),
    "UTF-8 with BOM": lambda pem: b"\xef\xbb\xbf" + pem,
    "UTF-16 with BOM": lambda pem: pem.decode().encode("utf-16"),
    "UTF-16, big, with BOM": lambda pem: b"\xfe\xff" + pem.decode().encode("utf-16-be"),
    "UTF-16": lambda pem: pem.decode().encode("utf-16-le"),
    "UTF-16, big": lambda pem: pem.decode().encode("utf-16-be"),
    "UTF-16 of PowerShell": lambda pem: (
        b"\xff\xfe" + (pem.decode().replace("\n", "\r\n") + "\r\n").encode("utf-16-le")
    ),
    "UTF-32": lambda pem: pem.decode().encode("utf-32"),
    "\\n as text": lambda pem: pem.replace(b"\n", b"\\n"),
    "\\r\\n as text": lambda pem: pem.replace(b"\n", b"\\r\\n"),
    "\\\\n as text": lambda pem: pem.replace(b"\n", b"\\\\n"),
    "JSON": in_json,
    "JSON with escaped characters": lambda pem: (
        in_json(pem)
        .replace(b"/", b"\\/")
        .replace(b"=", b"\\u003d")
        .replace(b"+", b"\\u002B")
    ),
    "a C header": quoted,
    "a quoted mail": lambda pem: b"> " + pem.replace(b"\n", b"\n> "),
    "text around": lambda pem: b"My file, caf\xe9:\n" + pem + b"that was it\n",
    "without padding": lambda pem: pem.replace(b"=", b""),
    "Base64 alone": lambda pem: b"".join(pem.splitlines(keepends=True)[1:-1]),
    "DER": _der,
    "DER and a newline": lambda pem: _der(pem) + b"\r\n",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("made", [MADE, OTHER], ids=["RSA", "EC"])
def test_a_file_that_is_whole_is_taken(
    way: Callable[[bytes], bytes], made: Credentials
) -> None:
    """It becomes what it would be if it came straight from AWS."""
    assert read_certificate(way(made.certificate)) == made.certificate.decode()
    assert read_root_ca(way(CA.certificate)) == CA.certificate.decode()
    assert read_private_key(way(made.private_key)) == made.private_key.decode()


@pytest.mark.parametrize(
    "command",
    [
        ("x509", "-text"),
        ("x509", "-trustout"),
        ("x509", "-trustout", "-addtrust", "clientAuth", "-setalias", "mine"),
        ("x509", "-outform", "DER"),
    ],
)
def test_a_certificate_as_openssl_writes_it(command: tuple[str, ...]) -> None:
    """With all that it tells of it."""
    written = openssl(*command, given=MADE.certificate)
    assert read_certificate(written) == MADE.certificate.decode()


@pytest.mark.parametrize(
    "command",
    [
        ("pkey", "-text"),
        ("rsa", "-traditional"),
        ("rsa", "-traditional", "-outform", "DER"),
        ("pkey", "-outform", "DER"),
    ],
)
def test_a_key_as_openssl_writes_it(command: tuple[str, ...]) -> None:
    """In each of its formats."""
    written = openssl(*command, given=MADE.private_key)
    assert read_private_key(written) == MADE.private_key.decode()


def test_an_elliptic_key_with_its_parameters() -> None:
    """As openssl ecparam -genkey writes it."""
    written = openssl("ecparam", "-name", "prime256v1", "-genkey", given=b"")
    assert b"EC PARAMETERS" in written
    read = load_pem_private_key(read_private_key(written).encode(), None)
    assert isinstance(read, ec.EllipticCurvePrivateKey)


def test_what_openssl_makes_of_pkcs12() -> None:
    """As the error for such a file advises: certificate and key in one file."""
    bundle = serialize_key_and_certificates(
        b"thing", RSA_KEY, CERTIFICATE, None, BestAvailableEncryption(b"password")
    )
    written = openssl("pkcs12", "-nodes", "-passin", "pass:password", given=bundle)
    assert b"Bag Attributes" in written
    assert read_certificate(written) == MADE.certificate.decode()
    assert read_private_key(written) == MADE.private_key.decode()


def test_what_aws_answers() -> None:
    """All of create-keys-and-certificate, in each of the fields."""
    public_key = RSA_KEY.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    answer = json.dumps(
        {
            "certificateId": "12",
            "certificatePem": MADE.certificate.decode(),
            "keyPair": {
                "PublicKey": public_key.decode(),
                "PrivateKey": MADE.private_key.decode(),
            },
        },
        indent=4,
    ).encode()
    assert read_certificate(answer) == MADE.certificate.decode()
    assert read_private_key(answer) == MADE.private_key.decode()


# Chains, and files with several


def issue(
    name: str, issuer: str, signer: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """Make a certificate and its key, signed by another key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def named(common_name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])

    certificate = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM), key


ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
UPPER, UPPER_KEY = issue("upper", "root", ROOT_KEY)
LOWER, LOWER_KEY = issue("lower", "upper", UPPER_KEY)
LEAF, LEAF_KEY = issue("thing", "lower", LOWER_KEY)
CHAIN = (LEAF + LOWER + UPPER).decode()
# Of the same name as one in the chain, by another key.
NAMESAKE, _ = issue("lower", "upper", ROOT_KEY)


@given(st.permutations([LEAF, LOWER, UPPER, UPPER, b"text\n"]))
def test_a_chain_in_any_order(parts: list[bytes]) -> None:
    """The thing's own comes first, then each that signed the one before."""
    assert read_certificate(b"\n".join(parts)) == CHAIN


def test_what_is_of_no_chain_is_left_out() -> None:
    """The key tells which certificate is the thing's."""
    read = read_certificate(NAMESAKE + MADE.certificate + UPPER + LOWER + LEAF)
    key = key_pem(LEAF_KEY).decode()
    assert pair_up(read, key) == (CHAIN, key)
    assert pair_up(read, MADE.private_key.decode()) == (
        MADE.certificate.decode(),
        MADE.private_key.decode(),
    )


def test_the_key_that_fits_is_taken_of_several() -> None:
    """Also where the certificate is there already."""
    useless = ed25519_key().private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    keys = key_pem(EC_KEY) + useless + MADE.private_key
    read = read_private_key(keys)
    certificate, key = pair_up(MADE.certificate.decode(), read)
    assert (certificate, key) == (MADE.certificate.decode(), MADE.private_key.decode())
    check_fit(certificate, key)


def test_no_key_fits() -> None:
    """It is told at the key."""
    with pytest.raises(InvalidInputError) as caught:
        pair_up(MADE.certificate.decode(), OTHER.private_key.decode())
    assert caught.value.errors == {CONF_PRIVATE_KEY: "private_key_mismatch"}


def test_all_authorities_of_a_file_are_taken() -> None:
    """In their order, and each once."""
    other = CertificateAuthority("Other CA").certificate
    bundle = b"# Mozilla's\n" + CA.certificate + b"\n" + other + CA.certificate
    assert read_root_ca(bundle) == (CA.certificate + other).decode()


# What is handed on


def key_of(curve: ec.EllipticCurve) -> bytes:
    """Make a key of a curve."""
    return key_pem(ec.generate_private_key(curve))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_tls_client_takes_what_was_read(way: Callable[[bytes], bytes]) -> None:
    """Whatever it was read from."""
    _take(
        read_certificate(way(MADE.certificate)), read_private_key(way(MADE.private_key))
    )


def test_the_tls_client_takes_a_chain_that_was_turned_round() -> None:
    """As it is, it does not."""
    key = key_pem(LEAF_KEY).decode()
    with pytest.raises(Exception, match="TLS_CTX"):
        _take((UPPER + LOWER + LEAF).decode(), key)
    _take(
        *pair_up(read_certificate(UPPER + LOWER + LEAF), read_private_key(key.encode()))
    )


@pytest.mark.parametrize(
    "curve",
    [ec.SECP224R1(), ec.SECP256R1(), ec.SECP256K1(), ec.SECP384R1(), ec.SECP521R1()],
    ids=lambda curve: curve.name,
)
def test_the_tls_client_takes_each_curve_that_is_taken(curve: ec.EllipticCurve) -> None:
    """A key that is no use is refused where it is given."""
    key = ec.generate_private_key(curve)
    made = CA.device("thing", key=key)
    _take(made.certificate.decode(), read_private_key(made.private_key))


def _take(certificate: str, key: str) -> None:
    options = TlsContextOptions.create_client_with_mtls(
        certificate.encode(), key.encode()
    )
    ClientTlsContext(options)


# What is not taken is named


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """Make a key of a kind that AWS IoT does not take."""
    return ed25519.Ed25519PrivateKey.generate()


def pkcs12(password: bytes | None) -> bytes:
    """Return a PKCS#12 file, locked or not."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return serialize_key_and_certificates(b"t", RSA_KEY, CERTIFICATE, None, encryption)


def request(encoding: Encoding) -> bytes:
    """Return a certificate signing request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(CERTIFICATE.subject)
    return builder.sign(RSA_KEY, hashes.SHA256()).public_bytes(encoding)


def public_key(encoding: Encoding, form: PublicFormat) -> bytes:
    """Return the public key alone."""
    return RSA_KEY.public_key().public_bytes(encoding, form)


def encrypted(encoding: Encoding, form: PrivateFormat) -> bytes:
    """Return the private key, locked by a password."""
    return RSA_KEY.private_bytes(encoding, form, BestAvailableEncryption(b"password"))


def relabelled(pem: bytes, label: str, instead: str) -> bytes:
    """Return PEM under another name."""
    return pem.replace(label.encode(), instead.encode())


PEM, DER = Encoding.PEM, Encoding.DER
SSH_KEY = RSA_KEY.private_bytes(PEM, PrivateFormat.OpenSSH, NoEncryption())
SSH_PUBLIC_KEY = public_key(Encoding.OpenSSH, PublicFormat.OpenSSH)
INFO, PKCS1 = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1
PKCS7 = serialize_certificates([CERTIFICATE], PEM)

NAMED: list[tuple[bytes, str, str]] = [
    (pkcs12(b"password"), "file_is_pkcs12", "PKCS#12"),
    (pkcs12(None), "file_is_pkcs12", "PKCS#12"),
    (b64encode(pkcs12(b"password")), "file_is_pkcs12", "PKCS#12"),
    (PKCS7, "file_is_pkcs7", "PKCS#7"),
    (serialize_certificates([CERTIFICATE], DER), "file_is_pkcs7", "PKCS#7"),
    (relabelled(PKCS7, "PKCS7", "CERTIFICATE"), "file_is_pkcs7", "PKCS#7"),
    (PKCS7.replace(b"\n", b"\r\n\r\n"), "file_is_pkcs7", "PKCS#7"),
    (request(PEM), "file_is_request", "CSR"),
    (request(DER), "file_is_request", "CSR"),
    (
        relabelled(request(PEM), "CERTIFICATE", "NEW CERTIFICATE"),
        "file_is_request",
        "CSR",
    ),
    (request(PEM).decode().encode("utf-16"), "file_is_request", "CSR"),
    (public_key(PEM, INFO), "file_is_public_key", "public key"),
    (public_key(DER, INFO), "file_is_public_key", "public key"),
    (public_key(PEM, PKCS1), "file_is_public_key", "public key"),
    (SSH_KEY, "file_is_ssh_key", "SSH"),
    (SSH_PUBLIC_KEY, "file_is_ssh_key", "SSH"),
    (b"PuTTY-User-Key-File-3: ssh-rsa\r\n", "file_is_ssh_key", "SSH"),
    (b"---- BEGIN SSH2 PUBLIC KEY ----\n", "file_is_ssh_key", "SSH"),
    (b"\n<!DOCTYPE html>\n<html>...", "file_is_web_page", "web page"),
    (b"<html><head></head></html>", "file_is_web_page", "web page"),
    (
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        "file_is_web_page",
        "error",
    ),
    (b'{"message": "Forbidden"}', "file_is_json", "JSON"),
    (b"", "file_empty", "empty"),
    (b" \r\n\n", "file_empty", "empty"),
    (b"\xff\xfe\r\x00\n\x00", "file_empty", "empty"),
    (b"\xef\xbb\xbf", "file_empty", "empty"),
    (b"\0" * 512, "file_empty", "empty"),
    (b" " * (MAX_FILE_BYTES + 1), "file_too_large", "1 MiB"),
]


@pytest.mark.parametrize("field", [CONF_CERTIFICATE, CONF_PRIVATE_KEY, CONF_ROOT_CA])
@pytest.mark.parametrize(
    ("data", "error", "word"),
    NAMED,
    ids=[f"{error}-{number}" for number, (_, error, _) in enumerate(NAMED)],
)
def test_what_cannot_be_taken_is_named(
    field: str, data: bytes, error: str, word: str
) -> None:
    """In each of the fields, by the word that people search for."""
    assert refusal(field, data) == error
    assert word in WORDS[error]


@pytest.mark.parametrize(
    "data",
    [
        encrypted(PEM, PrivateFormat.PKCS8),
        encrypted(DER, PrivateFormat.PKCS8),
        encrypted(PEM, PrivateFormat.TraditionalOpenSSL),
        encrypted(PEM, PrivateFormat.TraditionalOpenSSL).replace(b"\n", b"\r\n\r\n"),
        encrypted(PEM, PrivateFormat.PKCS8).decode().encode("utf-16"),
        MADE.certificate + encrypted(PEM, PrivateFormat.PKCS8),
    ],
)
def test_a_key_that_is_locked(data: bytes) -> None:
    """It is said to be, and beside a certificate it does no harm."""
    if b"BEGIN CERTIFICATE" in data:
        assert read_certificate(data) == MADE.certificate.decode()
        assert refusal(CONF_PRIVATE_KEY, data) == "file_is_certificate"
        return
    assert refusal(CONF_PRIVATE_KEY, data) == "private_key_encrypted"
    assert refusal(CONF_CERTIFICATE, data) == "file_is_private_key"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_files_that_were_mixed_up(way: Callable[[bytes], bytes]) -> None:
    """Each is named in the other's field."""
    assert refusal(CONF_CERTIFICATE, way(MADE.private_key)) == "file_is_private_key"
    assert refusal(CONF_ROOT_CA, way(MADE.private_key)) == "file_is_private_key"
    assert refusal(CONF_PRIVATE_KEY, way(MADE.certificate)) == "file_is_certificate"


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: pem[: len(pem) // 2],
        lambda pem: pem[: pem.index(b"-----END")],
        lambda pem: pem[pem.index(b"\n") + 1 :],
        lambda pem: pem[: len(pem) // 2] + pem[len(pem) // 2 + 4 :],
        lambda pem: pem.replace(b"M", b"!", 1),
        lambda pem: pem.splitlines()[0] + b"\n" + pem.splitlines()[-1],
        lambda pem: _der(pem)[:-1],
    ],
)
def test_a_file_that_is_not_whole(damage: Callable[[bytes], bytes]) -> None:
    """It is said to be that, and never taken for what it is not."""
    assert refusal(CONF_CERTIFICATE, damage(MADE.certificate)) == "file_damaged"
    assert refusal(CONF_ROOT_CA, damage(MADE.certificate)) == "file_damaged"
    assert refusal(CONF_PRIVATE_KEY, damage(MADE.private_key)) == "file_damaged"


def test_a_chain_that_is_not_whole() -> None:
    """Half of it would be refused by AWS, for another reason. A key beside it is whole."""
    cut = LEAF + LOWER[:-40]
    assert refusal(CONF_CERTIFICATE, cut) == "file_damaged"
    assert read_private_key(cut + MADE.private_key) == MADE.private_key.decode()


@pytest.mark.parametrize(
    "key", [ed25519_key(), ec.generate_private_key(ec.BrainpoolP256R1())]
)
def test_keys_of_no_use(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    """They are whole, but nothing takes them."""
    pem = key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    assert refusal(CONF_PRIVATE_KEY, pem) == "private_key_unsupported"


@pytest.mark.parametrize("data", [b"garbage", b"\x89PNG\r\n", b"0", b"0\x80"])
def test_what_is_not_known(data: bytes) -> None:
    """It is not guessed at."""
    assert refusal(CONF_CERTIFICATE, data) == "invalid_certificate"
    assert refusal(CONF_ROOT_CA, data) == "invalid_root_ca"
    assert refusal(CONF_PRIVATE_KEY, data) == "invalid_private_key"


parts = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([OTHER.certificate, OTHER.private_key, request(DER), PKCS7, LEAF]),
    st.sampled_from([b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----\n"]),
    st.sampled_from(
        [b"\xff\xfe", b"\0", b"\\n", b"\\u0041", b"0\x82\x01", b"{", b"AAAA"]
    ),
)


@given(st.lists(parts, max_size=6).map(b"".join))
@settings(deadline=None)
def test_any_file_is_read_or_refused(data: bytes) -> None:
    """With words; and what is read is PEM, which is read again as it is."""
    for field, read in READERS.items():
        faults, pem = tried(read, data)
        assert faults.keys() <= {field}
        assert WORDS.keys() >= set(faults.values())
        assert faults or tried(read, pem.encode()) == ({}, pem)
        assert faults or pem.startswith("-----BEGIN ")


def tried(read: Callable[[bytes], str], data: bytes) -> tuple[dict[str, str], str]:
    """Return the errors that a file gets, and what is read of it."""
    try:
        return {}, read(data)
    except InvalidInputError as fault:
        return fault.errors, ""


@pytest.mark.parametrize(
    "unit",
    [
        *(
            b"-----BEGIN A-----",
            b"-----BEGIN ",
            b"-",
            b"-----BEGIN A-----\n",
            b"\\",
            b"\\u",
        ),
        *(b"\n", b" ", b"{", b"[", b"A:", b"=", b"-----END A-----", b"0\x82", b"\0"),
    ],
)
def test_takes_no_time(unit: bytes) -> None:
    """Of the largest file that is looked into."""
    for data in (
        unit * (MAX_FILE_BYTES // len(unit)),
        b"-----BEGIN A-----" + unit * 60_000 + b"-----END A-----",
    ):
        started = time.thread_time()
        refusal(CONF_CERTIFICATE, data)
        assert time.thread_time() - started < 5
