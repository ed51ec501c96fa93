"""Reasons in the language of the Home Assistant that shows them; AWS has them in English."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from homeassistant.const import EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.translation import (
    LOCALE_EN,
    async_get_cached_translations,
    async_get_translations,
)

from .const import DOMAIN
from .jobs.model import JobState
from .jobs.plan import Plan
from .jobs.reasons import Reason, translated

_CATEGORY: Final = "exceptions"
"""Where texts with placeholders may stand that are no part of a form or an entity."""


def translation_key(reason: Reason) -> str:
    """Return the key of a reason's text."""
    return f"reason_{reason.name.lower()}"


@callback
def async_template(hass: HomeAssistant, key: str) -> str:
    """Return a text of ours with its placeholders, in the language of Home Assistant.

    Home Assistant has them all at hand once the integration is set up, English where there
    is no other. Raises KeyError before.
    """
    name = f"component.{DOMAIN}.{_CATEGORY}.{key}.message"
    language = hass.config.language
    texts = async_get_cached_translations(hass, language, _CATEGORY, DOMAIN)
    if name not in texts:
        # That of a language that was chosen just now is not read yet.
        texts = async_get_cached_translations(hass, LOCALE_EN, _CATEGORY, DOMAIN)
    return texts[name]


@callback
def async_follow_language(hass: HomeAssistant) -> None:
    """Tell in another language as soon as it is chosen.

    Home Assistant itself has only the texts of that with which it began.
    """

    async def follow(event: Event[Mapping[str, Any]]) -> None:
        language = event.data["language"]
        await async_get_translations(hass, language, _CATEGORY, [DOMAIN])
        for entry in hass.config_entries.async_loaded_entries(DOMAIN):
            entry.runtime_data.async_update_listeners()

    @callback
    def is_chosen(changed: Mapping[str, Any]) -> bool:
        return "language" in changed

    hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, follow, event_filter=is_chosen)


@callback
def async_translate_reason(hass: HomeAssistant, reason: str) -> str:
    """Return a reason with all that is ours in it translated."""
    if not reason or hass.config.language == LOCALE_EN:
        return reason
    return translated(reason, lambda each: async_template(hass, translation_key(each)))


@callback
def async_translate_job(hass: HomeAssistant, job: JobState) -> JobState:
    """Return a job with its reason, and those of its steps, translated."""
    if hass.config.language == LOCALE_EN:
        return job
    steps = (
        replace(step, reason=async_translate_reason(hass, step.reason))
        for step in job.steps
    )
    return replace(
        job, reason=async_translate_reason(hass, job.reason), steps=tuple(steps)
    )


@callback
def async_translate_plan(hass: HomeAssistant, plan: Plan) -> Plan:
    """Return a plan with what is wrong with its document translated."""
    return replace(
        plan,
        problem=plan.problem and async_translate_reason(hass, plan.problem),
        unmet_condition=plan.unmet_condition
        and async_translate_reason(hass, plan.unmet_condition),
    )
