"""Try whether settings work, before anything relies on them."""

import asyncio
import logging
import uuid

from .connection import ClientSettings, ConnectionSettings
from .endpoint import look_at_endpoint
from .errors import (
    AwsIotError,
    ConnectError,
    CredentialsError,
    EndpointError,
    ProxyTlsError,
    RequestRejectedError,
    ServerCertificateError,
)
from .messages import RejectedCode
from .model import ExecutionKey, JobStatus
from .service import JobsService

_LOGGER = logging.getLogger(__name__)

TIMEOUT_SECONDS = 45
"""How long a check takes at most after the look at the endpoint. The TLS library tells of a
server that it does not trust only after 10 to 30 seconds, so that nobody learns from the time
that it takes; the look tells of most of them before."""


async def check_connection(settings: ConnectionSettings) -> None:
    """Look at the endpoint, connect as the thing, make one request without effect.

    The request is an update of a job that does not exist: AWS IoT Jobs answers that it is
    unknown, which shows that the policy lets updates and their answers through. Raises the
    AwsIotError that tells what is in the way.
    """
    doubt = await look(settings)
    try:
        await _use(settings)
    except (CredentialsError, EndpointError, ServerCertificateError) as err:
        raise better_known(err, doubt, settings) from err


async def look(settings: ClientSettings) -> ConnectError | None:
    """Look at the endpoint. A look that fails itself has seen nothing: the client decides."""
    try:
        return await look_at_endpoint(settings)
    except ConnectError:
        raise
    except Exception:
        _LOGGER.debug("The look at %s has failed", settings.endpoint, exc_info=True)
        return None


async def _use(settings: ConnectionSettings) -> None:
    """Connect as the thing, subscribe, make the request, and disconnect."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    def on_problem(error: AwsIotError) -> None:
        if not ready.done():
            ready.set_exception(error)

    service = JobsService(
        settings, on_ready=on_ready, on_problem=on_problem, on_next=lambda _: None
    )
    try:
        await service.start()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await ready
        await _update_unknown_job(service)
    except TimeoutError as err:
        raise EndpointError(
            f"no answer from {settings.endpoint}:{settings.port} within "
            f"{TIMEOUT_SECONDS} s"
        ) from err
    finally:
        await service.stop()


def better_known(
    error: ConnectError, doubt: ConnectError | None, settings: ClientSettings
) -> ConnectError:
    """Return what is the matter, by what both the client and the look have seen.

    The client tells of all that fails in a TLS handshake in the same way.
    """
    if doubt is not None:
        return doubt
    if isinstance(error, ProxyTlsError) and settings.root_ca is not None:
        # The authority of whoever opens TLS may be the one that is trusted.
        return error
    if isinstance(error, ServerCertificateError):
        return EndpointError(
            f"{settings.endpoint}:{settings.port} proves who it is, but most likely it does "
            f"not ask for the thing's certificate, as AWS IoT does"
        )
    return error


async def _update_unknown_job(service: JobsService) -> None:
    key = ExecutionKey(f"check-{uuid.uuid4().hex}", 1)
    try:
        await service.update_once(key, JobStatus.IN_PROGRESS, expected_version=1)
    except RequestRejectedError as err:
        if err.code != RejectedCode.RESOURCE_NOT_FOUND:
            raise
