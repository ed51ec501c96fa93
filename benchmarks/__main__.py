"""The command line: python -m benchmarks [NAME…] [--json FILE] [--quick]."""

import asyncio
from contextlib import AsyncExitStack
import logging
from pathlib import Path
import sys
import tempfile
import time

from . import goals, latency, output, recorder, rest, scale, throughput
from .limits import exceeded
from .options import Options, read_options
from .pictures import illustrate_from
from .results import Actor, Result, Results, as_json, as_text, table
from .run import Run, thing_name
from .stage import set_stage

_BENCHES = {
    # Rest comes first: nobody else has used the Home Assistant yet.
    rest.NAME: rest.measure,
    latency.NAME: latency.measure,
    throughput.NAME: throughput.measure,
    output.NAME: output.measure,
    recorder.NAME: recorder.measure,
    scale.NAME: scale.measure,
}


async def _measure(options: Options) -> list[Result]:
    things = [thing_name(actor, far=far) for actor in Actor for far in (False, True)]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with AsyncExitStack() as exits:
            stage = await exits.enter_async_context(
                set_stage(Path(folder), [*things, rest.THING])
            )
            run = Run(
                stage=stage,
                quick=options.quick,
                exits=exits,
                results=Results(),
                peer_command=options.peer,
            )
            for name, measure in _BENCHES.items():
                if not options.names or name in options.names:
                    begun = time.monotonic()
                    await measure(run)
                    _say(f"{name} took {time.monotonic() - begun:.0f} s")
            return run.results.compared()


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print the table, and return the exit status."""
    # That messages wait to be sent is no news here.
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    options = read_options(list(_BENCHES))
    if options.pictures is not None:
        illustrate_from(options.pictures)
        return 0
    results = asyncio.run(_measure(options))
    print(as_text(table(results)), as_text(goals.compared(results)), sep="\n\n")
    if options.json is not None:
        options.json.write_text(as_json(results))
    for fault in (faults := exceeded(results)):
        _say(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
