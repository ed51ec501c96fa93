"""Whether a job is meant for this thing: the `conditions` of its document."""

from collections.abc import Collection, Mapping, Sequence
import difflib
from enum import StrEnum

from awesomeversion import AwesomeVersion
from awesomeversion.exceptions import AwesomeVersionException

from .document import DEFAULT_CONDITION_TYPE, Condition
from .reasons import Reason, either

type Facts = Mapping[str, Collection[str]]
"""What is known of the thing: for each key, the values that hold."""


class VersionCondition(StrEnum):
    """Conditions that compare versions, by their parts: 2026.9 comes before 2026.10."""

    LESS_THAN = "versionLessThan"
    AT_LEAST = "versionAtLeast"


def unmet_condition(conditions: Sequence[Condition], facts: Facts) -> str | None:
    """Return why the first condition that does not hold does not, or None.

    A key or type that is not known here never holds: a job that asks for something
    unknown is not for this thing.
    """
    for index, condition in enumerate(conditions):
        if problem := _problem(f"conditions[{index}]", condition, facts):
            return problem
    return None


def _problem(path: str, condition: Condition, facts: Facts) -> str | None:
    if condition.type not in (DEFAULT_CONDITION_TYPE, *VersionCondition):
        unknown = _unknown_type(condition.type)
        return Reason.FIELD.text(path=f"{path}.type", cause=unknown)
    if condition.key not in facts:
        unknown = Reason.UNKNOWN_KEY.text(
            found=f"{condition.key!r:.80}", known=", ".join(sorted(facts)) or "none"
        )
        return Reason.FIELD.text(path=f"{path}.key", cause=unknown)
    found = facts[condition.key]
    if condition.type != DEFAULT_CONDITION_TYPE:
        if (other := _other_version(condition, sorted(found))) is None:
            return None
        return Reason.FIELD.text(path=path, cause=other)
    if not set(condition.values) & set(found):
        other = _other_fact(condition, sorted(found))
        return Reason.FIELD.text(path=path, cause=other)
    return None


def _unknown_type(found: str) -> str:
    shown = f"{found!r:.80}"
    if close := difflib.get_close_matches(found, VersionCondition, n=1):
        return Reason.MISSPELT_TYPE.text(meant=f'"{close[0]}"', found=shown)
    return Reason.UNKNOWN_CONDITION.text(found=shown)


def _other_version(condition: Condition, found: Sequence[str]) -> str | None:
    """Return what is wrong with the versions that are found; None if one of them fits."""
    key, wanted = condition.key, f"{either(condition.values):.200}"
    if not found:
        return Reason.FACT_UNKNOWN.text(key=key, wanted=wanted)
    here = f"{either(found):.200}"
    below = condition.type == VersionCondition.LESS_THAN
    try:
        if any(
            (AwesomeVersion(version) < AwesomeVersion(limit)) is below
            for version in found
            for limit in condition.values
        ):
            return None
    except AwesomeVersionException:
        return Reason.VERSIONS_NOT_COMPARABLE.text(key=key, here=here, wanted=wanted)
    reason = Reason.VERSION_NOT_BELOW if below else Reason.VERSION_NOT_AT_LEAST
    return reason.text(key=key, here=here, wanted=wanted)


def _other_fact(condition: Condition, found: Sequence[str]) -> str:
    key, wanted = condition.key, f"{either(condition.values):.200}"
    if not found:
        return Reason.FACT_UNKNOWN.text(key=key, wanted=wanted)
    return Reason.OTHER_FACT.text(key=key, here=f"{either(found):.200}", wanted=wanted)
