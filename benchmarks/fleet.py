"""What 1,000, 100,000 and 1,000,000 homes cost, and do to AWS's quotas.

python -m benchmarks.fleet prints the tables of docs/fleet.md; with --write it puts them there.
"""

from collections.abc import Iterable, Iterator
import statistics
import sys

from stack.paths import ROOT

from .bill import Usage, bill
from .pictures import put_between_marks
from .storm import Outcome, Quota, Quotas, Storm, simulate

PAGE = ROOT / "docs" / "fleet.md"
SIZES = (1_000, 100_000, 1_000_000)

_LONG = 600
"""After so long, all waits are at their longest: what is longer ends the same."""
_MATCHED = Quotas(subscriptions=750)
_RAISED = Quotas(connects=3000, subscriptions=15_000)


def storms() -> Iterator[Storm]:
    """Yield what is simulated, the smallest fleet first."""
    for homes in SIZES:
        yield Storm(homes=homes, outage=_LONG)
        yield Storm(homes=homes, outage=0)
        if homes > SIZES[0]:
            yield Storm(homes=homes, outage=_LONG, quotas=_MATCHED)
            yield Storm(homes=homes, outage=_LONG, quotas=_RAISED)
    yield Storm(homes=SIZES[-1], outage=_LONG, quotas=_RAISED, most_seconds=900)


def storm_table(outcomes: Iterable[Outcome]) -> str:
    """Return what came of storms as a table."""
    return _table(
        (
            "Homes",
            "Outage",
            "CONNECT/s, filters/s",
            "Longest wait",
            "Half are back",
            "All are back",
            "CONNECT rejected",
            "SUBSCRIBE rejected",
            "start-next rejected",
            "start-next answered after",
            "start-next/s",
            "inventory/s",
        ),
        map(_storm_row, outcomes),
    )


def _storm_row(outcome: Outcome) -> Iterator[str]:
    storm = outcome.storm
    yield f"{storm.homes:,}"
    yield _duration(storm.outage) if storm.outage else "a moment"
    yield f"{storm.quotas.connects:,.0f}, {storm.quotas.subscriptions:,.0f}"
    yield _duration(storm.most_seconds)
    yield _duration(statistics.median(outcome.back))
    yield _duration(max(outcome.back))
    for quota in (Quota.CONNECTS, Quota.SUBSCRIPTIONS, Quota.JOB_WRITES):
        yield _rounded(outcome.rejected(quota))
    yield _duration(statistics.median(outcome.waits))
    yield _rounded(outcome.peak(Quota.JOB_WRITES))
    yield _rounded(outcome.peak(Quota.SHADOW_UPDATES))


def bill_table() -> str:
    """Return what fleets cost in a month as a table."""
    items = list(bill(Usage()))
    rows = [
        (
            item.name,
            f"{item.count:,}",
            *(f"${item.count * item.price * homes:,.2f}" for homes in SIZES),
        )
        for item in items
    ]
    each = sum(item.count * item.price for item in items)
    rows.append(("All", "", *(f"${each * homes:,.2f}" for homes in SIZES)))
    return _table(
        ("In a month", "of one home", *(f"{homes:,} homes" for homes in SIZES)), rows
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _rounded(count: int) -> str:
    """Return a count with its first two digits, as more of them would be by chance."""
    if count < 100:
        return str(count)
    unit = 10 ** (len(str(count)) - 2)
    return f"{round(count / unit) * unit:,}"


def main() -> None:
    """Print the tables, or write them into the page."""
    tables = {
        "costs": bill_table(),
        "storms": storm_table(map(simulate, storms())),
    }
    print(*tables.values(), sep="\n\n")
    if "--write" in sys.argv:
        page = PAGE.read_text()
        for name, table in tables.items():
            page = put_between_marks(page, name, table)
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
