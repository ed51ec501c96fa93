"""Through an HTTP proxy: a real one, and what is told of those that are in the way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
import logging
from pathlib import Path
import socket
import ssl

from cryptography import x509
import pytest

from custom_components.aws_iot_jobs.aws_iot import authorities, tunnel
from custom_components.aws_iot_jobs.aws_iot.check import check_connection
from custom_components.aws_iot_jobs.aws_iot.connection import (
    ALPN_PORT,
    ConnectionSettings,
)
from custom_components.aws_iot_jobs.aws_iot.endpoint import look_at_endpoint
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import NotConnectedError
from custom_components.aws_iot_jobs.aws_iot.errors import (
    BeyondProxyError,
    ConnectError,
    CredentialsError,
    ProxyLoginError,
    ProxyRefusalError,
    ProxyTlsError,
    ProxyUnreachableError,
    UnknownProxyError,
)

from ..broker import Broker
from ..certificates import CertificateAuthority
from ..fake_jobs_service import FakeJobsService
from ..http_proxy import (
    HOST,
    PASSWORD,
    ScriptedProxy,
    TinyProxy,
    leading_to,
    opening_tls,
)
from ..runner_service import free_port
from ..tls_servers import (
    MqttTalk,
    Server,
    Talk,
    close_at_once,
    say,
    say_nothing,
    tls_context,
)
from .conftest import THING, Thing
from .fleet import Fleet

SOON_SECONDS = 5
AWS_ENDPOINTS = (
    "account-ats.iot.eu-central-1.amazonaws.com",
    "account.ats.iot.cn-north-1.amazonaws.com.cn",
    "account-ats.iot-fips.us-gov-west-1.amazonaws.com",
    "account-ats.iot.eu-west-1.api.aws",
)


@pytest.fixture
async def proxy(tmp_path: Path, broker: Broker) -> AsyncIterator[TinyProxy]:
    """Run a proxy that lets through to the broker alone, and to a port of nobody."""
    async with TinyProxy(tmp_path / "proxy", (broker.port, 1)) as proxy:
        yield proxy


@pytest.fixture
def settings(broker: Broker, proxy: TinyProxy) -> ConnectionSettings:
    """Return what a thing connects with, through the proxy."""
    return replace(broker.settings(THING), proxy=proxy.settings)


async def _fault(settings: ConnectionSettings) -> ConnectError:
    """Return what a check finds, which is soon, and what a connection tells, the same kind."""
    async with asyncio.timeout(SOON_SECONDS):
        with pytest.raises(ConnectError) as caught:
            await check_connection(settings)
    thing = Thing(settings)
    await thing.connection.start()
    try:
        await thing.times_lost(1)
    finally:
        await thing.connection.stop()
    assert type(thing.errors[0]) is type(caught.value)
    return caught.value


async def test_through_a_proxy(
    settings: ConnectionSettings,
    broker: Broker,
    proxy: TinyProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The look and the client both go through it, and its password is told to nobody else."""
    caplog.set_level(logging.DEBUG)
    async with FakeJobsService(
        port=broker.port, tls_context=broker.service_tls_context()
    ):
        await check_connection(settings)
    assert proxy.asked_for(f"{HOST}:{broker.port}") >= 2
    assert PASSWORD not in caplog.text
    assert PASSWORD not in repr(settings)


async def test_enrolment_through_a_proxy(tmp_path: Path, fleet: Fleet) -> None:
    """The claim goes through it, and so does the thing from then on; its faults are told."""
    async with TinyProxy(tmp_path / "proxy") as proxy:
        login = replace(proxy.settings, password="wrong")
        fleet.request = replace(fleet.request, proxy=login)
        fault = await fleet.refused()
        assert isinstance(fault, NotConnectedError)
        assert isinstance(fault.error, ProxyLoginError)

        fleet.request = replace(fleet.request, proxy=proxy.settings)
        made = await fleet.enrol()
    assert made.proxy == proxy.settings
    assert PASSWORD not in "".join(fleet.store.saved)


