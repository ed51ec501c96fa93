"""Repair issues, as the page shows and mends them."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp.test_utils import TestClient

from custom_components.aws_iot_jobs.const import DOMAIN
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

_PATH = "/api/repairs/issues/fix"


async def set_up_repairs(hass: HomeAssistant) -> None:
    """Set up what the page talks to."""
    assert await async_setup_component(hass, "repairs", {})


def issues(hass: HomeAssistant) -> list[ir.IssueEntry]:
    """Return the issues of this integration that are shown."""
    return [
        issue
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN and issue.active
    ]


async def shown(hass: HomeAssistant) -> list[ir.IssueEntry]:
    """Wait until there are issues, and return them."""
    await _until(hass, lambda: bool(issues(hass)))
    return issues(hass)


async def gone(hass: HomeAssistant) -> None:
    """Wait until there are no issues."""
    await _until(hass, lambda: not issues(hass))


async def open_repair(client: TestClient[Any, Any], issue: ir.IssueEntry) -> Any:
    """Open the dialog of an issue; returns its form."""
    wanted = {"handler": DOMAIN, "issue_id": issue.issue_id}
    response = await client.post(_PATH, json=wanted)
    assert response.status == 200, await response.text()
    form = await response.json()
    assert form["step_id"] == "confirm"
    return form


async def confirm(client: TestClient[Any, Any], form: Any) -> Any:
    """Select Submit; returns what the dialog shows then."""
    response = await client.post(f"{_PATH}/{form['flow_id']}", json={})
    assert response.status == 200, await response.text()
    return await response.json()


async def _until(hass: HomeAssistant, condition: Callable[[], bool]) -> None:
    changed = asyncio.Event()

    @callback
    def look(_: Event[Any]) -> None:
        changed.set()

    unsubscribe = hass.bus.async_listen(ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, look)
    try:
        async with asyncio.timeout(20):
            while not condition():
                changed.clear()
                await changed.wait()
    finally:
        unsubscribe()
