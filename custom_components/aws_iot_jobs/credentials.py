"""Certificates and private keys, as users have them: PEM or DER in, PEM out.

Everything here computes: it is not for the event loop. Nothing of a key gets into an
error.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from .const import CONF_CERTIFICATE, CONF_PRIVATE_KEY, CONF_ROOT_CA
from .errors import InvalidInputError

_PEM_MARK = b"-----BEGIN "
_DATE_FORMAT = "%Y-%m-%d %H:%M UTC"


def read_certificate(data: bytes) -> str:
    """Return a thing's certificate, with those of its chain if there are any, as PEM.

    Raises InvalidInputError.
    """
    return _read_certificates(data, {CONF_CERTIFICATE: "invalid_certificate"})


def read_root_ca(data: bytes) -> str:
    """Return the certificates of authorities as PEM. Raises InvalidInputError."""
    return _read_certificates(data, {CONF_ROOT_CA: "invalid_root_ca"})


def read_private_key(data: bytes) -> str:
    """Return a private key as PEM. Raises InvalidInputError."""
    load = load_pem_private_key if _PEM_MARK in data else load_der_private_key
    try:
        key = load(data, None)
    except TypeError as err:
        # What cryptography raises when there is no password for an encrypted key.
        raise InvalidInputError({CONF_PRIVATE_KEY: "private_key_encrypted"}) from err
    except (ValueError, UnsupportedAlgorithm) as err:
        raise InvalidInputError({CONF_PRIVATE_KEY: "invalid_private_key"}) from err
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise InvalidInputError({CONF_PRIVATE_KEY: "private_key_unsupported"})
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


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


def _read_certificates(data: bytes, errors: dict[str, str]) -> str:
    """Return all certificates in `data`, and nothing else that it may hold."""
    try:
        if _PEM_MARK in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
    except ValueError as err:
        raise InvalidInputError(errors) from err
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def _first(certificates: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.encode())


READERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    CONF_CERTIFICATE: read_certificate,
    CONF_PRIVATE_KEY: read_private_key,
    CONF_ROOT_CA: read_root_ca,
}
"""What reads the file of a field."""
