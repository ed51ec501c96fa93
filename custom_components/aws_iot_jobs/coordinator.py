"""The life of a thing's Jobs agent in Home Assistant, and its states."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
import logging
import math
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.hassio.const import EVENT_SUPERVISOR_EVENT
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .aws_iot.errors import CredentialsError
from .const import CONF_THING_NAME, DOMAIN
from .issues import AgentIssues, ThingIssues
from .jobs.agent import Agent
from .jobs.model import AgentState, JobState
from .places.runners import async_leave
from .places.watch import RunnerWatch

if TYPE_CHECKING:
    # It imports this.
    from .inventory import InventoryReport

_LOGGER = logging.getLogger(__name__)

REFUSALS_BEFORE_REAUTH = 3
"""How many times in a row AWS IoT must refuse a certificate to be believed: a connection
that breaks at the wrong moment looks the same."""

PROGRESS_SECONDS = 1.0
"""How long it is not shown that a job has come further, once something was: a job of many
quick steps would fill the database with what nobody can follow."""

type AwsIotJobsConfigEntry = ConfigEntry[JobsCoordinator]


class JobsCoordinator(DataUpdateCoordinator[AgentState]):
    """Runs an agent, and hands its states to the entities as they come."""

    config_entry: AwsIotJobsConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: AwsIotJobsConfigEntry,
        agent: Agent,
        *,
        device_info: DeviceInfo,
        version: str,
        issues: ThingIssues,
        watch: RunnerWatch,
    ) -> None:
        """Prepare to run an agent; `version` is that of this integration."""
        super().__init__(
            hass, _LOGGER, config_entry=entry, name=entry.title, update_interval=None
        )
        self.device_info = device_info
        self.version = version
        self.watch = watch
        self.data = agent.state
        self.agent = agent
        self.inventory: InventoryReport | None = None
        self.rotating = asyncio.Lock()
        self._issues = AgentIssues(hass, issues)
        self._task: asyncio.Task[None] | None = None
        self._refusals = 0
        self._shown_at = -math.inf
        self._later: asyncio.TimerHandle | None = None

    @property
    def thing_name(self) -> str:
        """The name of the thing."""
        name: str = self.config_entry.data[CONF_THING_NAME]
        return name

    @property
    def inventory_status(self) -> str:
        """Whether an inventory is reported, and if not, why."""
        if self.inventory is None:
            return "off"
        refusal = self.inventory.refusal
        return "on" if refusal is None else str(refusal)

    @callback
    def async_start(self, first: Callable[[], Awaitable[None]] | None = None) -> None:
        """Let the agent run until it is stopped, at the latest with Home Assistant.

        What is to be done `first` has the thing's name for itself.
        """
        entry = self.config_entry
        entry.async_on_unload(self.agent.subscribe(self._async_take))
        self._issues.async_take(self.agent.state)
        entry.async_on_unload(self._issues.async_stop)
        entry.async_on_unload(self._async_show_nothing_later)
        entry.async_on_unload(
            async_dispatcher_connect(
                self.hass, EVENT_SUPERVISOR_EVENT, self._async_take_supervisor_event
            )
        )
        entry.async_on_unload(
            self.hass.bus.async_listen_once(
                EVENT_HOMEASSISTANT_STOP, self._async_stop_with_home_assistant
            )
        )
        self._task = entry.async_create_background_task(
            self.hass, self._async_run(first), f"{DOMAIN} {entry.title}"
        )

    async def async_stop(self) -> None:
        """Stop the agent, and wait until the step that it runs has ended.

        That takes as long as the step's processes get to end by themselves. A task that is
        cancelled twice would not wait for them, and Home Assistant cancels background
        tasks before it says that it stops.
        """
        assert self._task is not None
        if not self._task.cancelling():
            self._task.cancel()
        await asyncio.wait((self._task,))

    async def async_leave_runner(self) -> None:
        """Have the runner forget the job that the stopped agent was at, if it answers."""
        if (job := self.agent.state.job) is not None:
            await async_leave(self.watch.place.runner, job.key)

    def disconnected(self) -> AbstractAsyncContextManager[None]:
        """Leave the thing's name to another client for a while; a running job goes on."""
        return self.agent.disconnected()

    @override
    async def _async_update_data(self) -> AgentState:
        """Return what the agent knows, for those who ask for an update.

        They are told of handlers that may not run, too.
        """
        self.watch.async_look_soon()
        if self._task is None or self._task.done():
            raise UpdateFailed(translation_domain=DOMAIN, translation_key="agent_ended")
        return self.agent.state

    async def _async_stop_with_home_assistant(self, _: Event) -> None:
        await self.async_stop()

    async def _async_run(self, first: Callable[[], Awaitable[None]] | None) -> None:
        """Run the agent. When it cannot go on, its entities become unavailable."""
        try:
            if first is not None:
                await first()
            await self.agent.run()
        except CredentialsError as err:
            self.async_set_update_error(err)
            self.config_entry.async_start_reauth(self.hass)
        except Exception as err:
            _LOGGER.exception("The agent of %s has failed", self.config_entry.title)
            self.async_set_update_error(err)

    @callback
    def _async_take_supervisor_event(self, event: dict[str, Any]) -> None:
        match event:
            case {
                "event": "supervisor_update",
                "update_key": "network",
                "data": {"host_internet": True},
            }:
                self.agent.retry_now()

    @callback
    def _async_take(self, state: AgentState) -> None:
        if self._task is not None and self._task.cancelling():
            # That the agent leaves AWS IoT by itself is no news.
            state = replace(state, connected=self.data.connected, error=self.data.error)
        ended = state.last_job is not None and state.last_job != self.data.last_job
        connects = state.connected and not self.data.connected
        self._async_show(state)
        self._issues.async_take(state)
        if ended:
            # It may have failed because of a handler that may not run.
            self.watch.async_look_soon()
        if connects:
            self._refusals = 0
            self._withdraw_reauth()
        elif isinstance(state.error, CredentialsError):
            self._refusals += 1
            if self._refusals == REFUSALS_BEFORE_REAUTH:
                self.config_entry.async_start_reauth(self.hass)

    @callback
    def _async_show(self, state: AgentState) -> None:
        """Show a state at once, but of quick progress only so much, and the last always."""
        self._async_show_nothing_later()
        now = self.hass.loop.time()
        delay = self._shown_at + PROGRESS_SECONDS - now
        if delay > 0 and _is_progress(self.data, state):
            self._later = self.hass.loop.call_later(delay, self._async_show, state)
            return
        self._shown_at = now
        self.async_set_updated_data(state)

    @callback
    def _async_show_nothing_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _withdraw_reauth(self) -> None:
        """Ask for no other certificate any more: this one is accepted again."""
        flows = self.config_entry.async_get_active_flows(self.hass, {SOURCE_REAUTH})
        for flow in list(flows):
            self.hass.config_entries.flow.async_abort(flow["flow_id"])


def _is_progress(before: AgentState, after: AgentState) -> bool:
    """Tell whether a state differs from another in nothing but how far the job is.

    That it is at its first step is more than that: it has started.
    """
    old, new = before.job, after.job
    if old is None or new is None or _stage(old) != _stage(new):
        return False
    return replace(before, job=new) == after


def _stage(job: JobState) -> tuple[object, ...]:
    """Return what of a job is told, beside how far its steps are."""
    has_started = job.last_started_index is not None
    return job.key, job.status, job.approval, job.approved_at, has_started
