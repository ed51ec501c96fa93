"""The options of a thing."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_APPROVAL,
    CONF_APPROVAL_TIME_LIMIT,
    CONF_DEFAULT_TIMEOUT,
    CONF_HANDLER_DIRECTORY,
    CONF_HISTORY_COUNT,
    CONF_HISTORY_DAYS,
    CONF_LOG_KIB,
    CONF_OUTAGE_ALLOWANCE,
    CONF_REPORT_VERSIONS,
    CONF_RUN_DOCUMENT,
    CONF_RUNNER,
    CONF_WINDOW_DAYS,
    CONF_WINDOW_FROM,
    CONF_WINDOW_TO,
)
from custom_components.aws_iot_jobs.options import outage_seconds
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from .dialog import errors, in_sections, sections_of, suggested, words
from .fake_agent import FakeAgent

NIGHT = {CONF_WINDOW_FROM: "22:00:00", CONF_WINDOW_TO: "05:30:00"}
MIDNIGHT = {CONF_WINDOW_FROM: "00:00:00", CONF_WINDOW_TO: "00:00:00"}


async def _open(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert flow["type"] is FlowResultType.FORM
    assert not flow["errors"]
    return flow


async def _enter(
    hass: HomeAssistant, flow: ConfigFlowResult, **options: Any
) -> ConfigFlowResult:
    result = await hass.config_entries.options.async_configure(
        flow["flow_id"], in_sections(flow, options)
    )
    await hass.async_block_till_done()
    return result


async def _set(
    hass: HomeAssistant, entry: MockConfigEntry, **options: Any
) -> ConfigFlowResult:
    return await _enter(hass, await _open(hass, entry), **options)


async def test_options(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
) -> None:
    """Another handler directory is used at once; an empty field means the default one."""
    directory = Path(hass.config.path("my-handlers"))
    default = entry.options[CONF_HANDLER_DIRECTORY]
    flow = await _open(hass, entry)
    assert suggested(flow) == {CONF_HANDLER_DIRECTORY: default}

    form = {CONF_HANDLER_DIRECTORY: str(directory)}
    result = await _enter(hass, flow, **form)
    assert errors(result) == {CONF_HANDLER_DIRECTORY: "not_a_directory"}
    assert result["description_placeholders"] == {"directory": str(directory)}
    assert form.items() <= suggested(result).items()

    directory.mkdir()
    result = await _enter(hass, flow, **form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == form
    assert len(agents) == 2

    await _set(hass, entry)
    assert entry.options == {CONF_HANDLER_DIRECTORY: default}


async def test_options_are_stored_flat(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Sections are for the eye. What is so anyway is not stored; days are in their order."""
    chosen = {
        CONF_DEFAULT_TIMEOUT: {"minutes": 5},
        CONF_APPROVAL: "commands",
        CONF_APPROVAL_TIME_LIMIT: {"hours": 2},
        CONF_WINDOW_DAYS: ["sun", "mon"],
        CONF_WINDOW_FROM: "22:00",
        CONF_WINDOW_TO: "05:30:00",
        CONF_HISTORY_COUNT: 10,
        CONF_HISTORY_DAYS: 30,
        CONF_LOG_KIB: 64,
        CONF_OUTAGE_ALLOWANCE: {"minutes": 5},
        CONF_REPORT_VERSIONS: False,
        CONF_RUN_DOCUMENT: True,
    }
    await _set(hass, entry, **chosen)
    directory = {CONF_HANDLER_DIRECTORY: entry.options[CONF_HANDLER_DIRECTORY]}
    assert entry.options == directory | chosen | {
        CONF_WINDOW_DAYS: ["mon", "sun"],
        CONF_WINDOW_FROM: "22:00:00",
    }
    assert suggested(await _open(hass, entry)) == entry.options

    as_it_is = {
        CONF_APPROVAL: "never",
        CONF_APPROVAL_TIME_LIMIT: {"days": 1},
        CONF_WINDOW_DAYS: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        CONF_HISTORY_COUNT: 50.0,
        CONF_OUTAGE_ALLOWANCE: {"seconds": 1800},
        CONF_REPORT_VERSIONS: True,
    }
    await _set(hass, entry, **as_it_is)
    assert entry.options == directory


