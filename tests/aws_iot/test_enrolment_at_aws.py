"""A home enrols at a local AWS, which has statuses of certificates, and policies by thing.

It makes the keys: it does not answer to a signing request over MQTT.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from custom_components.aws_iot_jobs.aws_iot import enrolment, provisioning
from custom_components.aws_iot_jobs.aws_iot.enrolment import EnrolmentRequest, enrol
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import (
    ParameterMissingError,
    TemplatePolicyError,
    ThingUnknownError,
)
from stack.aws import LocalAws

from .aws_fleet import SERIAL_NUMBER, AwsFleet
from .enrolment_home import CRASHED, Home, start
from .fleet import Store

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


@pytest.fixture
async def fleet(
    tmp_path: Path, socket_enabled: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AwsFleet]:
    """Run a local AWS with a template, of which not much is waited for."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    monkeypatch.setattr(provisioning, "ANSWER_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(enrolment, "REFUSED_SECONDS", 0)
    async with LocalAws(tmp_path / "aws") as aws:
        yield await asyncio.to_thread(AwsFleet, aws)


async def test_a_home_enrols(fleet: AwsFleet) -> None:
    """And finds out what became of that, whatever it has missed."""
    request = fleet.request("home-1")
    store = Store()
    settings = await enrol(request, store)
    assert settings.thing_name == "home-1"
    assert await active(fleet, "home-1") == [settings.certificate.decode()]

    # An answer was lost, and an hour has passed: the token is worth nothing.
    registering = json.loads(store.saved[-2]) | {"ownership_token": "expired"}
    assert await again(request, registering) == settings
    # The template may name things otherwise: nobody knows how this one is called.
    others = {SERIAL_NUMBER: "home-2", "Room": "no thing's name"}
    with pytest.raises(ThingUnknownError):
        await again(
            replace(request, parameters=others), registering | {"parameters": others}
        )
    # It was never registered, or it is active no more.
    await asyncio.to_thread(
        fleet.iot.update_certificate,
        certificateId=registering["certificate_id"],
        newStatus="INACTIVE",
    )
    renewed = await again(request, registering)
    assert renewed.certificate != settings.certificate
    assert await active(fleet, "home-1") == [renewed.certificate.decode()]

    with pytest.raises(ParameterMissingError, match=SERIAL_NUMBER):
        await enrol(replace(request, parameters={}), Store())
    with pytest.raises(TemplatePolicyError):
        await enrol(replace(request, template="others"), Store())


@pytest.mark.thorough
async def test_a_home_crashes(fleet: AwsFleet, tmp_path: Path) -> None:
    """After each write, answer and check: there is one active certificate in the end."""
    crashes = 0
    while True:
        home = Home(tmp_path / f"home-{crashes}")
        home.ask(fleet.request(f"home-{crashes}"), crash_after=crashes + 1)
        process = await start(home)
        if await process.wait() != CRASHED:
            break
        crashes += 1
        if home.entry is None:
            await home.enrol()
        assert home.entry is not None
        used = home.entry["certificate"]
        assert await active(fleet, home.entry["thing_name"]) == [used]
    assert process.returncode == 0
    assert crashes == 7


async def active(fleet: AwsFleet, thing_name: str) -> list[str]:
    """Return the certificates of a thing that are active."""
    return await asyncio.to_thread(fleet.active, thing_name)


async def again(request: EnrolmentRequest, kept: dict[str, Any]) -> Any:
    """Enrol once more, with what was kept."""
    store = Store()
    store.saved.append(json.dumps(kept))
    return await enrol(request, store)
