"""Certificates and private keys, as users have them: files in, PEM out.

Everything here computes: it is not for the event loop. Nothing of a key gets into an
error.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeIs

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .const import CONF_CERTIFICATE, CONF_PRIVATE_KEY, CONF_ROOT_CA
from .credential_files import FileKind, Finding, look_into
from .errors import InvalidInputError

type _PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_CURVES = ("secp224r1", "secp256r1", "secp256k1", "secp384r1", "secp521r1")
"""The curves that the TLS client of AWS takes."""

_DATE_FORMAT = "%Y-%m-%d %H:%M UTC"


def read_certificate(data: bytes) -> str:
    """Return a thing's certificate as PEM, and behind it its chain if there is one.

    Each certificate of a chain has signed the one before it. Where several may be the
    thing's, all are returned: `pair_up` finds out. Raises InvalidInputError.
    """
    found = _read_certificates(data, CONF_CERTIFICATE, "invalid_certificate")
    leaves = [each for each in found if not _has_issued_any(each, found)]
    return _pem(_chain(leaves[0], found) if len(leaves) == 1 else found)


def read_root_ca(data: bytes) -> str:
    """Return the certificates of authorities as PEM. Raises InvalidInputError."""
    return _pem(_read_certificates(data, CONF_ROOT_CA, "invalid_root_ca"))


def read_private_key(data: bytes) -> str:
    """Return a private key as PEM, or all where there are several.

    Raises InvalidInputError.
    """
    findings = look_into(data)
    keys = [each.private_key for each in findings if each.private_key is not None]
    if not keys:
        raise _refusal(CONF_PRIVATE_KEY, findings, "invalid_private_key")
    usable = [key for key in keys if _is_usable(key)]
    if not usable:
        raise InvalidInputError({CONF_PRIVATE_KEY: "private_key_unsupported"})
    return "".join(_key_pem(key) for key in usable)


def pair_up(certificates: str, private_keys: str) -> tuple[str, str]:
    """Return the certificate that has its key here, with its chain, and that key.

    All is PEM, as it was read. Raises InvalidInputError when there is no such pair.
    """
    found = x509.load_pem_x509_certificates(certificates.encode())
    for finding in look_into(private_keys.encode()):
        for certificate in found:
            key = finding.private_key
            if key is not None and _is_usable(key) and _fit(certificate, key):
                return _pem(_chain(certificate, found)), _key_pem(key)
    raise InvalidInputError({CONF_PRIVATE_KEY: "private_key_mismatch"})


def check_fit(certificate: str, private_key: str) -> None:
    """Check that a key belongs to a certificate, both PEM. Raises InvalidInputError."""
    key = load_pem_private_key(private_key.encode(), None)
    if key.public_key() != _first(certificate).public_key():
        raise InvalidInputError({CONF_PRIVATE_KEY: "private_key_mismatch"})


def check_validity(certificate: str, now: datetime) -> None:
    """Check that a certificate, PEM, is valid at a time. Raises InvalidInputError."""
    found = _first(certificate)
    if now > found.not_valid_after_utc:
        raise InvalidInputError(
            {CONF_CERTIFICATE: "certificate_expired"},
            expired=found.not_valid_after_utc.strftime(_DATE_FORMAT),
            now=now.strftime(_DATE_FORMAT),
        )
    if now < found.not_valid_before_utc:
        raise InvalidInputError(
            {CONF_CERTIFICATE: "certificate_not_yet_valid"},
            valid_from=found.not_valid_before_utc.strftime(_DATE_FORMAT),
            now=now.strftime(_DATE_FORMAT),
        )


def expiry_of(certificate: str) -> datetime:
    """Return when a certificate, PEM, ends to be valid. Raises ValueError."""
    return _first(certificate).not_valid_after_utc


def _read_certificates(
    data: bytes, field: str, otherwise: str
) -> Sequence[x509.Certificate]:
    """Return all certificates in `data`, each once, and nothing else that it may hold."""
    findings = look_into(data)
    if any(each.label.endswith("CERTIFICATE") for each in findings):
        raise InvalidInputError({field: FileKind.DAMAGED.value})
    found = [each.certificate for each in findings if each.certificate is not None]
    if not found:
        raise _refusal(field, findings, otherwise)
    return list(dict.fromkeys(found))


def _refusal(
    field: str, findings: Iterable[Finding], otherwise: str
) -> InvalidInputError:
    """Say what a file is that is not what its field is for, if that is known."""
    kinds = {each.kind for each in findings}
    if field != CONF_PRIVATE_KEY and FileKind.ENCRYPTED_KEY in kinds:
        kinds.add(FileKind.PRIVATE_KEY)
    kind = next(kind for kind in FileKind if kind in kinds)
    error = otherwise if kind is FileKind.UNKNOWN else kind.value
    return InvalidInputError({field: error})


def _chain(
    certificate: x509.Certificate, others: Sequence[x509.Certificate]
) -> Sequence[x509.Certificate]:
    """Return a certificate, the one that signed it, the one that signed that, and so on."""
    chain = [certificate]
    while True:
        left = (each for each in others if each not in chain)
        issuer = next((each for each in left if _has_issued(each, chain[-1])), None)
        if issuer is None:
            return chain
        chain.append(issuer)


def _has_issued_any(
    issuer: x509.Certificate, certificates: Iterable[x509.Certificate]
) -> bool:
    return any(_has_issued(issuer, each) for each in certificates if each != issuer)


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm:
        return False
    return True


def _is_usable(key: PrivateKeyTypes) -> TypeIs[_PrivateKey]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.curve.name in _CURVES
    return isinstance(key, rsa.RSAPrivateKey)


def _fit(certificate: x509.Certificate, key: _PrivateKey) -> bool:
    try:
        return key.public_key() == certificate.public_key()
    except ValueError, UnsupportedAlgorithm:
        return False


def _first(certificates: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.encode())


def _pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def _key_pem(key: _PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


READERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    CONF_CERTIFICATE: read_certificate,
    CONF_PRIVATE_KEY: read_private_key,
    CONF_ROOT_CA: read_root_ca,
}
"""What reads the file of a field."""
