"""A look at an endpoint: what is not AWS IoT is told at once, and in words.

What the MQTT client accepts is never refused. The client itself says what that is: it
connects to the same servers.
"""

# ruff: noqa: PLR0917 -- fixtures are arguments

import _socket
import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
import socket
import ssl
import time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
import pytest
import pytest_socket

from custom_components.aws_iot_jobs.aws_iot import endpoint
from custom_components.aws_iot_jobs.aws_iot.check import check_connection
from custom_components.aws_iot_jobs.aws_iot.connection import (
    Connection,
    ConnectionSettings,
)
from custom_components.aws_iot_jobs.aws_iot.endpoint import look_at_endpoint
from custom_components.aws_iot_jobs.aws_iot.errors import (
    AwsIotError,
    ClockError,
    CredentialsError,
    EndpointError,
    NoTlsError,
    ServerCertificateError,
    ServerNameError,
    ServerValidityError,
    UnknownHostError,
)

from ..broker import Broker
from ..certificates import CertificateAuthority, Credentials
from ..runner_service import free_port
from ..tls_servers import (
    HOST,
    MqttTalk,
    Server,
    Talk,
    close_at_once,
    say,
    say_nothing,
    tls_context,
)

DAY = timedelta(days=1)
SOON_SECONDS = 3
"""Well below the 10 s after which the client's library tells of a server at the earliest."""


@pytest.fixture(autouse=True)
def sockets_on_loopback(socket_enabled: None) -> None:
    """Let nothing connect to anywhere else."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost", "::1"])


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    """Make the authority that signs for the thing, and for servers that it trusts."""
    return CertificateAuthority()


@pytest.fixture(scope="module")
def thing(ca: CertificateAuthority) -> Credentials:
    """Make the certificate and the key of a thing."""
    return ca.device("thing-1")


def _settings(
    thing: Credentials, port: int, root_ca: bytes, host: str = HOST
) -> ConnectionSettings:
    return ConnectionSettings(
        endpoint=host,
        port=port,
        thing_name="thing-1",
        certificate=thing.certificate,
        private_key=thing.private_key,
        root_ca=root_ca,
    )


async def _fault(settings: ConnectionSettings) -> AwsIotError:
    """Return what a check finds, which has to find it soon."""
    begun = time.monotonic()
    with pytest.raises(AwsIotError) as caught:
        await check_connection(settings)
    assert time.monotonic() - begun < SOON_SECONDS
    return caught.value


@pytest.mark.parametrize(
    ("talk", "told"),
    [
        (say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "speaks HTTP without TLS"),
        (say(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "speaks SSH, not TLS"),
        (say(b"220 mail.example ESMTP\r\n"), "speaks something else than TLS"),
        (close_at_once, "ends the connection as soon as TLS begins"),
    ],
)
async def test_port_without_tls(
    ca: CertificateAuthority, thing: Credentials, talk: Talk, told: str
) -> None:
    """A port without TLS is not blamed on any certificate."""
    async with Server(talk) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert isinstance(fault, NoTlsError)
    assert str(fault) == f"{HOST}:{server.port} {told}"


async def test_silence(
    ca: CertificateAuthority, thing: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes connections and says nothing is given up, by the look alone."""
    monkeypatch.setattr(endpoint, "HANDSHAKE_SECONDS", 0.5)
    async with Server(say_nothing) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert type(fault) is EndpointError
    assert "no TLS handshake ends within 0.5 s" in str(fault)


async def test_nobody_there(ca: CertificateAuthority, thing: Credentials) -> None:
    """A port that nobody listens on."""
    port = free_port()
    fault = await _fault(_settings(thing, port, ca.certificate))
    assert type(fault) is EndpointError
    assert str(fault) == f"{HOST}:{port} cannot be reached: connection refused"


def _resolve_nothing(*_: Any, **__: Any) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _ask_nobody(*_: Any, **__: Any) -> None:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.mark.parametrize(
    ("host", "resolve", "reason"),
    [
        ("account.invalid", _resolve_nothing, ""),
        ("account.invalid", _ask_nobody, ": no name server answers"),
        ("a..b", _socket.getaddrinfo, ": it is no host name"),
        (f"{'a' * 64}.example", _socket.getaddrinfo, ": it is no host name"),
    ],
)
async def test_unknown_name(
    ca: CertificateAuthority,
    thing: Credentials,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    resolve: Callable[..., Any],
    reason: str,
) -> None:
    """A name that has no address, or can have none."""
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    fault = await _fault(_settings(thing, 8883, ca.certificate, host))
    assert isinstance(fault, UnknownHostError)
    assert str(fault) == f"no address is known for {host}{reason}"


