"""What answers at an endpoint: a look by Python's TLS, before the MQTT client tries.

The client's TLS library tells of a server that it does not trust only after 10 to 30 s, so
that nobody learns from the time that it takes, and does not say why. Python's tells at once.
What the client may accept is never refused here: where the two could differ, the look only
has a doubt, and the client decides.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
import logging
import os
import ssl
from typing import Any, Final

from . import authorities
from .connection import ALPN_PORT, ClientSettings
from .errors import (
    BeyondProxyError,
    ClockError,
    ConnectError,
    CredentialsError,
    EndpointError,
    NoTlsError,
    ProxyError,
    ProxyTlsError,
    ServerCertificateError,
    ServerNameError,
    ServerValidityError,
)
from .tunnel import connect

_LOGGER = logging.getLogger(__name__)

HANDSHAKE_SECONDS: Final = 10
"""How long a TLS handshake may take: as long as the client gives it."""

_READ_BYTES = 65536
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for."""

_ALPN_PROTOCOL = "x-amzn-mqtt-ca"
# The client takes old ciphers and versions, and short keys. So the look does.
_CIPHERS = "DEFAULT:@SECLEVEL=0"

# The first bytes of a TLS record: an alert or a handshake, of any version.
_RECORD_TYPES = (0x15, 0x16)
_RECORD_VERSION = 0x03

# X509_V_ERR_… of OpenSSL: where the client's library comes to the same end.
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = 18
_UNTRUSTED = {_SELF_SIGNED, 7, 19, 20, 21}
_OTHER_NAME = {62, 64}

_CLIENT_CERTIFICATE_ALERTS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
_VERSION_ERRORS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")

type Certificate = dict[str, Any]
"""A certificate as `ssl.SSLObject.getpeercert` returns it; empty where nothing is known."""


class _ClosedError(Exception):
    """The other end has closed the connection within the handshake.

    `heard` tells whether it said anything, `proven` whether it had shown who it is.
    """

    def __init__(self, *, heard: bool, proven: bool) -> None:
        super().__init__()
        self.heard = heard
        self.proven = proven


async def look_at_endpoint(settings: ClientSettings) -> ConnectError | None:
    """Look whether what answers at an endpoint can be AWS IoT.

    Returns what most likely is the matter when the client cannot connect all the same, or
    None when TLS works. Raises the ConnectError for what the client would not accept either.
    """
    try:
        doubt = await _look(settings)
    except ConnectError as err:
        raise _blamed(err, settings) from err
    return None if doubt is None else _blamed(doubt, settings)


def _blamed(error: ConnectError, settings: ClientSettings) -> ConnectError:
    """Return what is the matter with TLS as the proxy's fault, where there is one.

    AWS IoT itself does it well. Behind a proxy that opens TLS, to look into it, somebody else
    answers, and the thing cannot prove to AWS who it is.
    """
    if settings.proxy is None or isinstance(
        error, (BeyondProxyError, CredentialsError, ProxyError, ServerValidityError)
    ):
        return error
    return ProxyTlsError(str(error))


async def _look(settings: ClientSettings) -> ConnectError | None:
    try:
        context = await asyncio.to_thread(_trusting_context, settings)
    except ssl.SSLError:
        return None
    try:
        await _shake_hands(settings, context)
    except ssl.SSLCertVerificationError as err:
        return await _distrust(settings, err)
    except ssl.SSLError as err:
        return _tls_error(settings, err)
    except _ClosedError as err:
        return _closed(settings, err)
    return None


async def _shake_hands(
    settings: ClientSettings, context: ssl.SSLContext
) -> ssl.SSLObject:
    """Do a TLS handshake, and return what came out of it.

    TLS runs over plain streams, so that what is no TLS can be told. Raises ConnectError,
    ssl.SSLError and _ClosedError.
    """
    reader, writer = await connect(settings)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            return await _negotiate(settings, context, reader, writer)
    except TimeoutError as err:
        raise EndpointError(
            f"{_where(settings)} takes connections, but no TLS handshake ends within "
            f"{HANDSHAKE_SECONDS} s"
        ) from err
    finally:
        writer.close()