async def test_no_delay_through_a_proxy(
    settings: ConnectionSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The socket is the one to the proxy, and small messages are not held back on it."""
    caplog.set_level(logging.DEBUG)
    thing = Thing(settings)
    await thing.connection.start()
    await thing.connected()
    await thing.connection.stop()
    assert "TCP_NODELAY" not in caplog.text


async def test_a_connection_comes_back_with_its_proxy(
    settings: ConnectionSettings, proxy: TinyProxy
) -> None:
    """A proxy that has gone is told as that, and when it is back, the next try connects."""
    thing = Thing(settings)
    await thing.connection.start()
    await thing.connected()
    await proxy.stop()
    await thing.times_lost(2)
    assert isinstance(thing.errors[1], ProxyUnreachableError)
    await proxy.start()
    thing.connection.retry_now()
    await thing.connected()
    await thing.connection.stop()


@pytest.mark.parametrize(
    ("user", "password", "told"),
    [
        ("home", "wrong", "refuses the user or the password"),
        ("stranger", PASSWORD, "refuses the user or the password"),
        ("", "", "wants a user and a password"),
    ],
)
async def test_login(
    settings: ConnectionSettings, user: str, password: str, told: str
) -> None:
    """A login that the proxy wants, or does not take, is told as that."""
    assert settings.proxy is not None
    login = replace(settings.proxy, user=user, password=password)
    fault = await _fault(replace(settings, proxy=login))
    assert isinstance(fault, ProxyLoginError)
    assert str(fault) == f"the proxy {login} {told}"


async def test_port_that_is_refused(settings: ConnectionSettings) -> None:
    """A proxy that lets through to some ports alone."""
    fault = await _fault(replace(settings, port=8883))
    assert isinstance(fault, ProxyRefusalError)
    assert f"opens no connection to {HOST}:8883, and answers 403" in str(fault)


async def test_endpoint_out_of_the_proxy_s_reach(settings: ConnectionSettings) -> None:
    """The proxy works, and says that it does not get there: that is about the endpoint."""
    fault = await _fault(replace(settings, port=1))
    assert isinstance(fault, BeyondProxyError)
    assert f"{HOST}:1 cannot be reached by the proxy" in str(fault)


async def test_proxy_that_is_down(settings: ConnectionSettings) -> None:
    """It is the proxy that cannot be reached, and it is named."""
    assert settings.proxy is not None
    nobody = replace(settings.proxy, port=free_port())
    fault = await _fault(replace(settings, proxy=nobody))
    assert isinstance(fault, ProxyUnreachableError)
    assert str(fault) == f"the proxy {nobody} cannot be reached: connection refused"


async def test_proxy_of_an_unknown_name(
    settings: ConnectionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the proxy's name that nobody knows."""

    def resolve_nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_nothing)
    assert settings.proxy is not None
    elsewhere = replace(settings.proxy, host="proxy.invalid")
    fault = await _fault(replace(settings, proxy=elsewhere))
    assert isinstance(fault, UnknownProxyError)
    assert str(fault) == "no address is known for the proxy proxy.invalid"


@pytest.mark.parametrize("talk", [say(b"SSH-2.0-OpenSSH_10.0\r\n\r\n"), close_at_once])
async def test_no_proxy_at_all(settings: ConnectionSettings, talk: Talk) -> None:
    """What answers there speaks something else, or nothing."""
    assert settings.proxy is not None
    async with Server(talk) as server:
        other = replace(settings.proxy, port=server.port)
        fault = await _fault(replace(settings, proxy=other))
    assert isinstance(fault, ProxyUnreachableError)
    assert str(fault) == f"what answers at {other} is no HTTP proxy"


