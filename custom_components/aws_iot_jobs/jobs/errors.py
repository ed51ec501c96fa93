"""What can be wrong with a job."""

from .reasons import Reason


class InvalidJobDocumentError(Exception):
    """A job document cannot be run.

    `path` is the field, as in `steps[1].action.name`, `problem` what is wrong with it.
    """

    def __init__(self, path: str, problem: str) -> None:
        """Name the field and its problem."""
        self.path = path
        self.problem = problem
        field = Reason.FIELD.text(path=path, cause=problem)
        super().__init__(field if path else problem)


class NoSuchJobError(Exception):
    """There is no such job to act on. `job_id` is None where any would have done."""

    def __init__(self, job_id: str | None) -> None:
        """Name the job."""
        self.job_id = job_id
        super().__init__(f"no job {job_id}" if job_id else "no job")