async def _negotiate(
    settings: ClientSettings,
    context: ssl.SSLContext,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> ssl.SSLObject:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=settings.endpoint)
    heard = False
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            return tls
        finally:
            writer.write(outgoing.read())
        try:
            data = await reader.read(_READ_BYTES)
        except OSError:
            data = b""
        if not data:
            proven = bool(tls.get_verified_chain())
            raise _ClosedError(heard=heard, proven=proven)
        if not heard and not _is_tls(data):
            raise NoTlsError(f"{_where(settings)} {_what_speaks(data)}")
        heard = True
        incoming.write(data)


async def _distrust(
    settings: ClientSettings, err: ssl.SSLCertVerificationError
) -> ServerCertificateError:
    """Return why a server's certificate may not be accepted, or raise it for sure."""
    _LOGGER.debug("%s is not trusted: %s", settings.endpoint, err)
    shown = await _shown_certificate(settings)
    where = _where(settings)
    code = err.verify_code
    certain = True
    if code in _UNTRUSTED:
        error = ServerCertificateError(f"{where} {_signed_by(shown, code)}")
    elif code in {_EXPIRED, _NOT_YET_VALID}:
        kind = ClockError if _is_before(shown) else ServerValidityError
        error = kind(f"{where} {_dates(shown, code)}")
    elif code in _OTHER_NAME:
        names = _names(shown)
        # The client takes an address that is written where a name belongs.
        certain = bool(names) and settings.endpoint not in names
        error = ServerNameError(
            f"{where} shows a certificate for {_enumerate(names)}, not for "
            f"{settings.endpoint}"
        )
    else:
        certain = False
        error = ServerCertificateError(
            f"{where} shows a certificate that does not follow the rules for servers"
        )
    if certain:
        raise error from err
    return error


async def _shown_certificate(settings: ClientSettings) -> Certificate:
    """Return the certificate that a server shows, whatever it is worth.

    Python reads only certificates that it trusts: this one is fetched without trust, and
    then trusted for one more handshake, from which nothing but the reading is used.
    """
    with suppress(ConnectError, ssl.SSLError, _ClosedError):
        context = await asyncio.to_thread(_context, settings, b"")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        fetched = await _shake_hands(settings, context)
        shown = fetched.getpeercert(binary_form=True)
        context = await asyncio.to_thread(_context, settings, shown or b"")
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        return (await _shake_hands(settings, context)).getpeercert() or {}
    return {}


def _trusting_context(settings: ClientSettings) -> ssl.SSLContext:
    """Return how to do TLS as the client does it, with all authorities that it may trust.

    Blocks. Raises ssl.SSLError for authorities that cannot be read.
    """
    root_ca = settings.root_ca
    return _context(
        settings, _ascii(authorities.public() if root_ca is None else root_ca)
    )


