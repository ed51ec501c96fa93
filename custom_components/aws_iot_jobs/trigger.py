"""Triggers: what happens to jobs, each time that it happens."""

from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import override

from homeassistant.components.event import (
    DOMAIN as EVENT_DOMAIN,
    EventEntityStateAttribute,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.trigger import (
    NotTriggeredReasonReporter,
    StatelessEntityTriggerBase,
    Trigger,
)

from .event import JOB
from .job_events import ENDS
from .jobs.events import JobEventType
from .targets import entities_of


class JobTrigger(StatelessEntityTriggerBase):
    """Triggers when the event entity of a thing tells of one of some types."""

    _domain_specs = MappingProxyType({EVENT_DOMAIN: DomainSpec()})
    _types: AbstractSet[str]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the event entities of things."""
        return entities_of(self._hass, JOB, super().entity_filter(entities))

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Return whether the event is of one of the types."""
        return state.attributes.get(EventEntityStateAttribute.EVENT_TYPE) in self._types


def _trigger_of(*types: JobEventType) -> type[Trigger]:
    """Return a trigger for events of these types."""

    class TypedJobTrigger(JobTrigger):
        """Triggers on these."""

        _types = frozenset(types)

    return TypedJobTrigger


TRIGGERS: dict[str, type[Trigger]] = {
    "job_received": _trigger_of(JobEventType.RECEIVED),
    "job_approval_requested": _trigger_of(JobEventType.APPROVAL_REQUESTED),
    "job_started": _trigger_of(JobEventType.STARTED),
    "job_ended": _trigger_of(*ENDS),
    "job_succeeded": _trigger_of(JobEventType.SUCCEEDED),
    "job_failed": _trigger_of(
        JobEventType.FAILED, JobEventType.REJECTED, JobEventType.TIMED_OUT
    ),
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS
