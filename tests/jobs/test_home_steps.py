"""Steps that run in Home Assistant, as any step of a job: reported, ended, gone on with."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.calls import HomeAssistantCall
from custom_components.aws_iot_jobs.jobs.home_steps import Attempt, StepFailedError

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document, home_step

RESTART = "restartHomeAssistant"


class Home:
    """A Home Assistant that does what a test says."""

    def __init__(self, does: Callable[[Attempt], Awaitable[None]]) -> None:
        """Have a function do each step."""
        self._does = does
        self.attempts: list[Attempt] = []
        self.was: Any = None

    async def before(self, call: HomeAssistantCall) -> Any:
        """Return how it was."""
        return self.was

    async def check(self, call: HomeAssistantCall) -> str | None:
        """Know of nothing that is in the way."""
        return None

    async def run(self, attempt: Attempt) -> None:
        """Do a step."""
        self.attempts.append(attempt)
        await self._does(attempt)


async def test_output_and_progress_are_told(
    device: Device, service: FakeJobsService
) -> None:
    """AWS learns how far a step is, and what it has written."""
    told = asyncio.Event()

    async def does(attempt: Attempt) -> None:
        attempt.write("fetching")
        attempt.progress(43.7)
        await told.wait()

    await _begin(device, Home(does))
    job = service.create_job(document(home_step(RESTART)))
    await service.until(lambda: job.status_details.get("stepPercent") == "40")
    assert device.state.job is not None
    assert device.state.job.progress == 40
    told.set()
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED"
    assert ended.status_details["stdout"] == "fetching"
    log = await device.agent.logs.read(device.agent.jobs[0].key)
    assert [line.text for line in log.lines] == ["fetching"]


async def test_a_failure_says_what_happened(
    device: Device, service: FakeJobsService
) -> None:
    """In the words of who has failed, and what nobody foresaw has an end, too."""

    async def does(attempt: Attempt) -> None:
        if len(home.attempts) == 1:
            raise StepFailedError("the disk is full")
        raise ValueError(attempt.key)

    home = Home(does)
    await _begin(device, home)
    job = service.create_job(document(home_step(RESTART, ignoreStepFailure=True)))
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED"
    assert ended.status_details["reason"].endswith(
        "step 1 of 1 'restartHomeAssistant': the disk is full"
    )
    ended = await service.ended(service.create_job(document(home_step(RESTART))))
    assert ended.status == "FAILED"
    assert "internal error of the agent" in ended.status_details["reason"]


async def test_a_step_ends_in_time(device: Device, service: FakeJobsService) -> None:
    """And says what goes on without it."""

    async def does(attempt: Attempt) -> None:
        attempt.goes_on = "the update goes on"
        await asyncio.Event().wait()

    await _begin(device, Home(does))
    job = service.create_job(document(home_step(RESTART, timeoutSeconds=0.1)))
    ended = await service.ended(job)
    assert ended.status == "FAILED"
    assert ended.status_details["reason"].endswith(
        "timed out after 0.1 s; the update goes on"
    )


async def test_a_stop_says_what_goes_on(
    device: Device, service: FakeJobsService
) -> None:
    """Whoever stops a job learns what that has not undone."""
    runs = asyncio.Event()

    async def does(attempt: Attempt) -> None:
        attempt.goes_on = "the update goes on"
        runs.set()
        await asyncio.Event().wait()

    await _begin(device, Home(does))
    job = service.create_job(document(home_step(RESTART)))
    await runs.wait()
    await device.agent.stop_job()
    ended = await service.ended(job)
    assert ended.status == "FAILED"
    assert ended.status_details["reason"].endswith(
        "stopped in Home Assistant; the update goes on"
    )


async def test_the_next_attempt_knows(device: Device, service: FakeJobsService) -> None:
    """What was kept before the deed outlives its agent; steps before it are not repeated."""
    asked = asyncio.Event()

    async def does(attempt: Attempt) -> None:
        attempt.write(f"knows {attempt.known}")
        if attempt.known == {"was": 1}:
            await attempt.keep({"asked": True})
            asked.set()
            await asyncio.Event().wait()

    home = Home(does)
    home.was = {"was": 1}
    await _begin(device, home)
    job = service.create_job(document(command_step("echo,once"), home_step(RESTART)))
    await asked.wait()
    await device.stop()
    home.was = {"was": 2}
    await device.start()
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED"
    assert ended.status_details["stdout"] == "once knows {'asked': True}"
    assert [attempt.known for attempt in home.attempts][-1] == {"asked": True}


async def test_what_was_before_the_job_is_known_to_its_last_step(
    device: Device, service: FakeJobsService
) -> None:
    """A look is taken before the first step changes anything."""
    known: list[Any] = []

    async def does(attempt: Attempt) -> None:
        known.append(attempt.known)
        home.was = "changed"

    home = Home(does)
    home.was = "before"
    await _begin(device, home)
    steps = [home_step(RESTART), home_step(RESTART)]
    ended = await service.ended(service.create_job(document(*steps)))
    assert ended.status == "SUCCEEDED"
    assert known == ["before", "before"]


async def test_what_is_broken_off_is_tried_again(
    device: Device, service: FakeJobsService
) -> None:
    """As when something ends that a step has waited for."""

    async def does(attempt: Attempt) -> None:
        if len(home.attempts) == 1:
            raise asyncio.CancelledError

    home = Home(does)
    await _begin(device, home)
    ended = await service.ended(service.create_job(document(home_step(RESTART))))
    assert ended.status == "SUCCEEDED"
    assert len(home.attempts) == 2


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_cancel_reaches_it(
    device: Device, service: FakeJobsService, keeps: bool
) -> None:
    """At whatever moment, be it while it keeps something."""
    runs, ended = asyncio.Event(), asyncio.Event()

    async def does(attempt: Attempt) -> None:
        runs.set()
        try:
            while keeps:
                await attempt.keep(1)
            await asyncio.Event().wait()
        finally:
            ended.set()

    await _begin(device, Home(does))
    job = service.create_job(document(home_step(RESTART)))
    await runs.wait()
    service.end(job, "CANCELED")
    await asyncio.wait_for(ended.wait(), 10)
    await device.until(lambda state: state.job is None)
    assert device.state.last_job is not None
    assert device.state.last_job.status == "CANCELED"


async def test_a_plan_tells_of_it(device: Device) -> None:
    """With what it would do, and why it cannot."""
    plan = await device.agent.check_document(
        document(
            home_step("updateHomeAssistant", input={"what": "core", "version": "1"})
        )
    )
    [step] = plan.steps
    assert step.kind == "home_assistant"
    assert step.command == ("updateHomeAssistant", "core", "1")
    assert step.problem == "there is no Home Assistant here that could run this step"
    assert step.timeout == 3600


async def _begin(device: Device, home: Home) -> None:
    """Have the steps of a device done by a Home Assistant."""
    await device.stop()
    device.settings = replace(device.settings, home=home)
    await device.start()
    await device.connected()
