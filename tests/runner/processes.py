"""What the system says of processes, asked without the code that is tested."""

import os
from pathlib import Path


def living(pid: int) -> bool:
    """Tell whether a process is there, and more than a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def children() -> set[int]:
    """Return the children of this process, zombies too."""
    own = str(os.getpid())
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            text = (entry / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        if text.rpartition(")")[2].split()[1] == own:
            found.add(int(entry.name))
    return found


def descriptors() -> dict[str, str]:
    """Return the open file descriptors of this process, and what each is."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found
