"""Requests to AWS IoT Jobs, while the connection comes and goes."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import replace
import logging
import time

import pytest

from custom_components.aws_iot_jobs.aws_iot import service as service_module
from custom_components.aws_iot_jobs.aws_iot.errors import AwsIotError, DisconnectedError
from custom_components.aws_iot_jobs.aws_iot.model import (
    ExecutionKey,
    JobExecution,
    JobStatus,
)
from custom_components.aws_iot_jobs.aws_iot.service import (
    REQUEST_BURST,
    REQUESTS_PER_SECOND,
    JobsService,
)

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING
from .link import Link


class Client:
    """A thing's side of AWS IoT Jobs, and what it has told."""

    def __init__(self, broker: Broker, port: int) -> None:
        """Prepare it; it is not started."""
        self._became_ready = asyncio.Event()
        self.problems: list[AwsIotError] = []
        self.service = JobsService(
            replace(broker.settings(THING), port=port),
            on_ready=self._became_ready.set,
            on_problem=self.problems.append,
            on_next=lambda _: None,
        )

    async def ready(self) -> None:
        """Wait until it is connected, for the first time or again."""
        async with asyncio.timeout(20):
            await self._became_ready.wait()
        self._became_ready.clear()

    def start_next(self) -> asyncio.Task[JobExecution | None]:
        """Ask for the next job."""
        return asyncio.ensure_future(self.service.start_next())


@pytest.fixture
async def aws(broker: Broker) -> AsyncIterator[FakeJobsService]:
    """Run AWS IoT Jobs behind the broker."""
    async with FakeJobsService(
        port=broker.port, tls_context=broker.service_tls_context()
    ) as it:
        yield it


@pytest.fixture
async def client(broker: Broker, link: Link) -> AsyncIterator[Client]:
    """Return a thing's side that is connected, behind the link."""
    client = Client(broker, link.port)
    await client.service.start()
    await client.ready()
    yield client
    await client.service.stop()


async def test_a_request_is_made_again_as_soon_as_the_connection_is_back(
    client: Client, aws: FakeJobsService, link: Link
) -> None:
    """However often it is lost meanwhile: that is no reason to wait longer each time."""
    job = aws.create_job({})
    aws.faults.lose_requests = 1000
    asking = client.start_next()
    for count in range(1, 6):
        await aws.until(lambda count=count: len(aws.requests) >= count)  # type: ignore[misc]
        await link.cut()
        await client.ready()
    began = time.monotonic()
    aws.faults.lose_requests = 0
    await aws.until(lambda: len(aws.requests) >= 6, within=2)
    await link.cut()
    execution = await asyncio.wait_for(asking, 10)
    assert execution is not None
    assert execution.key.job_id == job.job_id
    assert time.monotonic() - began < 6


async def test_a_request_outlives_a_stop_and_a_start(
    client: Client, aws: FakeJobsService
) -> None:
    """The thing's name was lent to another client meanwhile."""
    job = aws.create_job({})
    aws.faults.lose_requests = 1
    asking = client.start_next()
    await aws.until(lambda: len(aws.requests) == 1)
    await client.service.stop()
    assert not asking.done()
    await client.service.start()
    execution = await asyncio.wait_for(asking, 10)
    assert execution is not None
    assert execution.key.job_id == job.job_id


async def test_a_stop_fails_what_is_tried_only_once(
    client: Client, aws: FakeJobsService
) -> None:
    """At once: it does not wait for its answer."""
    aws.faults.lose_requests = 1
    asking = asyncio.ensure_future(
        client.service.update_once(
            ExecutionKey("job-1", 1), JobStatus.IN_PROGRESS, expected_version=1
        )
    )
    await aws.until(lambda: len(aws.requests) == 1)
    stopping = asyncio.ensure_future(client.service.stop())
    with pytest.raises(DisconnectedError):
        await asyncio.wait_for(asking, 1)
    await stopping


async def test_an_answer_that_comes_after_a_reconnect_is_no_news(
    client: Client,
    aws: FakeJobsService,
    link: Link,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its request was given up with the connection, and made again."""
    aws.faults.lose_requests = 1
    asking = client.start_next()
    await aws.until(lambda: len(aws.requests) == 1)
    await link.cut()
    await client.ready()
    assert await asking is None
    topic, request = aws.requests[0]
    with caplog.at_level(logging.WARNING, service_module.__name__):
        await aws.send_json(
            f"{topic}/accepted", {"clientToken": request["clientToken"], "timestamp": 1}
        )
        assert await client.service.start_next() is None
    assert "Ignored a message" not in caplog.text


async def test_an_answer_counts_though_the_request_is_not_acknowledged(
    client: Client, aws: FakeJobsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS has it, then; to ask again would be answered with a version that is too old."""
    publish = client.service._connection.publish

    async def lose_acknowledgement(topic: str, payload: bytes) -> None:
        await publish(topic, payload)
        await aws.until(lambda: len(aws.requests) == 1)
        await asyncio.sleep(0.5)
        raise DisconnectedError("AWS IoT did not acknowledge in time")

    monkeypatch.setattr(client.service._connection, "publish", lose_acknowledgement)
    assert await client.service.start_next() is None
    assert len(aws.requests) == 1


async def test_who_gives_up_takes_no_turn(client: Client, aws: FakeJobsService) -> None:
    """200 requests are cancelled, most before they were sent: the next one has no delay."""
    began = time.monotonic()
    waiting = [client.start_next() for _ in range(200)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await client.service.start_next()
    seconds = time.monotonic() - began
    assert seconds < 2
    assert len(aws.requests) <= REQUEST_BURST + 1 + seconds * REQUESTS_PER_SECOND


async def test_requests_keep_within_the_rate(
    client: Client, aws: FakeJobsService
) -> None:
    """A burst goes at once, and the others follow as AWS can take them."""
    began = time.monotonic()
    count = REQUEST_BURST + REQUESTS_PER_SECOND
    await asyncio.gather(*(client.service.start_next() for _ in range(count)))
    assert time.monotonic() - began >= 1
    assert len(aws.requests) == count
    burst = aws.received_at[REQUEST_BURST - 1] - aws.received_at[0]
    assert burst < REQUEST_BURST / REQUESTS_PER_SECOND


async def test_nothing_waits_after_a_stop_for_who_was_cancelled(
    client: Client, aws: FakeJobsService
) -> None:
    """The request is gone, and so is its memory."""
    aws.faults.lose_requests = 1
    asking = client.start_next()
    await aws.until(lambda: len(aws.requests) == 1)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    await client.service.stop()
    assert not client.service._pending
