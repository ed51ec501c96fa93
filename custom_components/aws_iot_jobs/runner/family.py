"""The processes that belong to a step: its session, and what else is known by its job.

What makes process groups of its own inside a step (`timeout`, an interactive shell) stays in
the session that the step's process leads. Blocks: not for an event loop.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import os

from .proc import (
    CannotLookError,
    ProcessStatus,
    group_answers,
    groups_with_environment,
    newest_process,
    processes,
)

# How often to look for what may just have escaped the look before.
_LOOKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The process that leads a session, and whose id is the session's.

    `started`, in clock ticks after the boot, tells it from a later one of the same id; None
    when it is not known.
    """

    pid: int
    started: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The process groups that live, and whether a process that leads a session does."""

    groups: frozenset[int] = frozenset()
    led: bool = False


class Family:
    """A session, and besides it what carries a setting in its environment.

    Never among them: this process, and those that it descends from. An agent may have been
    started by a job.
    """

    def __init__(self, leader: Leader | None, setting: str = "") -> None:
        """Take the leader of the session, and `NAME=value` for the rest; either may lack."""
        self._leader = leader
        self._sessions = set() if leader is None else {leader}
        self._setting = setting

    def look(self, *, deep: bool = False) -> Seen:
        """Return what lives of it.

        Where there is a setting, a `deep` look takes in the sessions that descendants have
        made while their parents stay, as `su` does, and keeps to them. Raises
        CannotLookError when that cannot be seen.
        """
        for _ in range(_LOOKS):
            newest = newest_process()
            seen = self._look(deep=deep)
            # A process that was begun during the look, by one that has ended by now, may
            # be missing in it.
            if seen.groups or newest == newest_process():
                break
        return seen

    def _look(self, *, deep: bool) -> Seen:
        everything = {process.pid: process for process in processes()}
        if self._leader is not None:
            _require_sight(self._leader, everything)
        if deep and self._setting:
            self._sessions |= set(_sessions_below(self._sessions, everything))
        members = [
            process
            for leader in self._sessions
            for process in _members(leader, everything)
            if process.living
        ]
        groups = {process.group for process in members}
        if self._setting:
            groups |= groups_with_environment(self._setting, everything.values())
        return Seen(
            groups=frozenset(groups - _own_groups(everything)),
            led=any(process.pid == process.session for process in members),
        )


def _members(
    leader: Leader, everything: Mapping[int, ProcessStatus]
) -> list[ProcessStatus]:
    """Return the processes of a session, zombies too.

    The kernel gives an id to no other process while there is any of the session: where
    another has it, the session has ended.
    """
    holder = everything.get(leader.pid)
    earliest = leader.started or 0
    if holder is not None and leader.started not in (None, holder.started):
        return []
    return [
        process
        for process in everything.values()
        if process.session == leader.pid and process.started >= earliest
    ]


def _require_sight(leader: Leader, everything: Mapping[int, ProcessStatus]) -> None:
    """Raise CannotLookError where the kernel knows of processes that /proc hides."""
    shown = any(leader.pid in (p.session, p.group) for p in everything.values())
    if not shown and group_answers(leader.pid):
        raise CannotLookError(f"/proc hides process group {leader.pid}")


def _sessions_below(
    sessions: set[Leader], everything: Mapping[int, ProcessStatus]
) -> Iterator[Leader]:
    """Yield the sessions of the descendants of those that live in some sessions."""
    family = {
        process.pid
        for leader in sessions
        for process in _members(leader, everything)
        if process.living
    }
    known = {leader.pid for leader in sessions}
    generation = family
    while generation:
        children = [p for p in everything.values() if p.parent in generation]
        generation = {child.pid for child in children} - family
        family |= generation
        for session in {child.session for child in children} - known:
            known.add(session)
            holder = everything.get(session)
            yield Leader(pid=session, started=holder.started if holder else None)


def _own_groups(everything: Mapping[int, ProcessStatus]) -> set[int]:
    """Return the groups of this process and of all that it descends from."""
    groups = {os.getpgrp()}
    pid = os.getpid()
    while (process := everything.get(pid)) is not None:
        groups.add(process.group)
        pid = process.parent
    return groups
