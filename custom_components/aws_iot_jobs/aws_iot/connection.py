"""A connection to AWS IoT that comes back by itself, with its subscriptions.

One task owns it from `start` to `stop`: it opens one MQTT connection after the other, and
decides alone when.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
import logging
import time
from typing import Any, NoReturn

from . import authorities
from .backoff import ReconnectDelays, backoff
from .errors import (
    ConnectError,
    CredentialsError,
    DisconnectedError,
    EndpointError,
    ProxyError,
    ServerCertificateError,
    TakenOverError,
)
from .mqtt import Loss, MqttConnection, Timing
from .proxy import Proxy

_LOGGER = logging.getLogger(__name__)

DEFAULT_PORT = 8883
ALPN_PORT = 443
KEEP_ALIVE_SECONDS = 60
PING_TIMEOUT_SECONDS = 20
ACK_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 20
STOP_TIMEOUT_SECONDS = 5
MIN_BACKOFF_SECONDS = 1.5
MIN_INTERVAL_SECONDS = 1
"""AWS IoT takes one CONNECT a second from a client of one name."""
STABLE_SECONDS = 60
"""How long a connection must last to count as one that nobody else ends."""
TAKEOVERS = 3
"""How many short connections in a row make a fight between two clients of one name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Where to connect to, and with what. Certificates and key are PEM.

    Without a `root_ca` the public certificate authorities are trusted, without a `proxy` the
    endpoint is connected to directly.
    """

    endpoint: str
    certificate: bytes = field(repr=False)
    private_key: bytes = field(repr=False)
    root_ca: bytes | None = field(default=None, repr=False)
    port: int = DEFAULT_PORT
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings(ClientSettings):
    """Where to connect to, and as which thing: its name is the client's, too."""

    thing_name: str


def timing() -> Timing:
    """Return how long connections wait for what."""
    return Timing(
        keep_alive=KEEP_ALIVE_SECONDS,
        ping_timeout=PING_TIMEOUT_SECONDS,
        ack_timeout=ACK_TIMEOUT_SECONDS,
        connack_timeout=CONNECT_TIMEOUT_SECONDS,
        stop_timeout=STOP_TIMEOUT_SECONDS,
    )


