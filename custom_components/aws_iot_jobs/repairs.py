"""Repairs: mending what keeps a thing from its work, with one click where that is possible."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast, override

import probatio

from homeassistant.components.hassio import AddonError
from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    FlowType,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryDisabler,
    ConfigEntryState,
    OperationNotAllowed,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.selector import TextSelector
from homeassistant.util import dt as dt_util

from .const import CONF_CERTIFICATE, CONF_ROTATION_TEMPLATE, DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .credentials import expiry_of
from .issues import Issue
from .jobs.agent import Agent
from .jobs.errors import NoSuchJobError
from .places.app import async_follow, async_get_manager, async_start_app
from .places.watch import HANDLERS_SHOWN
from .runner.client import RunnerError

CONF_REASON: Final = "reason"

_REJECT_SCHEMA = probatio.Schema({probatio.Optional(CONF_REASON): TextSelector()})


class FixError(Exception):
    """Mending did not work. Carries the key of a translated error, and why, in words."""

    def __init__(self, key: str, reason: str) -> None:
        """Say what did not work."""
        super().__init__(reason)
        self.key = key


class _FixFlow(RepairsFlow):
    """Mends something when a user says so; when that fails, it can be tried again."""

    def __init__(self, entry: AwsIotJobsConfigEntry) -> None:
        """Take the entry of the thing that is concerned."""
        self._entry = entry

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask, and mend."""
        errors: dict[str, str] = {}
        placeholders = _placeholders(self)
        if user_input is not None:
            if self._entry.state is not ConfigEntryState.LOADED:
                return self.async_abort(reason="not_loaded")
            try:
                await self._async_fix()
            except FixError as err:
                errors["base"] = err.key
                placeholders["reason"] = str(err).rstrip(".")
            else:
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm",
            data_schema=probatio.Schema({}),
            errors=errors,
            description_placeholders=placeholders,
        )

    @abstractmethod
    async def _async_fix(self) -> None:
        """Mend it. Raises FixError."""


class StartAppFlow(_FixFlow):
    """Starts the app, and follows it to where it is then."""

    @override
    async def _async_fix(self) -> None:
        watch = self._entry.runtime_data.watch
        manager = async_get_manager(self.hass, watch.settings.slug)
        try:
            app = await async_start_app(self.hass, manager)
        except (AddonError, RunnerError) as err:
            raise FixError("app_start_failed", str(err)) from err
        moved = watch.settings.address != app.address
        await async_follow(self.hass, self._entry, app.address)
        if not moved and watch.problem is not None:
            raise FixError("app_start_failed", watch.problem)


class FixPermissionsFlow(_FixFlow):
    """Sets the mode of handlers, and names those that are left to a person."""

    @override
    async def _async_fix(self) -> None:
        watch = self._entry.runtime_data.watch
        try:
            fix = await watch.place.async_fix_permissions()
        except OSError as err:
            reason = f"{err.filename}: {err.strerror}"
            raise FixError("permissions_not_set", reason) from err
        except RunnerError as err:
            raise FixError("permissions_not_set", str(err)) from err
        await watch.async_look()
        if fix.left:
            shown = [left.reason for left in fix.left[:HANDLERS_SHOWN]]
            more = [f"+{len(fix.left) - len(shown)}"] if fix.left[len(shown) :] else []
            raise FixError("files_left", "; ".join([*shown, *more]))
        # Other looks may have begun, and seen more, since then.
        if problems := list(watch.handler_problems.values()):
            raise FixError("permissions_not_set", watch.problem or problems[0])


class DisableFlow(_FixFlow):
    """Disables a thing here, so that it leaves its name to the other client."""

    @override
    async def _async_fix(self) -> None:
        try:
            await self.hass.config_entries.async_set_disabled_by(
                self._entry.entry_id, ConfigEntryDisabler.USER
            )
        except OperationNotAllowed as err:
            raise FixError("not_disabled", str(err)) from err


