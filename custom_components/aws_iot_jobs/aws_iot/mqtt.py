"""MQTT 5 over mutual TLS: one connection, which is opened once, used, and closed.

The client is awscrt's, whose callbacks come from a thread of its own: each is handed to
the event loop before anything is touched. Sessions are clean and nothing is queued
offline, so what is sent when is decided by who publishes, never by a reconnect.
"""

import asyncio
from collections.abc import Callable
import concurrent.futures
from dataclasses import dataclass
import logging
from typing import TYPE_CHECKING, Any

from awscrt import exceptions, http, io, mqtt5
from awsiot import mqtt5_client_builder

from .errors import (
    ConnectError,
    CredentialsError,
    DisconnectedError,
    EndpointError,
    NotAuthorizedError,
    ProxyRefusalError,
    ProxyTlsError,
    ProxyUnreachableError,
    ServerCertificateError,
)
from .no_delay import UndelayedSocket
from .proxy import Proxy
from .tunnel import ask_proxy

if TYPE_CHECKING:
    from .connection import ClientSettings

_LOGGER = logging.getLogger(__name__)

OPEN_TIMEOUT_SECONDS = 60
"""How long opening takes at most. The library has a time limit for each part of it, and
waits up to 30 s before it tells of a server that it does not trust."""

_NEVER_MS = 24 * 60 * 60 * 1000
_QOS = mqtt5.QoS.AT_LEAST_ONCE
_FIRST_FAILURE_CODE = 0x80