class Connection:
    """A connection that comes back by itself, with its subscriptions.

    All callbacks are called in the event loop: `on_ready` when connected and subscribed,
    `on_lost` with the reason once when that ends or cannot be reached, `on_message` with
    topic and payload, `on_wait` with in how many seconds the next try comes, and with None
    when it has begun.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        filters: tuple[str, ...],
        *,
        on_ready: Callable[[], None],
        on_lost: Callable[[ConnectError], None],
        on_message: Callable[[str, bytes], None],
        on_wait: Callable[[float | None], None] = lambda _: None,
    ) -> None:
        """Prepare a connection that subscribes to `filters` each time."""
        self._filters = filters
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._on_message = on_message
        self._on_wait = on_wait
        self._owner: asyncio.Task[None] | None = None
        self._connection: MqttConnection | None = None
        self._hint: asyncio.Future[None] | None = None
        self._short_connections = 0
        self.use(settings)
        self.ready = False

    async def start(self) -> None:
        """Begin to connect. Raises CredentialsError for a key or certificate of no use.

        Does nothing where it has begun already. A stop meanwhile wins.
        """
        while (owner := self._owner) is not None:
            if not owner.cancelling():
                return
            await asyncio.wait((owner,))
        first = asyncio.ensure_future(self._prepare())
        self._owner = asyncio.ensure_future(self._own(first))
        self._owner.add_done_callback(self._disowned)
        try:
            await asyncio.wait((first,))
        except asyncio.CancelledError:
            await self.stop()
            raise
        if not first.cancelled():
            first.result()

    async def stop(self) -> None:
        """Disconnect, and leave nothing behind. Nothing is told from then on."""
        self.ready = False
        if (owner := self._owner) is None:
            return
        if not owner.cancelling():
            owner.cancel()
        await asyncio.wait((owner,))

    def use(self, settings: ConnectionSettings) -> None:
        """Connect with other settings of the same thing the next time."""
        self._settings = settings
        self._amazons_alone = settings.root_ca is None and authorities.is_amazons(
            settings.endpoint
        )

    def retry_now(self) -> None:
        """Connect at once where the next try would come later."""
        if self._hint is not None and not self._hint.done() and not self.ready:
            self._hint.set_result(None)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1, and wait until it is acknowledged.

        Raises DisconnectedError without a connection, NotAuthorizedError where the policy
        refuses the topic.
        """
        if self._connection is None or not self.ready:
            raise DisconnectedError("not connected to AWS IoT")
        await self._connection.publish(topic, payload)

    async def subscribe(self, filters: tuple[str, ...]) -> None:
        """Subscribe to more topic filters, for as long as this connection lasts.

        Raises DisconnectedError without a connection, NotAuthorizedError where the policy
        refuses them: the connection stays.
        """
        if self._connection is None or not self.ready:
            raise DisconnectedError("not connected to AWS IoT")
        await self._connection.subscribe(filters)

    def __str__(self) -> str:
        """Name the thing and where it connects to."""
        return f"{self._settings.thing_name} at {self._settings.endpoint}"

    async def _prepare(self) -> MqttConnection:
        """Prepare a connection, in the executor: that reads files and parses keys."""
        loop = asyncio.get_running_loop()

        def make() -> MqttConnection:
            return MqttConnection(
                self._trusting(),
                self._settings.thing_name,
                timing(),
                self._received,
                loop,
            )

        return await loop.run_in_executor(None, make)

    def _trusting(self) -> ConnectionSettings:
        """Return the settings, with the authorities that are trusted where none is given."""
        if self._settings.root_ca is not None:
            return self._settings
        trusted = authorities.amazons() if self._amazons_alone else authorities.public()
        return replace(self._settings, root_ca=trusted)

    async def _own(self, first: asyncio.Task[MqttConnection]) -> None:
        """Own all that there is, until cancelled: only here, connections come and go."""
        try:
            await asyncio.wait((first,))
            if first.exception() is None:
                await self._keep_connected(first)
        finally:
            first.cancel()
            self.ready = False
            await self._close()

    def _disowned(self, owner: asyncio.Task[None]) -> None:
        self._owner = self._hint = None
        if not owner.cancelled() and (error := owner.exception()) is not None:
            _LOGGER.error("%s: the connection was given up", self, exc_info=error)

    async def _keep_connected(self, prepared: Awaitable[MqttConnection]) -> None:
        """Have one connection after the other, with ever longer waits while none works."""
        delays = ReconnectDelays(MIN_BACKOFF_SECONDS, stable=STABLE_SECONDS)
        self._renew_hint()
        while True:
            began = time.monotonic()
            try:
                self._connection = await prepared
                await self._use(self._connection, delays)
            except ConnectError as err:
                error = err
            except Exception as err:
                _LOGGER.exception("%s: an unexpected error", self)
                error = ConnectError(f"an unexpected error: {err!r}")
            self.ready = False
            self._tell_lost(error)
            await self._close()
            await self._pause(began, delays)
            prepared = self._prepare_again()

    async def _prepare_again(self) -> MqttConnection:
        """Prepare another connection with what was of use before."""
        try:
            return await self._prepare()
        except CredentialsError as err:
            raise ConnectError(f"no connection can be made: {err.__cause__}") from err

    async def _use(
        self, connection: MqttConnection, delays: ReconnectDelays
    ) -> NoReturn:
        """Connect, subscribe and stay so. Raises the ConnectError that ends it."""
        try:
            connection = await self._open(connection)
        except EndpointError, ProxyError:
            # Where nobody can connect, there is no fight for a name.
            self._short_connections = 0
            raise
        since = time.monotonic()
        await self._keep_subscribing(connection)
        await asyncio.wait((connection.lost,))
        lasted = time.monotonic() - since
        if self.ready or lasted >= STABLE_SECONDS:
            delays.worked(lasted)
        raise self._why_lost(connection.lost.result(), lasted)

    async def _open(self, connection: MqttConnection) -> MqttConnection:
        """Connect, and return what is connected. Raises ConnectError.

        Where Amazon's authorities do not vouch for the endpoint, this is another connection,
        which trusts all public ones, as those after it do.
        """
        try:
            await connection.open()
        except ServerCertificateError as err:
            if not self._amazons_alone:
                raise
            _LOGGER.debug("%s: %s; trying all public authorities", self, err)
        else:
            return connection
        await self._close()
        self._amazons_alone = False
        try:
            self._connection = await self._prepare_again()
            await self._connection.open()
        except ConnectError:
            self._amazons_alone = True
            raise
        return self._connection

    async def _keep_subscribing(self, connection: MqttConnection) -> None:
        """Subscribe to all filters, however often it takes: a policy may be mended."""
        for delay in backoff(MIN_BACKOFF_SECONDS):
            try:
                await connection.subscribe(self._filters)
            except ConnectError as err:
                if connection.lost.done():
                    return
                self._tell_lost(err)
            else:
                self.ready = True
                self._renew_hint()
                self._tell(self._on_ready)
                return
            await self._wait(delay, connection.lost)

    async def _pause(self, began: float, delays: ReconnectDelays) -> None:
        """Wait until it is time for the next try, and never try twice within a second."""
        at = time.monotonic() + next(delays)
        await asyncio.sleep(began + MIN_INTERVAL_SECONDS - time.monotonic())
        if await self._wait(at - time.monotonic()):
            delays.begin_anew()

    async def _wait(self, seconds: float, *ends: asyncio.Future[Any]) -> bool:
        """Wait so long, or until one of `ends` is done. Returns whether for a hint."""
        assert self._hint is not None
        until: tuple[asyncio.Future[Any], ...] = (self._hint, *ends)
        seconds = max(0, seconds)
        self._tell(self._on_wait, seconds)
        await asyncio.wait(until, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._tell(self._on_wait, None)
        hinted = self._hint.done()
        self._renew_hint()
        return hinted

    def _renew_hint(self) -> None:
        """Wait for another hint: the one that there may be has been taken."""
        self._hint = asyncio.get_running_loop().create_future()

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def _why_lost(self, loss: Loss, lasted: float) -> DisconnectedError:
        """Tell why a connection has ended: this may have been a short one of many.

        AWS IoT closes a client's connection when another connects with its name, and does
        not always say why. What ends by itself within its first minute says the same as
        the broker might.
        """
        short = lasted < STABLE_SECONDS and (loss.taken_over or loss.unexplained)
        self._short_connections = self._short_connections + 1 if short else 0
        if self._short_connections >= TAKEOVERS:
            return TakenOverError(self._settings.thing_name)
        return DisconnectedError(f"the connection to AWS IoT was lost: {loss.reason}")

    def _received(self, topic: str, payload: bytes) -> None:
        if self._owner is not None and not self._owner.cancelling():
            self._on_message(topic, payload)

    def _tell_lost(self, error: ConnectError) -> None:
        # Whoever keeps the error does not keep the connection with it.
        self._tell(self._on_lost, error.with_traceback(None))

    def _tell[*Ts](self, callback: Callable[[*Ts], None], *args: *Ts) -> None:
        """Tell of an event. What is wrong with who hears it does not end the connection."""
        try:
            callback(*args)
        except Exception:
            _LOGGER.exception("%s: an event of the connection was not handled", self)
