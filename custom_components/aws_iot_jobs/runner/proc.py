"""Look at the system's processes through /proc. Blocks: not for an event loop."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """What /proc says of a process."""

    pid: int
    group: int
    living: bool


def group_lives(group: int) -> bool:
    """Tell whether a process group has a member that is more than a zombie.

    Zombies whose parent has not reaped them yet still answer to signals.
    """
    return any(process.group == group and process.living for process in processes())


def groups_with_environment(setting: str) -> set[int]:
    """Return the groups of the living processes that were started with `NAME=value`."""
    wanted = os.fsencode(setting)
    return {
        process.group
        for process in processes()
        if process.living and wanted in _environment(process.pid)
    }


def processes() -> Iterator[ProcessStatus]:
    """Yield the processes that can be seen; none where there is no /proc."""
    try:
        entries = list(Path("/proc").iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.isdecimal() and (status := _status(int(entry.name))) is not None:
            yield status


def _status(pid: int) -> ProcessStatus | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    state, _parent, group, *_ = text[text.rindex(b")") + 2 :].split(maxsplit=3)
    return ProcessStatus(pid=pid, group=int(group), living=state not in (b"Z", b"X"))


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
