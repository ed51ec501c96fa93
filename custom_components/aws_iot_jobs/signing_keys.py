"""Public keys that verify signed job documents: their files, their names, and what they say.

A key goes by the thumbprint of RFC 7638, which whoever signs can make out of it, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import hashlib
import json
import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_encode

from .jobs.reasons import Reason
from .jobs.signed import NotTrustedError
from .pem import read_blocks

MAX_KEYS: Final = 10
_LABEL: Final = "PUBLIC KEY"
_HEADER: Final = frozenset({"alg", "kid", "typ", "cty"})
# What decodes Base64 leaves out what is none.
_COMPACT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_FIELD: Final = "steps[0].action.input.jws"

type PublicKey = EllipticCurvePublicKey | Ed25519PublicKey


class UnusableKeyError(Exception):
    """What was given is no public key that can verify. Its argument is the error's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A public key, its id, and the one algorithm that it signs with."""

    id: str
    algorithm: str
    key: PublicKey

    @classmethod
    def of(cls, key: object) -> SigningKey:
        """Return a key by what cryptography has read. Raises UnusableKeyError."""
        match key:
            case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
                members = ECAlgorithm.to_jwk(key, as_dict=True)
                return cls(id=_thumbprint(members), algorithm="ES256", key=key)
            case Ed25519PublicKey():
                members = OKPAlgorithm.to_jwk(key, as_dict=True)
                return cls(id=_thumbprint(members), algorithm="EdDSA", key=key)
        raise UnusableKeyError("signing_key_of_other_kind")

    @property
    def pem(self) -> str:
        """Return it as it is stored."""
        form = PublicFormat.SubjectPublicKeyInfo
        return self.key.public_bytes(Encoding.PEM, form).decode()


def read_signing_keys(text: str) -> tuple[SigningKey, ...]:
    """Return all public keys that a text has as PEM. Raises UnusableKeyError."""
    keys: dict[str, SigningKey] = {}
    for block in read_blocks(text):
        if block.label.endswith("PRIVATE KEY"):
            raise UnusableKeyError("signing_key_is_private")
        if block.label != _LABEL or block.content is None:
            raise UnusableKeyError("signing_key_unreadable")
        try:
            key = SigningKey.of(load_der_public_key(block.content))
        except ValueError as err:
            raise UnusableKeyError("signing_key_unreadable") from err
        keys[key.id] = key
    if not keys:
        raise UnusableKeyError("signing_key_unreadable")
    return tuple(keys.values())


class KeyRing:
    """The public keys of a home, and what they verify."""

    def __init__(self, pems: Iterable[str]) -> None:
        """Have keys as they are stored."""
        keys = (SigningKey.of(load_pem_public_key(pem.encode())) for pem in pems)
        self._keys: Mapping[str, SigningKey] = {key.id: key for key in keys}
        self._jws = PyJWS(algorithms=["ES256", "EdDSA"])

    def verify(self, jws: str) -> bytes:
        """Return the payload of a JWS. Raises NotTrustedError.

        The key decides the algorithm; what the header says of it has to agree.
        """
        if not _COMPACT.fullmatch(jws):
            raise NotTrustedError(_FIELD, Reason.NO_SIGNATURE.text())
        try:
            header = self._jws.get_unverified_header(jws)
        except (PyJWTError, ValueError, RecursionError) as err:
            raise NotTrustedError(_FIELD, Reason.NO_SIGNATURE.text()) from err
        if not isinstance(kid := header.get("kid"), str) or not kid:
            raise NotTrustedError(_FIELD, Reason.NO_KEY_ID.text())
        if (key := self._keys.get(kid)) is None:
            raise NotTrustedError(
                _FIELD, Reason.UNKNOWN_KEY_ID.text(found=f"{kid!r:.60}")
            )
        if (found := header.get("alg")) != key.algorithm:
            other = Reason.OTHER_ALGORITHM.text(
                found=f"{found!r:.40}", wanted=key.algorithm
            )
            raise NotTrustedError(_FIELD, other)
        try:
            # What is not known here could change what is signed.
            if header.keys() - _HEADER:
                raise NotTrustedError(_FIELD, Reason.NO_SIGNATURE.text())
            return bytes(self._jws.decode(jws, key.key, algorithms=[key.algorithm]))
        except (PyJWTError, ValueError) as err:
            raise NotTrustedError(_FIELD, Reason.WRONG_SIGNATURE.text()) from err


def _thumbprint(members: Mapping[str, str]) -> str:
    """Return the name of a key out of its required members, as RFC 7638 has it."""
    required = {
        name: members[name] for name in ("crv", "kty", "x", "y") if name in members
    }
    text = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return base64url_encode(hashlib.sha256(text.encode()).digest()).decode()
