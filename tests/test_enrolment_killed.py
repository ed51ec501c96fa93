"""Enrolling in a real Home Assistant that is killed at each write of it, again and again."""

import asyncio
from collections.abc import Callable, Mapping
import contextlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stack.aws import LocalAws
from stack.client import RequestError
from stack.config_flow import Upload
from stack.fleet import create_fleet, fleet_bundle
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN
from stack.stage import connected_entities

# A Home Assistant that starts six times.
pytestmark = [pytest.mark.timeout(400), pytest.mark.thorough]

CHOICES = ("claim", "local", "open")
LOOK_SECONDS = 0.002

type Kept = Mapping[str, Any] | None

WRITES: tuple[Callable[[Kept], bool], ...] = (
    lambda kept: kept is not None,
    lambda kept: kept is not None and kept["certificate"] is not None,
    lambda kept: kept is not None and kept["thing_name"] is not None,
)
"""What is on disk after each write of an enrolment."""


def _kept(home: HomeAssistant) -> Kept:
    """Return what is on disk of the enrolment."""
    file = home.config / ".storage" / f"{DOMAIN}_enrolment"
    if not file.exists():
        return None
    data: Mapping[str, Any] = json.loads(file.read_text())["data"]
    return data


async def _killed_when(
    home: HomeAssistant, enrolling: asyncio.Task[Any], written: Callable[[Kept], bool]
) -> None:
    """Kill Home Assistant as soon as something is on disk, and start it again."""
    async with asyncio.timeout(90):
        while not written(_kept(home)):
            assert not enrolling.done(), enrolling.result()
            await asyncio.sleep(LOOK_SECONDS)
    await home.process.kill()
    # Its dialog has gone with it.
    with contextlib.suppress(aiohttp.ClientError, RequestError, ConnectionError):
        await enrolling
    await home.start()


async def test_one_certificate_is_active_and_used(
    socket_enabled: None, tmp_path: Path
) -> None:
    """Whichever write was the last one, the next dialog goes on where it was."""
    async with LocalAws(tmp_path / "aws") as aws, HomeAssistant(tmp_path / "h") as home:
        fleet = await create_fleet(aws)
        bundle = json.dumps(await fleet_bundle(aws, fleet))

        def enrol() -> asyncio.Task[Any]:
            upload = Upload("homes.json", bundle)
            return asyncio.create_task(
                home.add_integration(DOMAIN, {"bundle": upload}, CHOICES)
            )

        for written in WRITES:
            await _killed_when(home, enrol(), written)
            assert await home.call("config_entries/get", domain=DOMAIN) == []
        # Home Assistant saves an entry a second after it was made: this one is lost.
        await enrol()
        await home.process.kill()
        await home.start()
        entry = await enrol()
        await connected_entities(home, entry)

        things = aws.iot.list_things_in_thing_group(thingGroupName=fleet.name)
        assert things["things"] == [entry.title]
        principals = aws.iot.list_thing_principals(thingName=entry.title)["principals"]
        assert len(principals) == 1
        active = [
            certificate["certificateArn"]
            for certificate in aws.iot.list_certificates()["certificates"]
            if certificate["status"] == "ACTIVE"
        ]
        # The other one is the claim's.
        assert len(active) == 2
        assert principals[0] in active
