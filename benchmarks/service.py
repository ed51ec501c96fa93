"""AWS IoT Jobs for benchmarks: it forgets what has ended, and knows when what happened."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
import time
from typing import Any

from tests.fake_jobs_service import TERMINAL, Execution, FakeJobsService

QUEUED = 10
"""How many jobs of a queue the service has at a time. A thing sees but the first of them,
and the service would look through all of them for each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job that has ended, or was given up. Times are in seconds, of CLOCK_MONOTONIC."""

    status: str
    notified_at: float
    ended_at: float

    @property
    def seconds(self) -> float:
        """From the message that tells of the job to its terminal update."""
        return self.ended_at - self.notified_at

    @property
    def lost(self) -> bool:
        """Whether it has not succeeded."""
        return self.status != "SUCCEEDED"


class JobsService(FakeJobsService):
    """The stand-in, which runs one job of a thing, or a queue of them."""

    def __init__(self, **options: Any) -> None:
        """Take the options of the stand-in."""
        super().__init__(**options)
        self._ids = count(1)
        self._notified_at: dict[str, float] = {}
        self._answered = set[str]()

    async def send_json(self, topic: str, message: dict[str, Any]) -> None:
        """Publish a message, and note when a job is told of, and who has asked for one."""
        if topic.endswith("/notify-next") and "execution" in message:
            job_id = message["execution"]["jobId"]
            self._notified_at.setdefault(job_id, time.monotonic())
        elif topic.endswith("/start-next/accepted"):
            self._answered.add(topic.split("/")[2])
        await super().send_json(topic, message)

    def has_answered(self, things: Iterable[str]) -> bool:
        """Tell whether all these things have asked for a job, and been answered."""
        return set(things) <= self._answered

    def forget(self, things: Iterable[str]) -> None:
        """Take these things as never having asked."""
        self._answered.difference_update(things)

    def forget_requests(self) -> None:
        """Begin to count requests anew."""
        self.requests.clear()
        self.received_at.clear()

    def count_requests(self, thing: str) -> int:
        """Return how many requests a thing has sent since."""
        return sum(
            topic.startswith(f"$aws/things/{thing}/") for topic, _ in self.requests
        )

    async def run_job(self, thing: str, document: Any, within: float = 60) -> Ended:
        """Run a job to its end."""
        return (await self.run_queue(thing, document, 1, within))[0]

    async def run_queue(
        self, thing: str, document: Any, jobs: int, within: float
    ) -> list[Ended]:
        """Run jobs one after the other, each within so many seconds."""
        ended: list[Ended] = []
        queue = deque[Execution]()
        created = 0
        while len(ended) < jobs:
            while created < jobs and len(queue) < QUEUED:
                queue.append(self.start_job(thing, document))
                created += 1
            ended.append(await self.end_of(queue.popleft(), within))
        return ended

    def start_job(self, thing: str, document: Any) -> Execution:
        """Create a job of a name of its own."""
        return self.create_job(
            document, thing_name=thing, job_id=f"bench-{next(self._ids)}"
        )

    async def end_of(self, execution: Execution, within: float) -> Ended:
        """Wait until a job has ended, and forget it."""
        try:
            await self.until(lambda: execution.status in TERMINAL, within)
        except TimeoutError:
            self.delete(execution)
        else:
            self.executions.remove(execution)
        return Ended(
            status=execution.status,
            notified_at=self._notified_at.pop(execution.job_id, 0.0),
            ended_at=self._ended_at(execution),
        )

    def _ended_at(self, execution: Execution) -> float:
        """Return when the update came that ended a job, or the time if none did."""
        update = f"$aws/things/{execution.thing_name}/jobs/{execution.job_id}/update"
        for (topic, request), received_at in zip(
            reversed(self.requests), reversed(self.received_at), strict=True
        ):
            if topic == update and request.get("status") == execution.status:
                return received_at
        return time.monotonic()
