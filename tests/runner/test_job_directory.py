"""The end of a job's directory: all of it goes, and nothing else."""

from collections.abc import Callable, Iterator
import logging
import os
from pathlib import Path
import pwd
import subprocess

import pytest

from custom_components.aws_iot_jobs.runner.removal import remove_tree

from .bench import JOB, Bench, write

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")

type Mount = Callable[..., None]


@pytest.fixture
def mount(bench: Bench) -> Iterator[Mount]:
    """Return what mounts something until the test has ended."""
    mounted: list[Path] = []

    def mount(*argv: str | Path, on: Path) -> None:
        subprocess.run(("mount", *argv, on), check=True)
        mounted.append(on)

    yield mount
    for path in reversed(mounted):
        subprocess.run(("umount", "-l", path), check=True)


@pytest.fixture
def precious(bench: Bench) -> Path:
    """Return a directory elsewhere that must stay as it is."""
    directory = bench.directory / "nas"
    (directory / "photos").mkdir(parents=True)
    write(directory / "photos" / "precious.jpg", "precious")
    return directory


def content(directory: Path) -> set[str]:
    """Return the names of all that is in a directory."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


async def test_all_of_it_is_removed(bench: Bench) -> None:
    """Of whatever kind, name and mode; what links lead to stays."""
    outside = write(bench.directory / "outside", "precious")
    await bench.shell(
        f"""cd "$AWS_IOT_JOBS_DIR"
        mkdir -p a/b/c .hidden 'a name with spaces' closed/folder
        touch a/b/c/file .hidden/file "$(printf 'new\\nline')" closed/folder/file
        mkfifo pipe
        ln -s {outside} link
        ln -s {bench.directory} a/link
        ln -s nowhere dangling
        ln {outside} a/hard
        chmod 000 a/b/c/file closed/folder closed a/b"""
    )
    await bench.runner.release(JOB)
    assert not bench.job_directory.exists()
    assert outside.read_text() == "precious"


@needs_root
def test_directories_that_are_closed_to_their_owner_are_removed_too(
    open_path: Path,
) -> None:
    """As modules of Go are, for instance; root alone does not notice."""
    directory = open_path / "job"
    (directory / "closed" / "read-only").mkdir(parents=True)
    write(directory / "closed" / "read-only" / "file", "")
    for path in (open_path, *open_path.rglob("*")):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    (directory / "closed" / "read-only").chmod(0o500)
    (directory / "closed").chmod(0o000)
    os.seteuid(NOBODY.pw_uid)
    try:
        remove_tree(directory)
    finally:
        os.seteuid(0)
    assert not directory.exists()


async def test_a_deep_tree_is_removed(bench: Bench) -> None:
    """Deeper than functions may call each other; each turn goes one directory down."""
    directory = bench.directory / "deep"
    directory.mkdir()
    descriptor = os.open(directory, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    remove_tree(directory)
    assert not directory.exists()


def test_a_directory_that_is_not_there_is_removed_already(open_path: Path) -> None:
    """Also when there is nothing above it."""
    remove_tree(open_path / "no-such")
    remove_tree(open_path / "no-such" / "directory")


@needs_root
@pytest.mark.parametrize("where", ["mnt", "deep/er/mnt", ""])
async def test_what_is_mounted_stays(
    bench: Bench,
    mount: Mount,
    precious: Path,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """A directory of the same device, which only its mount tells apart; the rest goes."""
    await bench.shell("cd $AWS_IOT_JOBS_DIR; mkdir -p deep/er mnt other; touch file")
    point = bench.job_directory / where
    point.mkdir(exist_ok=True)
    before = content(precious)
    mount("--bind", precious, on=point)
    await bench.runner.release(JOB)
    assert content(precious) == before
    if where:
        assert {path.name for path in bench.job_directory.iterdir()} == {
            Path(where).parts[0]
        }
    warnings = [it for it in caplog.records if it.levelno >= logging.WARNING]
    (warning,) = warnings
    assert warning.getMessage() == (
        f"Something is mounted on {point}, so it was left when all else in "
        f"{bench.job_directory} was removed; unmount it, and remove that directory"
    )

    await bench.runner.release(JOB)
    assert content(precious) == before
    assert warnings == [it for it in caplog.records if it.levelno >= logging.WARNING]
    result = await bench.shell("echo again")
    assert result.stdout == "again\n"


@needs_root
async def test_a_file_that_is_mounted_stays(
    bench: Bench, mount: Mount, precious: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So does another file system; all are told of at once."""
    await bench.shell("cd $AWS_IOT_JOBS_DIR; touch file other; mkdir tmp")
    file, other = bench.job_directory / "file", bench.job_directory / "tmp"
    mount("--bind", precious / "photos" / "precious.jpg", on=file)
    mount("-t", "tmpfs", "tmpfs", on=other)
    write(other / "kept", "")
    await bench.runner.release(JOB)
    assert file.read_text() == "precious"
    assert (other / "kept").exists()
    assert not (bench.job_directory / "other").exists()
    (message,) = [
        it.getMessage() for it in caplog.records if it.levelno >= logging.WARNING
    ]
    assert str(file) in message
    assert str(other) in message


@needs_root
async def test_when_it_is_unmounted_the_rest_can_go(
    bench: Bench, precious: Path
) -> None:
    """A later release of the same job is as good as the first."""
    step = f"mkdir $AWS_IOT_JOBS_DIR/mnt; mount --bind {precious} $AWS_IOT_JOBS_DIR/mnt"
    assert (await bench.shell(step)).exit_status == 0
    await bench.runner.release(JOB)
    step = "umount $AWS_IOT_JOBS_DIR/mnt"
    assert (await bench.shell(step)).exit_status == 0
    await bench.runner.release(JOB)
    assert not bench.job_directory.exists()
    assert (precious / "photos" / "precious.jpg").exists()


def test_nothing_leads_the_removal_elsewhere(
    open_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a link that takes a directory's place at the right moment."""
    precious = open_path / "precious"
    precious.mkdir()
    write(precious / "file", "precious")
    folder = open_path / "job" / "folder"
    folder.mkdir(parents=True)
    write(folder / "file", "")
    rmdir = os.rmdir

    def rmdir_then_swap(name: str, *, dir_fd: int) -> None:
        try:
            rmdir(name, dir_fd=dir_fd)
        finally:
            if name == "folder" and not folder.is_symlink():
                folder.rename(open_path / "aside")
                folder.symlink_to(precious)

    monkeypatch.setattr(os, "rmdir", rmdir_then_swap)
    remove_tree(open_path / "job")
    assert (precious / "file").read_text() == "precious"


@needs_root
def test_what_is_mounted_meanwhile_stays(
    open_path: Path,
    mount: Mount,
    precious: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a daemon that a step has left does, and when."""
    point = open_path / "job" / "mnt"
    point.mkdir(parents=True)
    write(point / "file", "")
    rmdir = os.rmdir

    def rmdir_then_mount(name: str, *, dir_fd: int) -> None:
        try:
            rmdir(name, dir_fd=dir_fd)
        finally:
            if name == "mnt" and not (point / "photos").exists():
                mount("--bind", precious, on=point)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", rmdir_then_mount)
        remove_tree(open_path / "job")
    assert content(precious) == {"photos", "photos/precious.jpg"}
