"""What the system tells of a process, in MiB, seconds and numbers."""

from dataclasses import dataclass
from pathlib import Path
import re
import time

MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The resident memory of a process, and its peak since it was forgotten."""

    resident: float
    peak: float


def cpu_seconds(pid: int) -> float:
    """Return the time of user and system that a process has used, without its children."""
    # The kernel's own number of another process's clock: clock_getcpuclockid(3).
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def memory(pid: int) -> Memory:
    """Return what a process has resident, in MiB."""
    return Memory(
        resident=_status(pid, "VmRSS") / MIB, peak=_status(pid, "VmHWM") / MIB
    )


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return _status(pid, "Threads")


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1])
