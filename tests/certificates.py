"""Certificates for tests: an authority, and what it signs, made in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_DAY = timedelta(days=1)
_YEAR = timedelta(days=365)
"""So long that nobody is told that it ends."""
_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate and its private key, both as PEM."""

    certificate: bytes
    private_key: bytes = field(repr=False)


class CertificateAuthority:
    """Signs the certificates of servers and devices."""

    def __init__(
        self,
        name: str = "Test CA",
        *,
        valid_from: timedelta = -_DAY,
        valid_until: timedelta = _DAY,
    ) -> None:
        """Make the authority's own key and certificate."""
        self._key = make_key()
        self._name = _name(name)
        self._certificate = (
            _builder(
                self._name, self._name, self._key.public_key(), valid_from, valid_until
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_AUTHORITY_USAGE, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, as PEM."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def own(self) -> Credentials:
        """The authority's own certificate and key, to be what a server shows."""
        return Credentials(certificate=self.certificate, private_key=key_pem(self._key))

    def server(
        self,
        host: str = "localhost",
        *,
        names: Sequence[x509.GeneralName] | None = None,
        key: PrivateKey | None = None,
        valid_from: timedelta = -_DAY,
        valid_until: timedelta = _DAY,
    ) -> Credentials:
        """Sign for a server on the loopback interface, or for these names alone."""
        if names is None:
            names = [x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))]
        return self._sign(
            host,
            key or make_key(),
            ExtendedKeyUsageOID.SERVER_AUTH,
            *([x509.SubjectAlternativeName(names)] if names else []),
            valid_from=valid_from,
            valid_until=valid_until,
        )

    def device(
        self,
        name: str,
        *,
        key: PrivateKey | None = None,
        valid_from: timedelta = -_DAY,
        valid_until: timedelta = _YEAR,
    ) -> Credentials:
        """Sign for a device of a name, valid from and until a time that counts from now."""
        return self._sign(
            name,
            key or make_key(),
            ExtendedKeyUsageOID.CLIENT_AUTH,
            valid_from=valid_from,
            valid_until=valid_until,
        )

    def certify(self, name: str, signing_request: str) -> str:
        """Sign for a device of a name whose key is not told. Returns PEM."""
        request = x509.load_pem_x509_csr(signing_request.encode())
        assert request.is_signature_valid
        public_key = request.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        builder = _builder(_name(name), self._name, public_key, -_DAY, _YEAR)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = builder.add_extension(usage, critical=False).sign(
            self._key, hashes.SHA256()
        )
        return certificate.public_bytes(Encoding.PEM).decode()

    def _sign(
        self,
        name: str,
        key: PrivateKey,
        usage: x509.ObjectIdentifier,
        *extensions: x509.ExtensionType,
        valid_from: timedelta = -_DAY,
        valid_until: timedelta = _DAY,
    ) -> Credentials:
        builder = _builder(
            _name(name), self._name, key.public_key(), valid_from, valid_until
        )
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self._key.public_key()
        )
        for extension in (x509.ExtendedKeyUsage([usage]), authority, *extensions):
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Credentials(
            certificate=certificate.public_bytes(Encoding.PEM), private_key=key_pem(key)
        )


def make_key() -> PrivateKey:
    """Make a private key, quickly."""
    return ec.generate_private_key(ec.SECP256R1())


def make_rsa_key() -> PrivateKey:
    """Make a private key of the kind that AWS IoT makes."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Return a private key as PEM, encrypted where there is a password."""
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(password) if password else NoEncryption()
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    valid_from: timedelta,
    valid_until: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid_from)
        .not_valid_after(now + valid_until)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
