"""MQTT 5 over mutual TLS: connect, subscribe, publish, stay connected.

The client is awscrt's, whose callbacks come from a thread of its own: each is handed to
the event loop before anything is touched. Sessions are clean and nothing is queued
offline, so what is sent when is decided by who publishes, never by a reconnect.
"""

import asyncio
from collections.abc import Callable
import concurrent.futures
from dataclasses import dataclass, field
import logging
import time
from typing import Any

from awscrt import exceptions, mqtt5
from awsiot import mqtt5_client_builder

from . import backoff
from .errors import (
    ConnectError,
    CredentialsError,
    DisconnectedError,
    EndpointError,
    NotAuthorizedError,
    ServerCertificateError,
    TakenOverError,
)

_LOGGER = logging.getLogger(__name__)

DEFAULT_PORT = 8883
ALPN_PORT = 443
KEEP_ALIVE_SECONDS = 60
PING_TIMEOUT_SECONDS = 20
ACK_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 20
STOP_TIMEOUT_SECONDS = 5
MIN_BACKOFF_SECONDS = 1
STABLE_SECONDS = 60
"""How long a connection must last to count as one: only then the backoff starts anew."""
TAKEOVERS = 3
"""How many short connections in a row make a fight between two clients of one name."""

_QOS = mqtt5.QoS.AT_LEAST_ONCE
_FIRST_FAILURE_CODE = 0x80

_ENDPOINT_ERRORS = {
    "AWS_IO_DNS_INVALID_NAME",
    "AWS_IO_DNS_NO_ADDRESS_FOR_HOST",
    "AWS_IO_DNS_QUERY_FAILED",
    "AWS_IO_DNS_QUERY_AGAIN",
    "AWS_IO_SOCKET_CONNECTION_REFUSED",
    "AWS_IO_SOCKET_NO_ROUTE_TO_HOST",
    "AWS_IO_SOCKET_NETWORK_DOWN",
    "AWS_IO_SOCKET_TIMEOUT",
}
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
class ConnectionSettings:
    """Where to connect to, and as whom. Certificates and key are PEM.

    Without a `root_ca` the system's certificate authorities are trusted.
    """

    endpoint: str
    thing_name: str
    certificate: bytes = field(repr=False)
    private_key: bytes = field(repr=False)
    root_ca: bytes | None = field(default=None, repr=False)
    port: int = DEFAULT_PORT


