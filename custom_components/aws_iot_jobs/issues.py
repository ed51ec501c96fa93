"""Repair issues: what keeps a thing from its work, and a user can mend."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later

from .aws_iot.connection import STABLE_SECONDS
from .aws_iot.errors import (
    ProxyLoginError,
    ProxyRefusalError,
    ProxyTlsError,
    TakenOverError,
)
from .const import CONF_THING_NAME, DOCUMENTATION_URL, DOMAIN
from .jobs.model import AgentState

if TYPE_CHECKING:
    # It imports this.
    from .coordinator import AwsIotJobsConfigEntry


_PROXY_PROBLEMS = (ProxyLoginError, ProxyRefusalError, ProxyTlsError)
"""What is the matter with a proxy that does not pass by itself."""


class Issue(StrEnum):
    """What may be the matter with a thing, each at most once at a time."""

    APPROVAL = "approval"
    CERTIFICATE = "certificate"
    HANDLERS = "handlers"
    JOURNAL = "journal"
    PROXY = "proxy"
    RUNNER = "runner"
    STORAGE = "storage"
    TAKEN_OVER = "taken_over"

    @property
    def learn_more_url(self) -> str:
        """The part of the documentation that says what to do."""
        return f"{DOCUMENTATION_URL}/blob/main/docs/repairs.md#{self.replace('_', '-')}"


class ThingIssues:
    """The repair issues of a thing."""

    def __init__(self, hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
        """Begin without any."""
        self._hass = hass
        self._entry = entry

    @callback
    def async_show(
        self,
        issue: Issue,
        translation_key: str,
        *,
        fixable: bool = False,
        persistent: bool = False,
        severity: ir.IssueSeverity = ir.IssueSeverity.WARNING,
        data: Mapping[str, str] | None = None,
        **placeholders: str,
    ) -> None:
        """Show an issue, or what it is now. A persistent one outlives a restart.

        `data` is for what mends it.
        """
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._id(issue),
            data={"entry_id": self._entry.entry_id, "issue": issue, **(data or {})},
            is_fixable=fixable,
            is_persistent=persistent,
            learn_more_url=issue.learn_more_url,
            severity=severity,
            translation_key=translation_key,
            translation_placeholders={
                "thing_name": self._entry.data[CONF_THING_NAME],
                **placeholders,
            },
        )

    @callback
    def async_clear(self, *issues: Issue) -> None:
        """Show no such issue any more."""
        for issue in issues:
            ir.async_delete_issue(self._hass, DOMAIN, self._id(issue))

    def _id(self, issue: Issue) -> str:
        return f"{issue}_{self._entry.entry_id}"


class AgentIssues:
    """Tells of what an agent's states say that a user has to know."""

    def __init__(self, hass: HomeAssistant, issues: ThingIssues) -> None:
        """Begin with nothing known."""
        self._hass = hass
        self._issues = issues
        self._journal_told = False
        self._proxy_problem: str | None = None
        self._storage_problem: str | None = None
        self._taken_over = False
        self._cancel_stable: CALLBACK_TYPE | None = None

    @callback
    def async_take(self, state: AgentState) -> None:
        """Look at a new state of the agent."""
        if state.journal_set_aside is not None and not self._journal_told:
            self._journal_told = True
            self._issues.async_show(
                Issue.JOURNAL,
                "journal_set_aside",
                fixable=True,
                persistent=True,
                path=str(state.journal_set_aside),
            )
        self._take_storage(state.storage_problem)
        self._take_proxy(state)
        if isinstance(state.error, TakenOverError):
            self._taken_over = True
            self._issues.async_show(Issue.TAKEN_OVER, "taken_over", fixable=True)
        self._wait_until_stable(connected=state.connected)

    @callback
    def async_stop(self) -> None:
        """Stop to look: what is the matter from now on is not known any more."""
        self._wait_until_stable(connected=False)
        self._issues.async_clear(Issue.PROXY, Issue.STORAGE, Issue.TAKEN_OVER)

    def _take_storage(self, problem: str | None) -> None:
        if problem == self._storage_problem:
            return
        self._storage_problem = problem
        if problem is None:
            self._issues.async_clear(Issue.STORAGE)
        else:
            self._issues.async_show(
                Issue.STORAGE,
                "storage",
                severity=ir.IssueSeverity.ERROR,
                problem=problem,
            )

    def _take_proxy(self, state: AgentState) -> None:
        is_in_the_way = isinstance(state.error, _PROXY_PROBLEMS)
        problem = str(state.error) if is_in_the_way else None
        if problem == self._proxy_problem:
            return
        self._proxy_problem = problem
        if problem is None:
            self._issues.async_clear(Issue.PROXY)
        else:
            problem = problem[:1].upper() + problem[1:]
            self._issues.async_show(Issue.PROXY, "proxy", problem=problem)

    def _wait_until_stable(self, *, connected: bool) -> None:
        """Count how long a connection lasts: in a fight there are many short ones."""
        if not connected:
            if self._cancel_stable is not None:
                self._cancel_stable()
                self._cancel_stable = None
        elif self._taken_over and self._cancel_stable is None:
            self._cancel_stable = async_call_later(
                self._hass, STABLE_SECONDS, self._async_stable
            )

    @callback
    def _async_stable(self, _: datetime) -> None:
        self._cancel_stable = None
        self._taken_over = False
        self._issues.async_clear(Issue.TAKEN_OVER)
