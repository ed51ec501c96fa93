"""What Home Assistant knows of itself, for its inventory."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from custom_components.aws_iot_jobs import inventory_facts
from custom_components.aws_iot_jobs.inventory_facts import (
    async_get_last_backup,
    async_get_system,
)
from homeassistant.components.backup.const import DATA_MANAGER
from homeassistant.const import __version__ as core_version
from homeassistant.core import HomeAssistant
from homeassistant.helpers.typing import UNDEFINED


@pytest.fixture
def supervised() -> Iterator[None]:
    """Have a Supervisor, which has not told anything."""
    with patch.object(inventory_facts, "is_hassio", return_value=True):
        yield


async def test_without_a_supervisor_there_is_none(hass: HomeAssistant) -> None:
    """Nor an operating system of Home Assistant's."""
    system = await async_get_system(hass)
    assert system.versions == {"core": core_version, "supervisor": None, "os": None}
    assert system.board is None


async def test_a_supervisor_that_is_silent_is_not_none(
    hass: HomeAssistant, supervised: None
) -> None:
    """What it knows is not known yet: a home does not change over that."""
    system = await async_get_system(hass)
    assert system.versions == {"core": core_version}
    assert system.installation_type is UNDEFINED
    assert system.board is UNDEFINED


async def test_what_the_supervisor_tells(hass: HomeAssistant, supervised: None) -> None:
    """The versions, and the board."""
    info = {"supervisor": "2026.11.2", "hassos": "16.2"}
    operating_system = {"version": "16.2", "board": "rpi5-64"}
    with (
        patch.object(inventory_facts, "get_info", return_value=info),
        patch.object(inventory_facts, "get_os_info", return_value=operating_system),
    ):
        system = await async_get_system(hass)
    assert system.versions == {
        "core": core_version,
        "supervisor": "2026.11.2",
        "os": "16.2",
    }
    assert system.board == "rpi5-64"


@pytest.mark.parametrize(
    ("dates", "silent", "newest"),
    [
        ([], {}, None),
        ([], {"cloud": OSError()}, UNDEFINED),
        (
            ["2026-11-01T03:00:00+01:00", "2026-11-01T02:30:00+00:00"],
            {"cloud": OSError()},
            datetime(2026, 11, 1, 2, 30, tzinfo=UTC),
        ),
    ],
)
async def test_the_newest_backup(
    hass: HomeAssistant, dates: list[str], silent: dict[str, Exception], newest: Any
) -> None:
    """Of those of all places; that none has one is known when all have answered."""

    async def async_get_backups() -> Any:
        return {date: SimpleNamespace(date=date) for date in dates}, silent

    hass.data[DATA_MANAGER] = SimpleNamespace(async_get_backups=async_get_backups)  # type: ignore[misc]
    assert await async_get_last_backup(hass) == newest
