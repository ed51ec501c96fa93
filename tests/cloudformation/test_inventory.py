"""The shadow that AWS makes of what a home reports."""

import asyncio
from dataclasses import replace
import json
from typing import Any

from botocore.exceptions import ClientError
import pytest

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.errors import NotAuthorizedError
from custom_components.aws_iot_jobs.aws_iot.service import JobsService
from custom_components.aws_iot_jobs.aws_iot.shadow import encode_report, update_topic
from custom_components.aws_iot_jobs.inventory import SHADOW
from custom_components.aws_iot_jobs.inventory_content import describe
from homeassistant.helpers.typing import UNDEFINED

from ..components.test_inventory_content import INVENTORY, NOW
from .conftest import SharedFleet
from .home import enrol

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]


async def report(settings: ConnectionSettings, *reports: dict[str, Any] | None) -> None:
    """Connect as a home, and report. Raises NotAuthorizedError where that is refused."""
    ready = asyncio.Event()
    service = JobsService(
        settings,
        on_ready=ready.set,
        on_problem=lambda _: None,
        on_next=lambda _: None,
    )
    await service.start()
    try:
        await asyncio.wait_for(ready.wait(), 20)
        for reported in reports:
            topic = update_topic(settings.thing_name, SHADOW)
            await service.publish(topic, encode_report(reported))
    finally:
        await service.stop()


def shadow_of(shared: SharedFleet, settings: ConnectionSettings) -> dict[str, Any]:
    """Return what AWS has of a home."""
    answer = shared.aws.client("iot-data").get_thing_shadow(
        thingName=settings.thing_name, shadowName=SHADOW
    )
    state: dict[str, Any] = json.loads(answer["payload"].read())["state"]
    return state


def test_a_home_without_the_right_has_no_shadow(shared: SharedFleet) -> None:
    """It is told that it may not, and that is all."""
    shared.update()
    settings = shared.run(enrol(shared.bundle, "without"))
    with pytest.raises(NotAuthorizedError, match="shadow/name/home-assistant"):
        shared.run(report(settings, describe(INVENTORY, now=NOW)))
    with pytest.raises(ClientError, match="ResourceNotFound"):
        shadow_of(shared, settings)


def test_what_a_home_reports_is_its_shadow(shared: SharedFleet) -> None:
    """What is null is forgotten, what is left out is kept, and all can be taken back."""
    shared.update(Inventory="yes")
    settings = shared.run(enrol(shared.bundle, "inventory"))
    shared.run(report(settings, describe(INVENTORY, now=NOW)))
    first = shadow_of(shared, settings)["reported"]
    assert first["coreNumber"] == 20261004
    assert first["pendingUpdates"]["core"] == "2026.11.1"
    assert "supervisor" not in first
    unknown = replace(INVENTORY, last_backup=UNDEFINED, window=None, pending_updates={})
    shared.run(report(settings, describe(unknown, now=NOW)))
    second = shadow_of(shared, settings)["reported"]
    assert first.pop("window") == {"from": "02:00", "to": "04:00", "days": "sat sun"}
    assert second == first
    shared.run(report(settings, None))
    assert "reported" not in shadow_of(shared, settings)
