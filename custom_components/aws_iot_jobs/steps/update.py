"""The step that updates Home Assistant, or something that it has updates of."""

from typing import Final, override

from ..jobs.calls import UpdateCall
from ..jobs.home_steps import Attempt, StepFailedError
from .step import HomeStep
from .update_core import CoreUpdate
from .update_entity import Update, async_found
from .update_os import OsUpdate
from .update_targets import Kind, async_find, async_get_offer, wanted_version

_UPDATES: Final[dict[Kind, type[Update]]] = {Kind.CORE: CoreUpdate, Kind.OS: OsUpdate}


class UpdateStep(HomeStep[UpdateCall]):
    """Brings something to a version, and waits until that is in use."""

    @override
    async def problem(self, call: UpdateCall) -> str | None:
        """Return what is in the way of it, as it is now."""
        try:
            target = async_find(self._hass, call.what)
            wanted_version(call, target, async_get_offer(self._hass, target))
        except StepFailedError as err:
            return str(err)
        return None

    @override
    async def run(self, call: UpdateCall, attempt: Attempt) -> None:
        """Update it, to the end."""
        asked = attempt.known is not None
        target = await async_found(self._hass, call.what, asked=asked)
        update = _UPDATES.get(target.kind, Update)
        await update(self._hass, call, attempt, target).run()


STEP = UpdateStep
