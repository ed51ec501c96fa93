"""What the page of a thing's device shows."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_ENDPOINT,
    CONF_RUNNER,
    CONF_RUNNER_TOKEN,
)
from custom_components.aws_iot_jobs.device import console_url
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .conftest import THING
from .fake_agent import FakeAgent


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (
            "a1-ats.iot.eu-central-1.amazonaws.com",
            "https://eu-central-1.console.aws.amazon.com/iot/home?region=eu-central-1",
        ),
        (
            "a1.iot.us-east-1.amazonaws.com",
            "https://us-east-1.console.aws.amazon.com/iot/home?region=us-east-1",
        ),
        (
            "A1-ATS.IOT-FIPS.us-west-2.amazonaws.com",
            "https://us-west-2.console.aws.amazon.com/iot/home?region=us-west-2",
        ),
        (
            "a1-ats.iot.eu-west-1.api.aws",
            "https://eu-west-1.console.aws.amazon.com/iot/home?region=eu-west-1",
        ),
        (
            "a1.ats.iot.cn-north-1.amazonaws.com.cn",
            "https://cn-north-1.console.amazonaws.cn/iot/home?region=cn-north-1",
        ),
        (
            "a1-ats.iot.us-gov-west-1.amazonaws.com",
            (
                "https://us-gov-west-1.console.amazonaws-us-gov.com/iot/home"
                "?region=us-gov-west-1"
            ),
        ),
    ],
)
def test_console(endpoint: str, url: str) -> None:
    """The thing is in the console of its partition, in its region."""
    assert console_url(endpoint, "home:1") == f"{url}#/thing/home%3A1"


@pytest.mark.parametrize(
    "endpoint", ["iot.example.com", "localhost", "a1-ats.iot.eu.amazonaws.com.evil.org"]
)
def test_no_console(endpoint: str) -> None:
    """An endpoint of somebody's own does not say where its thing is."""
    assert console_url(endpoint, THING) is None


async def test_device_leads_to_the_console(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """The device has a link to its thing, and says that its handlers run here."""
    device = _device(hass, entry)
    assert device.configuration_url == (
        "https://eu-central-1.console.aws.amazon.com/iot/home"
        "?region=eu-central-1#/thing/thing-1"
    )
    assert device.model == "AWS IoT thing"
    assert device.model_id == "handlers run in Home Assistant itself"


@pytest.mark.parametrize(
    ("runner", "place"),
    [
        (
            {"kind": "app", "slug": "aws", "url": "http://127.0.0.1:8098"},
            "handlers run in the app",
        ),
        (
            {"kind": "address", "url": "http://127.0.0.1:8099"},
            "handlers run at 127.0.0.1:8099",
        ),
    ],
)
async def test_device_says_where_handlers_run(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    runner: dict[str, Any],
    place: str,
) -> None:
    """Handlers elsewhere are told of, and whether they can be run there has an entity."""
    await SecretStore(hass, THING).async_update({CONF_RUNNER_TOKEN: "token"})
    hass.config_entries.async_update_entry(
        entry,
        data=entry.data | {CONF_ENDPOINT: "iot.example.com", CONF_RUNNER: runner},
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    device = _device(hass, entry)
    assert device.model_id == place
    assert device.configuration_url is None
    assert hass.states.get("binary_sensor.thing_1_runner") is not None


async def test_few_entities_are_on(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """What most need is there, and what some need waits to be switched on."""
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert {entity.entity_id for entity in entities if not entity.disabled} == {
        "binary_sensor.thing_1_connected",
        "event.thing_1_job",
        "sensor.thing_1_current_job",
        "sensor.thing_1_job_status",
        "sensor.thing_1_last_job_ended",
        "sensor.thing_1_last_job_result",
        "sensor.thing_1_progress",
        "switch.thing_1_take_jobs",
    }
    assert len(entities) == 17


def _device(hass: HomeAssistant, entry: MockConfigEntry) -> dr.DeviceEntry:
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert isinstance(device, dr.DeviceEntry)
    return device
