"""Programs that the tests run as processes of their own, to measure or to end them.

Each uses the runner as the app does: by itself, without the rest of the integration.
"""

from collections.abc import Sequence
from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).parents[3]


def run_program(name: str, *args: str, timeout: float = 50) -> str:
    """Run one of the programs here to its end; return its output."""
    ran = subprocess.run(
        command_line(name, *args),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def command_line(name: str, *args: str) -> Sequence[str]:
    """Return how one of the programs is started, in the folder of the repository."""
    return (sys.executable, "-m", f"{__name__}.{name}", *args)
