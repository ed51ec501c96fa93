"""The demo of a fleet: its stack, homes that enrol with a claim, and one job for all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import time

from botocore.exceptions import ClientError

from .aws import Execution, LocalAws, Target
from .config_flow import Upload
from .fleet import Fleet, create_fleet, fleet_bundle
from .home_assistant import HomeAssistant
from .integration import DOMAIN
from .options import Job, Options
from .process import StackError
from .screen import Screen
from .stage import connected_entities, sample_handlers, start_aws, start_home

CHOICES = ("claim", "local", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledHome:
    """A Home Assistant that has enrolled, and the thing that it has become."""

    home: HomeAssistant
    thing: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStage:
    """All that is set up: `group` is what a job for all homes is for."""

    aws: LocalAws
    group: Target
    homes: tuple[EnrolledHome, ...]


async def demo_fleet(options: Options, screen: Screen, folder: Path) -> int:
    """Have a fleet enrol, and its jobs run; return the exit status."""
    assert options.fleet is not None
    screen.heading("AWS IoT Jobs for Home Assistant: a fleet")
    async with _set_stage(folder, screen, options) as stage:
        ended = [await _run(stage, screen, options, job) for job in options.jobs]
        if not options.once:
            _show_hints(stage, screen)
            await asyncio.Event().wait()
    blocking_calls = [
        line for enrolled in stage.homes for line in enrolled.home.blocking_calls()
    ]
    for line in blocking_calls:
        screen.warning(f"Home Assistant's log: {line}")
    return 0 if all(ended) and not blocking_calls else 1


@asynccontextmanager
async def _set_stage(
    folder: Path, screen: Screen, options: Options
) -> AsyncIterator[FleetStage]:
    """Make the stack in a local AWS, and enrol homes into its group.

    Raises as `set_stage` does.
    """
    assert options.fleet is not None
    aws = LocalAws(folder / "aws")
    homes = [HomeAssistant(folder / f"home-{n}") for n in range(1, options.fleet + 1)]
    async with AsyncExitStack() as exits:
        async with asyncio.TaskGroup() as starting:
            for home in homes:
                starting.create_task(start_home(exits, home, screen))
            fleet = await _start_fleet(exits, aws, screen)
        bundle = json.dumps(await fleet_bundle(aws, fleet))
        async with asyncio.TaskGroup() as enrolling:
            tasks = [
                enrolling.create_task(_enrol(aws, home, bundle, options, screen))
                for home in homes
            ]
        stage = FleetStage(
            aws=aws,
            group=Target(name=fleet.name, arn=fleet.group_arn),
            homes=tuple(task.result() for task in tasks),
        )
        try:
            yield stage
        finally:
            screen.line("\nStopping the Home Assistants and the local AWS")


async def _start_fleet(exits: AsyncExitStack, aws: LocalAws, screen: Screen) -> Fleet:
    await start_aws(exits, aws, screen)
    started = time.monotonic()
    fleet = await create_fleet(aws)
    screen.done("Stack", "cloudformation/fleet.yaml", time.monotonic() - started)
    return fleet


async def _enrol(
    aws: LocalAws, home: HomeAssistant, bundle: str, options: Options, screen: Screen
) -> EnrolledHome:
    """Add the integration through its dialog, with nothing but the bundle."""
    started = time.monotonic()
    handlers = options.handlers or await asyncio.to_thread(
        sample_handlers, home.directory
    )
    fields = {
        "bundle": Upload("claim.json", bundle),
        "handler_directory": str(handlers),
        "install_samples": False,
    }
    entry = await home.add_integration(DOMAIN, fields, CHOICES)
    await connected_entities(home, entry)
    described = await asyncio.to_thread(aws.iot.describe_thing, thingName=entry.title)
    thing = Target(name=entry.title, arn=described["thingArn"])
    screen.done("Enrolled", thing.name, time.monotonic() - started)
    return EnrolledHome(home=home, thing=thing)


async def _run(stage: FleetStage, screen: Screen, options: Options, job: Job) -> bool:
    """Create a job for the group and tell how it goes on; return whether all succeeded."""
    screen.heading(f"Job {job.job_id}, for {stage.group.name}")
    try:
        await stage.aws.create_job(stage.group, job.document, job_id=job.job_id)
    except ClientError as err:
        raise StackError(f"AWS refuses the job {job.job_id}: {err}") from None
    async with asyncio.TaskGroup() as tasks:
        following = [
            tasks.create_task(_follow(stage, screen, options, enrolled, job))
            for enrolled in stage.homes
        ]
    return all(task.result() for task in following)


async def _follow(
    stage: FleetStage,
    screen: Screen,
    options: Options,
    enrolled: EnrolledHome,
    job: Job,
) -> bool:
    """Tell how a job goes on in one home; return whether it succeeded in time."""
    limit = options.timeout if options.once else None
    started = time.monotonic()
    name = enrolled.thing.name
    execution: Execution | None = None
    try:
        async with asyncio.timeout(limit):
            async for execution in stage.aws.follow_execution(
                enrolled.thing, job.job_id
            ):
                step = execution.status_details.get("step", "")
                screen.event("AWS", f"{name}  {execution.status:<12}{step}".rstrip())
    except TimeoutError:
        screen.warning(f"{name}: {job.job_id} has not ended after {limit:g} s")
    seconds = time.monotonic() - started
    if options.json:
        status = None if execution is None else execution.status
        told = {"jobId": job.job_id, "thing": name, "status": status}
        print(json.dumps(told | {"seconds": round(seconds, 3)}), flush=True)
    return execution is not None and execution.status == "SUCCEEDED"


def _show_hints(stage: FleetStage, screen: Screen) -> None:
    """Tell where the homes are, and how to log in."""
    for enrolled in stage.homes:
        screen.heading(enrolled.thing.name)
        screen.pair("Address", enrolled.home.url)
        screen.pair("User", enrolled.home.user)
        screen.pair("Password", enrolled.home.password)
    screen.line("\nCtrl-C ends it all.")
