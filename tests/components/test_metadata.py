"""The files beside the code say what the code does, and all of it."""

import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components import aws_iot_jobs
from custom_components.aws_iot_jobs import (
    binary_sensor,
    button,
    config_flow,
    event,
    sensor,
    switch,
)
from custom_components.aws_iot_jobs.const import DOCUMENTATION_URL
from homeassistant.components.event import EventEntityDescription
from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.const import Platform
from homeassistant.helpers.entity import EntityDescription

ROOT = Path(aws_iot_jobs.__file__).parent


def _json(name: str) -> Any:
    return json.loads((ROOT / name).read_text())


@pytest.fixture(scope="module")
def words() -> dict[str, Any]:
    """Return the translations."""
    translations: dict[str, Any] = _json("translations/en.json")
    return translations


def test_documentation_is_where_the_manifest_says() -> None:
    """Links to the documentation follow the manifest."""
    assert _json("manifest.json")["documentation"] == DOCUMENTATION_URL


def test_requirements_are_the_locked_ones() -> None:
    """What Home Assistant installs is what is tested."""
    project = (ROOT.parents[1] / "pyproject.toml").read_text()
    for requirement in _json("manifest.json")["requirements"]:
        assert f'"{requirement}"' in project


@pytest.mark.parametrize(
    ("flow", "step", "schema"),
    [
        ("config", "user", config_flow._USER_SCHEMA),
        ("config", "reauth_confirm", config_flow._REAUTH_SCHEMA),
        ("config", "connection", config_flow._CONNECTION_SCHEMA),
        ("config", "local", config_flow._LOCAL_SCHEMA),
        ("config", "address", config_flow._ADDRESS_SCHEMA),
        ("options", "init", config_flow._OPTIONS_SCHEMA),
    ],
)
def test_fields_have_names_and_descriptions(
    words: dict[str, Any], flow: str, step: str, schema: Any
) -> None:
    """Each field of each form says what it is for."""
    fields = {str(key) for key in schema.schema}
    assert words[flow]["step"][step]["data"].keys() == fields
    assert words[flow]["step"][step]["data_description"].keys() == fields


DESCRIPTIONS: dict[str, list[EntityDescription]] = {
    "binary_sensor": [binary_sensor.CONNECTED, binary_sensor.RUNNER],
    "button": list(button.BUTTONS),
    "event": [event.JOB],
    "sensor": [*sensor.SENSORS, sensor.CERTIFICATE_EXPIRES],
    "switch": [switch.TAKE_JOBS],
}


@pytest.mark.parametrize("platform", aws_iot_jobs.PLATFORMS)
def test_entities_have_names_states_and_icons(
    words: dict[str, Any], platform: Platform
) -> None:
    """Each entity has a name and an icon, and each of its states has a name."""
    names = words["entity"][platform]
    icons = _json("icons.json")["entity"][platform]
    keys = {each.translation_key for each in DESCRIPTIONS[platform]}
    assert names.keys() == icons.keys() == keys
    for each in DESCRIPTIONS[platform]:
        name, icon = names[each.translation_key], icons[each.translation_key]
        if isinstance(each, SensorEntityDescription):
            states = set(each.options or ())
            assert name.get("state", {}).keys() == states
            assert icon.get("state", {}).keys() <= states
        if isinstance(each, EventEntityDescription):
            types = set(each.event_types or ())
            for shown in (name, icon):
                told = shown["state_attributes"]["event_type"]["state"]
                assert told.keys() == types
        assert icon["default"] not in icon.get("state", {}).values()


def test_errors_and_exceptions_are_translated(words: dict[str, Any]) -> None:
    """Every key of an error in the code has a text, and every text is of use."""
    code = "".join(path.read_text() for path in ROOT.glob("*.py"))
    used = set(re.findall(r'translation_key="(\w+)"', code))
    assert words["exceptions"].keys() <= used
    for error in words["config"]["error"]:
        assert f'"{error}"' in code, error
    for error in words["options"]["error"]:
        assert f'"{error}"' in code, error
    told = words["config"]["error"].keys() | words["options"]["error"].keys()
    for error in re.findall(r'InvalidInputError\(\s*\{[^}]*: "(\w+)"', code):
        assert error in told, error


def test_issues_are_translated(words: dict[str, Any]) -> None:
    """Each repair issue says what is the matter, and what to do or that it can be mended."""
    code = "".join(path.read_text() for path in ROOT.rglob("*.py"))
    problems = {"unreachable", "token_refused", "version"}
    assert words["issues"].keys() == {
        "approval",
        "certificate_expired",
        "certificate_expires",
        "journal_set_aside",
        "storage",
        "taken_over",
        "handler_permissions",
        *(f"{place}_{problem}" for place in ("app", "runner") for problem in problems),
    }
    for key, text in words["issues"].items():
        assert f'"{key}"' in code or key.partition("_")[2] in problems
        assert text["title"]
        assert ("description" in text) != ("fix_flow" in text), key
