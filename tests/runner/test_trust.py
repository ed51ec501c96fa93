"""Who decides what runs: the way to a handler, and what happens between look and start."""

import asyncio
from collections.abc import Iterator
import contextlib
import ctypes
import os
from pathlib import Path
import pwd
import threading

import pytest

from custom_components.aws_iot_jobs.runner import trust
from custom_components.aws_iot_jobs.runner.launch import Launch, prepare
from custom_components.aws_iot_jobs.runner.model import (
    HandlerCall,
    RunOutcome,
    RunRefusedError,
    RunResult,
    StepRequest,
)
from custom_components.aws_iot_jobs.runner.spawn import spawn
from custom_components.aws_iot_jobs.runner.trust import require_trusted_way

from .bench import JOB, RUN, Bench, write

HELLO = "#!/bin/sh\necho hello\n"
NOBODY = pwd.getpwnam("nobody").pw_uid
OWN = os.geteuid()
needs_root = pytest.mark.skipif(OWN != 0, reason="only root can give files away")


def folder(path: Path, mode: int = 0o755) -> Path:
    """Make a folder of a mode, whatever the umask, and those above it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    return path


def refused(result: RunResult) -> str:
    """Return why a run was refused."""
    assert result.outcome is RunOutcome.REFUSED, result
    return result.detail


def expected(entry: Path, file: Path, mode: str, owner: int = OWN) -> str:
    """Return the words for a directory on the way that others decide on."""
    return (
        f"{entry}, on the way to {file}, has mode {mode} and owner {owner}; expected no "
        f"write permission for group and others, and owner {OWN} or 0"
    )


@pytest.fixture(autouse=True)
def code(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this package's code lie where nobody else may write, unlike some checkouts."""
    code = write(folder(open_path / "code") / "trust.py", "", 0o644)
    monkeypatch.setattr(trust, "__file__", str(code))


# The directories above


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o770])
async def test_nobody_else_may_write_above_a_handler(bench: Bench, mode: int) -> None:
    """Whoever may could put another directory there, at any moment."""
    top = folder(bench.directory / "top")
    file = write(folder(top / "middle" / "handlers") / "x.sh", HELLO, 0o755)
    for above in (file.parent.parent, top):
        above.chmod(mode)
        found = refused(await bench.handle("x.sh", path=str(file.parent)))
        assert found == expected(above, file, f"{mode:03o}")
        above.chmod(0o755)
    result = await bench.handle("x.sh", path=str(file.parent))
    assert result.stdout == "hello\n"


