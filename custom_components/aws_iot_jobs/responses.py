"""What service actions respond with: times as ISO 8601, states as the entities have them."""

from collections.abc import Sequence
from datetime import datetime

from homeassistant.util.json import JsonObjectType, JsonValueType

from .jobs.log_lines import StepLog
from .jobs.model import JobState, StepState
from .jobs.plan import Plan, PlannedStep
from .jobs.redact import without_signatures

AWAITING_APPROVAL = "awaiting_approval"


def job_status(job: JobState) -> str:
    """Return the status of a job as it is shown."""
    return AWAITING_APPROVAL if job.approval else job.status.lower()


def job_response(job: JobState) -> JsonObjectType:
    """Return a job, without its output."""
    return {
        **job_summary(job),
        "steps": [
            step_response(index, step) for index, step in enumerate(job.steps, start=1)
        ],
    }


def job_summary(job: JobState) -> JsonObjectType:
    """Return a job without its steps."""
    return {
        "job_id": job.key.job_id,
        "execution_number": job.key.execution_number,
        "status": job_status(job),
        "reason": without_signatures(job.reason),
        "started_at": time_response(job.started_at),
        "ended_at": time_response(job.ended_at),
        "duration": job.duration,
    }


def plan_response(plan: Plan) -> JsonObjectType:
    """Return what a document would do here."""
    return {
        "valid": plan.valid,
        "problem": plan.problem,
        "conditions_met": plan.conditions_met,
        "unmet_condition": plan.unmet_condition,
        "unchecked": plan.unchecked,
        "steps": [_planned_response(step) for step in plan.steps],
    }


def log_response(
    job: JobState, logs: Sequence[StepLog], *, timestamps: bool = True
) -> JsonObjectType:
    """Return what steps of a job have written.

    Of many lines this takes long: not for an event loop.
    """
    texts = {log.index: log.text(timestamps=timestamps) for log in logs}
    return {
        "job_id": job.key.job_id,
        "execution_number": job.key.execution_number,
        "status": job_status(job),
        "log": "\n".join(
            f"{_heading(job, index)}\n{text}" for index, text in texts.items() if text
        ),
        "steps": [
            {
                "step": without_signatures(job.steps[log.index].name),
                "step_index": log.index + 1,
                "status": job.steps[log.index].status.lower(),
                "log": texts[log.index],
                "dropped_bytes": log.dropped,
            }
            for log in logs
        ],
    }


def _heading(job: JobState, index: int) -> str:
    step = job.steps[index]
    place = f"Step {index + 1} of {len(job.steps)}"
    return f"{place}: {without_signatures(step.name)} ({step.status.lower()})"


def step_response(index: int, step: StepState) -> JsonObjectType:
    """Return a step by its place, from 1."""
    return {
        "step": without_signatures(step.name),
        "step_index": index,
        "status": step.status.lower(),
        "reason": without_signatures(step.reason),
        "attempt": step.attempt,
        "started_at": time_response(step.started_at),
        "ended_at": time_response(step.ended_at),
        "duration": step.duration,
    }


def _planned_response(step: PlannedStep) -> JsonValueType:
    return {
        "step": step.step,
        "step_index": step.step_index,
        "kind": step.kind.value,
        "command": list(step.command),
        "path": step.path,
        "run_as_user": step.run_as_user,
        "acts_as_root": step.acts_as_root,
        "timeout": step.timeout,
        "problem": step.problem,
    }


def time_response(moment: datetime | None) -> str | None:
    """Return a moment, if there is one."""
    return None if moment is None else moment.isoformat()
