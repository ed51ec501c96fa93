"""Be an agent that is not root, and run one step as another user.

Takes a directory of the user `nobody`, and as JSON: `argv`, `run_as_user`, and `timeout`
and `kill_seconds` in seconds. `cancel` is what the step writes when it is to be canceled.
`hidepid` hides processes of others in /proc, or /proc as a whole if it is "all". Prints
the result as JSON.

`take_pipes` takes all the room that the system grants the user for pipes.

With `kill`, the agent is killed once the step writes that, and recovers it in its next life.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import logging
import os
from pathlib import Path
import pwd
import signal
import subprocess
import sys
from typing import Any

from .standalone import ending, local, model

_MANY_DESCRIPTORS = 800


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


def _hide_processes(hidepid: str) -> None:
    os.unshare(os.CLONE_NEWNS)
    hiding: tuple[str, ...] = (
        "-t",
        "proc",
        "-o",
        f"hidepid={hidepid}",
        "proc",
        "/proc",
    )
    if hidepid == "all":
        hiding = ("-t", "tmpfs", "tmpfs", "/proc")
    for mount in (("--make-rprivate", "/"), hiding):
        subprocess.run(["mount", *mount], check=True)


def _take_pipes() -> list[int]:
    taken: list[int] = []
    with contextlib.suppress(PermissionError):
        while len(taken) < _MANY_DESCRIPTORS:
            taken += os.pipe()
            fcntl.fcntl(taken[-1], fcntl.F_SETPIPE_SZ, 1024 * 1024)
        raise AssertionError("the system grants as many large pipes as one wants")
    return taken


async def _run_until_killed(runner: local.LocalRunner, kill: str, **asked: Any) -> None:
    def on_event(event: model.RunEvent) -> None:
        if isinstance(event, model.RunOutput) and kill.encode() in event.data:
            sys.stdout.write(json.dumps({"stdout": event.data.decode()}))
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    call = model.CommandCall(argv=tuple(asked.pop("argv")))
    await runner.run(
        model.StepRequest(run_id="run", job_key="job", call=call, **asked), on_event
    )


def _live_twice(runner: local.LocalRunner, settings: dict[str, Any]) -> None:
    if (first := os.fork()) == 0:
        asyncio.run(_run_until_killed(runner, **settings))
    os.waitpid(first, 0)
    asyncio.run(runner.recover("job"))


def _main(directory: Path, settings: dict[str, Any]) -> None:
    logging.disable()
    # What Python imports only when it is needed must be there before: this Python may
    # lie where only root can read it.
    warm_up = local.LocalRunner(directory, directory / "warm-up")
    asyncio.run(_run(warm_up, ["sh", "-c", "echo"], timeout=10))
    if (seconds := settings.pop("kill_seconds", None)) is not None:
        ending._KILL_SECONDS = seconds
    if hidepid := settings.pop("hidepid", ""):
        _hide_processes(hidepid)
    _become("nobody")
    pipes = _take_pipes() if settings.pop("take_pipes", False) else []
    runner = local.LocalRunner(directory, directory / "work", grace=0.5)
    if "kill" in settings:
        _live_twice(runner, settings)
    else:
        sys.stdout.write(json.dumps(asyncio.run(_run(runner, **settings))))
    for descriptor in pipes:
        os.close(descriptor)


_main(Path(sys.argv[1]), json.loads(sys.argv[2]))
