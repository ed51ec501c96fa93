"""Performs an action of Home Assistant, one that its owner has listed.

Home Assistant is silent about much that it does not do: about an entity that does not exist,
is unavailable or is none of the action's. That is looked at before.

An action is never performed twice. Whether one that an end of Home Assistant has interrupted
came to its own end is not known; where Home Assistant has restarted, that may be what it was
there for, and it counts as done.
"""

import asyncio
from collections.abc import Iterator
import json
from typing import Final, override

import voluptuous as vol

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context, ServiceResponse, SupportsResponse
from homeassistant.exceptions import HomeAssistantError, ServiceNotFound, Unauthorized
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.json import ExtendedJSONEncoder
from homeassistant.helpers.target import (
    SelectedEntities,
    TargetSelection,
    async_extract_referenced_entity_ids,
)

from ..const import DOMAIN
from ..job_user import NAME, async_get_job_user
from ..jobs.actions import ALL, ENTITY_DOMAINS, ENTITY_ID, GROUP
from ..jobs.calls import ActionCall
from ..jobs.home_steps import Attempt, StepFailedError
from ..jobs.redact import without_signatures
from .started import async_begin_when_started
from .step import PROCESS_ID, HomeStep

_PROCESS: Final = "process"
_SCRIPT: Final = "script"


class ActionStep(HomeStep[ActionCall]):
    """Performs an action, as the user of jobs."""

    @override
    async def problem(self, call: ActionCall) -> str | None:
        """Return why it would not be performed, or would do nothing."""
        return next(self._problems(call), None)

    @override
    async def run(self, call: ActionCall, attempt: Attempt) -> None:
        """Perform it, and write its response where that is asked for."""
        if attempt.known is not None:
            await self._async_take_up(call, attempt)
            return
        await async_begin_when_started(self._hass, attempt)
        if (problem := await self.problem(call)) is not None:
            raise StepFailedError(problem)
        user = await async_get_job_user(self._hass)
        await attempt.keep({_PROCESS: PROCESS_ID})
        attempt.goes_on = f"what {call.action} has begun is not taken back"
        response = await self._async_perform(call, Context(user_id=user.id))
        if call.response:
            shown = without_signatures(response)
            attempt.write(
                json.dumps(shown, ensure_ascii=False, cls=ExtendedJSONEncoder)
            )

    async def _async_perform(
        self, call: ActionCall, context: Context
    ) -> ServiceResponse:
        domain, _, service = call.action.partition(".")
        try:
            return await self._hass.services.async_call(
                domain,
                service,
                dict(call.data),
                blocking=True,
                context=context,
                target=_target(call),
                return_response=call.response,
            )
        except Unauthorized as err:
            raise StepFailedError(
                f"{call.action} is for administrators, and the user {NAME}, as whom jobs "
                "perform actions, is none"
            ) from err
        except HomeAssistantError, vol.Invalid:
            raise
        except Exception as err:
            # An integration may raise anything, and it is no fault of ours.
            raise StepFailedError(
                f"{call.action} has failed: {type(err).__name__}: {err}"
            ) from err

    async def _async_take_up(self, call: ActionCall, attempt: Attempt) -> None:
        """End a step whose action another attempt has asked for already."""
        if attempt.known[_PROCESS] != PROCESS_ID:
            attempt.write(
                f"{call.action} was asked for; Home Assistant has restarted, and its "
                "answer is lost"
            )
            return
        if self._hass.is_stopping:
            # The next process goes on.
            await asyncio.Event().wait()
        raise StepFailedError(
            f"{call.action} was interrupted, and is not performed again: whether it was "
            "done is not known"
        )

    def _problems(self, call: ActionCall) -> Iterator[str]:
        domain, _, service = call.action.partition(".")
        if not self._hass.services.has_service(domain, service):
            yield str(ServiceNotFound(domain, service))
            return
        responds = self._hass.services.supports_response(domain, service)
        if call.response and responds is SupportsResponse.NONE:
            yield f'{call.action} has no response: leave "response" out'
        if not call.response and responds is SupportsResponse.ONLY:
            yield f'{call.action} only responds: it needs "response": true'
        if call.target:
            yield from self._target_problems(call, domain)

    def _target_problems(self, call: ActionCall, domain: str) -> Iterator[str]:
        named = call.target.get(ENTITY_ID, ())
        if ALL in named:
            meant = set(self._hass.states.async_entity_ids(domain))
        else:
            selected = async_extract_referenced_entity_ids(
                self._hass, TargetSelection(_target(call))
            )
            yield from self._missing(selected)
            meant = selected.referenced | selected.indirectly_referenced
            if domain in ENTITY_DOMAINS and domain != _SCRIPT:
                yield from self._without_effect(call, domain, meant)
        entities = er.async_get(self._hass)
        for entity_id in sorted(meant):
            entity = entities.async_get(entity_id)
            if entity is not None and entity.platform == DOMAIN:
                yield f"{entity_id} is of {NAME} itself, and no job acts on that"

    def _missing(self, selected: SelectedEntities) -> Iterator[str]:
        missing = {
            "entity": {
                entity_id
                for entity_id in selected.referenced
                if self._hass.states.get(entity_id) is None
            },
            "device": selected.missing_devices,
            "area": selected.missing_areas,
            "floor": selected.missing_floors,
            "label": selected.missing_labels,
        }
        for kind, ids in missing.items():
            if ids:
                yield f"there is no {kind} {', '.join(sorted(ids))}"

    def _without_effect(
        self, call: ActionCall, domain: str, meant: set[str]
    ) -> Iterator[str]:
        """Yield why an action that reaches entities of its own domain does nothing."""
        for entity_id in call.target.get(ENTITY_ID, ()):
            if entity_id.partition(".")[0] not in (domain, GROUP):
                yield f"{call.action} does nothing to {entity_id}"
            state = self._hass.states.get(entity_id)
            if state is not None and state.state == STATE_UNAVAILABLE:
                yield f"{entity_id} is unavailable"
        if not any(entity_id.startswith(f"{domain}.") for entity_id in meant):
            yield f"{call.action} finds nothing to act on in its target"


def _target(call: ActionCall) -> dict[str, str | list[str]]:
    """Return what an action is for. Some take one id alone, and "all" is no list."""
    return {
        kind: ids[0] if len(ids) == 1 else list(ids)
        for kind, ids in call.target.items()
        if ids
    }


STEP: Final = ActionStep