@pytest.mark.parametrize("issuer", ["Test CA", "Another CA"])
async def test_untrusted_authority(
    tmp_path: Path, ca: CertificateAuthority, thing: Credentials, issuer: str
) -> None:
    """Who signed the certificate is named, also when an authority of that name is trusted."""
    shown = CertificateAuthority(issuer).server(HOST)
    async with Server(say_nothing, tls_context(tmp_path, shown, clients=ca)) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert type(fault) is ServerCertificateError
    assert (
        f"a certificate for {HOST}, signed by {issuer}, which is not trusted here"
    ) in str(fault)


async def test_public_authorities_do_not_trust_a_home_made_server(
    tmp_path: Path, ca: CertificateAuthority, thing: Credentials
) -> None:
    """Without an authority of the user's, the public ones are asked."""
    context = tls_context(tmp_path, ca.server(HOST), clients=ca)
    async with Server(say_nothing, context) as server:
        settings = ConnectionSettings(
            endpoint=HOST,
            port=server.port,
            thing_name="thing-1",
            certificate=thing.certificate,
            private_key=thing.private_key,
        )
        fault = await _fault(settings)
    assert type(fault) is ServerCertificateError


async def test_self_signed(
    tmp_path: Path, ca: CertificateAuthority, thing: Credentials
) -> None:
    """A certificate that vouches for itself, which nobody has said to trust."""
    shown = CertificateAuthority(HOST).own
    async with Server(say_nothing, tls_context(tmp_path, shown, clients=ca)) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert type(fault) is ServerCertificateError
    assert f"a certificate for {HOST} that it has signed itself" in str(fault)


async def test_another_name(
    tmp_path: Path, ca: CertificateAuthority, thing: Credentials
) -> None:
    """The names that the certificate has are told: one of them may be meant."""
    names = [x509.DNSName("a.example"), x509.DNSName("*.b.example")]
    context = tls_context(tmp_path, ca.server(HOST, names=names), clients=ca)
    async with Server(say_nothing, context) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert isinstance(fault, ServerNameError)
    assert f"a certificate for a.example, *.b.example, not for {HOST}" in str(fault)


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "told", "kind"),
    [
        (
            -9 * DAY,
            -2 * DAY,
            "shows a certificate that expired on ",
            ServerValidityError,
        ),
        (2 * DAY, 9 * DAY, "shows a certificate that is valid from ", ClockError),
    ],
)
async def test_not_valid_now(
    tmp_path: Path,
    ca: CertificateAuthority,
    thing: Credentials,
    valid_from: timedelta,
    valid_until: timedelta,
    told: str,
    kind: type[ServerValidityError],
) -> None:
    """The date is told, and what the clock here says: it may be the one that is wrong."""
    shown = ca.server(HOST, valid_from=valid_from, valid_until=valid_until)
    certificate = x509.load_pem_x509_certificate(shown.certificate)
    date = (
        certificate.not_valid_after_utc
        if valid_until < timedelta()
        else certificate.not_valid_before_utc
    )
    async with Server(say_nothing, tls_context(tmp_path, shown, clients=ca)) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert type(fault) is kind
    assert f"{told}{date:%Y-%m-%d %H:%M} UTC, and it is 2" in str(fault)


async def test_authority_that_has_expired(tmp_path: Path, thing: Credentials) -> None:
    """The certificate of the server is good, and that of the user's authority is not."""
    old = CertificateAuthority("Old CA", valid_from=-9 * DAY, valid_until=-2 * DAY)
    context = tls_context(tmp_path, old.server(HOST), clients=old)
    async with Server(say_nothing, context) as server:
        fault = await _fault(_settings(thing, server.port, old.certificate))
    assert isinstance(fault, ServerValidityError)
    assert "whose authority's certificate has expired, and it is 2" in str(fault)


