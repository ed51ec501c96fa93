"""Attempts of a step, as an agent has them, with what they keep and tell."""

from collections.abc import Callable
from typing import Any

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs.calls import HomeAssistantCall
from custom_components.aws_iot_jobs.jobs.home_steps import Attempt

KEY = ExecutionKey(job_id="nightly", execution_number=1, queued_at=1)


class Killed(BaseException):
    """Home Assistant is killed."""


class Trial(Attempt):
    """An attempt whose `kept` is on record, and whose `percents` were told.

    `on_keep` is called once something is on record, with how many times it was.
    """

    def __init__(
        self,
        call: HomeAssistantCall,
        known: Any = None,
        on_keep: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Begin an attempt with what the one before has kept."""
        self.kept: list[Any] = []
        self.percents: list[int] = []

        async def keep(value: Any) -> None:
            self.kept.append(value)
            on_keep(len(self.kept))

        super().__init__(
            call,
            key=KEY,
            run_id="run",
            known=known,
            keep=keep,
            on_event=lambda event: None,
            on_percent=self.percents.append,
        )

    @property
    def lines(self) -> list[str]:
        """What it has written."""
        return self.stdout.splitlines()


def killed_at(count: int) -> Callable[[int], None]:
    """Return what kills Home Assistant once something is on record so many times."""

    def kill(kept: int) -> None:
        if kept == count:
            raise Killed

    return kill
