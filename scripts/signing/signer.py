"""Who signs: a private key in a file, or a command that has one elsewhere."""

from base64 import b64decode
import binascii
from dataclasses import dataclass
import hashlib
import json
import shlex
import subprocess
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm
from jwt.utils import base64url_encode

_COORDINATE_BYTES = 32
_COMMAND_SECONDS = 60

type PublicKey = EllipticCurvePublicKey | Ed25519PublicKey


class SigningError(Exception):
    """A document cannot be signed; its message says why."""


class Signer(Protocol):
    """What signs, with a key of this id, by an algorithm of RFC 7518 or RFC 8037."""

    @property
    def algorithm(self) -> str:
        """The name of the algorithm."""

    @property
    def key_id(self) -> str:
        """The thumbprint of the public key, by RFC 7638."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data, as a JWS has it. Raises SigningError."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs with a private key."""

    key: EllipticCurvePrivateKey | Ed25519PrivateKey
    algorithm: str
    key_id: str

    @classmethod
    def of(cls, pem: bytes) -> KeySigner:
        """Sign with a key as PEM. Raises SigningError."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (TypeError, ValueError) as err:
            raise SigningError(f"the key cannot be read: {err}") from err
        if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey):
            raise SigningError(_OTHER_KEY)
        algorithm, key_id = _described(key.public_key())
        return cls(key, algorithm, key_id)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data."""
        return bytes(_algorithm(self.algorithm).sign(data, self.key))


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """Has a command sign the digest of what is to be signed."""

    command: str
    algorithm: str
    key_id: str

    @classmethod
    def of(cls, pem: bytes, command: str) -> CommandSigner:
        """Have a command sign, whose public key is this. Raises SigningError."""
        try:
            key = load_pem_public_key(pem)
        except ValueError as err:
            raise SigningError(f"the public key cannot be read: {err}") from err
        if not isinstance(key, EllipticCurvePublicKey):
            raise SigningError(
                "--command signs with an EC key on the curve P-256 alone"
            )
        return cls(command, *_described(key))

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data. Raises SigningError."""
        finished = subprocess.run(
            shlex.split(self.command),
            input=hashlib.sha256(data).digest(),
            stdout=subprocess.PIPE,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if finished.returncode:
            raise SigningError(f"the command ended with status {finished.returncode}")
        try:
            r, s = decode_dss_signature(
                b64decode(finished.stdout.strip(), validate=True)
            )
        except (binascii.Error, ValueError) as err:
            raise SigningError(
                "the command printed no signature as Base64 of DER"
            ) from err
        return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)


_OTHER_KEY = "the key must be an EC key on the curve P-256, or an Ed25519 key"


def _algorithm(name: str) -> Algorithm:
    return ECAlgorithm(ECAlgorithm.SHA256) if name == "ES256" else OKPAlgorithm()


def _described(key: PublicKey) -> tuple[str, str]:
    """Return the algorithm of a key, and its thumbprint by RFC 7638."""
    match key:
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            algorithm, members = "ES256", ECAlgorithm.to_jwk(key, as_dict=True)
        case Ed25519PublicKey():
            algorithm, members = "EdDSA", OKPAlgorithm.to_jwk(key, as_dict=True)
        case _:
            raise SigningError(_OTHER_KEY)
    required = {
        name: members[name] for name in ("crv", "kty", "x", "y") if name in members
    }
    text = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return algorithm, base64url_encode(hashlib.sha256(text.encode()).digest()).decode()