async def test_maintenance_window(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """A window lasts a day at most; one that is always is none, as times cannot be cleared."""
    directory = dict(entry.options)
    await _set(hass, entry, **NIGHT)
    assert entry.options == directory | NIGHT
    assert suggested(await _open(hass, entry)).items() >= NIGHT.items()
    weekend = {CONF_WINDOW_DAYS: ["sat", "sun"]} | MIDNIGHT
    await _set(hass, entry, **weekend)
    assert entry.options == directory | weekend
    await _set(hass, entry, **MIDNIGHT)
    assert entry.options == directory


async def test_options_of_handlers_elsewhere(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Elsewhere there is no directory to choose; the one here is kept for another time."""
    runner = {"kind": "address", "url": "http://127.0.0.1:1"}
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_RUNNER: runner}
    )
    before = dict(entry.options)
    flow = await _open(hass, entry)
    assert sections_of(flow)["handlers"] == {CONF_DEFAULT_TIMEOUT}
    await _enter(hass, flow, **{CONF_RUN_DOCUMENT: True})
    assert entry.options == before | {CONF_RUN_DOCUMENT: True}
    hass.config_entries.async_update_entry(entry, options={})
    await _set(hass, entry)
    assert entry.options == {}


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({CONF_WINDOW_FROM: "22:00:00"}, CONF_WINDOW_TO, "both times"),
        ({CONF_WINDOW_TO: "22:00:00"}, CONF_WINDOW_FROM, "both times"),
        ({CONF_WINDOW_DAYS: ["mon"]}, CONF_WINDOW_FROM, "both times"),
        ({CONF_APPROVAL_TIME_LIMIT: {"hours": 0}}, CONF_APPROVAL_TIME_LIMIT, "7 days"),
        ({CONF_APPROVAL_TIME_LIMIT: {"days": 8}}, CONF_APPROVAL_TIME_LIMIT, "7 days"),
        ({CONF_HISTORY_COUNT: 0}, CONF_HISTORY_COUNT, "1 to 1000"),
        ({CONF_HISTORY_DAYS: 3651}, CONF_HISTORY_DAYS, "1 to 3650"),
        ({CONF_LOG_KIB: 15}, CONF_LOG_KIB, "16 to 65536 KiB"),
        (
            {CONF_OUTAGE_ALLOWANCE: {"days": 7, "seconds": 1}},
            CONF_OUTAGE_ALLOWANCE,
            "7 days at most",
        ),
    ],
)
async def test_options_that_cannot_be(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    options: dict[str, Any],
    field: str,
    says: str,
) -> None:
    """What cannot be is told at its field, in a section that is open, and stays there."""
    before = dict(entry.options)
    result = await _set(hass, entry, **options)
    assert errors(result).keys() == {field}
    assert says in (await words(hass, result, "options"))[field]
    assert options.items() <= suggested(result).items()
    assert entry.options == before
    result = await _enter(hass, result)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_options_are_told_of_at_once(
    hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent
) -> None:
    """Nobody has to correct options one at a time."""
    options = {CONF_HISTORY_COUNT: 0, CONF_LOG_KIB: 0, CONF_WINDOW_FROM: "22:00:00"}
    result = await _set(hass, entry, **options)
    assert errors(result).keys() == {CONF_HISTORY_COUNT, CONF_LOG_KIB, CONF_WINDOW_TO}


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [({"minutes": 10}, 600), ({"hours": 1, "minutes": 0, "seconds": 5}, 3605)],
)
async def test_default_timeout(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
    duration: dict[str, float],
    seconds: float,
) -> None:
    """Steps may be given a time that they may take; zero takes it back."""
    assert agent.settings.default_timeout is None
    for given, wanted in ((duration, seconds), ({"hours": 0, "minutes": 0}, None)):
        result = await _set(hass, entry, **{CONF_DEFAULT_TIMEOUT: given})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert agents[-1].settings.default_timeout == wanted


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ({"minutes": 0}, 0),
        ({"hours": 2, "minutes": 0, "seconds": 1}, 7201),
        ({"days": 7}, 604800),
    ],
)
async def test_outage_allowance(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    duration: dict[str, float],
    seconds: float,
) -> None:
    """AWS waits for half an hour unless something else is said, which can be none at all."""
    assert outage_seconds(entry.options) == 1800
    result = await _set(hass, entry, **{CONF_OUTAGE_ALLOWANCE: duration})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert outage_seconds(entry.options) == seconds

    flow = await _open(hass, entry)
    assert suggested(flow)[CONF_OUTAGE_ALLOWANCE] == duration
    await _enter(hass, flow)
    assert outage_seconds(entry.options) == 1800