class ReconfigureFlow(RepairsFlow):
    """Leads on to where a thing gets another certificate. With that, the issue goes."""

    def __init__(self, entry: AwsIotJobsConfigEntry) -> None:
        """Take the entry of the thing that is concerned."""
        self._entry = entry

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask, and lead on."""
        if user_input is None:
            return self.async_show_form(
                step_id="confirm",
                data_schema=probatio.Schema({}),
                description_placeholders=_placeholders(self),
            )
        # It is not mended yet: the issue stays.
        return self.async_abort(
            reason="reconfigure",
            next_flow=(FlowType.CONFIG_FLOW, await self._async_reconfigure()),
        )

    async def _async_reconfigure(self) -> str:
        """Open the dialog that changes the thing, or go on with it; return its ID."""
        flows = self._entry.async_get_active_flows(self.hass, {SOURCE_RECONFIGURE})
        for flow in flows:
            return flow["flow_id"]
        opened = await self.hass.config_entries.flow.async_init(
            DOMAIN,
            context={
                "source": SOURCE_RECONFIGURE,
                "entry_id": self._entry.entry_id,
            },
        )
        return opened["flow_id"]


class CertificateFlow(ReconfigureFlow):
    """Has a thing get another certificate by itself, where it knows how, or leads on as above."""

    @override
    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask which way, where there are two: AWS IoT takes no certificate that has expired."""
        data = self._entry.data
        has_expired = expiry_of(data[CONF_CERTIFICATE]) < dt_util.utcnow()
        if has_expired or not data.get(CONF_ROTATION_TEMPLATE):
            return await self.async_step_confirm()
        return self.async_show_menu(
            step_id="init",
            menu_options=["rotate", "confirm"],
            description_placeholders=_placeholders(self),
        )

    async def async_step_rotate(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask, and get another certificate; what is in the way is told."""
        errors: dict[str, str] = {}
        placeholders = _placeholders(self)
        if user_input is not None:
            if self._entry.state is not ConfigEntryState.LOADED:
                return self.async_abort(reason="not_loaded")
            rotation = await async_import_module(self.hass, f"{__package__}.rotation")
            certificate = self._entry.data[CONF_CERTIFICATE]
            try:
                await rotation.async_rotate(
                    self.hass,
                    self._entry,
                    self._entry.data[CONF_ROTATION_TEMPLATE],
                    replaces=rotation.fingerprint(certificate),
                )
            except rotation.RotationError as err:
                errors["base"] = "not_rotated"
                placeholders["reason"] = str(err)
            else:
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="rotate",
            data_schema=probatio.Schema({}),
            errors=errors,
            description_placeholders=placeholders,
        )


class ApprovalFlow(RepairsFlow):
    """Approves or rejects the job that an issue tells of, and no other."""

    def __init__(self, entry: AwsIotJobsConfigEntry) -> None:
        """Take the entry of the thing that is concerned."""
        self._entry = entry

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Show what the job would do, and ask."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["approve", "reject"],
            description_placeholders=_placeholders(self),
        )

    async def async_step_approve(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Let it run."""
        return await self._async_decide(lambda agent, job_id: agent.approve(job_id))

    async def async_step_reject(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask for a reason, and let it not run."""
        if user_input is None:
            return self.async_show_form(
                step_id="reject",
                data_schema=_REJECT_SCHEMA,
                description_placeholders=_placeholders(self),
            )
        reason = user_input.get(CONF_REASON, "")
        return await self._async_decide(
            lambda agent, job_id: agent.reject(job_id, reason)
        )

    async def _async_decide(
        self, decide: Callable[[Agent, str], Awaitable[None]]
    ) -> RepairsFlowResult:
        if self._entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        agent = self._entry.runtime_data.agent
        data = cast(Mapping[str, str], self.data)
        if not _is_asked_for(agent, data):
            return self.async_abort(reason="not_waiting")
        try:
            await decide(agent, data["job_id"])
        except NoSuchJobError:
            return self.async_abort(reason="not_waiting")
        return self.async_create_entry(data={})


def _is_asked_for(agent: Agent, data: Mapping[str, str]) -> bool:
    """Tell whether what was shown still waits, and not something else of its name."""
    job = agent.state.job
    return (
        job is not None
        and job.approval is not None
        and job.key.job_id == data["job_id"]
        and job.approval.requested_at.isoformat() == data["requested_at"]
    )


def _placeholders(flow: RepairsFlow) -> dict[str, str]:
    """Return what the texts of a flow's issue need to be told."""
    issue = ir.async_get(flow.hass).async_get_issue(flow.handler, flow.issue_id)
    return dict((issue and issue.translation_placeholders) or {})


_FLOWS: Mapping[str, Callable[[AwsIotJobsConfigEntry], RepairsFlow]] = {
    Issue.APPROVAL: ApprovalFlow,
    Issue.CERTIFICATE: CertificateFlow,
    Issue.HANDLERS: FixPermissionsFlow,
    Issue.RUNNER: StartAppFlow,
    Issue.TAKEN_OVER: DisableFlow,
}


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow that mends an issue."""
    known = cast(dict[str, str], data or {})
    entry = hass.config_entries.async_get_entry(known.get("entry_id", ""))
    if entry is None or known["issue"] not in _FLOWS:
        return ConfirmRepairFlow()
    return _FLOWS[known["issue"]](entry)
