"""What is said of a handler directory, and what mends it: modes, and nothing else."""

import os
from pathlib import Path
import pwd
import stat

import pytest

from custom_components.aws_iot_jobs.runner.inventory import (
    Handler,
    PermissionsFix,
    fix_permissions,
    list_handlers,
)
from custom_components.aws_iot_jobs.runner.model import RunOutcome

from .bench import Bench, write

HELLO = "#!/bin/sh\necho hello\n"
NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can give files away"
)


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def give_away(*paths: Path) -> None:
    """Make paths somebody else's."""
    for path in paths:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)


async def test_modes_of_our_own_are_mended(bench: Bench) -> None:
    """Of the directory, of all folders and files, and only where they are wrong."""
    folder = bench.handlers / "folder"
    folder.mkdir()
    right = bench.handler("right.sh", HELLO)
    wrong = [bench.handler("x.sh", HELLO, 0o4777), write(folder / "y.sh", HELLO, 0o000)]
    folder.chmod(0o2775)
    bench.handlers.chmod(0o777)
    fix = fix_permissions(bench.handlers)
    assert not fix.left
    assert set(fix.changed) == set(map(str, (bench.handlers, folder, *wrong)))
    assert {mode(path) for path in (bench.handlers, folder, right, *wrong)} == {0o700}
    assert fix_permissions(bench.handlers) == PermissionsFix()
    assert (await bench.handle("folder/y.sh")).stdout == "hello\n"


@needs_root
async def test_what_belongs_to_others_is_named_and_left(bench: Bench) -> None:
    """Whoever wrote it did not ask to have it run by us."""
    foreign = bench.handler("reboot.sh", HELLO, 0o755)
    nameless = bench.handler("nameless.sh", HELLO, 0o644)
    ours = bench.handler("ours.sh", HELLO, 0o755)
    give_away(foreign)
    os.chown(nameless, 54321, 54321)
    bench.handlers.chmod(0o777)
    fix = fix_permissions(bench.handlers)
    assert set(fix.changed) == {str(bench.handlers), str(ours)}
    assert {(left.path, left.owner, left.reason) for left in fix.left} == {
        (str(foreign), "nobody", f"{foreign} belongs to nobody, not to root"),
        (str(nameless), "54321", f"{nameless} belongs to 54321, not to root"),
    }
    assert (foreign.stat().st_uid, mode(foreign)) == (NOBODY.pw_uid, 0o755)
    assert (nameless.stat().st_uid, mode(nameless)) == (54321, 0o644)
    assert (await bench.handle("reboot.sh")).outcome is RunOutcome.REFUSED
    (problem,) = [it.problem for it in list_handlers(bench.handlers) if it.problem][:1]
    assert "owner" in problem


@needs_root
def test_a_folder_of_somebody_else_is_left_with_all_in_it(bench: Bench) -> None:
    """Its owner decides what is in it, at any moment; so with the directory itself."""
    folder = bench.handlers / "folder"
    folder.mkdir()
    inner = write(folder / "x.sh", HELLO, 0o755)
    give_away(folder)
    (left,) = fix_permissions(bench.handlers).left
    assert left.path == str(folder)
    assert mode(inner) == 0o755
    give_away(bench.handlers)
    (left,) = fix_permissions(bench.handlers).left
    assert left.path == str(bench.handlers)
    assert bench.handlers.stat().st_uid == NOBODY.pw_uid


def test_links_are_left_alone_and_not_followed(bench: Bench) -> None:
    """Neither to a file, nor to a folder."""
    outside = bench.directory / "outside"
    outside.mkdir(mode=0o755)
    outside.chmod(0o755)
    file = write(outside / "file", "", 0o644)
    (bench.handlers / "folder").symlink_to(outside)
    (bench.handlers / "file").symlink_to(file)
    (bench.handlers / "dangling").symlink_to("nowhere")
    assert fix_permissions(bench.handlers) == PermissionsFix()
    assert (mode(outside), mode(file)) == (0o755, 0o644)


def test_a_handler_directory_that_is_a_link_is_mended_where_it_is(
    bench: Bench,
) -> None:
    """It is a setting of the user; paths are told as the user writes them."""
    bench.handler("x.sh", HELLO, 0o755)
    moved = bench.handlers.rename(bench.directory / "moved")
    moved.chmod(0o755)
    bench.handlers.symlink_to(moved)
    fix = fix_permissions(bench.handlers)
    assert set(fix.changed) == {str(bench.handlers), f"{bench.handlers}/x.sh"}
    assert list_handlers(bench.handlers) == [Handler(name="x.sh")]


@pytest.mark.parametrize("kind", ["link", "foreign"])
@needs_root
def test_what_is_swapped_in_meanwhile_is_not_changed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """After the look, what was looked at is changed, whatever has its name by then."""
    ours = bench.handler("x.sh", HELLO, 0o755)
    target = write(bench.directory / "target", "", 0o644)
    aside = bench.directory / "aside"
    fstat = os.fstat

    def fstat_then_swap(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and not aside.exists():
            ours.rename(aside)
            if kind == "link":
                ours.symlink_to(target)
            else:
                give_away(write(ours, "", 0o644))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fstat_then_swap)
        fix_permissions(bench.handlers)
    assert aside.exists()
    assert mode(aside) == 0o700
    assert mode(target) == 0o644
    assert mode(ours) == 0o644


@needs_root
def test_nothing_is_changed_where_others_decide_on_the_way(bench: Bench) -> None:
    """They could lead the mending to any other directory of ours."""
    home = bench.directory / "home"
    home.mkdir()
    precious = bench.directory / "precious"
    precious.mkdir()
    precious.chmod(0o755)
    write(precious / "file", "", 0o644)
    (home / "handlers").symlink_to(precious)
    give_away(home, home / "handlers")
    fix = fix_permissions(home / "handlers")
    (left,) = fix.left
    assert not fix.changed
    assert f"{home}, on the way to" in left.reason
    assert (mode(precious), mode(precious / "file")) == (0o755, 0o644)


def test_a_file_with_another_name_elsewhere_is_left(bench: Bench) -> None:
    """Whoever may write here could have made one of any file that we own."""
    elsewhere = write(bench.directory / "elsewhere", "", 0o644)
    (bench.handlers / "x.sh").hardlink_to(elsewhere)
    (left,) = fix_permissions(bench.handlers).left
    assert left.reason == (
        f"{bench.handlers}/x.sh is also known by another name (a hard link)"
    )
    assert mode(elsewhere) == 0o644


def test_pipes_and_the_like_do_not_hold_it(bench: Bench) -> None:
    """They are no handlers, and nobody writes to them."""
    pipe = bench.handlers / "pipe"
    os.mkfifo(pipe, 0o600)
    fix = fix_permissions(bench.handlers)
    assert fix.changed == (str(pipe),)


def test_a_directory_that_is_missing_is_told(bench: Bench) -> None:
    """By what the system says."""
    with pytest.raises(FileNotFoundError):
        fix_permissions(bench.directory / "no-such")
