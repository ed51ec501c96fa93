"""Reasons in the language of who reads them; AWS has them in English.

That is the language of Home Assistant, unless another one is asked for.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from homeassistant.const import EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.generated.languages import LANGUAGES
from homeassistant.helpers.translation import (
    LOCALE_EN,
    async_get_cached_translations,
    async_get_translations,
)

from .const import DOMAIN
from .jobs.model import JobState, StepState
from .jobs.plan import Plan
from .jobs.reasons import Reason, translated

_CATEGORY: Final = "exceptions"
"""Where texts with placeholders may stand that are no part of a form or an entity."""
_ISSUES: Final = "issues"


def translation_key(reason: Reason) -> str:
    """Return the key of a reason's text."""
    return f"reason_{reason.name.lower()}"


@callback
def async_language(hass: HomeAssistant, asked: str | None) -> str:
    """Return the language that is asked for; what is none is Home Assistant's own."""
    return asked if asked in LANGUAGES and asked else hass.config.language


async def async_load_language(hass: HomeAssistant, language: str) -> None:
    """Have the texts of a language at hand from now on."""
    await async_get_translations(hass, language, _CATEGORY, [DOMAIN])


@callback
def async_template(hass: HomeAssistant, key: str, language: str | None = None) -> str:
    """Return a text of ours with its placeholders.

    Home Assistant has those of its own language at hand once the integration is set up,
    English where there is no other; another one is loaded first. Raises KeyError before.
    """
    texts = _async_texts(hass, _CATEGORY, language)
    return texts[f"component.{DOMAIN}.{_CATEGORY}.{key}.message"]


@callback
def async_issue_texts(
    hass: HomeAssistant, key: str, language: str | None = None
) -> tuple[str, str | None]:
    """Return the title of a repair issue, and its description where it has one."""
    texts = _async_texts(hass, _ISSUES, language)
    issue = f"component.{DOMAIN}.{_ISSUES}.{key}"
    return texts[f"{issue}.title"], texts.get(f"{issue}.description")


@callback
def _async_texts(
    hass: HomeAssistant, category: str, language: str | None
) -> Mapping[str, str]:
    """Return the texts of a category; where its language is not read yet, in English."""
    known = language or hass.config.language
    return async_get_cached_translations(
        hass, known, category, DOMAIN
    ) or async_get_cached_translations(hass, LOCALE_EN, category, DOMAIN)


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
def async_translate_reason(
    hass: HomeAssistant, reason: str, language: str | None = None
) -> str:
    """Return a reason with all that is ours in it translated."""
    if not reason or (language or hass.config.language) == LOCALE_EN:
        return reason
    return translated(
        reason, lambda each: async_template(hass, translation_key(each), language)
    )


@callback
def async_translate_step(
    hass: HomeAssistant, step: StepState, language: str | None = None
) -> StepState:
    """Return a step with its reason translated."""
    reason = async_translate_reason(hass, step.reason, language)
    return step if reason == step.reason else replace(step, reason=reason)


@callback
def async_translate_job(
    hass: HomeAssistant, job: JobState, language: str | None = None
) -> JobState:
    """Return a job with its reason, and those of its steps, translated."""
    if (language or hass.config.language) == LOCALE_EN:
        return job
    return replace(
        job,
        reason=async_translate_reason(hass, job.reason, language),
        steps=tuple(async_translate_step(hass, step, language) for step in job.steps),
    )


@callback
def async_translate_plan(
    hass: HomeAssistant, plan: Plan, language: str | None = None
) -> Plan:
    """Return a plan with what is wrong with its document translated."""
    return replace(
        plan,
        problem=plan.problem and async_translate_reason(hass, plan.problem, language),
        unmet_condition=plan.unmet_condition
        and async_translate_reason(hass, plan.unmet_condition, language),
    )
