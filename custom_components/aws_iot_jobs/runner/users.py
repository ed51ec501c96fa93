"""Whom a step runs as, and how a command becomes that user."""

from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import pwd
import shutil

from .model import RunRefusedError
from .trust import require_trusted_way


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of this system."""

    name: str
    uid: int
    gid: int
    home: str


def find_user(name: str) -> User:
    """Return the user of that name; the agent's own for an empty one.

    Raises RunRefusedError for an unknown user. Reads the user database: not for an
    event loop.
    """
    if not name:
        return _own_user()
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise RunRefusedError(f"there is no user {name!r} on this system") from None
    return User(name=name, uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir)


def _own_user() -> User:
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        # Containers may run as a number without a name.
        return User(name=str(uid), uid=uid, gid=os.getegid(), home="/")
    return User(name=entry.pw_name, uid=uid, gid=entry.pw_gid, home=entry.pw_dir)


def user_name(uid: int) -> str:
    """Return the name of a user, or the number of one that has none. Blocks, as above."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """How a process becomes another user: what its argv begins with.

    `signal` begins the argv of a command that may signal such a process, where the agent
    itself may not.
    """

    run: tuple[str, ...] = ()
    signal: tuple[str, ...] = ()


def switch_to(user: User, environment: Mapping[str, str]) -> Switch:
    """Return how a command becomes `user`, with `environment` kept on the way.

    Raises RunRefusedError when this agent has no means to: it never runs a command as
    somebody else than the job says.
    """
    if user.uid == os.geteuid():
        return Switch()
    if os.geteuid() == 0:
        return _setpriv(user, environment["PATH"])
    return _sudo(user, environment)


def _setpriv(user: User, search_path: str) -> Switch:
    # With `user=`, Python would fork the whole agent, and block its event loop for that.
    setpriv = _find("setpriv", search_path)
    # BusyBox has an applet of that name that cannot change users.
    if setpriv is None or Path(setpriv).resolve().name == "busybox":
        raise RunRefusedError(
            f"cannot run as user {user.name!r}: there is no setpriv of util-linux"
        )
    ids = (f"--reuid={user.uid}", f"--regid={user.gid}", "--init-groups")
    return Switch(run=(setpriv, *ids, "--"))


def _sudo(user: User, environment: Mapping[str, str]) -> Switch:
    sudo = _find("sudo", environment["PATH"])
    if sudo is None:
        raise RunRefusedError(
            f"cannot run as user {user.name!r}: the agent is not root and there is no sudo"
        )
    as_user = (sudo, "-n", "-u", user.name)
    settings = tuple(f"{name}={value}" for name, value in environment.items())
    return Switch(run=(*as_user, *settings, "--"), signal=(*as_user, "--"))


def _find(name: str, search_path: str) -> str | None:
    """Return where a program is that gets all our rights.

    Raises RunRefusedError when somebody else decides what is there.
    """
    found = shutil.which(name, path=search_path)
    if found is not None:
        require_trusted_way(Path(found))
    return found
