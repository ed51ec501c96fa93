"""Sensors: what a thing's jobs are at, and how they ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, override

from homeassistant.components.sensor import (
    ATTR_STATE_CLASS,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import MAX_LENGTH_STATE_STATE, PERCENTAGE, EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .aws_iot.model import JobStatus
from .const import CONF_CERTIFICATE
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .credentials import expiry_of
from .entity import JobsEntity
from .jobs.model import AgentState, StepState, StepStatus
from .jobs.redact import without_signatures
from .reasons import async_translate_job

PARALLEL_UPDATES = 0

COARSE_ABOVE_STEPS = 20
COARSE_PERCENT = 5
"""In what strides the progress of a job of more steps is shown: each goes to the database."""


class Activity(StrEnum):
    """What a thing is at, as far as its jobs are concerned."""

    IDLE = "idle"
    AWAITING_APPROVAL = "awaiting_approval"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, kw_only=True)
class JobsSensorEntityDescription(SensorEntityDescription):
    """Where in the agent's state a sensor finds what it shows."""

    value_fn: Callable[[AgentState], StateType | datetime]
    attributes_fn: Callable[[AgentState], dict[str, Any]] = lambda state: {}
    is_told: bool = False
    """Whether Activity says in a sentence what the sensor shows."""


def _job_status(state: AgentState) -> str:
    if state.job is None:
        return Activity.IDLE
    if state.job.approval is not None:
        return Activity.AWAITING_APPROVAL
    return Activity.IN_PROGRESS


def _waiting_job(state: AgentState) -> dict[str, Any]:
    """Return which job waits in AWS's queue while none is taken, where that is known."""
    if (job := state.waiting) is None:
        return {}
    since = dt_util.utc_from_timestamp(job.key.queued_at)
    return {"waiting_job_id": job.key.job_id, "waiting_since": since}


def _job_id(state: AgentState) -> str | None:
    return state.job.key.job_id if state.job else None


def _step(state: AgentState) -> StepState | None:
    """Return the step that runs; between two of them, the one that has just ended."""
    if state.job is None or (index := state.job.last_started_index) is None:
        return None
    return state.job.steps[index]


def _step_name(state: AgentState) -> str | None:
    return step.name if (step := _step(state)) else None


def _step_status(state: AgentState) -> str | None:
    return step.status.lower() if (step := _step(state)) else None


def _step_number(state: AgentState) -> int | None:
    """Return which step that is, from 1 as AWS is told."""
    if state.job is None or (index := state.job.last_started_index) is None:
        return None
    return index + 1


def _step_place(state: AgentState) -> dict[str, Any]:
    count = len(state.job.steps) if state.job and _step(state) else None
    return {"index": _step_number(state), "count": count}


def _step_count(state: AgentState) -> dict[str, Any]:
    return {"count": _step_place(state)["count"]}


def _progress(state: AgentState) -> int | None:
    if (job := state.job) is None:
        return None
    if len(job.steps) <= COARSE_ABOVE_STEPS:
        return job.progress
    return job.progress - job.progress % COARSE_PERCENT


def _last_job_result(state: AgentState) -> str | None:
    return state.last_job.status.lower() if state.last_job else None


def _last_job_ended(state: AgentState) -> datetime | None:
    return state.last_job.ended_at if state.last_job else None


def _last_job(state: AgentState) -> dict[str, Any]:
    if (job := state.last_job) is None:
        return {}
    return {
        "job_id": job.key.job_id,
        "execution_number": job.key.execution_number,
        "reason": job.reason,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "steps": [_step_result(step) for step in job.steps],
        "stdout": job.status_details.get("stdout"),
        "stderr": job.status_details.get("stderr"),
    }


def _step_result(step: StepState) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status.lower(),
        "reason": step.reason,
        "attempt": step.attempt,
    }


JOB_STATUS = JobsSensorEntityDescription(
    key="job_status",
    translation_key="job_status",
    device_class=SensorDeviceClass.ENUM,
    options=list(Activity),
    value_fn=_job_status,
    attributes_fn=_waiting_job,
    is_told=True,
)

