"""The command line: python -m benchmarks [NAME…] [--json FILE] [--quick]."""

import argparse
import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
import sys
import tempfile
import time

from . import latency
from .results import Actor, Results, as_json, as_text, table
from .run import Run, thing_name
from .stage import set_stage

BENCHES = {"latency": latency.measure}


async def _measure(options: argparse.Namespace) -> Results:
    things = [thing_name(actor, far=far) for actor in Actor for far in (False, True)]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with AsyncExitStack() as exits:
            stage = await exits.enter_async_context(set_stage(Path(folder), things))
            run = Run(
                stage=stage,
                quick=options.quick,
                exits=exits,
                results=Results(),
                peer_command=options.peer,
            )
            for name, measure in BENCHES.items():
                if name in options.names or not options.names:
                    begun = time.monotonic()
                    await measure(run)
                    took = time.monotonic() - begun
                    print(f"{name} took {took:.0f} s", file=sys.stderr)
            return run.results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peer", metavar="COMMAND")
    return parser.parse_args()


def main() -> int:
    """Measure, print the table, and return the exit status."""
    options = _options()
    results = asyncio.run(_measure(options)).compared()
    print(as_text(table(results)))
    if options.json:
        options.json.write_text(as_json(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
