"""A check says what a run would do, in the words of the run, and does nothing itself."""

from collections.abc import Callable
import os
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    HandlerCall,
    RunOutcome,
    StepCheck,
    StepRequest,
)

from .bench import JOB, RUN, Bench, write
from .test_users import needs_root, someone

RAN = "#!/bin/sh\ntouch ran\n"


def _handler(bench: Bench, name: str, path: str = "default") -> StepRequest:
    call = HandlerCall(handler=name, path=path)
    return StepRequest(run_id=RUN, job_key=JOB, call=call)


def _command(*argv: str, user: str = "") -> StepRequest:
    call = CommandCall(argv=argv)
    return StepRequest(run_id=RUN, job_key=JOB, call=call, run_as_user=user)


def _no_handler(bench: Bench) -> StepRequest:
    return _handler(bench, "missing.sh")


def _open_handler(bench: Bench) -> StepRequest:
    bench.handler("open.sh", RAN, mode=0o755)
    return _handler(bench, "open.sh")


def _outside(bench: Bench) -> StepRequest:
    return _handler(bench, "../outside.sh")


def _open_directory(bench: Bench) -> StepRequest:
    directory = bench.directory / "open"
    directory.mkdir()
    directory.chmod(0o777)
    write(directory / "some.sh", RAN)
    return _handler(bench, "some.sh", str(directory))


def _empty_handler(bench: Bench) -> StepRequest:
    bench.handler("empty.sh", "")
    return _handler(bench, "empty.sh")


def _no_interpreter(bench: Bench) -> StepRequest:
    bench.handler("zsh.sh", "#! /nowhere/zsh -e\n")
    return _handler(bench, "zsh.sh")


def _no_interpreter_of_command(bench: Bench) -> StepRequest:
    return _command(str(write(bench.directory / "tool", "#!/nowhere/python3\n")))


def _no_command(bench: Bench) -> StepRequest:
    return _command("no-such-command")


def _no_user(bench: Bench) -> StepRequest:
    return _command("true", user="no-such-user")


def _handler_of_no_user(bench: Bench) -> StepRequest:
    bench.handler("fine.sh", RAN)
    call = HandlerCall(handler="fine.sh", path="default")
    return StepRequest(run_id=RUN, job_key=JOB, call=call, run_as_user="no-such-user")


@pytest.mark.parametrize(
    "make",
    [
        _no_handler,
        _open_handler,
        _outside,
        _open_directory,
        _empty_handler,
        _no_interpreter,
        _no_interpreter_of_command,
        _no_command,
        _no_user,
        _handler_of_no_user,
    ],
)
async def test_problem_is_what_a_run_is_refused_for(
    bench: Bench, make: Callable[[Bench], StepRequest]
) -> None:
    """Word for word."""
    request = make(bench)
    check = await bench.runner.check(request)
    result = await bench.runner.run(request, lambda _: None)
    assert result.outcome is RunOutcome.REFUSED
    assert check.problem == result.detail
    assert check.path is None


@needs_root
async def test_what_cannot_become_the_user(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no setpriv to become another user with."""
    monkeypatch.setenv("PATH", "/nonexistent")
    request = _command("/bin/true", user=someone().pw_name)
    check = await bench.runner.check(request)
    result = await bench.runner.run(request, lambda _: None)
    assert result.outcome is RunOutcome.REFUSED
    assert check == StepCheck(problem=result.detail)


async def test_handler_that_may_run(bench: Bench) -> None:
    """Its file is told. It does not run, and no directory is made for it."""
    file = bench.handler("touch.sh", f"#!/bin/sh\ntouch {bench.directory}/ran\n")
    check = await bench.runner.check(_handler(bench, "touch.sh"))
    assert check == StepCheck(path=str(file), acts_as_root=os.geteuid() == 0)
    assert sorted(bench.directory.iterdir()) == [bench.handlers]


async def test_handler_on_path(bench: Bench) -> None:
    """Without a path, it may be any program."""
    check = await bench.runner.check(_handler(bench, "true", path=""))
    assert check.path is not None
    assert Path(check.path).name == "true"
    assert check.problem is None


@needs_root
async def test_command_of_another_user(bench: Bench) -> None:
    """The file told is the command's, not that of what becomes the user."""
    check = await bench.runner.check(_command("true", user=someone().pw_name))
    assert check.path is not None
    assert Path(check.path).name == "true"
    assert not check.acts_as_root
    assert check.problem is None


async def test_user_root(bench: Bench) -> None:
    """A handler is told to act as root, whoever it is started as."""
    bench.handler("fine.sh", RAN)
    call = HandlerCall(handler="fine.sh", path="default")
    request = StepRequest(run_id=RUN, job_key=JOB, call=call, run_as_user="root")
    assert (await bench.runner.check(request)).acts_as_root


@pytest.mark.parametrize(
    "first_line",
    [
        pytest.param(b"#!/bin/sh", id="interpreter"),
        pytest.param(b"#! /usr/bin/env -S sh -e", id="with arguments"),
        pytest.param(b":", id="none"),
    ],
)
async def test_scripts_whose_interpreter_is_there(
    bench: Bench, first_line: bytes
) -> None:
    """They run, and nothing is said of them."""
    file = bench.handler("script.sh", "")
    file.write_bytes(first_line + b"\nexit 0\n")
    request = _handler(bench, "script.sh")
    assert (await bench.runner.check(request)).problem is None
    result = await bench.runner.run(request, lambda _: None)
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 0)