def _context(settings: ClientSettings, trusted: str | bytes) -> ssl.SSLContext:
    """Return how to do TLS as the client does it, trusting these authorities, PEM or DER.

    Blocks. Raises ssl.SSLError for authorities that cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(_CIPHERS)
    if settings.port == ALPN_PORT:
        context.set_alpn_protocols([_ALPN_PROTOCOL])
    if trusted:
        context.load_verify_locations(cadata=trusted)
    # A server that wants the thing's certificate may end a handshake without it.
    with suppress(ssl.SSLError, OSError):
        _present(context, settings.certificate, settings.private_key)
    return context


def _present(context: ssl.SSLContext, certificate: bytes, private_key: bytes) -> None:
    """Have a certificate shown to the server. Its key is read from memory, not from disk."""
    file = os.memfd_create("credentials")
    try:
        os.write(file, b"\n".join((certificate, private_key)))
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def _closed(settings: ClientSettings, err: _ClosedError) -> ConnectError:
    """Say what the end of a connection within a handshake most likely means."""
    where = _where(settings)
    if not err.heard:
        return NoTlsError(f"{where} ends the connection as soon as TLS begins")
    if err.proven:
        return CredentialsError(
            f"{where} ends the connection when it is shown the certificate"
        )
    return EndpointError(f"{where} ends the connection within the TLS handshake")


def _tls_error(settings: ClientSettings, err: ssl.SSLError) -> ConnectError:
    """Say what a failed handshake most likely means."""
    where = _where(settings)
    reason = err.reason or ""
    _LOGGER.debug("The TLS handshake with %s fails: %s", where, err)
    if "ALERT" in reason and any(
        alert in reason for alert in _CLIENT_CERTIFICATE_ALERTS
    ):
        return CredentialsError(f"{where} refused the certificate")
    if any(error in reason for error in _VERSION_ERRORS):
        return EndpointError(f"{where} speaks no version of TLS that is known here")
    if "ALERT" in reason:
        return EndpointError(f"{where} refused the TLS handshake")
    return EndpointError(f"the TLS handshake with {where} fails")


def _is_tls(start: bytes) -> bool:
    return start[0] in _RECORD_TYPES and start[1:2] in {b"", bytes([_RECORD_VERSION])}


def _what_speaks(start: bytes) -> str:
    if start.startswith(b"SSH-"):
        return "speaks SSH, not TLS"
    if start.startswith(b"HTTP/"):
        return "speaks HTTP without TLS"
    return "speaks something else than TLS"


def _signed_by(shown: Certificate, code: int) -> str:
    subject, issuer = _name(shown, "subject"), _name(shown, "issuer")
    if code == _SELF_SIGNED:
        return f"shows a certificate for {subject} that it has signed itself"
    return f"shows a certificate for {subject}, signed by {issuer}, which is not trusted here"


def _dates(shown: Certificate, code: int) -> str:
    """Say in words that a certificate is not valid now, by the clock here."""
    now = datetime.now(UTC)
    begins, ends = _time(shown, "notBefore"), _time(shown, "notAfter")
    here = f"and it is {_as_text(now)} here"
    if code == _EXPIRED and ends is not None and ends < now:
        return f"shows a certificate that expired on {_as_text(ends)}, {here}"
    if code == _NOT_YET_VALID and begins is not None and now < begins:
        return f"shows a certificate that is valid from {_as_text(begins)}, {here}"
    what = "has expired" if code == _EXPIRED else "is not valid yet"
    return f"shows a certificate whose authority's certificate {what}, {here}"


def _is_before(shown: Certificate) -> bool:
    """Return whether it is too early here for a certificate that a server has by now."""
    begins = _time(shown, "notBefore")
    return begins is not None and datetime.now(UTC) < begins


def _time(shown: Certificate, field: str) -> datetime | None:
    if field not in shown:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown[field]), UTC)


def _as_text(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _names(shown: Certificate) -> list[str]:
    """Return the names that a certificate is for."""
    alternatives = [value for _, value in shown.get("subjectAltName", ())]
    return alternatives or [name for name in (_common_name(shown, "subject"),) if name]


def _name(shown: Certificate, field: str) -> str:
    """Return the name of a subject or an issuer."""
    if name := _common_name(shown, field):
        return name
    parts = [value for part in shown.get(field, ()) for _, value in part]
    return ", ".join(parts) or "an unknown name"


def _common_name(shown: Certificate, field: str) -> str:
    found = dict(pair for part in shown.get(field, ()) for pair in part)
    return str(found.get("commonName", ""))


def _enumerate(names: list[str]) -> str:
    return ", ".join(names) or "an unknown name"


def _ascii(pem: bytes) -> str:
    """Return PEM as OpenSSL takes it; what else there is are comments."""
    return pem.decode("ascii", errors="ignore")


def _where(settings: ClientSettings) -> str:
    where = f"{settings.endpoint}:{settings.port}"
    return where if settings.proxy is None else f"{where} behind {settings.proxy}"
