"""Run a step that writes 1 GB; print how many bytes of memory that took, and its end."""

import asyncio
from pathlib import Path
import re
import sys
import tempfile

from .standalone import local, model

_GIGABYTE = "head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo end"


async def _run(directory: Path, script: str) -> str:
    runner = local.LocalRunner(directory / "handlers", directory / "work")
    call = model.CommandCall(argv=("sh", "-c", script))
    request = model.StepRequest(run_id="run", job_key="job", call=call)
    result = await runner.run(request, lambda _: None)
    return result.stdout


def _peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return 1024 * int(found[1])


async def _main() -> None:
    with tempfile.TemporaryDirectory() as name:
        # What any run needs is there before it is measured.
        await _run(Path(name), "seq 100000")
        before = _peak()
        stdout = await _run(Path(name), _GIGABYTE)
    sys.stdout.write(f"{_peak() - before}\n{stdout[-1024:]}")


asyncio.run(_main())
