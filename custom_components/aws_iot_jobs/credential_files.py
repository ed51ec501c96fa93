"""What a file with certificates or keys holds, or what else it is."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
import json
import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
)

from .pem import PemBlock, decode, read_base64, read_blocks

MAX_FILE_BYTES = 1024 * 1024
"""More than a file with all public certificate authorities has."""

_SEQUENCE = b"\x30"
_PKCS12_VERSION = b"\x02\x01\x03\x30"
_PKCS7_TYPE = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
_SSH_LABELS = ("OPENSSH PRIVATE KEY", "SSH2 PUBLIC KEY", "SSH2 ENCRYPTED PRIVATE KEY")
_SSH = re.compile(
    r"ssh-(rsa|dss|ed25519) |ecdsa-sha2-|sk-(ssh|ecdsa)-|PuTTY-User-Key|---- BEGIN SSH2"
)
_MARKUP = re.compile(r"<(!doctype|!--|html|head|body|\?xml|error)\b", re.IGNORECASE)


class FileKind(StrEnum):
    """What may be in a file. The value is the error for what cannot be used."""

    CERTIFICATE = "file_is_certificate"
    PRIVATE_KEY = "file_is_private_key"
    ENCRYPTED_KEY = "private_key_encrypted"
    PKCS12 = "file_is_pkcs12"
    PKCS7 = "file_is_pkcs7"
    REQUEST = "file_is_request"
    SSH_KEY = "file_is_ssh_key"
    PUBLIC_KEY = "file_is_public_key"
    MARKUP = "file_is_web_page"
    JSON = "file_is_json"
    DAMAGED = "file_damaged"
    EMPTY = "file_empty"
    TOO_LARGE = "file_too_large"
    UNKNOWN = "file_unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a file holds; of a block that is damaged, what it was to be."""

    kind: FileKind
    label: str = ""
    certificate: x509.Certificate | None = None
    private_key: PrivateKeyTypes | None = None


def look_into(data: bytes) -> list[Finding]:
    """Return all that a file holds, in its order: one finding at least."""
    if len(data) > MAX_FILE_BYTES:
        return [Finding(FileKind.TOO_LARGE)]
    if found := _identify(data):
        return [found]
    text = decode(data)
    blocks = [_identify_block(block) for block in read_blocks(text)]
    return blocks or [_identify_text(text.strip("\0\ufeff \t\r\n"), data)]


def _identify_block(block: PemBlock) -> Finding:
    if block.label in _SSH_LABELS:
        return Finding(FileKind.SSH_KEY)
    if block.encrypted:
        return Finding(FileKind.ENCRYPTED_KEY)
    # Labels are not always true: what Windows calls a certificate may be PKCS#7.
    found = _identify(block.content) if block.content else None
    return found or Finding(FileKind.DAMAGED, label=block.label)


def _identify_text(text: str, data: bytes) -> Finding:
    """Say what a file is that has no block."""
    if not text:
        return Finding(FileKind.EMPTY)
    if _SSH.match(text):
        return Finding(FileKind.SSH_KEY)
    if _MARKUP.match(text):
        return Finding(FileKind.MARKUP)
    if text[0] in "{[":
        with suppress(ValueError, RecursionError):
            json.loads(text)
            return Finding(FileKind.JSON)
    if "-----BEGIN " in text or _is_cut(data):
        return Finding(FileKind.DAMAGED)
    if (content := read_base64(text)) and (found := _identify(content)):
        return found
    return Finding(FileKind.UNKNOWN)


def _identify(data: bytes) -> Finding | None:
    """Say what DER holds, or return None for what is not known."""
    der = _without_more(data)
    if der is None:
        return None
    with suppress(ValueError, x509.InvalidVersion):
        certificate = x509.load_der_x509_certificate(der)
        return Finding(FileKind.CERTIFICATE, certificate=certificate)
    if found := _identify_key(der):
        return found
    with suppress(ValueError, x509.InvalidVersion):
        x509.load_der_x509_csr(der)
        return Finding(FileKind.REQUEST)
    content = der[_header_length(der) :]
    if content.startswith(_PKCS12_VERSION):
        return Finding(FileKind.PKCS12)
    if content.startswith(_PKCS7_TYPE):
        return Finding(FileKind.PKCS7)
    return None


def _identify_key(der: bytes) -> Finding | None:
    try:
        key = load_der_private_key(der, None)
    except TypeError:
        # What cryptography raises when there is no password for an encrypted key.
        return Finding(FileKind.ENCRYPTED_KEY)
    except ValueError, UnsupportedAlgorithm:
        pass
    else:
        return Finding(FileKind.PRIVATE_KEY, private_key=key)
    with suppress(ValueError, UnsupportedAlgorithm):
        load_der_public_key(der)
        return Finding(FileKind.PUBLIC_KEY)
    return None


def _without_more(data: bytes) -> bytes | None:
    """Return the sequence of DER that `data` begins with, or None when there is none.

    What a transfer has added, and the trust that OpenSSL notes, stand behind it.
    """
    if not data.startswith(_SEQUENCE) or _is_cut(data):
        return None
    return data[: _length(data)]


def _is_cut(data: bytes) -> bool:
    """Return whether data that begins as a certificate does ends before its end."""
    length = _length(data) if data.startswith(b"\x30\x82") else None
    return length is not None and length > len(data)


def _header_length(der: bytes) -> int:
    """Return how many bytes the tag and the length of DER have."""
    return 2 + (der[1] & 0x7F if len(der) > 1 and der[1] & 0x80 else 0)


def _length(der: bytes) -> int | None:
    """Return how many bytes DER has, or None when it does not say, as BER need not."""
    if len(der) < 2 or der[1] == 0x80:
        return None
    header = _header_length(der)
    length = int.from_bytes(der[2:header]) if header > 2 else der[1]
    return header + length
