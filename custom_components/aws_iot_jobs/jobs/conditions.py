"""Whether a job is meant for this thing: the `conditions` of its document."""

from collections.abc import Collection, Mapping, Sequence

from .document import DEFAULT_CONDITION_TYPE, Condition

type Facts = Mapping[str, Collection[str]]
"""What is known of the thing: for each key, the values that hold."""


def unmet_condition(conditions: Sequence[Condition], facts: Facts) -> str | None:
    """Return why the first condition that does not hold does not, or None.

    A key or type that is not known here never holds: a job that asks for something
    unknown is not for this thing.
    """
    for index, condition in enumerate(conditions):
        if problem := _problem(condition, facts):
            return f"conditions[{index}]{problem}"
    return None


def _problem(condition: Condition, facts: Facts) -> str | None:
    if condition.type != DEFAULT_CONDITION_TYPE:
        return f'.type: must be "{DEFAULT_CONDITION_TYPE}", not {condition.type!r:.80}'
    if condition.key not in facts:
        known = ", ".join(sorted(facts)) or "none"
        return f".key: unknown key {condition.key!r:.80}; known are {known}"
    found = facts[condition.key]
    if not set(condition.values) & set(found):
        here, wanted = _either(sorted(found)) or "unknown", _either(condition.values)
        return f": {condition.key} is {here}, not {wanted}"
    return None


def _either(values: Sequence[str]) -> str:
    return f"{' or '.join(map(repr, values)):.200}"
