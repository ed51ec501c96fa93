"""What the options of an entry come to for its agent."""

from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.settings import AgentSettings
from custom_components.aws_iot_jobs.jobs.window import MaintenanceWindow
from custom_components.aws_iot_jobs.options import agent_settings, may_run_documents
from homeassistant.const import __version__ as HOME_ASSISTANT_VERSION
from homeassistant.core import HomeAssistant


def _settings(**options: Any) -> AgentSettings:
    return agent_settings(
        options,
        connection=ConnectionSettings(
            endpoint="localhost", thing_name="thing-1", certificate=b"", private_key=b""
        ),
        directory=Path("/somewhere"),
        facts={},
        agent_version="1.2.3",
    )


def test_without_any_the_agent_does_as_it_always_did() -> None:
    """Who has never opened the options is asked nothing, and kept from nothing."""
    settings = _settings()
    assert settings.approval is ApprovalPolicy.NEVER
    assert settings.approval_limit == 24 * 60 * 60
    assert settings.window is None
    assert settings.default_timeout is None
    assert settings.outage_allowance == 30 * 60
    assert (settings.history_count, settings.history_days) == (50, 90)
    assert settings.log_bytes == 1024 * 1024
    assert not may_run_documents({})


@pytest.mark.parametrize(
    ("days", "expected"),
    [(None, range(7)), ([], range(7)), (["mon", "sun"], (0, 6))],
)
def test_a_window_opens_on_its_days(days: list[str] | None, expected: Any) -> None:
    """On every day where none is named."""
    options = {"window_from": "02:00:00", "window_to": "05:30:00"}
    if days is not None:
        options["window_days"] = days  # type: ignore[assignment]
    assert _settings(**options).window == MaintenanceWindow(
        begin=time(2), end=time(5, 30), days=frozenset(expected)
    )


@pytest.mark.parametrize("given", ["window_from", "window_to"])
def test_half_a_window_is_none(given: str) -> None:
    """It would close for ever, or never."""
    assert _settings(**{given: "02:00:00"}).window is None


def test_versions_are_told_unless_they_are_not_to_be() -> None:
    """The operator sees with each result what the thing runs."""
    assert _settings().final_details == {
        "homeAssistantVersion": HOME_ASSISTANT_VERSION,
        "agentVersion": "1.2.3",
    }
    assert _settings(report_versions=False).final_details == {}


async def test_a_window_is_in_the_time_of_the_home(hass: HomeAssistant) -> None:
    """Not in that of the machine."""
    await hass.config.async_set_time_zone("Asia/Tokyo")
    now: datetime = _settings().now()
    assert str(now.tzinfo) == "Asia/Tokyo"
