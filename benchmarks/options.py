"""The command line of the benchmarks."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for; no `names` are all of them."""

    names: tuple[str, ...]
    json: Path | None
    quick: bool
    peer: str | None
    pictures: Path | None


def read_options(names: Sequence[str]) -> Options:
    """Return what the command line says. Ends the program if that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure what a job costs, against floors in the same run. The exit "
        "status is 1 where a job is lost or a count is more than is written down.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures here"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a minute's look, as for each change"
    )
    parser.add_argument(
        "--peer",
        metavar="COMMAND",
        help="measure another jobs agent beside; see docs/benchmarks.md",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FILE",
        help="measure nothing, and draw docs/benchmarks.md anew from figures in this file",
    )
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(
            f"there is no {', '.join(sorted(unknown))}; choose of {', '.join(names)}"
        )
    return Options(
        names=tuple(given.names),
        json=given.json,
        quick=given.quick,
        peer=given.peer,
        pictures=given.pictures,
    )
