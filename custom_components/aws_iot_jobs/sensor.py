"""Sensors: what a thing's jobs are at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
)
from homeassistant.const import MAX_LENGTH_STATE_STATE, PERCENTAGE
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .aws_iot.model import JobStatus
from .coordinator import AwsIotJobsConfigEntry
from .entity import JobsEntity
from .jobs.model import AgentState, JobState, StepState, StepStatus
from .jobs.redact import without_signatures

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class JobsSensorEntityDescription(SensorEntityDescription):
    """Where in the agent's state a sensor finds what it shows."""

    value_fn: Callable[[AgentState], StateType]
    attributes_fn: Callable[[AgentState], dict[str, Any]] = lambda state: {}


def _job(state: AgentState) -> JobState | None:
    """Return the job that runs, else the one that ended last."""
    return state.job or state.last_job


def _job_status(state: AgentState) -> str | None:
    return job.status.lower() if (job := _job(state)) else None


def _job_id(state: AgentState) -> str | None:
    return state.job.key.job_id if state.job else None


def _step(state: AgentState) -> str | None:
    """Return the step that runs; between two of them, the one that has just ended."""
    if state.job is None or (index := state.job.last_started_index) is None:
        return None
    return state.job.steps[index].name


def _step_place(state: AgentState) -> dict[str, Any]:
    """Return which step that is, from 1 as AWS is told, and of how many."""
    if state.job is None or (index := state.job.last_started_index) is None:
        return {"index": None, "count": None}
    return {"index": index + 1, "count": len(state.job.steps)}


def _step_status(state: AgentState) -> str | None:
    job = _job(state)
    if job is None or (index := job.last_started_index) is None:
        return None
    return job.steps[index].status.lower()


def _progress(state: AgentState) -> int | None:
    return job.progress if (job := _job(state)) else None


def _last_result(state: AgentState) -> str | None:
    return state.last_job.status.lower() if state.last_job else None


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


SENSORS = (
    JobsSensorEntityDescription(
        key="job_status",
        translation_key="job_status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.lower() for status in JobStatus],
        value_fn=_job_status,
    ),
    JobsSensorEntityDescription(key="job", translation_key="job", value_fn=_job_id),
    JobsSensorEntityDescription(
        key="step",
        translation_key="step",
        value_fn=_step,
        attributes_fn=_step_place,
    ),
    JobsSensorEntityDescription(
        key="step_status",
        translation_key="step_status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.lower() for status in StepStatus],
        value_fn=_step_status,
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
        translation_key="last_result",
        device_class=SensorDeviceClass.ENUM,
        options=[status.lower() for status in JobStatus if status.terminal],
        value_fn=_last_result,
        attributes_fn=_last_job,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of a thing."""
    async_add_entities(
        JobsSensor(entry.runtime_data, description) for description in SENSORS
    )


class JobsSensor(JobsEntity, SensorEntity):
    """Shows a part of the agent's state."""

    entity_description: JobsSensorEntityDescription

    # What a job wrote, and its list of steps, may be more than a database should keep.
    _unrecorded_attributes = frozenset({"stderr", "stdout", "steps"})

    @override
    def _from(self, state: AgentState) -> object:
        description = self.entity_description
        return description.value_fn(state), description.attributes_fn(state)

    @property
    @override
    def native_value(self) -> StateType:
        """Return the state, no longer than a state may be."""
        value = self.entity_description.value_fn(self.coordinator.data)
        if isinstance(value, str):
            return str(without_signatures(value))[:MAX_LENGTH_STATE_STATE]
        return value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return more of it."""
        attributes = self.entity_description.attributes_fn(self.coordinator.data)
        return {key: without_signatures(value) for key, value in attributes.items()}
