"""Service actions: what can be asked of a thing, and what it answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
import json
from operator import itemgetter
from typing import Any, Final

import probatio

from homeassistant.auth.permissions.const import (
    CAT_ENTITIES,
    POLICY_CONTROL,
    POLICY_READ,
)
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import config_validation as cv, service

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .jobs.errors import NoSuchJobError
from .jobs.model import JobState
from .options import may_run_documents
from .permissions import async_may
from .reasons import async_translate_job, async_translate_plan
from .responses import job_response, log_response, plan_response

ATTR_DOCUMENT: Final = "document"
ATTR_EXECUTION_NUMBER: Final = "execution_number"
ATTR_JOB_ID: Final = "job_id"
ATTR_LIMIT: Final = "limit"
ATTR_REASON: Final = "reason"
ATTR_STEP: Final = "step"
ATTR_TAIL: Final = "tail"
ATTR_TIMESTAMPS: Final = "timestamps"

DEFAULT_LIMIT: Final = 10
MAX_REASON: Final = 200

_ADMIN: Final = "admin"
"""Instead of a permission for the thing's entities: that of an administrator."""

type _Act = Callable[[JobsCoordinator, Mapping[str, Any]], Awaitable[ServiceResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    """A service action.

    `permission` is what a user must be allowed to do with an entity of the thing. An action
    with a response has no effect on a job, or one that its response tells.
    """

    name: str
    act: _Act
    permission: str
    fields: Mapping[Any, Any] = field(default_factory=dict)
    responds: bool = False


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register all service actions."""
    for action in _ACTIONS:
        hass.services.async_register(
            DOMAIN,
            action.name,
            partial(_async_act, action),
            schema=probatio.Schema({**_TARGET, **action.fields}),
            supports_response=SupportsResponse.ONLY
            if action.responds
            else SupportsResponse.NONE,
        )


async def _async_act(action: _Action, call: ServiceCall) -> ServiceResponse:
    entry = _entry(call)
    await _async_require(action.permission, call, entry)
    return await action.act(entry.runtime_data, call.data)


def _entry(call: ServiceCall) -> AwsIotJobsConfigEntry:
    """Return the entry of the thing that is meant: where there is one alone, that."""
    if (device_id := call.data.get(ATTR_DEVICE_ID)) is not None:
        _, entry = service.async_get_device_and_config_entry(
            call.hass, DOMAIN, device_id
        )
        return entry
    entry_id = call.data.get(ATTR_CONFIG_ENTRY_ID)
    return service.async_get_config_entry(call.hass, DOMAIN, entry_id)


async def _async_require(
    permission: str, call: ServiceCall, entry: AwsIotJobsConfigEntry
) -> None:
    """Require that who calls may do so; automations may. Raises Unauthorized."""
    if call.context.user_id is None:
        return
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context, permission=permission)
    if user.is_admin:
        return
    if permission == _ADMIN or not async_may(call.hass, user, entry, permission):
        raise Unauthorized(
            context=call.context,
            permission=permission,
            perm_category=CAT_ENTITIES,
            config_entry_id=entry.entry_id,
        )


async def _async_approve(coordinator: JobsCoordinator, data: Mapping[str, Any]) -> None:
    try:
        await coordinator.agent.approve(data.get(ATTR_JOB_ID))
    except NoSuchJobError as err:
        raise _does_not_wait(coordinator, err) from err


async def _async_reject(coordinator: JobsCoordinator, data: Mapping[str, Any]) -> None:
    try:
        await coordinator.agent.reject(data.get(ATTR_JOB_ID), data[ATTR_REASON])
    except NoSuchJobError as err:
        raise _does_not_wait(coordinator, err) from err


async def _async_stop(coordinator: JobsCoordinator, data: Mapping[str, Any]) -> None:
    try:
        await coordinator.agent.stop_job(data.get(ATTR_JOB_ID))
    except NoSuchJobError as err:
        if err.job_id is None:
            raise _wrong(coordinator, translation_key="no_job_runs") from err
        raise _wrong(
            coordinator, translation_key="job_does_not_run", job_id=err.job_id
        ) from err


async def _async_check(coordinator: JobsCoordinator, _: Mapping[str, Any]) -> None:
    _require_running(coordinator)
    coordinator.agent.check_for_jobs()


async def _async_get_jobs(
    coordinator: JobsCoordinator, data: Mapping[str, Any]
) -> ServiceResponse:
    jobs = coordinator.agent.history.jobs(data[ATTR_LIMIT])
    told = (async_translate_job(coordinator.hass, job) for job in jobs)
    return {"jobs": [job_response(job) for job in told]}


async def _async_get_job_log(
    coordinator: JobsCoordinator, data: Mapping[str, Any]
) -> ServiceResponse:
    job = _known_job(coordinator, data)
    step = data.get(ATTR_STEP)
    if step is not None and step > len(job.steps):
        raise _wrong(
            coordinator,
            translation_key="no_such_step",
            job_id=job.key.job_id,
            step=str(step),
        )
    try:
        log = await coordinator.agent.logs.read(
            job.key, step=None if step is None else step - 1, tail=data.get(ATTR_TAIL)
        )
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="log_unreadable",
            translation_placeholders={
                "job_id": job.key.job_id,
                "reason": err.strerror or str(err),
            },
        ) from err
    return await coordinator.hass.async_add_executor_job(
        partial(log_response, job, log.steps, timestamps=data[ATTR_TIMESTAMPS])
    )


def _known_job(coordinator: JobsCoordinator, data: Mapping[str, Any]) -> JobState:
    """Return the newest job that is meant, be it under way."""
    job_id, number = data.get(ATTR_JOB_ID), data.get(ATTR_EXECUTION_NUMBER)
    for job in coordinator.agent.jobs:
        is_it = job_id in (None, job.key.job_id)
        if is_it and number in (None, job.key.execution_number):
            return job
    if job_id is None:
        raise _wrong(coordinator, translation_key="no_jobs_yet")
    raise _wrong(coordinator, translation_key="no_such_job", job_id=job_id)


async def _async_check_document(
    coordinator: JobsCoordinator, data: Mapping[str, Any]
) -> ServiceResponse:
    document = _document(coordinator, data[ATTR_DOCUMENT])
    plan = await coordinator.agent.check_document(document)
    return plan_response(async_translate_plan(coordinator.hass, plan))


async def _async_run_document(
    coordinator: JobsCoordinator, data: Mapping[str, Any]
) -> ServiceResponse:
    if not may_run_documents(coordinator.config_entry.options):
        raise _wrong(coordinator, translation_key="run_document_off")
    _require_running(coordinator)
    document = _document(coordinator, data[ATTR_DOCUMENT])
    running = asyncio.ensure_future(coordinator.agent.run_document(document))
    try:
        await asyncio.wait((running,))
    finally:
        running.cancel()
    if running.cancelled():
        # The agent was stopped, not this call.
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="agent_ended"
        )
    return job_response(async_translate_job(coordinator.hass, running.result()))


def _document(coordinator: JobsCoordinator, given: Any) -> Any:
    """Return a job document as JSON has it: YAML and templates know more."""
    try:
        text = given if isinstance(given, str) else json.dumps(given, allow_nan=False)
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as err:
        raise _wrong(
            coordinator, translation_key="document_not_json", reason=str(err)
        ) from err


def _require_running(coordinator: JobsCoordinator) -> None:
    if not coordinator.last_update_success:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="agent_ended"
        )


def _does_not_wait(
    coordinator: JobsCoordinator, err: NoSuchJobError
) -> ServiceValidationError:
    if err.job_id is None:
        return _wrong(coordinator, translation_key="no_job_waits")
    return _wrong(coordinator, translation_key="job_does_not_wait", job_id=err.job_id)


def _wrong(
    coordinator: JobsCoordinator, *, translation_key: str, **placeholders: str
) -> ServiceValidationError:
    """Return what tells of a wrong use."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=translation_key,
        translation_placeholders={
            "thing_name": coordinator.config_entry.title,
            **placeholders,
        },
    )


_TARGET = {
    # As `target` of an action, it is a list.
    probatio.Exclusive(ATTR_DEVICE_ID, "target"): probatio.All(
        probatio.EnsureList(), [cv.string], probatio.Length(min=1, max=1), itemgetter(0)
    ),
    probatio.Exclusive(ATTR_CONFIG_ENTRY_ID, "target"): cv.string,
}
_JOB = {probatio.Optional(ATTR_JOB_ID): cv.string}
_COUNT = probatio.All(probatio.Coerce(int), probatio.Range(min=1))
_DOCUMENT = {probatio.Required(ATTR_DOCUMENT): probatio.Any(dict, str)}

_ACTIONS = (
    _Action(name="approve_job", act=_async_approve, permission=_ADMIN, fields=_JOB),
    _Action(
        name="reject_job",
        act=_async_reject,
        permission=_ADMIN,
        fields={
            **_JOB,
            probatio.Optional(ATTR_REASON, default=""): probatio.All(
                cv.string, probatio.Length(max=MAX_REASON)
            ),
        },
    ),
    _Action(name="stop_job", act=_async_stop, permission=POLICY_CONTROL, fields=_JOB),
    _Action(name="check_for_jobs", act=_async_check, permission=POLICY_CONTROL),
    _Action(
        name="get_jobs",
        act=_async_get_jobs,
        permission=POLICY_READ,
        fields={
            probatio.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): _COUNT,
        },
        responds=True,
    ),
    _Action(
        name="get_job_log",
        act=_async_get_job_log,
        permission=POLICY_READ,
        fields={
            **_JOB,
            probatio.Optional(ATTR_EXECUTION_NUMBER): _COUNT,
            probatio.Optional(ATTR_STEP): _COUNT,
            probatio.Optional(ATTR_TAIL): _COUNT,
            probatio.Optional(ATTR_TIMESTAMPS, default=True): cv.boolean,
        },
        responds=True,
    ),
    _Action(
        name="check_document",
        act=_async_check_document,
        permission=_ADMIN,
        fields=_DOCUMENT,
        responds=True,
    ),
    _Action(
        name="run_document",
        act=_async_run_document,
        permission=_ADMIN,
        fields=_DOCUMENT,
        responds=True,
    ),
)
