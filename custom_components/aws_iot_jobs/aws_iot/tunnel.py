"""The way to an endpoint: straight, or by a tunnel that an HTTP proxy opens (CONNECT)."""

import asyncio
from base64 import b64encode
import errno
import logging
import re
import socket
from typing import TYPE_CHECKING, Final

from .errors import (
    BeyondProxyError,
    ConnectError,
    EndpointError,
    ProxyLoginError,
    ProxyRefusalError,
    ProxyUnreachableError,
    UnknownHostError,
    UnknownProxyError,
)
from .proxy import Proxy

if TYPE_CHECKING:
    from .connection import ClientSettings

_LOGGER = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10
"""How long a name and a port may take to answer. The client waits less for the port."""
TUNNEL_SECONDS: Final = 20
"""How long a proxy may take to open a tunnel: it has to look up and to reach the endpoint."""

_NEXT_ADDRESS_SECONDS = 0.25
_NETWORK_ERRORS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EHOSTUNREACH: "no way to that host",
    errno.ENETUNREACH: "no way to that network",
    errno.ENETDOWN: "the network is down",
    errno.ETIMEDOUT: "no answer",
    errno.EACCES: "this machine does not let it out",
    errno.EPERM: "this machine does not let it out",
}

_HEAD_END = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?")
_MAX_REASON_LENGTH = 60
# Some proxies answer 401 to a wrong password, and 407 only to none.
_LOGIN_STATUSES = {401, 407}
_FIRST_SERVER_ERROR = 500

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(settings: ClientSettings) -> Streams:
    """Open a connection to an endpoint. Raises the ConnectError that tells what is in the way."""
    if settings.proxy is None:
        return await _dial(settings.endpoint, settings.port)
    return await _tunnel(settings.proxy, f"{settings.endpoint}:{settings.port}")


async def ask_proxy(settings: ClientSettings) -> None:
    """Find out whether the proxy, if there is one, opens a tunnel to the endpoint now.

    Raises the ConnectError that tells why not.
    """
    if settings.proxy is not None:
        _, writer = await connect(settings)
        writer.close()


async def _tunnel(proxy: Proxy, target: str) -> Streams:
    reader, writer = await _dial(proxy.host, proxy.port, proxy)
    try:
        writer.write(_request(proxy, target))
        _check_answer(await _answer(reader, proxy), proxy, target)
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _answer(reader: asyncio.StreamReader, proxy: Proxy) -> bytes:
    """Return the head of a proxy's answer. Raises ProxyUnreachableError."""
    try:
        async with asyncio.timeout(TUNNEL_SECONDS):
            return await reader.readuntil(_HEAD_END)
    except TimeoutError as err:
        raise ProxyUnreachableError(
            f"the proxy {proxy} takes connections, but does not answer within "
            f"{TUNNEL_SECONDS} s"
        ) from err
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as err:
        raise _no_proxy(proxy) from err


def _request(proxy: Proxy, target: str) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        login = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    return "\r\n".join((*lines, "", "")).encode()


def _check_answer(head: bytes, proxy: Proxy, target: str) -> None:
    """Look at what a proxy answers. Raises the ConnectError that it comes to."""
    if (found := _STATUS_LINE.match(head)) is None:
        raise _no_proxy(proxy)
    status = int(found[1])
    if status // 100 == 2:
        return
    words = f"{status} {_printable(found[2] or b'')}".strip()
    _LOGGER.debug("The proxy %s answers %s for %s", proxy, words, target)
    if status in _LOGIN_STATUSES and not proxy.user:
        raise ProxyLoginError(f"the proxy {proxy} wants a user and a password")
    if status in _LOGIN_STATUSES:
        raise ProxyLoginError(f"the proxy {proxy} refuses the user or the password")
    if status >= _FIRST_SERVER_ERROR:
        raise BeyondProxyError(
            f"{target} cannot be reached by the proxy {proxy}, which answers {words}"
        )
    raise ProxyRefusalError(
        f"the proxy {proxy} opens no connection to {target}, and answers {words}"
    )


def _no_proxy(proxy: Proxy) -> ProxyUnreachableError:
    return ProxyUnreachableError(f"what answers at {proxy} is no HTTP proxy")


def _printable(reason: bytes) -> str:
    words = reason.decode("ascii", errors="ignore")[:_MAX_REASON_LENGTH]
    return "".join(each for each in words if each.isprintable())


async def _dial(host: str, port: int, proxy: Proxy | None = None) -> Streams:
    """Open a connection to an endpoint, or to a proxy. Raises ConnectError."""
    what = "" if proxy is None else "the proxy "
    unreachable: type[ConnectError] = (
        EndpointError if proxy is None else ProxyUnreachableError
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(
                host, port, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, all_errors=True
            )
    except TimeoutError as err:
        raise unreachable(
            f"{what}{host}:{port} does not answer within {CONNECT_SECONDS} s"
        ) from err
    except (socket.gaierror, UnicodeError) as err:
        _LOGGER.debug("%s has no address: %s", host, err)
        unknown = UnknownHostError if proxy is None else UnknownProxyError
        raise unknown(
            f"no address is known for {what}{host}{_why_unknown(err)}"
        ) from err
    except (OSError, ExceptionGroup) as err:
        errors = err.exceptions if isinstance(err, ExceptionGroup) else [err]
        _LOGGER.debug("%s%s:%s cannot be reached: %s", what, host, port, errors)
        # Their own words have the addresses, once for each.
        reasons = {_why_unreachable(each) for each in errors}
        raise unreachable(
            f"{what}{host}:{port} cannot be reached: {', '.join(sorted(reasons))}"
        ) from err


def _why_unknown(err: Exception) -> str:
    """Say why a name has no address, where that may be no fault of the name."""
    if isinstance(err, UnicodeError):
        return ": it is no host name"
    if isinstance(err, socket.gaierror) and err.errno == socket.EAI_AGAIN:
        return ": no name server answers"
    return ""


def _why_unreachable(err: Exception) -> str:
    return _NETWORK_ERRORS.get(getattr(err, "errno", None) or 0, "the network fails")
