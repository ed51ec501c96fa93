"""What a fleet costs in a month at AWS, as its price list had it: see docs/fleet.md."""

from collections.abc import Iterator
from dataclasses import dataclass

DAYS = 30
MINUTES = DAYS * 24 * 60

PER_MILLION_MINUTES = 0.08
PER_MILLION_MESSAGES = 1.00
PER_MILLION_SHADOW_OPERATIONS = 1.25
PER_MILLION_INDEX_UPDATES = 2.25
PER_REMOTE_ACTION = 0.003

CONNECTION_MESSAGES = 5
"""CONNECT, SUBSCRIBE, start-next, its answer, and the acknowledgement of that."""
JOB_MESSAGES = 13
"""Three requests, their answers, two notify-next, and the acknowledgements of those five."""
REPORT_MESSAGES = 2
"""What a home publishes, and the answer, which is billed whoever hears it."""
REPORT_KIB = 2
"""A shadow and its index are billed by the kilobyte: a report is a little more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a home does in a month."""

    connections: int = DAYS
    """A lost connection a day."""
    reports: int = 2 * DAYS
    """One with each connection, and one more each day, when the last backup is a day older."""
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill, for one home."""

    name: str
    count: int
    price: float


def bill(usage: Usage) -> Iterator[Item]:
    """Yield what one home is billed for in a month."""
    messages = (
        usage.connections * CONNECTION_MESSAGES
        + usage.jobs * JOB_MESSAGES
        + usage.reports * REPORT_MESSAGES
    )
    # Each end of a connection, too, is news to the index.
    index_updates = usage.reports * REPORT_KIB + usage.connections * 2
    yield Item("Minutes of connection", MINUTES, PER_MILLION_MINUTES / 1e6)
    yield Item("Messages", messages, PER_MILLION_MESSAGES / 1e6)
    yield Item(
        "Shadow operations",
        usage.reports * REPORT_KIB,
        PER_MILLION_SHADOW_OPERATIONS / 1e6,
    )
    yield Item("Index updates", index_updates, PER_MILLION_INDEX_UPDATES / 1e6)
    yield Item("Jobs", usage.jobs, PER_REMOTE_ACTION)
