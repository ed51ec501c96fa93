"""What of a job has changed since it was told, as far as it is shown."""

from dataclasses import replace

from .advice import failed_step
from .model import JobState


def changed_steps(before: JobState, after: JobState) -> tuple[int, ...] | None:
    """Return the places of the steps that have changed, from 0.

    None where more has changed than steps: then the job is told anew.
    """
    if len(before.steps) != len(after.steps) or _frame(before) != _frame(after):
        return None
    pairs = zip(before.steps, after.steps, strict=True)
    return tuple(
        index
        for index, (old, new) in enumerate(pairs)
        # Most are the same object, which is quick to tell.
        if old is not new and old != new
    )


def _frame(job: JobState) -> tuple[JobState, int | None]:
    """Return what is shown around the steps of a job."""
    return replace(job, steps=(), status_details={}), failed_step(job)
