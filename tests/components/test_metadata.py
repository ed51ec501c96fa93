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
    config_forms,
    event,
    options_flow,
    sensor,
    switch,
)
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import EnrolmentProblem
from custom_components.aws_iot_jobs.const import DOCUMENTATION_URL
from custom_components.aws_iot_jobs.forms import Form
from custom_components.aws_iot_jobs.job_events import ENDS
from custom_components.aws_iot_jobs.jobs.events import JobEventType
from custom_components.aws_iot_jobs.jobs.reasons import Reason
from custom_components.aws_iot_jobs.reasons import translation_key
from homeassistant.components.event import EventEntityDescription
from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.const import Platform
from homeassistant.data_entry_flow import section
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
    ("flow", "form"),
    [
        ("config", config_forms.THING),
        ("config", config_forms.CLAIM),
        ("config", config_forms.RENEWAL),
        ("config", config_forms.CONNECTION),
        ("config", config_forms.LOCAL),
        ("config", config_forms.ADDRESS),
        ("options", options_flow.HERE),
    ],
)
def test_fields_have_names_and_descriptions(
    words: dict[str, Any], flow: str, form: Form
) -> None:
    """Each field of each form says what it is for, and each section has a name."""
    step = words[flow]["step"][form.step_id]
    sections = {
        str(key): value
        for key, value in form.schema.schema.items()
        if isinstance(value, section)
    }
    fields = {str(key) for key in form.schema.schema} - sections.keys()
    assert step.get("data", {}).keys() == fields
    assert step.get("data_description", {}).keys() == fields
    assert step.get("sections", {}).keys() == sections.keys()
    for name, inside in sections.items():
        fields = {str(key) for key in inside.schema.schema}
        assert step["sections"][name]["name"]
        assert step["sections"][name]["data"].keys() == fields
        assert step["sections"][name]["data_description"].keys() == fields


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
    reasons = {translation_key(reason) for reason in Reason}
    activity = {f"activity_{type_}" for type_ in (JobEventType.STARTED, *ENDS)}
    activity |= set(re.findall(r'"(activity_\w+)"', code))
    assert words["exceptions"].keys() <= used | reasons | activity
    assert reasons | activity <= words["exceptions"].keys()
    enrolment = set(EnrolmentProblem) - {EnrolmentProblem.NOT_CONNECTED}
    assert enrolment <= words["config"]["error"].keys()
    for error in words["config"]["error"].keys() - enrolment:
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
        "card_resource",
        "certificate_expired",
        "certificate_expires",
        "journal_set_aside",
        "proxy",
        "storage",
        "taken_over",
        "handler_permissions",
        *(f"{place}_{problem}" for place in ("app", "runner") for problem in problems),
    }
    for key, text in words["issues"].items():
        assert f'"{key}"' in code or key.partition("_")[2] in problems
        assert text["title"]
        assert ("description" in text) != ("fix_flow" in text), key
