"""An id that is surely unused, and one of which that cannot be said."""

from collections.abc import Iterator
import errno
import fcntl
import os
import subprocess
import threading

import pytest

from custom_components.aws_iot_jobs.runner.proc import is_surely_unused


@pytest.fixture(autouse=True)
def _thread() -> Iterator[None]:
    """Have a thread beside this one, as whoever runs steps has."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    yield
    ended.set()
    thread.join()


def leader(script: str) -> subprocess.Popen[bytes]:
    """Return a process that leads a session, whose members last until its input ends."""
    return subprocess.Popen(
        ["bash", "-c", script], stdin=subprocess.PIPE, start_new_session=True
    )


def test_of_what_has_ended_the_id_is_unused() -> None:
    """Once it has been reaped, and not before."""
    process = leader("true")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_surely_unused(process.pid)
    process.communicate()
    assert is_surely_unused(process.pid)


@pytest.mark.parametrize(
    "script", ["cat <&0 &", "set -m; cat <&0 &", "set -m; (cat; true) <&0 &"]
)
def test_a_member_of_the_session_has_its_id_in_use(script: str) -> None:
    """Of whatever group it is."""
    process = leader(script)
    process.wait()
    assert not is_surely_unused(process.pid)
    process.communicate()


def test_an_old_kernel_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes any number."""
    monkeypatch.setattr(fcntl, "fcntl", lambda *_: 0)
    assert not is_surely_unused(_reaped())


def test_who_knows_of_processes_alone_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would not find the id of a session that a process of another id is in."""
    number = _reaped()
    set_owner = fcntl.fcntl

    def look_for_group(descriptor: int, command: int, argument: int) -> int:
        try:
            os.killpg(-argument, 0)
        except ProcessLookupError as err:
            raise OSError(errno.ESRCH, os.strerror(errno.ESRCH)) from err
        return set_owner(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", look_for_group)
    assert not is_surely_unused(number)


def test_without_a_free_descriptor_it_cannot_be_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not being able to look is no answer."""
    number = _reaped()

    def fail(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", fail)
    assert not is_surely_unused(number)


def _reaped() -> int:
    process = leader("true")
    process.communicate()
    return process.pid
