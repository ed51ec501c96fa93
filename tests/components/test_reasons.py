"""Reasons in the language of the Home Assistant that shows them."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import async_capture_events  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.model import (
    AgentState,
    JobState,
    StepState,
    StepStatus,
)
from custom_components.aws_iot_jobs.jobs.plan import Plan
from custom_components.aws_iot_jobs.jobs.reasons import Reason
from custom_components.aws_iot_jobs.logbook import async_sentence
from custom_components.aws_iot_jobs.reasons import (
    async_template,
    async_translate_job,
    async_translate_plan,
    async_translate_reason,
    translation_key,
)
from custom_components.aws_iot_jobs.responses import job_response
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .fake_agent import FakeAgent

STARTED = dt_util.utcnow()
REASON = "step 2 of 3 'Check': exit status 3"
IN_GERMAN = "Schritt 2 von 3 'Check': Exit-Status 3"
FAILED = JobState(
    key=ExecutionKey("update-7", 1),
    status=JobStatus.FAILED,
    steps=(
        StepState(name="Fetch", status=StepStatus.SUCCEEDED, started_at=STARTED),
        StepState(
            name="Check",
            status=StepStatus.FAILED,
            reason="exit status 3",
            started_at=STARTED,
        ),
        StepState(name="Restart", status=StepStatus.SKIPPED),
    ),
    reason=REASON,
    started_at=STARTED,
    ended_at=STARTED,
)
RESULT = "sensor.thing_1_last_job_result"
JOB = "event.thing_1_job"


@pytest.fixture
async def german(hass: HomeAssistant, agent: FakeAgent) -> FakeAgent:
    """Have a thing in a Home Assistant whose owner has chosen German."""
    await _speak(hass, "de")
    return agent


async def _speak(hass: HomeAssistant, language: str) -> None:
    await hass.config.async_update(language=language)
    await hass.async_block_till_done()


def _attributes(hass: HomeAssistant, entity_id: str) -> dict[str, Any]:
    state = hass.states.get(entity_id)
    assert state is not None
    return dict(state.attributes)


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_english_is_what_aws_is_told(hass: HomeAssistant, reason: Reason) -> None:
    """The texts of the file are those of the agent, word for word."""
    assert async_template(hass, translation_key(reason)) == reason.value


@pytest.mark.parametrize("language", ["en", "en-GB", "xx"])
@pytest.mark.usefixtures("agent")
async def test_where_there_is_no_other_language_it_is_english(
    hass: HomeAssistant, language: str
) -> None:
    """As AWS has it."""
    await _speak(hass, language)
    assert async_translate_reason(hass, REASON) == REASON
    assert async_translate_job(hass, FAILED) == FAILED


async def test_a_language_that_is_chosen_is_told_at_once(
    hass: HomeAssistant, agent: FakeAgent
) -> None:
    """Also of what was before."""
    agent.push(AgentState(connected=True, last_job=FAILED))
    await hass.async_block_till_done()
    assert _attributes(hass, RESULT)["reason"] == REASON
    await _speak(hass, "de")
    assert async_translate_reason(hass, REASON) == IN_GERMAN
    assert _attributes(hass, RESULT)["reason"] == IN_GERMAN
    hass.config.language = "not read yet"
    assert async_translate_reason(hass, REASON) == REASON


async def test_entities_tell_reasons_in_german(
    hass: HomeAssistant, german: FakeAgent
) -> None:
    """The event, and how the last job ended, with its steps."""
    german.push(AgentState(connected=True, last_job=FAILED))
    await hass.async_block_till_done()
    assert _attributes(hass, JOB)["reason"] == IN_GERMAN
    result = _attributes(hass, RESULT)
    assert result["reason"] == IN_GERMAN
    assert [step["reason"] for step in result["steps"]] == ["", "Exit-Status 3", ""]
    assert [step["name"] for step in result["steps"]] == ["Fetch", "Check", "Restart"]


async def test_activity_is_german_whenever_it_is_read(
    hass: HomeAssistant, german: FakeAgent
) -> None:
    """What is on the bus is as AWS has it: whoever reads it later may read another language."""
    fired = async_capture_events(hass, "aws_iot_jobs_event")
    german.push(AgentState(connected=True, last_job=FAILED))
    await hass.async_block_till_done()
    (event,) = fired
    assert event.data["reason"] == REASON
    line = async_sentence(hass, event.data)
    assert "update-7" in line
    assert line.endswith(f": {IN_GERMAN}")
    hass.config.language = "en"
    assert async_sentence(hass, event.data) == f"Job update-7 failed: {REASON}"


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        ("started", ""),
        ("succeeded", "3 of 3 steps succeeded"),
        ("failed", "stopped in Home Assistant between two steps"),
        ("rejected", "rejected in Home Assistant: not today"),
        ("rejected", "invalid job document: steps: required"),
        ("timed_out", "timed out in AWS IoT Jobs"),
        ("canceled", "canceled in AWS IoT Jobs"),
        ("removed", "removed from AWS IoT Jobs"),
        ("removed", ""),
    ],
)
@pytest.mark.usefixtures("german")
async def test_activity_has_no_english_left(
    hass: HomeAssistant, type_: str, reason: str
) -> None:
    """But what somebody has said, and names."""
    data = {"type": type_, "job_id": "update-7", "reason": reason}
    line = async_sentence(hass, data)
    assert "update-7" in line
    words = set(line.lower().replace(":", "").split())
    assert not words & {"was", "step", "of", "stopped", "rejected", "removed"}
    assert ("not today" in line) == ("not today" in reason)


@pytest.mark.usefixtures("german")
async def test_answers_and_plans_are_german(hass: HomeAssistant) -> None:
    """A job's and its steps' reasons, and what is wrong with a document."""
    response = job_response(async_translate_job(hass, FAILED))
    assert response["reason"] == IN_GERMAN
    plan = Plan(valid=False, problem="steps[0].action.name: required")
    problem = async_translate_plan(hass, plan).problem
    assert problem is not None
    assert problem.startswith("steps[0].action.name: ")
    assert not problem.endswith("required")
    assert async_translate_plan(hass, Plan()) == Plan()


async def test_no_secret_is_told(hass: HomeAssistant, german: FakeAgent) -> None:
    """What lets anybody download a file goes in each language."""
    url = "https://bucket.s3.amazonaws.com/file"
    reason = f"rejected in Home Assistant: {url}?X-Amz-Signature=secret"
    german.push(AgentState(last_job=replace(FAILED, reason=reason)))
    await hass.async_block_till_done()
    for entity_id in (RESULT, JOB):
        told = _attributes(hass, entity_id)["reason"]
        assert told.endswith(f": {url}")
        assert told != reason
