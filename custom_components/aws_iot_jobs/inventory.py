"""The inventory of a home: reported to a named shadow of its thing, if its owner wants that.

It comes after all that jobs need. Nothing waits for it, and where AWS refuses it, that is
said once and tried again with the next connection.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
import logging
from typing import Any, Final

from homeassistant.components.backup import IdleEvent
from homeassistant.components.backup.const import DATA_MANAGER
from homeassistant.components.backup.manager import ManagerStateEvent
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.typing import UNDEFINED, UndefinedType
from homeassistant.util import dt as dt_util

from .aws_iot.errors import AwsIotError, DisconnectedError, NotAuthorizedError
from .aws_iot.shadow import encode_report, merged, update_topic
from .const import (
    CONF_INVENTORY,
    CONF_SIGNING_KEYS,
    CONF_THING_NAME,
    DOCUMENTATION_URL,
    DOMAIN,
)
from .coordinator import AwsIotJobsConfigEntry
from .fence_options import fences_of
from .inventory_content import Inventory, describe, steady
from .inventory_facts import (
    async_get_free_disk,
    async_get_last_backup,
    async_get_pending_updates,
    async_get_system,
)
from .jobs.model import AgentState, Hold
from .options import approval_policy, inventory_options, maintenance_window
from .places.runners import RunnerKind
from .places.watch import RunnerWatch

_LOGGER = logging.getLogger(__name__)

SHADOW: Final = "home-assistant"
INTERVAL_SECONDS: Final = 60
"""How long a change waits at most until it is told: AWS bills each report."""
LOOK_INTERVAL: Final = timedelta(hours=1)
BACKUPS_INTERVAL: Final = timedelta(hours=12)
BACKUPS_SECONDS: Final = 60
WITHDRAW_SECONDS: Final = 5
LOSSES: Final = 2
"""How many connections may end while a report is on its way until it is taken for the
reason: AWS may end a connection over what its policy does not allow."""
RESPITE: Final = timedelta(hours=12)
"""How long nothing is reported then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why AWS takes no report, since when, and until when it is not tried again at all."""

    reason: str
    since: datetime
    until: datetime

    def __str__(self) -> str:
        """Say so."""
        return (
            f"refused since {self.since.isoformat(timespec='seconds')}: {self.reason}"
        )


class InventoryReport:
    """Reports what a home is, whenever its thing connects and something has changed.

    `refusal` tells why AWS does not take it, if that is so. Nothing is reported before Home
    Assistant has started: until then it knows too little of itself.
    """

    def __init__(self, hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
        """Prepare to report for a thing that is set up."""
        self._hass = hass
        self._entry = entry
        self._coordinator = entry.runtime_data
        self._agent = entry.runtime_data.agent
        self._topic = update_topic(entry.data[CONF_THING_NAME], SHADOW)
        self._reporting = Debouncer(
            hass,
            _LOGGER,
            cooldown=INTERVAL_SECONDS,
            immediate=True,
            function=self._async_report,
            background=True,
        )
        self._told: Mapping[str, Any] | None = None
        self._free_disk: int | UndefinedType = UNDEFINED
        self._last_backup: datetime | UndefinedType | None = UNDEFINED
        self._started = False
        self._ended = False
        self._connected = False
        self._held = False
        self._losses = 0
        self._refusal_told = False
        self.refusal: Refusal | None = None

    @callback
    def async_start(self) -> None:
        """Report until the thing is unloaded."""
        hass, entry = self._hass, self._entry
        entry.async_on_unload(self._reporting.async_shutdown)
        entry.async_on_unload(self._agent.subscribe(self._async_take))
        entry.async_on_unload(
            entry.runtime_data.watch.async_subscribe(self._async_look_soon)
        )
        entry.async_on_unload(
            hass.bus.async_listen(
                EVENT_STATE_CHANGED, self._async_updated, event_filter=_is_update
            )
        )
        entry.async_on_unload(
            async_track_time_interval(hass, self._async_look_later, LOOK_INTERVAL)
        )
        entry.async_on_unload(
            async_track_time_interval(
                hass, self._async_look_for_backups, BACKUPS_INTERVAL
            )
        )
        if (manager := hass.data.get(DATA_MANAGER)) is not None:
            entry.async_on_unload(
                manager.async_subscribe_events(self._async_take_backup)
            )
        self._async_take(self._agent.state)
        entry.async_on_unload(async_at_started(hass, self._async_take_start))

    async def async_end(self) -> None:
        """Report no more, and take back what was reported where it is not wanted any more."""
        self._ended = True
        self._reporting.async_shutdown()
        if self._entry.options.get(CONF_INVENTORY) or not self._connected:
            return
        with suppress(AwsIotError, TimeoutError):
            async with asyncio.timeout(WITHDRAW_SECONDS):
                await self._agent.publish(self._topic, encode_report(None))

    @callback
    def _async_take_start(self, _: HomeAssistant) -> None:
        self._started = True
        self._async_look_soon()
        self._async_look_for_backups()

    @callback
    def _async_take(self, state: AgentState) -> None:
        """Take what the agent knows: a new connection is a new try."""
        is_new = state.connected and not self._connected
        if is_new:
            self._told = None
            if self.refusal is not None and dt_util.utcnow() >= self.refusal.until:
                self.refusal = None
        held = Hold.SWITCHED_OFF in state.holds
        is_news, self._held = held != self._held, held
        self._connected = state.connected
        if is_new or is_news:
            self._async_look_soon()

    @callback
    def _async_updated(self, _: Event[EventStateChangedData]) -> None:
        self._async_look_soon()

    @callback
    def _async_look_later(self, _: datetime) -> None:
        self._async_look_soon()

    @callback
    def _async_take_backup(self, event: ManagerStateEvent) -> None:
        if isinstance(event, IdleEvent):
            self._async_look_for_backups()

    @callback
    def _async_look_for_backups(self, _: datetime | None = None) -> None:
        self._entry.async_create_background_task(
            self._hass, self._async_take_last_backup(), f"{DOMAIN} backups"
        )

    async def _async_take_last_backup(self) -> None:
        """Ask for backups: where they are may be far away, so that nothing waits for it."""
        try:
            async with asyncio.timeout(BACKUPS_SECONDS):
                self._last_backup = await async_get_last_backup(self._hass)
        except Exception:
            _LOGGER.debug("When the last backup was made is not known", exc_info=True)
        else:
            self._async_look_soon()

    @property
    def _may_report(self) -> bool:
        return (
            self._started
            and self._connected
            and self.refusal is None
            and not self._ended
        )

    @callback
    def _async_look_soon(self) -> None:
        """Report what has changed, in at most a minute."""
        if self._may_report:
            self._reporting.async_schedule_call()

    async def _async_report(self) -> None:
        """Report what is not as it was told; what AWS does not get is tried again."""
        reported = describe(await self._async_look(), now=dt_util.now())
        told = merged(self._told or {}, reported)
        if told == self._told or not self._may_report:
            return
        try:
            await self._agent.publish(self._topic, encode_report(reported))
        except NotAuthorizedError as err:
            self._refuse(str(err))
        except DisconnectedError as err:
            self._losses += 1
            if self._losses >= LOSSES:
                reason = f"the connection ended with each report: {err}"
                self._refuse(reason, respite=RESPITE)
        except AwsIotError as err:
            _LOGGER.debug("%s: not reported: %s", self._entry.title, err)
            self._async_look_soon()
        else:
            self._losses = 0
            self._told = told

    def _refuse(self, reason: str, *, respite: timedelta = timedelta()) -> None:
        """Report no more with this connection, and say so once."""
        now = dt_util.utcnow()
        self.refusal = Refusal(reason=reason, since=now, until=now + respite)
        self._losses = 0
        level = logging.DEBUG if self._refusal_told else logging.WARNING
        self._refusal_told = True
        _LOGGER.log(
            level,
            "AWS IoT does not take the inventory of %s: %s. Jobs go on. Add the statement "
            "Inventory to the policy, or switch the inventory off; see "
            "%s/blob/main/docs/inventory.md",
            self._entry.title,
            reason,
            DOCUMENTATION_URL,
        )

    async def _async_look(self) -> Inventory:
        """Return what there is to be told now."""
        hass, entry = self._hass, self._entry
        free = await async_get_free_disk(hass)
        if free is not UNDEFINED:
            self._free_disk = steady(free, self._free_disk)
        coordinator = self._coordinator
        return Inventory(
            system=await async_get_system(hass),
            versions={"agent": coordinator.version, **_app_version(coordinator.watch)},
            handlers_run=coordinator.watch.settings.kind.value,
            pending_updates=async_get_pending_updates(hass),
            last_backup=self._last_backup,
            free_disk=self._free_disk,
            approval=approval_policy(entry.options),
            window=maintenance_window(entry.options),
            held=self._held,
            options=inventory_options(entry.options),
            fences=fences_of(entry.options),
            verifies=bool(entry.options.get(CONF_SIGNING_KEYS)),
        )


def _app_version(watch: RunnerWatch) -> dict[str, str | None]:
    """Return the app's version, by its name, unless it has not told it yet."""
    if watch.app_version is None and watch.settings.kind is RunnerKind.APP:
        return {}
    return {"app": watch.app_version}


@callback
def _is_update(data: EventStateChangedData) -> bool:
    return data["entity_id"].startswith("update.")
