"""Conditions: what a thing is at."""

from types import MappingProxyType
from typing import override

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.condition import Condition, EntityStateConditionBase

from .sensor import JOB_STATUS, Activity
from .targets import entities_of


class JobStatusCondition(EntityStateConditionBase):
    """Holds while the Job status of a thing is a certain one."""

    _domain_specs = MappingProxyType({SENSOR_DOMAIN: DomainSpec()})

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the sensors of things that show what they are at."""
        return entities_of(self._hass, JOB_STATUS, super().entity_filter(entities))


def _condition_of(activity: Activity) -> type[Condition]:
    """Return a condition that holds while a thing is at this."""
    states: set[str | bool] = {activity.value}

    class ActivityCondition(JobStatusCondition):
        """Holds while it is."""

        _states = states

    return ActivityCondition


CONDITIONS: dict[str, type[Condition]] = {
    "job_is_running": _condition_of(Activity.IN_PROGRESS),
    "job_awaits_approval": _condition_of(Activity.AWAITING_APPROVAL),
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