# The keys are part of ids that are on record: a name may change, its key does not.
SENSORS = (
    JOB_STATUS,
    JobsSensorEntityDescription(
        key="job",
        translation_key="current_job",
        value_fn=_job_id,
        is_told=True,
    ),
    JobsSensorEntityDescription(
        key="progress",
        translation_key="progress",
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        value_fn=_progress,
    ),
    JobsSensorEntityDescription(
        key="last_result",
        translation_key="last_job_result",
        device_class=SensorDeviceClass.ENUM,
        options=[status.lower() for status in JobStatus if status.terminal],
        value_fn=_last_job_result,
        attributes_fn=_last_job,
        is_told=True,
    ),
    JobsSensorEntityDescription(
        key="last_job_ended",
        translation_key="last_job_ended",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=_last_job_ended,
        is_told=True,
    ),
    JobsSensorEntityDescription(
        key="step",
        translation_key="current_step",
        entity_registry_enabled_default=False,
        value_fn=_step_name,
        attributes_fn=_step_place,
    ),
    JobsSensorEntityDescription(
        key="step_status",
        translation_key="step_status",
        device_class=SensorDeviceClass.ENUM,
        options=[
            status.lower()
            for status in StepStatus
            # A step that has not begun is not shown.
            if status not in (StepStatus.PENDING, StepStatus.SKIPPED)
        ],
        entity_registry_enabled_default=False,
        value_fn=_step_status,
    ),
    JobsSensorEntityDescription(
        key="step_number",
        translation_key="step_number",
        entity_registry_enabled_default=False,
        value_fn=_step_number,
        attributes_fn=_step_count,
    ),
    JobsSensorEntityDescription(
        key="jobs_succeeded",
        translation_key="jobs_succeeded",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_registry_enabled_default=False,
        value_fn=lambda state: state.jobs_succeeded,
    ),
    JobsSensorEntityDescription(
        key="jobs_failed",
        translation_key="jobs_failed",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_registry_enabled_default=False,
        value_fn=lambda state: state.jobs_failed,
    ),
)

CERTIFICATE_EXPIRES = SensorEntityDescription(
    key="certificate_expires",
    translation_key="certificate_expires",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of a thing."""
    coordinator = entry.runtime_data
    async_add_entities(
        [
            *(JobsSensor(coordinator, description) for description in SENSORS),
            CertificateSensor(coordinator),
        ]
    )


class JobsSensor(JobsEntity, SensorEntity):
    """Shows a part of the agent's state."""

    entity_description: JobsSensorEntityDescription

    # What a job wrote, and its list of steps, may be more than a database should keep.
    _unrecorded_attributes = frozenset({"stderr", "stdout", "steps"})

    @override
    def _from(self, state: AgentState) -> object:
        description = self.entity_description
        language = self.hass.config.language
        return description.value_fn(state), description.attributes_fn(state), language

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the state, no longer than a state may be."""
        value = self.entity_description.value_fn(self.coordinator.data)
        if isinstance(value, str):
            return str(without_signatures(value))[:MAX_LENGTH_STATE_STATE]
        return value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return more of it."""
        attributes = self.entity_description.attributes_fn(self._translated())
        shown = {key: without_signatures(value) for key, value in attributes.items()}
        # Activity has no line for a sensor that tells of a state class, be it of none.
        is_told = self.entity_description.is_told
        return shown | ({ATTR_STATE_CLASS: None} if is_told else {})

    def _translated(self) -> AgentState:
        """Return what the agent knows, with reasons in the language of Home Assistant."""
        state = self.coordinator.data
        if (job := state.last_job) is None:
            return state
        return replace(state, last_job=async_translate_job(self.hass, job))


class CertificateSensor(JobsEntity, SensorEntity):
    """Shows when the thing's certificate expires."""

    def __init__(self, coordinator: JobsCoordinator) -> None:
        """Look at the certificate of the entry."""
        super().__init__(coordinator, CERTIFICATE_EXPIRES)

    @property
    @override
    def native_value(self) -> datetime:
        """When the certificate expires that the thing has now."""
        return expiry_of(self.coordinator.config_entry.data[CONF_CERTIFICATE])
