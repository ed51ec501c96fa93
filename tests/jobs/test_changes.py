"""What of a job has changed since it was told."""

from dataclasses import replace

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.jobs.changes import changed_steps
from custom_components.aws_iot_jobs.jobs.model import JobState, StepState, StepStatus

JOB = JobState(
    key=ExecutionKey("update-7", 1),
    steps=tuple(StepState(name=f"Step {number}") for number in range(200)),
)


def _with(job: JobState, place: int, status: StepStatus) -> JobState:
    steps = list(job.steps)
    steps[place] = replace(steps[place], status=status)
    return replace(job, steps=tuple(steps))


def test_steps_that_have_changed_are_named() -> None:
    """And no others of two hundred; what AWS is told besides is not shown."""
    begun = _with(JOB, 7, StepStatus.IN_PROGRESS)
    assert changed_steps(JOB, begun) == (7,)
    ended = _with(_with(begun, 7, StepStatus.SUCCEEDED), 8, StepStatus.IN_PROGRESS)
    assert changed_steps(begun, ended) == (7, 8)
    assert changed_steps(JOB, replace(JOB, status_details={"step": "x"})) == ()


def test_what_more_has_changed_is_told_whole() -> None:
    """Another job, its end, other steps, or that it has failed."""
    assert changed_steps(JOB, replace(JOB, key=ExecutionKey("update-8", 1))) is None
    assert changed_steps(JOB, replace(JOB, status=JobStatus.SUCCEEDED)) is None
    assert changed_steps(JOB, replace(JOB, steps=JOB.steps[:1])) is None
    assert changed_steps(JOB, _with(JOB, 7, StepStatus.FAILED)) is None
