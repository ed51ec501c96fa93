"""Any message on any topic: no exception escapes, and no job is lost.

FUZZ_CASES sets how many messages are tried; scripts/fuzz tries 100,000.
"""

import asyncio
from collections.abc import Callable
import json
import os
from pathlib import Path
import tempfile
from typing import Any, Self
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.jobs.agent import Agent
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.runner.model import (
    RunEvent,
    RunOutcome,
    RunResult,
    RunTrace,
    StepCheck,
    StepRequest,
)

from ..fake_jobs_service import FakeJobsService
from .documents import command_step, document

pytestmark = pytest.mark.slow

THING = "thing-1"
PREFIX = f"$aws/things/{THING}/jobs/"
BATCH = 50
EXAMPLES = max(1, int(os.environ.get("FUZZ_CASES", "2000")) // BATCH)

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def _fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that have some of these fields, right or wrong."""
    return st.fixed_dictionaries(
        {}, optional={name: value | _JSON for name, value in known.items()}
    )


_STATUS = st.sampled_from(
    ("QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED", "TIMED_OUT", "REMOVED")
)
_STATE = _fields(status=_STATUS, versionNumber=st.integers(-1, 5))
_MESSAGE = _fields(
    clientToken=st.just("TOKEN"),
    code=st.sampled_from(
        ("VersionMismatch", "InvalidRequest", "RequestThrottled", "x")
    ),
    message=st.text(max_size=5),
    executionState=_STATE,
    execution=_fields(
        jobId=st.sampled_from(("job-1", "other", "../up", "")),
        executionNumber=st.integers(-1, 3),
        versionNumber=st.integers(-1, 5),
        status=_STATUS,
        jobDocument=_JSON,
        approximateSecondsBeforeTimedOut=st.integers(-5, 5),
    ),
)
_PAYLOAD = _MESSAGE.map(lambda message: json.dumps(message).encode()) | st.binary(
    max_size=30
)
_TOPIC = st.sampled_from(
    (
        f"{PREFIX}start-next/accepted",
        f"{PREFIX}start-next/rejected",
        f"{PREFIX}job-1/update/accepted",
        f"{PREFIX}job-1/update/rejected",
        f"{PREFIX}notify-next",
        f"{PREFIX}notify",
        "$aws/things/thing-2/jobs/notify-next",
        "",
    )
)


class _Loopback(FakeJobsService):
    """The fake service, and the agent's connection to it, without a broker between."""

    def __init__(self) -> None:
        self._deliver: Callable[[str, bytes], None] | None = None
        self.ready = False
        with tempfile.NamedTemporaryFile():
            super().__init__(port=0, tls_context=None)  # type: ignore[arg-type]

    def connect(
        self,
        _settings: Any,
        _filters: Any,
        *,
        on_ready: Any,
        on_lost: Any,
        on_message: Any,
        on_wait: Any,
    ) -> Self:
        """Stand in for the class Connection."""
        self._on_ready, self._deliver = on_ready, on_message
        return self

    async def start(self) -> None:
        """Be connected at once."""
        self.ready = True
        self._on_ready()

    async def stop(self) -> None:
        """Be connected no more."""
        self.ready = False

    async def publish(self, topic: str, payload: bytes) -> None:
        """Take a request of the agent."""
        self._spawn(self._receive(topic, payload))

    def deliver(self, topic: str, payload: bytes) -> None:
        """Give the agent any message."""
        assert self._deliver is not None
        self._deliver(topic, payload)

    async def _publish(self, topic: str, message: dict[str, Any]) -> None:
        self.deliver(topic, json.dumps(message).encode())


class _InstantRunner:
    """Runs nothing; that takes two turns of the event loop."""

    name = "instant"

    async def run(
        self,
        request: StepRequest,
        on_event: Callable[[RunEvent], None],
        stop: asyncio.Event | None = None,
    ) -> RunResult:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return RunResult(outcome=RunOutcome.EXITED, exit_status=0)

    async def check(self, request: StepRequest) -> StepCheck:
        return StepCheck()

    async def trace(self, job_key: str, run_id: str) -> RunTrace:
        return RunTrace.LOST

    async def recover(self, job_key: str) -> None:
        """Do nothing."""

    async def release(self, job_key: str) -> None:
        """Do nothing."""


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(_TOPIC, _PAYLOAD), min_size=BATCH, max_size=BATCH))
async def test_no_message_stops_the_agent(messages: list[tuple[str, bytes]]) -> None:
    """Whatever comes while a job runs and between jobs, each job ends once."""
    service = _Loopback()
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: raised.append(context)
    )
    with tempfile.TemporaryDirectory() as directory:
        agent = _agent(service, Path(directory))
        serving = asyncio.ensure_future(agent.run())
        jobs = []
        for number, (topic, payload) in enumerate(messages):
            if number % 10 == 0:
                jobs.append(service.create_job(document(command_step("true"))))
            service.deliver(topic, _with_token(service, payload))
            await asyncio.sleep(0)
        for job in jobs:
            await service.ended(job)
            assert job.status == "SUCCEEDED"
            assert job.history.count("SUCCEEDED") == 1
        assert not serving.done()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert raised == []


def _agent(service: _Loopback, directory: Path) -> Agent:
    connection = ConnectionSettings(
        endpoint="localhost", thing_name=THING, certificate=b"", private_key=b""
    )
    with patch(
        "custom_components.aws_iot_jobs.aws_iot.service.Connection", service.connect
    ):
        return Agent(
            AgentSettings(connection=connection, directory=directory, facts={}),
            _InstantRunner(),
        )


def _with_token(service: _Loopback, payload: bytes) -> bytes:
    """Have some messages answer a request that was really made."""
    if b"TOKEN" in payload and service.requests:
        return payload.replace(
            b"TOKEN", service.requests[-1][1]["clientToken"].encode()
        )
    return payload
