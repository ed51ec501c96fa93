"""Measure for how long the start of a step stops the event loop of a large process.

Prints the milliseconds, as JSON, of 20 starts each: plain, as another user, and as
another user by way of Python's own `user=`, which forks.
"""

import asyncio
import json
from pathlib import Path
import pwd
import sys
import tempfile
import time

from .standalone import local, model

_STARTS = 20
_USER = "nobody"
# As large as a Home Assistant: what has to be copied by a fork.
_BALLAST = 250 * 1024 * 1024


class _Ticker:
    """Notes by how much each turn of the event loop comes late."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.ensure_future(self._tick())

    async def _tick(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def stop(self) -> None:
        self._task.cancel()


async def _by_runner(runner: local.LocalRunner, user: str) -> None:
    call = model.CommandCall(argv=("true",))
    request = model.StepRequest(
        run_id="run", job_key="job", call=call, run_as_user=user
    )
    result = await runner.run(request, lambda _: None)
    assert result.exit_status == 0, result


async def _by_fork() -> None:
    entry = pwd.getpwnam(_USER)
    process = await asyncio.create_subprocess_exec(
        "true", user=entry.pw_uid, group=entry.pw_gid, extra_groups=[entry.pw_gid]
    )
    await process.wait()


async def _main() -> None:
    ballast = bytearray(b"x") * _BALLAST
    longest: dict[str, list[float]] = {"plain": [], "switched": [], "forked": []}
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        runner = local.LocalRunner(Path(name) / "handlers", Path(name) / "work")
        await _by_runner(runner, "")
        # In turns, so that what else the machine does falls on all alike.
        for _ in range(_STARTS):
            for kind, start in (
                ("plain", _by_runner(runner, "")),
                ("switched", _by_runner(runner, _USER)),
                ("forked", _by_fork()),
            ):
                ticker = _Ticker()
                await asyncio.sleep(0)
                await start
                ticker.stop()
                longest[kind].append(1000 * ticker.longest)
    assert len(ballast) == _BALLAST
    sys.stdout.write(json.dumps(longest))


asyncio.run(_main())
