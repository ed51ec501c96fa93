"""Try whether settings work, before anything relies on them."""

import asyncio
import uuid

from .connection import ConnectionSettings
from .errors import AwsIotError, EndpointError, RequestRejectedError
from .messages import RejectedCode
from .model import ExecutionKey, JobStatus
from .service import JobsService

TIMEOUT_SECONDS = 45
"""How long a check takes at most. The TLS library tells of a server that it does not trust
only after 10 to 30 seconds, so that nobody learns from the time that it takes."""


async def check_connection(settings: ConnectionSettings) -> None:
    """Connect as the thing, subscribe, make one request without effect, and disconnect.

    The request is an update of a job that does not exist: AWS IoT Jobs answers that it is
    unknown, which shows that the policy lets updates and their answers through. Raises the
    AwsIotError that tells what is in the way.
    """
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


async def _update_unknown_job(service: JobsService) -> None:
    key = ExecutionKey(f"check-{uuid.uuid4().hex}", 1)
    try:
        await service.update_once(key, JobStatus.IN_PROGRESS, expected_version=1)
    except RequestRejectedError as err:
        if err.code != RejectedCode.RESOURCE_NOT_FOUND:
            raise
