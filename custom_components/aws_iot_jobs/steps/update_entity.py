"""Updating what has an update entity: asking for it once, and waiting for its version."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
import logging
import time
from typing import Any, Final, Self

from aiohasupervisor import SupervisorConnectionError, SupervisorTimeoutError
from aiohttp import ClientConnectorError

from homeassistant.components.update import (
    ATTR_BACKUP,
    ATTR_VERSION,
    DOMAIN as UPDATE_DOMAIN,
    SERVICE_INSTALL,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_state_change_event

from ..jobs.calls import UpdateCall
from ..jobs.home_steps import Attempt, StepFailedError
from . import step
from .started import async_until_started
from .update_targets import (
    Kind,
    NotThereYetError,
    Offer,
    Target,
    async_find,
    async_get_offer,
    wanted_version,
)

_LOGGER = logging.getLogger(__name__)

READY_SECONDS: Final = 120
"""How long an entity may take to tell something, after a start of Home Assistant, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is on record of an update before it is asked for.

    `process` has asked, at this time. `rollback` names what Supervisor knew before of an
    update of Core that it has undone. With `reboot`, the host is asked to reboot, and
    `boot` names the time since its last one. What reads it may be a newer version of this:
    what is added has a default, and nothing is taken away.
    """

    before: str
    wanted: str
    process: str
    at: float
    rollback: str = ""
    boot: str = ""
    reboot: bool = False

    @classmethod
    def of(cls, known: Any) -> Self | None:
        """Return what an earlier attempt has kept."""
        return None if known is None else cls(**known)

    @property
    def is_of_this_process(self) -> bool:
        """Whether Home Assistant has not been started again since."""
        return self.process == step.PROCESS_ID


class Update:
    """One update, of what has an update entity. Others than that know more of it."""

    def __init__(
        self, hass: HomeAssistant, call: UpdateCall, attempt: Attempt, target: Target
    ) -> None:
        """Prepare to update this."""
        self._hass = hass
        self._call = call
        self._attempt = attempt
        self._target = target

    async def run(self) -> None:
        """Update it, to the end."""
        untrack = async_track_state_change_event(
            self._hass, [self._target.entity_id], self._tell_percent
        )
        asked = Asked.of(self._attempt.known)
        if asked is not None:
            self._attempt.goes_on = self._goes_on(asked)
        try:
            await self._run(asked)
        finally:
            untrack()

    async def _run(self, asked: Asked | None) -> None:
        if asked is None:
            if (asked := await self._begin()) is None:
                return
            offer = None
        else:
            offer = await self._until_idle()
        if offer is None or not self._is_done(offer, asked):
            await self._install(asked)
            offer = await self._until(
                lambda offer: not offer.in_progress and offer.installed != asked.before
            )
        if not self._is_done(offer, asked):
            raise StepFailedError(
                f"{self._target.name} is at {offer.installed} after its update, not at "
                f"{asked.wanted}"
            )
        self._tell_end(asked, offer.installed)
        if self._target.kind is Kind.HACS:
            self._attempt.write(
                "What HACS has installed of an integration is used after a restart of Home "
                "Assistant"
            )

    async def _begin(self, **known: Any) -> Asked | None:
        """Have on record what is to be asked for; None where there is nothing to do."""
        offer = await self._until_idle()
        wanted = wanted_version(self._call, self._target, offer)
        before = await self._installed(offer)
        if before == wanted:
            self._attempt.write(
                f"{self._target.name} is at {wanted} already; nothing was done"
            )
            return None
        asked = Asked(
            before=before,
            wanted=wanted,
            process=step.PROCESS_ID,
            at=time.time(),
            **known,
        )
        await self._attempt.keep(asdict(asked))
        self._attempt.write(f"{self._target.name}: {before} -> {wanted}")
        return asked

    async def _installed(self, offer: Offer) -> str:
        """Return the version that is in use."""
        return offer.installed

    async def _install(self, asked: Asked) -> None:
        """Ask for the update, as soon as no other one is in progress, until it is accepted.

        It goes on whatever becomes of the step: half an update is worse than either.
        """
        while True:
            fields = self._fields(asked.wanted, await self._until_idle())
            self._attempt.goes_on = self._goes_on(asked)
            try:
                await self._ask(UPDATE_DOMAIN, SERVICE_INSTALL, fields)
            except HomeAssistantError as err:
                if err.translation_key == "update_in_progress":
                    continue
                if self._target.kind is not Kind.SUPERVISOR or not _is_lost(err):
                    raise
                # Supervisor ends with its own update, at times before it answers.
                _LOGGER.debug("%s: %s", self._target.name, err)
            return

    def _fields(self, wanted: str, offer: Offer) -> dict[str, Any]:
        """Return what the action is told. Raises StepFailedError if it cannot be had."""
        wanted_version(self._call, self._target, offer)
        fields: dict[str, Any] = {ATTR_ENTITY_ID: self._target.entity_id}
        if self._call.backup:
            fields[ATTR_BACKUP] = True
        # Core and the system are asked for what is on record. The newest version of all else
        # goes without its name, as from Home Assistant's page: not all of it knows names.
        if self._target.kind in (Kind.CORE, Kind.OS) or (
            self._call.version and wanted != offer.latest
        ):
            fields[ATTR_VERSION] = wanted
        return fields

    def _goes_on(self, asked: Asked) -> str:
        """Return what a stop cannot take back."""
        return (
            f"the update of {self._target.name} to {asked.wanted} has been asked for, and "
            "goes on"
        )

    async def _ask(
        self, domain: str, service: str, fields: dict[str, Any] | None = None
    ) -> None:
        """Perform an action to its end, which is not broken off with the step."""
        name = f"{domain}.{service} {self._target.name}"
        asking = self._hass.async_create_background_task(
            self._hass.services.async_call(domain, service, fields, blocking=True), name
        )
        asking.add_done_callback(_note_failure)
        await asyncio.wait((asking,))
        if asking.cancelled():
            # Home Assistant ends, and this with it.
            await asyncio.Event().wait()
        asking.result()

    async def _until_idle(self) -> Offer:
        """Wait while an update is in progress, whoever has asked for it."""
        return await self._until(lambda offer: not offer.in_progress)

    async def _until(self, condition: Callable[[Offer], bool]) -> Offer:
        """Wait until the entity tells what meets a condition."""
        changed, untrack = _changes(self._hass, self._target.entity_id)
        try:
            while True:
                changed.clear()
                offer = Offer.of(self._hass.states.get(self._target.entity_id))
                if offer is not None and condition(offer):
                    return offer
                await changed.wait()
        finally:
            untrack()

    @callback
    def _tell_percent(self, event: Event[EventStateChangedData]) -> None:
        offer = Offer.of(event.data["new_state"])
        if offer is not None and offer.percent is not None:
            self._attempt.progress(offer.percent)

    def _is_done(self, offer: Offer, asked: Asked) -> bool:
        """Tell whether it is at the version that is wanted.

        An even newer one may have come since "latest" was asked for.
        """
        if offer.installed == asked.wanted:
            return True
        newest = not self._call.version and offer.installed == offer.latest
        return newest and offer.installed != asked.before

    def _tell_end(self, asked: Asked, version: str) -> None:
        self._attempt.write(
            f"{self._target.name} is at {version}, and was at {asked.before}"
        )


async def async_found(hass: HomeAssistant, what: str, *, asked: bool) -> Target:
    """Return what is to be updated, when its entity tells something.

    Entities come after their integrations, and those after Home Assistant. Raises
    StepFailedError for one that does not exist. As long as nothing is `asked`, that goes for
    one that tells nothing, too.
    """
    await async_until_started(hass)
    try:
        async with asyncio.timeout(None if asked else READY_SECONDS):
            while True:
                try:
                    target = async_find(hass, what)
                    if not asked:
                        async_get_offer(hass, target)
                except NotThereYetError as err:
                    silent = err
                else:
                    return target
                changed, untrack = _changes(hass, *silent.entity_ids)
                try:
                    await changed.wait()
                finally:
                    untrack()
    except TimeoutError:
        raise silent from None


def _changes(
    hass: HomeAssistant, *entity_ids: str
) -> tuple[asyncio.Event, Callable[[], None]]:
    """Return what is set with each change of entities, and what ends that."""
    changed = asyncio.Event()

    @callback
    def note(_: Event[EventStateChangedData]) -> None:
        changed.set()

    return changed, async_track_state_change_event(hass, entity_ids, note)


def _is_lost(err: HomeAssistantError) -> bool:
    """Tell whether Supervisor has been asked, and its answer was lost."""
    cause = err.__cause__
    return isinstance(
        cause, SupervisorConnectionError | SupervisorTimeoutError
    ) and not isinstance(cause.__cause__, ClientConnectorError)


def _note_failure(asking: asyncio.Task[Any]) -> None:
    """Note what nobody may wait for any more."""
    if not asking.cancelled() and (err := asking.exception()) is not None:
        _LOGGER.debug("%s: %s", asking.get_name(), err)