class Connection:
    """A connection that comes back by itself, with its subscriptions.

    All callbacks are called in the event loop: `on_ready` when connected and subscribed,
    `on_lost` with the reason once when that ends or cannot be reached, `on_message` with
    topic and payload.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        filters: tuple[str, ...],
        *,
        on_ready: Callable[[], None],
        on_lost: Callable[[ConnectError], None],
        on_message: Callable[[str, bytes], None],
    ) -> None:
        """Prepare a connection that subscribes to `filters` each time."""
        self._settings = settings
        self._filters = filters
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._on_message = on_message
        self._client: mqtt5.Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._subscribing: asyncio.Task[None] | None = None
        self._retrying: asyncio.Task[None] | None = None
        self._connected_at: float | None = None
        self._short_connections = 0
        self.ready = False

    async def start(self) -> None:
        """Begin to connect. Raises CredentialsError for a key or certificate of no use."""
        self._loop = asyncio.get_running_loop()
        # Building reads files and parses keys.
        client = await self._loop.run_in_executor(None, self._build)
        self._client = client
        client.start()

    async def stop(self) -> None:
        """Disconnect, and leave nothing behind."""
        if (client := self._client) is None:
            return
        self._client = None
        self._cancel_subscribing()
        if self._retrying is not None:
            self._retrying.cancel()
        self.ready = False
        await self._stop_client(client)

    def retry_now(self) -> None:
        """Connect at once where the next try would come later."""
        if self._client is not None and not self.ready and self._retrying is None:
            self._retrying = asyncio.ensure_future(self._retry(self._client))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1, and wait until it is acknowledged.

        Raises DisconnectedError without a connection, NotAuthorizedError where the policy
        refuses the topic.
        """
        if self._client is None or not self.ready:
            raise DisconnectedError("not connected to AWS IoT")
        packet = mqtt5.PublishPacket(topic=topic, qos=_QOS, payload=payload)
        completion = await self._acknowledged(self._client.publish(packet))
        if (code := completion.puback.reason_code) >= _FIRST_FAILURE_CODE:
            if code == mqtt5.PubackReasonCode.NOT_AUTHORIZED:
                raise NotAuthorizedError("iot:Publish", [topic])
            raise ConnectError(f"AWS IoT refused a message on {topic}: {code!r}")

    def __str__(self) -> str:
        """Name the thing and where it connects to."""
        return f"{self._settings.thing_name} at {self._settings.endpoint}"

    def _build(self) -> mqtt5.Client:
        settings = self._settings
        try:
            return mqtt5_client_builder.mtls_from_bytes(
                settings.certificate,
                settings.private_key,
                endpoint=settings.endpoint,
                port=settings.port,
                ca_bytes=settings.root_ca,
                client_id=settings.thing_name,
                keep_alive_interval_sec=KEEP_ALIVE_SECONDS,
                ping_timeout_ms=PING_TIMEOUT_SECONDS * 1000,
                ack_timeout_sec=ACK_TIMEOUT_SECONDS,
                connack_timeout_ms=CONNECT_TIMEOUT_SECONDS * 1000,
                session_behavior=mqtt5.ClientSessionBehaviorType.CLEAN,
                offline_queue_behavior=(
                    mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT
                ),
                retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.FULL,
                min_reconnect_delay_ms=MIN_BACKOFF_SECONDS * 1000,
                max_reconnect_delay_ms=backoff.MAX_SECONDS * 1000,
                min_connected_time_to_reset_reconnect_delay_ms=STABLE_SECONDS * 1000,
                on_publish_received=self._from_client(self._received),
                on_lifecycle_connection_success=self._from_client(self._connected),
                on_lifecycle_connection_failure=self._from_client(self._failed),
                on_lifecycle_disconnection=self._from_client(self._disconnected),
                on_lifecycle_stopped=self._from_client(self._has_stopped),
            )
        # awscrt raises a bare RuntimeError for what its TLS library does not take.
        except (exceptions.AwsCrtError, RuntimeError) as err:
            raise CredentialsError(
                f"the certificate or the private key cannot be used: {err}"
            ) from err

    def _from_client[T](self, callback: Callable[[T], None]) -> Callable[[T], None]:
        """Return a callback for the client's thread that runs `callback` in the loop."""

        def hand_over(data: T) -> None:
            assert self._loop is not None
            try:
                self._loop.call_soon_threadsafe(callback, data)
            except RuntimeError:
                _LOGGER.debug("%s: an event came after the event loop's end", self)

        return hand_over

    async def _retry(self, client: mqtt5.Client) -> None:
        """Start the client anew: it then forgets its backoff."""
        try:
            await self._stop_client(client)
            client.start()
        finally:
            self._retrying = None

    async def _stop_client(self, client: mqtt5.Client) -> None:
        self._stopped.clear()
        client.stop(mqtt5.DisconnectPacket())
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await self._stopped.wait()
        except TimeoutError:
            _LOGGER.debug("%s: the MQTT client did not stop in time", self)

    def _received(self, data: mqtt5.PublishReceivedData) -> None:
        packet = data.publish_packet
        self._on_message(packet.topic, bytes(packet.payload or b""))

    def _connected(self, _: mqtt5.LifecycleConnectSuccessData) -> None:
        if self._client is None:
            return
        self._connected_at = time.monotonic()
        self._cancel_subscribing()
        self._subscribing = asyncio.ensure_future(self._keep_subscribing(self._client))

    def _failed(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        self._lose(_connect_error(data, self._settings))

    def _disconnected(self, data: mqtt5.LifecycleDisconnectData) -> None:
        self._cancel_subscribing()
        packet = data.disconnect_packet
        if self._is_takeover(packet):
            self._lose(TakenOverError(self._settings.thing_name))
            return
        reason = packet.reason_code.name if packet else _message(data.exception)
        self._lose(DisconnectedError(f"the connection to AWS IoT was lost: {reason}"))

    def _is_takeover(self, packet: mqtt5.DisconnectPacket | None) -> bool:
        """Tell whether this is the end of another short connection of many.

        AWS IoT closes a client's connection when another connects with its name, and does
        not always say why.
        """
        lasted = time.monotonic() - (self._connected_at or 0)
        said = packet is not None and (
            packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
        )
        # What ends by itself within its first minute says the same as the broker might.
        short = lasted < STABLE_SECONDS and (said or packet is None)
        self._short_connections = self._short_connections + 1 if short else 0
        return self._short_connections >= TAKEOVERS

    def _has_stopped(self, _: mqtt5.LifecycleStoppedData) -> None:
        self._stopped.set()

    def _lose(self, error: ConnectError) -> None:
        self.ready = False
        if self._client is not None:
            self._on_lost(error)

    def _cancel_subscribing(self) -> None:
        if self._subscribing is not None:
            self._subscribing.cancel()
            self._subscribing = None

    async def _keep_subscribing(self, client: mqtt5.Client) -> None:
        """Subscribe to all filters, however often it takes: a policy may be mended."""
        for delay in backoff.backoff(MIN_BACKOFF_SECONDS):
            try:
                await self._subscribe(client)
            except ConnectError as err:
                self._on_lost(err)
            else:
                self.ready = True
                self._on_ready()
                return
            await asyncio.sleep(delay)

    async def _subscribe(self, client: mqtt5.Client) -> None:
        packet = mqtt5.SubscribePacket(
            subscriptions=[
                mqtt5.Subscription(topic_filter=topic_filter, qos=_QOS)
                for topic_filter in self._filters
            ]
        )
        suback = await self._acknowledged(client.subscribe(packet))
        refused = [
            topic_filter
            for topic_filter, code in zip(
                self._filters, suback.reason_codes, strict=True
            )
            if code >= _FIRST_FAILURE_CODE
        ]
        if refused:
            raise NotAuthorizedError("iot:Subscribe", refused)

    async def _acknowledged[T](self, future: concurrent.futures.Future[T]) -> T:
        """Wait for an operation of the client.

        The client completes its futures whatever we do, and fails on one that was
        cancelled: `asyncio.wait` leaves it alone.
        """
        operation = asyncio.wrap_future(future)
        operation.add_done_callback(_take_notice)
        await asyncio.wait((operation,), timeout=ACK_TIMEOUT_SECONDS + 5)
        if not operation.done():
            raise DisconnectedError("AWS IoT did not acknowledge in time")
        try:
            return operation.result()
        except exceptions.AwsCrtError as err:
            raise DisconnectedError(
                f"AWS IoT did not acknowledge: {_message(err)}"
            ) from err


def _take_notice(operation: asyncio.Future[Any]) -> None:
    """Have the error of an operation that nobody waits for any more not be logged."""
    if not operation.cancelled():
        operation.exception()


def _message(error: BaseException | None) -> str:
    return getattr(error, "message", None) or str(error or "closed")


def _connect_error(
    data: mqtt5.LifecycleConnectFailureData, settings: ConnectionSettings
) -> ConnectError:
    """Say in words why a connection failed, as far as the client tells it."""
    if (connack := data.connack_packet) is not None:
        if connack.reason_code == mqtt5.ConnectReasonCode.NOT_AUTHORIZED:
            return NotAuthorizedError("iot:Connect", [f"client/{settings.thing_name}"])
        return ConnectError(f"AWS IoT refused the connection: {connack.reason_code!r}")
    name = getattr(data.exception, "name", "")
    message = _message(data.exception)
    where = f"{settings.endpoint}:{settings.port}"
    if name in _ENDPOINT_ERRORS:
        return EndpointError(f"{where} cannot be reached: {message}")
    if name in _SERVER_CERTIFICATE_ERRORS:
        return ServerCertificateError(f"{where} is not trusted: {message}")
    if name in _CREDENTIALS_ERRORS:
        return CredentialsError(f"{where} refused the certificate: {message}")
    return ConnectError(f"no connection to {where}: {message} ({name})")
