"""Whether a job is meant for this thing: the `conditions` of its document."""

from collections.abc import Collection, Mapping, Sequence

from .document import DEFAULT_CONDITION_TYPE, Condition
from .reasons import Reason, either

type Facts = Mapping[str, Collection[str]]
"""What is known of the thing: for each key, the values that hold."""


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
    if condition.type != DEFAULT_CONDITION_TYPE:
        unknown = Reason.UNKNOWN_CONDITION.text(found=f"{condition.type!r:.80}")
        return Reason.FIELD.text(path=f"{path}.type", cause=unknown)
    if condition.key not in facts:
        unknown = Reason.UNKNOWN_KEY.text(
            found=f"{condition.key!r:.80}", known=", ".join(sorted(facts)) or "none"
        )
        return Reason.FIELD.text(path=f"{path}.key", cause=unknown)
    found = facts[condition.key]
    if not set(condition.values) & set(found):
        other = _other_fact(condition, sorted(found))
        return Reason.FIELD.text(path=path, cause=other)
    return None


def _other_fact(condition: Condition, found: Sequence[str]) -> str:
    key, wanted = condition.key, f"{either(condition.values):.200}"
    if not found:
        return Reason.FACT_UNKNOWN.text(key=key, wanted=wanted)
    return Reason.OTHER_FACT.text(key=key, here=f"{either(found):.200}", wanted=wanted)
