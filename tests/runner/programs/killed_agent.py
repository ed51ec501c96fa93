"""Be an agent that is killed while a step runs.

Takes the directory of a bench, and the step's script. Says what the step writes.
"""

import asyncio
from pathlib import Path
import sys

from .standalone import local, model


async def _main(directory: Path, script: str) -> None:
    runner = local.LocalRunner(directory / "handlers", directory / "work")
    call = model.CommandCall(argv=("sh", "-c", script))
    request = model.StepRequest(run_id="job-1.1.1.1", job_key="job-1.1", call=call)

    def on_event(event: model.RunEvent) -> None:
        if isinstance(event, model.RunOutput):
            sys.stdout.buffer.write(event.data)
            sys.stdout.flush()

    await runner.run(request, on_event)


asyncio.run(_main(Path(sys.argv[1]), sys.argv[2]))
