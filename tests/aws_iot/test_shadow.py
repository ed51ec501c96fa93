"""What a thing reports of itself, under the minimal policy and with the statement for it."""

import asyncio
from collections.abc import AsyncIterator
import json
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.aws_iot.errors import (
    AwsIotError,
    NotAuthorizedError,
)
from custom_components.aws_iot_jobs.aws_iot.service import JobsService
from custom_components.aws_iot_jobs.aws_iot.shadow import (
    encode_report,
    merged,
    update_topic,
)

from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from .conftest import THING

TOPIC = f"$aws/things/{THING}/shadow/name/home-assistant/update"


class Client:
    """A thing that is connected, and what it was told."""

    def __init__(self, broker: Broker) -> None:
        """Prepare it."""
        self.ready = asyncio.Event()
        self.problems: list[AwsIotError] = []
        self.service = JobsService(
            broker.settings(THING),
            on_ready=self.ready.set,
            on_problem=self.problems.append,
            on_next=lambda _: None,
        )


@pytest.fixture(params=[(), ("Inventory",)], ids=["without", "with"])
async def allowed(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Broker]:
    """Run a broker whose policy has the statement, or does not."""
    async with Broker(tmp_path / "broker", statements=request.param) as broker:
        yield broker


def test_the_topic_is_that_of_aws() -> None:
    """It is the one that the policy's statement names."""
    assert update_topic(THING, "home-assistant") == TOPIC


def test_a_report_is_what_the_shadow_gets() -> None:
    """With a token of its own; None takes everything back."""
    first, second = encode_report({"core": "2026.10.4"}), encode_report(None)
    assert json.loads(first)["state"] == {"reported": {"core": "2026.10.4"}}
    assert json.loads(second)["state"] == {"reported": None}
    assert json.loads(first)["clientToken"] != json.loads(second)["clientToken"]


def test_a_shadow_keeps_what_is_left_out() -> None:
    """On each level; an earlier report is left as it is."""
    told = {"core": "1", "os": "16", "pending": {"core": "2", "apps": 1}, "window": {}}
    report = {"core": "2", "pending": {"core": None, "hacs": 3}, "window": None}
    assert merged(told, report) == {
        "core": "2",
        "os": "16",
        "pending": {"core": None, "apps": 1, "hacs": 3},
        "window": None,
    }
    assert told["pending"] == {"core": "2", "apps": 1}


async def test_a_refused_report_disturbs_nothing(
    allowed: Broker, request: pytest.FixtureRequest
) -> None:
    """The connection stays, and jobs are handed out over it, with the statement or not."""
    client = Client(allowed)
    async with FakeJobsService(
        port=allowed.port, tls_context=allowed.service_tls_context()
    ) as aws:
        job = aws.create_job({})
        await client.service.start()
        try:
            await asyncio.wait_for(client.ready.wait(), 20)
            report = client.service.publish(TOPIC, encode_report({}))
            if "without" in request.node.callspec.id:
                with pytest.raises(NotAuthorizedError, match="iot:Publish"):
                    await report
            else:
                await report
            execution = await asyncio.wait_for(client.service.start_next(), 20)
            assert execution is not None
            assert execution.key.job_id == job.job_id
            assert client.problems == []
            assert not any("shadow" in it for it in allowed.subscribed_by(THING))
        finally:
            await client.service.stop()
