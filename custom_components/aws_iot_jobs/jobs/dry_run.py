"""A job that only says what it would do: its outcome is its plan.

It is a type of step, and no key, as older agents and the AWS IoT Device Client ignore keys
that they do not know, and would run such a job.
"""

from ..aws_iot.model import JobStatus
from .document import JobDocument
from .model import JobOutcome, JobProgress
from .plan import Plan, describe
from .reasons import Reason
from .report import final_details, reason_of_step


def outcome_of(document: JobDocument, plan: Plan) -> JobOutcome:
    """Return how the dry run of a document ends, whose plan is the output.

    It fails where a step would fail before anything runs, and where nobody can tell.
    """
    problem = _problem(document, plan)
    if problem is None:
        reason = Reason.DRY_RUN.text(count=len(plan.steps))
    else:
        reason = Reason.DRY_RUN_FAILED.text(reason=problem)
    output = JobProgress(steps=(), stdout=f"{describe(plan)}\n")
    return JobOutcome(
        status=JobStatus.SUCCEEDED if problem is None else JobStatus.FAILED,
        reason=reason,
        status_details=final_details(reason, output, include_stdout=True),
    )


def _problem(document: JobDocument, plan: Plan) -> str | None:
    for step in plan.steps:
        if step.problem is not None:
            return reason_of_step(document, step.step_index - 1, step.problem)
    return plan.unchecked