# What the library's own words for them come to. They are for the log alone.
_ENDPOINT_ERRORS = {
    "AWS_IO_DNS_INVALID_NAME": "this is no host name",
    "AWS_IO_DNS_NO_ADDRESS_FOR_HOST": "no address is known for it",
    "AWS_IO_DNS_QUERY_FAILED": "no address is known for it",
    "AWS_IO_DNS_QUERY_AGAIN": "no name server answers",
    "AWS_IO_SOCKET_CONNECTION_REFUSED": "connection refused",
    "AWS_IO_SOCKET_NO_ROUTE_TO_HOST": "no way to that host",
    "AWS_IO_SOCKET_NETWORK_DOWN": "the network is down",
    "AWS_IO_SOCKET_TIMEOUT": "no answer",
}
_PROXY_ERRORS = "AWS_ERROR_HTTP_"
_SERVER_CERTIFICATE_ERRORS = {
    "AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE",
    "AWS_IO_TLS_UNKNOWN_ROOT_CERTIFICATE",
    "AWS_IO_TLS_NO_ROOT_CERTIFICATE_FOUND",
    "AWS_IO_TLS_CERTIFICATE_EXPIRED",
    "AWS_IO_TLS_HOST_NAME_MISMATCH",
}
# A broker that refuses a client's certificate closes the connection: under TLS 1.3 that
# is after the handshake, when the client already waits for its CONNACK.
_CREDENTIALS_ERRORS = {
    "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
    "AWS_IO_SOCKET_CLOSED",
    "AWS_IO_TLS_ALERT_NOT_GRACEFUL",
    "AWS_IO_TLS_ERROR_READ_FAILURE",
    "AWS_ERROR_MQTT5_CONNACK_CONNECTION_REFUSED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a connection waits for what, in whole seconds."""

    keep_alive: int
    ping_timeout: int
    ack_timeout: int
    connack_timeout: int
    stop_timeout: int


class MqttConnection:
    """One connection of one client: to be opened once, and closed in the end.

    `lost` is done once it has ended, with the reason. `client` is the library's, for its
    own clients of AWS's services.
    """

    def __init__(
        self,
        settings: ClientSettings,
        client_id: str,
        timing: Timing,
        on_message: Callable[[str, bytes], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Prepare a connection; this may be done in another thread than the loop's.

        `on_message` is called in the event loop, with topic and payload. Raises
        CredentialsError for a key or certificate of no use.
        """
        self._settings = settings
        self._where = f"{settings.endpoint}:{settings.port}"
        self._timing = timing
        self._started = False
        self._events = _Events(settings, client_id, on_message, loop)
        self._socket = UndelayedSocket((settings.proxy or settings).port)
        self.client = _client(
            settings, client_id, timing, self._events, self._socket.options
        )

    @property
    def lost(self) -> asyncio.Future[Loss]:
        """How the connection has ended, once it has."""
        return self._events.lost

    async def open(self) -> None:
        """Connect. Raises the ConnectError that tells why that was not possible."""
        # The library waits for a proxy's answer without end, and does not tell what it was.
        await ask_proxy(self._settings)
        self._started = True
        self.client.start()
        opened = self._events.opened
        await asyncio.wait((opened,), timeout=OPEN_TIMEOUT_SECONDS)
        if not opened.done():
            raise EndpointError(
                f"no answer from {self._where} within {OPEN_TIMEOUT_SECONDS} s"
            )
        if (error := opened.result()) is not None:
            raise error
        if not await asyncio.to_thread(self._socket.undelay):
            _LOGGER.debug(
                "%s: the socket of the connection was not found, so that TCP_NODELAY is not "
                "set on it: a request may take 40 ms more",
                self._where,
            )

    async def close(self) -> None:
        """Disconnect, and leave nothing behind.

        Within a handshake the library closes its socket only when its time limit for that
        has passed; it sends nothing more, and is not waited for beyond the stop timeout.
        """
        events = self._events
        events.lose(Loss("it was closed"))
        if not self._started:
            return
        self.client.stop(mqtt5.DisconnectPacket())
        await asyncio.wait((events.stopped,), timeout=self._timing.stop_timeout)
        if not events.stopped.done():
            _LOGGER.debug("%s: the MQTT client did not stop in time", self._where)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1, and wait until it is acknowledged.

        Raises DisconnectedError without a connection, NotAuthorizedError where the policy
        refuses the topic.
        """
        packet = mqtt5.PublishPacket(topic=topic, qos=_QOS, payload=payload)
        completion = await self._acknowledged(self.client.publish, packet)
        if (code := completion.puback.reason_code) >= _FIRST_FAILURE_CODE:
            if code == mqtt5.PubackReasonCode.NOT_AUTHORIZED:
                raise NotAuthorizedError("iot:Publish", [topic])
            raise ConnectError(f"AWS IoT refused a message on {topic}: {_reason(code)}")

    async def subscribe(self, filters: tuple[str, ...]) -> None:
        """Subscribe to topic filters with QoS 1.

        Raises DisconnectedError without a connection, NotAuthorizedError with the filters
        that the policy refuses, ConnectError where they are refused for something else.
        """
        packet = mqtt5.SubscribePacket(
            subscriptions=[
                mqtt5.Subscription(topic_filter=topic_filter, qos=_QOS)
                for topic_filter in filters
            ]
        )
        suback = await self._acknowledged(self.client.subscribe, packet)
        refused = {
            topic_filter: code
            for topic_filter, code in zip(filters, suback.reason_codes, strict=True)
            if code >= _FIRST_FAILURE_CODE
        }
        forbidden = [
            topic_filter
            for topic_filter, code in refused.items()
            if code == mqtt5.SubackReasonCode.NOT_AUTHORIZED
        ]
        if forbidden:
            raise NotAuthorizedError("iot:Subscribe", forbidden)
        if refused:
            topic_filter, code = next(iter(refused.items()))
            raise ConnectError(
                f"AWS IoT refused to subscribe to {topic_filter}: {_reason(code)}"
            )

    async def _acknowledged[P, T](
        self, operate: Callable[[P], concurrent.futures.Future[T]], packet: P
    ) -> T:
        """Have the client send a packet, and wait for what acknowledges it.

        The client completes its futures whatever we do, and fails on one that was
        cancelled: `asyncio.wait` leaves it alone.
        """
        if self.lost.done():
            raise DisconnectedError("not connected to AWS IoT")
        try:
            operation = asyncio.wrap_future(operate(packet))
            operation.add_done_callback(_take_notice)
            await asyncio.wait(
                (operation, self.lost),
                timeout=self._timing.ack_timeout + 5,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if operation.done():
                return operation.result()
        except exceptions.AwsCrtError as err:
            raise DisconnectedError(
                f"AWS IoT did not acknowledge: {_message(err)}"
            ) from err
        if self.lost.done():
            raise DisconnectedError("the connection to AWS IoT was lost meanwhile")
        raise DisconnectedError("AWS IoT did not acknowledge in time")


@dataclass(frozen=True, slots=True)
class Loss:
    """How a connection has ended.

    `unexplained`: it broke without a word of the broker. `taken_over`: the broker says that
    another client has the name.
    """

    reason: str
    unexplained: bool = False
    taken_over: bool = False


class _Events:
    """What the client tells, as futures of the event loop.

    The library keeps this alive for as long as there is the client: so it must not know
    the client, and lets go of who hears it when the connection is over.
    """

    def __init__(
        self,
        settings: ClientSettings,
        client_id: str,
        on_message: Callable[[str, bytes], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.opened: asyncio.Future[ConnectError | None] = loop.create_future()
        self.lost: asyncio.Future[Loss] = loop.create_future()
        self.stopped: asyncio.Future[None] = loop.create_future()
        self._settings = settings
        self._client_id = client_id
        self._on_message = on_message
        self._loop = loop

    def from_client[T](self, callback: Callable[[T], None]) -> Callable[[T], None]:
        """Return a callback for the client's thread that runs `callback` in the loop."""

        def hand_over(data: T) -> None:
            try:
                self._loop.call_soon_threadsafe(callback, data)
            except RuntimeError:
                _LOGGER.debug("An event came after the event loop's end")

        return hand_over

    def lose(self, loss: Loss) -> None:
        """Have the connection be over; from then on no message is told any more."""
        _resolve(self.lost, loss)
        self._on_message = _ignore

    def received(self, data: mqtt5.PublishReceivedData) -> None:
        """Take a message."""
        packet = data.publish_packet
        self._on_message(packet.topic, bytes(packet.payload or b""))

    def connected(self, _: mqtt5.LifecycleConnectSuccessData) -> None:
        """Take it that the broker has accepted us."""
        _resolve(self.opened, None)

    def failed(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        """Take it that there is no connection."""
        error = _connect_error(data, self._settings, self._client_id)
        _resolve(self.opened, error)

    def disconnected(self, data: mqtt5.LifecycleDisconnectData) -> None:
        """Take it that the connection has ended."""
        self.lose(_loss(data))

    def has_stopped(self, _: mqtt5.LifecycleStoppedData) -> None:
        """Take it that the client has stopped, and holds no socket any more."""
        _resolve(self.stopped, None)


def release_threads() -> None:
    """Let awscrt's threads end when no client uses them any more; the next one gets others."""
    for default in (io.ClientBootstrap, io.DefaultHostResolver, io.EventLoopGroup):
        default.release_static_default()


def _client(
    settings: ClientSettings,
    client_id: str,
    timing: Timing,
    events: _Events,
    socket_options: io.SocketOptions,
) -> mqtt5.Client:
    try:
        return mqtt5_client_builder.mtls_from_bytes(
            settings.certificate,
            settings.private_key,
            endpoint=settings.endpoint,
            port=settings.port,
            ca_bytes=settings.root_ca,
            client_id=client_id,
            socket_options=socket_options,
            http_proxy_options=_proxy_options(settings.proxy),
            keep_alive_interval_sec=timing.keep_alive,
            ping_timeout_ms=timing.ping_timeout * 1000,
            ack_timeout_sec=timing.ack_timeout,
            connack_timeout_ms=timing.connack_timeout * 1000,
            session_behavior=mqtt5.ClientSessionBehaviorType.CLEAN,
            offline_queue_behavior=(
                mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT
            ),
            # Whoever opens a connection decides when to open the next one. Do not give
            # min_connected_time_to_reset_reconnect_delay_ms: awscrt takes it for the
            # minimum delay.
            min_reconnect_delay_ms=_NEVER_MS,
            max_reconnect_delay_ms=_NEVER_MS,
            retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.NONE,
            on_publish_received=events.from_client(events.received),
            on_lifecycle_connection_success=events.from_client(events.connected),
            on_lifecycle_connection_failure=events.from_client(events.failed),
            on_lifecycle_disconnection=events.from_client(events.disconnected),
            on_lifecycle_stopped=events.from_client(events.has_stopped),
        )
    # awscrt raises a bare RuntimeError for what its TLS library does not take.
    except (exceptions.AwsCrtError, RuntimeError) as err:
        _LOGGER.debug("The certificate or the private key is not taken: %s", err)
        raise CredentialsError(
            "the certificate or the private key cannot be used"
        ) from err


def _proxy_options(proxy: Proxy | None) -> http.HttpProxyOptions | None:
    """Return how the library is to use a proxy: by a tunnel, through which TLS goes untouched."""
    if proxy is None:
        return None
    authentication = http.HttpProxyAuthenticationType
    return http.HttpProxyOptions(
        proxy.host,
        proxy.port,
        auth_type=authentication.Basic if proxy.user else authentication.Nothing,
        auth_username=proxy.user,
        auth_password=proxy.password,
        connection_type=http.HttpProxyConnectionType.Tunneling,
    )


def _ignore(_topic: str, _payload: bytes) -> None:
    """Hear nothing."""


def _resolve[T](future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _take_notice(operation: asyncio.Future[Any]) -> None:
    """Have the error of an operation that nobody waits for any more not be logged."""
    if not operation.cancelled():
        operation.exception()


def _message(error: BaseException | None) -> str:
    return getattr(error, "message", None) or str(error or "closed")


def _reason(code: Any) -> str:
    """Return the name that MQTT has for a reason, in words."""
    return str(getattr(code, "name", code)).replace("_", " ").lower()


def _loss(data: mqtt5.LifecycleDisconnectData) -> Loss:
    if (packet := data.disconnect_packet) is None:
        return Loss(_message(data.exception), unexplained=True)
    code = packet.reason_code
    return Loss(
        getattr(code, "name", repr(code)),
        taken_over=code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER,
    )


def _connect_error(
    data: mqtt5.LifecycleConnectFailureData, settings: ClientSettings, client_id: str
) -> ConnectError:
    """Say in words why a connection failed, as far as the client tells it."""
    if (connack := data.connack_packet) is not None:
        if connack.reason_code == mqtt5.ConnectReasonCode.NOT_AUTHORIZED:
            return NotAuthorizedError("iot:Connect", [f"client/{client_id}"])
        return ConnectError(
            f"AWS IoT refused the connection: {_reason(connack.reason_code)}"
        )
    name = getattr(data.exception, "name", "")
    where = f"{settings.endpoint}:{settings.port}"
    _LOGGER.debug("No connection to %s: %s (%s)", where, data.exception, name)
    if (proxy := settings.proxy) is not None:
        if name in _ENDPOINT_ERRORS:
            return ProxyUnreachableError(
                f"the proxy {proxy} cannot be reached: {_ENDPOINT_ERRORS[name]}"
            )
        if name.startswith(_PROXY_ERRORS):
            return ProxyRefusalError(
                f"the proxy {proxy} opens no connection to {where}"
            )
        if name in _SERVER_CERTIFICATE_ERRORS:
            return ProxyTlsError(
                f"{where} behind {proxy} is not trusted, or does not ask for the thing's "
                f"certificate: most likely the proxy opens TLS"
            )
    if name in _ENDPOINT_ERRORS:
        return EndpointError(f"{where} cannot be reached: {_ENDPOINT_ERRORS[name]}")
    if name in _SERVER_CERTIFICATE_ERRORS:
        return ServerCertificateError(f"{where} is not trusted")
    if name in _CREDENTIALS_ERRORS:
        return CredentialsError(f"{where} refused the certificate")
    return ConnectError(f"no connection to {where} comes about")
