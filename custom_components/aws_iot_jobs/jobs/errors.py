"""What can be wrong with a job."""


class InvalidJobDocumentError(Exception):
    """A job document cannot be run.

    `path` is the field, as in `steps[1].action.name`, `problem` what is wrong with it.
    """

    def __init__(self, path: str, problem: str) -> None:
        """Name the field and its problem."""
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}" if path else problem)
