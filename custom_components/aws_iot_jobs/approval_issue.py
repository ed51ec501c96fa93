"""Asking in the repairs whether a job may run, for those who never open a card."""

import asyncio

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .issues import Issue, ThingIssues
from .jobs.agent import Agent
from .jobs.errors import NoSuchJobError
from .jobs.model import AgentState, ApprovalRequest, JobState
from .jobs.plan import describe
from .reasons import async_translate_plan


class ApprovalIssue:
    """Shows the job that waits for approval, and what it would do, for as long as it waits."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: AwsIotJobsConfigEntry,
        agent: Agent,
        issues: ThingIssues,
    ) -> None:
        """Prepare to look at the jobs of an agent."""
        self._hass = hass
        self._entry = entry
        self._agent = agent
        self._issues = issues
        self._request: ApprovalRequest | None = None
        self._showing: asyncio.Task[None] | None = None

    @callback
    def async_start(self) -> None:
        """Look at what is known, and at all that comes, until the thing is unloaded."""
        self._entry.async_on_unload(self._agent.subscribe(self._async_take))
        self._entry.async_on_unload(self._async_clear)
        self._async_take(self._agent.state)

    @callback
    def _async_take(self, state: AgentState) -> None:
        job = state.job
        request = None if job is None else job.approval
        if request == self._request:
            return
        self._request = request
        self._async_clear()
        if job is not None and request is not None:
            self._showing = self._entry.async_create_background_task(
                self._hass,
                self._async_show(job, request),
                f"{DOMAIN} {self._entry.title} approval",
            )

    async def _async_show(self, job: JobState, request: ApprovalRequest) -> None:
        try:
            plan = await self._agent.plan_of_waiting(job.key.job_id)
        except NoSuchJobError:
            # Somebody was quicker.
            return
        expires = dt_util.as_local(request.expires_at)
        self._issues.async_show(
            Issue.APPROVAL,
            "approval",
            fixable=True,
            data={
                "job_id": job.key.job_id,
                "requested_at": request.requested_at.isoformat(),
            },
            job_id=job.key.job_id,
            steps=describe(async_translate_plan(self._hass, plan)),
            expires=f"{expires:%Y-%m-%d %H:%M}",
        )

    @callback
    def _async_clear(self) -> None:
        if self._showing is not None:
            self._showing.cancel()
            self._showing = None
        self._issues.async_clear(Issue.APPROVAL)