async def test_proxy_that_is_silent(
    settings: ConnectionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up: left to itself, the library waits for its answer without end."""
    monkeypatch.setattr(tunnel, "TUNNEL_SECONDS", 0.5)
    assert settings.proxy is not None
    async with Server(say_nothing) as server:
        silent = replace(settings.proxy, port=server.port)
        fault = await _fault(replace(settings, proxy=silent))
    assert isinstance(fault, ProxyUnreachableError)
    assert "takes connections, but does not answer within 0.5 s" in str(fault)


@pytest.mark.parametrize("endpoint", [HOST, AWS_ENDPOINTS[0]])
async def test_proxy_that_opens_tls(
    tmp_path: Path, settings: ConnectionSettings, endpoint: str
) -> None:
    """Its own authority signs for the endpoint: it is told whose certificate comes back."""
    authority = CertificateAuthority("Office Proxy")
    shown = authority.server(endpoint)
    async with opening_tls(tls_context(tmp_path, shown)) as opener:
        async with asyncio.timeout(SOON_SECONDS):
            with pytest.raises(ProxyTlsError, match="signed by Office Proxy"):
                await check_connection(
                    replace(settings, endpoint=endpoint, proxy=opener.settings)
                )
    assert opener.targets


async def test_proxy_that_opens_tls_and_is_trusted(
    tmp_path: Path, settings: ConnectionSettings
) -> None:
    """Trusting its authority does not help: the thing has to prove to AWS who it is."""
    authority = CertificateAuthority("Office Proxy")
    async with opening_tls(tls_context(tmp_path, authority.server(HOST))) as opener:
        fault = await _fault(
            replace(settings, root_ca=authority.certificate, proxy=opener.settings)
        )
    assert isinstance(fault, ProxyTlsError)


@pytest.mark.parametrize(
    "talk", [close_at_once, say(b"HTTP/1.1 400 Bad Request\r\n\r\n")]
)
async def test_proxy_that_ends_tls(settings: ConnectionSettings, talk: Talk) -> None:
    """One that opens the tunnel, and then does not let TLS through it."""
    async with ScriptedProxy(talk) as proxy, asyncio.timeout(SOON_SECONDS):
        with pytest.raises(ProxyTlsError):
            await check_connection(replace(settings, proxy=proxy.settings))


async def test_login_beyond_ascii(settings: ConnectionSettings) -> None:
    """The look and the library log in with the same words, in UTF-8."""
    proxy = ScriptedProxy(close_at_once)
    async with proxy:
        login = replace(proxy.settings, user="häuschen", password="pass: wörd €")
        thing = Thing(replace(settings, proxy=login))
        await thing.connection.start()
        await thing.times_lost(1)
        await thing.connection.stop()
    assert len(proxy.logins) == 2
    assert set(proxy.logins) == {"häuschen:pass: wörd €"}


async def test_ipv6(tmp_path: Path) -> None:
    """What has an address of IPv6 alone is looked at, and connected to."""
    ca = CertificateAuthority()
    shown = ca.server("::1", names=[x509.IPAddress(ip_address("::1"))])
    device = ca.device(THING)
    talk = MqttTalk()
    context = tls_context(tmp_path, shown, clients=ca)
    async with Server(talk, context, address="::1") as server:
        settings = ConnectionSettings(
            endpoint="::1",
            port=server.port,
            thing_name=THING,
            certificate=device.certificate,
            private_key=device.private_key,
            root_ca=ca.certificate,
        )
        assert await look_at_endpoint(settings) is None
        thing = Thing(settings)
        await thing.connection.start()
        try:
            async with asyncio.timeout(SOON_SECONDS):
                await talk.connected.wait()
        finally:
            await thing.connection.stop()


async def test_certificate_that_is_refused(
    settings: ConnectionSettings, broker: Broker
) -> None:
    """What AWS IoT refuses is not the proxy's fault."""
    stranger = CertificateAuthority("Another CA").device(THING)
    async with asyncio.timeout(SOON_SECONDS):
        with pytest.raises(CredentialsError):
            await check_connection(
                replace(
                    settings,
                    certificate=stranger.certificate,
                    private_key=stranger.private_key,
                )
            )


@pytest.mark.parametrize("endpoint", AWS_ENDPOINTS)
@pytest.mark.parametrize("port", [ALPN_PORT, 8883])
async def test_endpoints_of_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, port: int
) -> None:
    """Each partition's names, dual-stack ones too: who is asked for, and by which protocol.

    The proxy looks the name up, and leads to a server here that shows a certificate for it.
    """
    ca = CertificateAuthority()
    context = tls_context(
        tmp_path,
        ca.server(endpoint, names=[x509.DNSName(endpoint)]),
        clients=ca,
    )
    context.set_alpn_protocols(["http/1.1", "x-amzn-mqtt-ca"])
    agreed: list[str | None] = []
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    mqtt = MqttTalk()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = writer.get_extra_info("ssl_object")
        assert isinstance(found, ssl.SSLObject)
        agreed.append(found.selected_alpn_protocol())
        await mqtt(reader, writer)

    device = ca.device(THING)
    # For Amazon's own names, Amazon's authorities alone would be trusted at first.
    monkeypatch.setattr(authorities, "amazons", lambda: ca.certificate)
    monkeypatch.setattr(authorities, "public", lambda: ca.certificate)
    async with Server(talk, context) as server, leading_to(server.port) as proxy:
        settings = ConnectionSettings(
            endpoint=endpoint,
            port=port,
            thing_name=THING,
            certificate=device.certificate,
            private_key=device.private_key,
            proxy=proxy.settings,
        )
        assert await look_at_endpoint(settings) is None
        thing = Thing(settings)
        await thing.connection.start()
        try:
            async with asyncio.timeout(SOON_SECONDS):
                await mqtt.connected.wait()
        finally:
            await thing.connection.stop()
    assert set(proxy.targets) == {f"{endpoint}:{port}"}
    assert set(names) == {endpoint}
    assert set(agreed) == {"x-amzn-mqtt-ca" if port == ALPN_PORT else None}