@needs_root
async def test_nobody_else_owns_a_directory_above_a_handler(bench: Bench) -> None:
    """With an explicit path, in the handler directory, and on PATH."""
    home = folder(bench.directory / "home")
    file = write(folder(home / "bin") / "x.sh", HELLO, 0o755)
    inner = Bench(home)
    private = inner.handler("x.sh", HELLO)
    os.chown(home, NOBODY, NOBODY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")
        assert refused(await bench.handle("x.sh", path="")) == expected(
            home, file, "755", NOBODY
        )
    assert refused(await bench.handle("x.sh", path=str(file.parent))) == expected(
        home, file, "755", NOBODY
    )
    for path in ("default", "", str(private.parent)):
        found = refused(await inner.handle("x.sh", path=path))
        assert found == expected(home, private, "755", NOBODY)


async def test_what_a_link_leads_through_counts_too(bench: Bench) -> None:
    """Of a link on the way, of one to one, and with `..` in them."""
    far = folder(bench.directory / "far")
    file = write(folder(far / "handlers") / "x.sh", HELLO, 0o755)
    near = folder(bench.directory / "near")
    (near / "one").symlink_to("../far/../far")
    (bench.directory / "two").symlink_to(near / "one")
    path = bench.directory / "two" / "handlers"
    assert (await bench.handle("x.sh", path=str(path))).stdout == "hello\n"
    for above in (far, near):
        above.chmod(0o777)
        found = refused(await bench.handle("x.sh", path=str(path)))
        assert found == expected(above, path / "x.sh", "777")
        above.chmod(0o755)
    assert file.exists()


async def test_links_in_a_circle_are_told(bench: Bench) -> None:
    """Rather than walked for ever."""
    (bench.directory / "a").symlink_to("b")
    (bench.directory / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        require_trusted_way(bench.directory / "a" / "x.sh")


# Directories like /tmp


async def test_in_a_sticky_directory_an_entry_of_ours_is_safe(bench: Bench) -> None:
    """Others may add to it, and change only what is theirs."""
    shared = folder(bench.directory / "shared", 0o1777)
    file = write(folder(shared / "handlers") / "x.sh", HELLO, 0o755)
    result = await bench.handle("x.sh", path=str(file.parent))
    assert result.stdout == "hello\n"
    shared.chmod(0o777)
    found = refused(await bench.handle("x.sh", path=str(file.parent)))
    assert found == expected(shared, file, "777")


async def test_handlers_themselves_do_not_lie_in_a_sticky_directory(
    bench: Bench,
) -> None:
    """There, others could add one."""
    shared = folder(bench.directory / "shared", 0o1777)
    write(shared / "x.sh", HELLO, 0o755)
    found = refused(await bench.handle("x.sh", path=str(shared)))
    assert found.startswith(f"{shared} has mode 777")


@needs_root
def test_a_link_of_somebody_else_in_a_sticky_directory_is_refused(
    bench: Bench,
) -> None:
    """Its owner can have it lead elsewhere; ours nobody can."""
    shared = folder(bench.directory / "shared", 0o1777)
    file = write(folder(bench.directory / "handlers-2") / "x.sh", HELLO, 0o755)
    link = shared / "link"
    link.symlink_to(file.parent)
    require_trusted_way(link / "x.sh")
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(RunRefusedError) as refusal:
        require_trusted_way(link / "x.sh")
    assert str(refusal.value) == (
        f"{link}, on the way to {link}/x.sh, has owner {NOBODY}, and {shared} is open to "
        f"all; expected owner {OWN} or 0"
    )
    shared.chmod(0o755)
    require_trusted_way(link / "x.sh")


@needs_root
def test_a_sticky_directory_of_somebody_else_is_refused(bench: Bench) -> None:
    """Its owner can change all that is in it."""
    shared = folder(bench.directory / "shared", 0o1777)
    file = write(folder(shared / "handlers") / "x.sh", HELLO, 0o755)
    os.chown(shared, NOBODY, NOBODY)
    with pytest.raises(RunRefusedError) as refusal:
        require_trusted_way(file)
    assert str(refusal.value) == expected(shared, file, "1777", NOBODY)


# Who may change this package's code can do all that we can


@pytest.fixture
def at_home(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench in a configuration folder that has this package's code, too."""
    config = folder(bench.directory / "config")
    code = folder(config / "custom_components" / "aws_iot_jobs" / "runner")
    monkeypatch.setattr(trust, "__file__", str(write(code / "trust.py", "")))
    at_home = Bench(folder(config / "aws_iot_jobs"))
    at_home.handler("x.sh", HELLO)
    return at_home


@needs_root
async def test_a_configuration_folder_of_another_user_makes_no_difference(
    at_home: Bench,
) -> None:
    """Home Assistant is root and /config somebody's, as in many containers."""
    for path in (at_home.directory.parent, at_home.directory):
        os.chown(path, 1000, 1000)
    assert (await at_home.handle("x.sh")).stdout == "hello\n"
    os.chown(at_home.directory, NOBODY, 1000)
    assert "has mode 755 and owner" in refused(await at_home.handle("x.sh"))


@needs_root
async def test_a_configuration_folder_that_a_group_may_write_to_makes_no_difference(
    at_home: Bench,
) -> None:
    """The same group may write to what is in it, and no other."""
    for path in (at_home.directory.parent, at_home.directory):
        os.chown(path, 0, 1000)
        path.chmod(0o2775)
    assert (await at_home.handle("x.sh")).stdout == "hello\n"
    os.chown(at_home.directory, 0, 1001)
    at_home.directory.chmod(0o2775)
    assert "has mode 2775" in refused(await at_home.handle("x.sh"))


async def test_a_configuration_folder_that_all_may_write_to_makes_no_difference(
    at_home: Bench,
) -> None:
    """There is nothing left to protect."""
    at_home.directory.parent.chmod(0o777)
    at_home.directory.chmod(0o777)
    assert (await at_home.handle("x.sh")).stdout == "hello\n"


async def test_the_sticky_bit_protects_our_code_and_nothing_else(
    at_home: Bench,
) -> None:
    """So where it is set, what others may write to makes a difference."""
    at_home.directory.parent.chmod(0o1777)
    assert (await at_home.handle("x.sh")).stdout == "hello\n"
    at_home.directory.chmod(0o777)
    assert "has mode 777" in refused(await at_home.handle("x.sh"))


# Between look and start


@needs_root
async def test_who_may_write_above_a_handler_gets_nothing_run(bench: Bench) -> None:
    """However fast he swaps his own for ours."""
    home = folder(bench.directory / "home")
    good = write(folder(home / "handlers") / "x.sh", HELLO, 0o755)
    evil = write(folder(home / "evil") / "x.sh", "#!/bin/sh\necho evil\n", 0o755)
    for path in (home, evil.parent, evil):
        os.chown(path, NOBODY, NOBODY)
    with _swapping(good.parent, evil.parent):
        for _ in range(60):
            result = await bench.handle("x.sh", path=str(good.parent))
            assert result.outcome is RunOutcome.REFUSED


@contextlib.contextmanager
def _swapping(one: Path, other: Path) -> Iterator[None]:
    """Exchange two directories for each other as often as can be."""
    libc = ctypes.CDLL(None, use_errno=True)
    here, exchange = -100, 2
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            libc.renameat2(here, bytes(one), here, bytes(other), exchange)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


async def test_what_was_replaced_after_the_look_is_not_started(bench: Bench) -> None:
    """Not even by one of ours."""
    file = bench.handler("x.sh", HELLO)
    request = StepRequest(
        run_id=RUN, job_key=JOB, call=HandlerCall(handler="x.sh", path="default")
    )
    launch = prepare(request, bench.handlers, bench.directory / "work")
    write(bench.handlers / "new", "#!/bin/sh\necho other\n").rename(file)
    with pytest.raises(RunRefusedError, match=r"x\.sh was replaced while"):
        _spawn(launch)


async def test_what_was_written_anew_after_the_look_is_not_started(
    bench: Bench,
) -> None:
    """Neither in its place, nor as a file that got the number of the removed one."""
    file = bench.handler("x.sh", HELLO)
    request = StepRequest(
        run_id=RUN, job_key=JOB, call=HandlerCall(handler="x.sh", path="default")
    )
    launch = prepare(request, bench.handlers, bench.directory / "work")
    # The file system's clock ticks in milliseconds.
    await asyncio.sleep(0.05)
    file.write_text("#!/bin/sh\necho other\n")
    assert file.stat().st_ino == launch.executable.inode
    with pytest.raises(RunRefusedError, match=r"x\.sh was replaced while"):
        _spawn(launch)


def _spawn(launch: Launch) -> None:
    spawn(launch.argv, launch.executable, launch.environment, launch.directory)
