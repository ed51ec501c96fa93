"""Be an agent that is not root, and run one step as another user.

Takes a directory of the user `nobody`, and as JSON: `argv`, `run_as_user`, and `timeout`
and `kill_seconds` in seconds. `cancel` is what the step writes when it is to be canceled.
Prints the result as JSON.
"""

import asyncio
import dataclasses
import json
import logging
import os
from pathlib import Path
import pwd
import sys
from typing import Any

from .standalone import local, model


async def _run(
    runner: local.LocalRunner, argv: list[str], cancel: str = "", **fields: Any
) -> dict[str, Any]:
    written = asyncio.Event()
    output = b""
    pid = None

    def on_event(event: model.RunEvent) -> None:
        nonlocal output, pid
        if isinstance(event, model.RunStarted):
            pid = event.pid
        else:
            output += event.data
            if cancel and cancel.encode() in output:
                written.set()

    call = model.CommandCall(argv=tuple(argv))
    request = model.StepRequest(run_id="run", job_key="job", call=call, **fields)
    running = asyncio.ensure_future(runner.run(request, on_event))
    if cancel:
        await written.wait()
        running.cancel()
    await asyncio.wait([running])
    if running.cancelled():
        return {"outcome": "cancelled", "pid": pid}
    return {**dataclasses.asdict(running.result()), "pid": pid}


def _become(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def _main(directory: Path, settings: dict[str, Any]) -> None:
    logging.disable()
    # What Python imports only when it is needed must be there before: this Python may
    # lie where only root can read it.
    warm_up = local.LocalRunner(directory, directory / "warm-up")
    asyncio.run(_run(warm_up, ["sh", "-c", "echo"], timeout=10))
    if (seconds := settings.pop("kill_seconds", None)) is not None:
        sys.modules[local.Process.__module__]._KILL_SECONDS = seconds  # type: ignore[attr-defined]
    _become("nobody")
    runner = local.LocalRunner(directory, directory / "work", grace=0.5)
    sys.stdout.write(json.dumps(asyncio.run(_run(runner, **settings))))


_main(Path(sys.argv[1]), json.loads(sys.argv[2]))
