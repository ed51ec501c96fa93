"""A step that is tried without a job around it."""

import asyncio
import json
from typing import Any

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs.calls import HomeAssistantCall
from custom_components.aws_iot_jobs.jobs.home_steps import Attempt
from custom_components.aws_iot_jobs.steps.home import StepsHere
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant


class Trial:
    """Tries a step of a call, attempt by attempt, as a job would have it.

    `known` is what the next attempt knows, as a journal gives it back; nothing can be kept
    while a test has cleared `may_keep`; `keeps` is set when something is to be. `attempt` is
    the last one.
    """

    attempt: Attempt

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, call: HomeAssistantCall
    ) -> None:
        """Try the step in a Home Assistant."""
        self.call = call
        self.known: Any = None
        self.may_keep = asyncio.Event()
        self.may_keep.set()
        self.keeps = asyncio.Event()
        self._steps = StepsHere(hass, entry)

    async def before(self) -> None:
        """Look at how it is before the job."""
        self.known = await self._steps.before(self.call)

    async def problem(self) -> str | None:
        """Return why the step would fail."""
        return await self._steps.check(self.call)

    async def run(self) -> list[str]:
        """Make an attempt; return the lines of its output."""
        self.attempt = Attempt(
            self.call,
            key=ExecutionKey("job", 1),
            run_id="run",
            known=json.loads(json.dumps(self.known)),
            keep=self._keep,
            on_event=lambda _: None,
            on_percent=lambda _: None,
        )
        await self._steps.run(self.attempt)
        return self.attempt.stdout.splitlines()

    async def _keep(self, known: Any) -> None:
        self.keeps.set()
        await self.may_keep.wait()
        self.known = known