async def test_version_that_nobody_speaks(
    ca: CertificateAuthority, thing: Credentials
) -> None:
    """A server that refuses all versions that are offered."""
    alert = bytes.fromhex("15 0300 0002 02 46")
    async with Server(say(alert)) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert type(fault) is EndpointError
    assert "speaks no version of TLS that is known here" in str(fault)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_web_server(
    tmp_path: Path,
    ca: CertificateAuthority,
    thing: Credentials,
    version: ssl.TLSVersion,
) -> None:
    """A server that is trusted and asks the thing for no certificate is no AWS IoT."""
    context = tls_context(tmp_path, ca.server(HOST), version=version)
    async with Server(say_nothing, context) as server:
        fault = await _fault(_settings(thing, server.port, ca.certificate))
    assert type(fault) is EndpointError
    assert "does not ask for the thing's certificate" in str(fault)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_refused_certificate(
    tmp_path: Path, ca: CertificateAuthority, version: ssl.TLSVersion
) -> None:
    """A server that does not trust the thing is not said to be untrusted itself."""
    stranger = CertificateAuthority("Another CA").device("thing-1")
    context = tls_context(tmp_path, ca.server(HOST), clients=ca, version=version)
    async with Server(say_nothing, context) as server:
        fault = await _fault(_settings(stranger, server.port, ca.certificate))
    assert isinstance(fault, CredentialsError)


@pytest.mark.parametrize(
    ("host", "names", "version"),
    [
        (HOST, None, ssl.TLSVersion.TLSv1_3),
        (HOST, None, ssl.TLSVersion.TLSv1_2),
        (HOST, None, ssl.TLSVersion.TLSv1_1),
        (HOST, None, ssl.TLSVersion.TLSv1),
        # A common name alone, and an address in the place of a name.
        (HOST, [], ssl.TLSVersion.TLSv1_3),
        ("127.0.0.1", None, ssl.TLSVersion.TLSv1_3),
        ("127.0.0.1", [x509.DNSName("127.0.0.1")], ssl.TLSVersion.TLSv1_3),
        (HOST, [x509.DNSName("LOCALHOST")], ssl.TLSVersion.TLSv1_3),
    ],
)
@pytest.mark.parametrize("short_key", [False, True])
async def test_what_the_client_accepts(
    tmp_path: Path,
    ca: CertificateAuthority,
    thing: Credentials,
    host: str,
    names: Sequence[x509.GeneralName] | None,
    version: ssl.TLSVersion,
    short_key: bool,
) -> None:
    """What the MQTT client connects to is not refused by the look."""
    key = rsa.generate_private_key(65537, 1024) if short_key else None
    shown = ca.server(host, names=names, key=key)
    talk = MqttTalk()
    context = tls_context(tmp_path, shown, clients=ca, version=version)
    async with Server(talk, context) as server:
        await _accepted(_settings(thing, server.port, ca.certificate, host), talk)


async def test_certificate_that_is_trusted_itself(
    tmp_path: Path, ca: CertificateAuthority, thing: Credentials
) -> None:
    """A server's own certificate may be the user's authority."""
    own = CertificateAuthority(HOST).own
    talk = MqttTalk()
    async with Server(talk, tls_context(tmp_path, own, clients=ca)) as server:
        await _accepted(_settings(thing, server.port, own.certificate), talk)


async def _accepted(settings: ConnectionSettings, talk: MqttTalk) -> None:
    """Look, and see that the client connects."""
    await look_at_endpoint(settings)
    assert not talk.connected.is_set()
    connection = Connection(
        settings,
        ("a/topic",),
        on_ready=lambda: None,
        on_lost=lambda _: None,
        on_message=lambda *_: None,
    )
    await connection.start()
    try:
        await asyncio.wait_for(talk.connected.wait(), SOON_SECONDS)
    finally:
        await connection.stop()


async def test_authorities_with_comments(tmp_path: Path) -> None:
    """A file of authorities may say in any language whose they are."""
    async with Broker(tmp_path) as broker:
        settings = broker.settings()
        assert settings.root_ca is not None
        root_ca = "# Főtanúsítvány\n".encode() + settings.root_ca
        known = _settings(
            Credentials(
                certificate=settings.certificate, private_key=settings.private_key
            ),
            broker.port,
            root_ca,
        )
        assert await look_at_endpoint(known) is None


async def test_a_look_leaves_no_connection(
    tmp_path: Path,
) -> None:
    """A broker that wants the thing's certificate is passed, and left alone."""
    async with Broker(tmp_path) as broker:
        assert await look_at_endpoint(broker.settings()) is None
        await broker.logged("Client <unknown> .*(closed|disconnected)")
