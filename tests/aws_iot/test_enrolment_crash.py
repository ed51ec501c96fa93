"""A home that enrols is killed, wherever; the next try ends well, with one certificate."""

import asyncio
from pathlib import Path

import pytest

from ..fake_provisioning_service import CREATE_FROM_CSR, REGISTER
from .enrolment_home import CRASHED, Home, start
from .fleet import Fleet

_DEEDS = (
    "the key is kept",
    "the certificate is answered",
    "the certificate is kept",
    "the name is answered",
    "the name is kept",
    "it has connected",
    "the entry is saved",
)


@pytest.mark.parametrize(
    "deeds", range(1, len(_DEEDS) + 1), ids=lambda number: _DEEDS[number - 1]
)
async def test_a_home_crashes_after(fleet: Fleet, tmp_path: Path, deeds: int) -> None:
    """Whatever it did last, its next life knows what is left to do."""
    home = Home(tmp_path / "home")
    home.ask(fleet.request, crash_after=deeds)
    process = await start(home)
    assert await process.wait() == CRASHED
    if home.entry is None:
        await home.enrol()
    _assert_enrolled(fleet, home)
    assert fleet.provisioning.asked.count(CREATE_FROM_CSR) == (2 if deeds == 2 else 1)


async def test_a_home_is_killed_while_it_waits_for_its_name(
    fleet: Fleet, tmp_path: Path
) -> None:
    """AWS has made the thing, and nobody heard it."""
    home = Home(tmp_path / "home")
    home.ask(fleet.request)
    registered = asyncio.Event()
    fleet.provisioning.faults.silent.add(REGISTER)
    fleet.provisioning.on_request = lambda topic: (
        registered.set() if topic == REGISTER else None
    )
    process = await start(home)
    await registered.wait()
    process.kill()
    await process.wait()
    fleet.provisioning.faults.silent.clear()
    assert home.entry is None
    await home.enrol()
    _assert_enrolled(fleet, home)


def _assert_enrolled(fleet: Fleet, home: Home) -> None:
    """Check that the home uses the one certificate that is active, and keeps no claim."""
    (active,) = fleet.provisioning.active
    assert home.entry is not None
    assert home.entry["certificate"] == active.pem
    assert home.entry["thing_name"] == active.thing_name
    assert fleet.request.claim_private_key.decode().splitlines()[1] not in home.kept
