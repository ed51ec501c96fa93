"""What a step that runs in Home Assistant is."""

from abc import ABC, abstractmethod
from typing import Any, Final
import uuid

from homeassistant.core import HomeAssistant

from ..coordinator import AwsIotJobsConfigEntry
from ..jobs.calls import HomeAssistantCall
from ..jobs.home_steps import Attempt

PROCESS_ID: Final = uuid.uuid4().hex
"""Names this process: an attempt that finds another one knows of a restart in between."""


class HomeStep[CallT: HomeAssistantCall](ABC):
    """Does steps of one type for a thing."""

    def __init__(self, hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
        """Do steps for the thing of an entry."""
        self._hass = hass
        self._entry = entry

    async def before(self, call: CallT) -> Any:
        """Return what the step has to know of how it was before its job, as JSON has it."""
        return None

    async def problem(self, call: CallT) -> str | None:
        """Return what the step would fail for before it changes anything, if that is known."""
        return None

    @abstractmethod
    async def run(self, call: CallT, attempt: Attempt) -> None:
        """Do the step, to its end.

        What cannot be done twice is kept in the attempt before it is done. Raises
        StepFailedError, HomeAssistantError and JobStoppedError.
        """
