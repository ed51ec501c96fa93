"""Unpacking an archive, whole or not at all, with each program that can."""

from collections.abc import Callable
import io
import os
from pathlib import Path
import sys
import tarfile
import zipfile

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .machine import Machine, Toolset

CONTENT = {"manifest.json": b'{"domain": "example"}', "sub/it's a text.txt": b"text"}


def _zip(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def _tar(path: Path, content: dict[str, bytes]) -> Path:
    mode = "w:gz" if path.suffix in (".gz", ".tgz") else "w"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = len(data), 12345, 12345
            archive.addfile(member, io.BytesIO(data))
    return path


type Make = Callable[[Path, dict[str, bytes]], Path]
MAKERS: dict[str, Make] = {
    "example.zip": _zip,
    "example.tar": _tar,
    "example.tar.gz": _tar,
    "example.tgz": _tar,
}


@pytest.fixture(autouse=True)
def programs(machine: Machine) -> None:
    """Have what unpacks."""
    machine.provide("basename", "gzip", "mkdir", "tar")
    if machine.toolset is Toolset.BUSYBOX:
        machine.provide_real("busybox", "unzip")
    else:
        machine.provide_real("unzip")


@pytest.fixture
def folder(machine: Machine) -> Path:
    """Return where it is unpacked to, in a folder that all may write to."""
    return machine.open_folder / "example"


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _failed(result: RunResult, folder: Path) -> str:
    """Assert that nothing was unpacked, nor left behind; return what was said."""
    assert result.outcome is RunOutcome.EXITED
    assert result.exit_status != 0
    assert not folder.exists()
    assert list(folder.parent.glob(".*")) == []
    return result.stderr


@pytest.mark.parametrize("name", MAKERS)
async def test_unpacks_all_of_it(machine: Machine, folder: Path, name: str) -> None:
    """For everybody to read, as the user's own, and nothing beside it."""
    archive = MAKERS[name](machine.folder / name, CONTENT)
    result = await machine.run("unpack-file.sh", "", str(archive), str(folder))
    assert result.exit_status == 0, result.stderr
    assert result.stdout.strip() == f"Unpacked {archive} to {folder}."
    assert _files(folder) == CONTENT
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_uid for path in folder.rglob("*")} == {os.getuid()}
    assert list(folder.parent.iterdir()) == [folder]


async def test_python_unpacks_where_there_is_no_unzip(
    machine: Machine, folder: Path
) -> None:
    """As in the app."""
    machine.take_away("unzip")
    archive = _zip(machine.folder / "example.zip", CONTENT)
    result = await machine.run("unpack-file.sh", "", str(archive), str(folder))
    assert "there is neither unzip nor python3" in _failed(result, folder)
    (machine.programs / "python3").symlink_to(sys.executable)
    result = await machine.run("unpack-file.sh", "", str(archive), str(folder))
    assert result.exit_status == 0, result.stderr
    assert _files(folder) == CONTENT


async def test_what_was_there_is_replaced(machine: Machine, folder: Path) -> None:
    """A file that the new one does not have is gone."""
    folder.mkdir()
    (folder / "old.py").touch()
    archive = _zip(machine.folder / "example.zip", CONTENT)
    result = await machine.run("unpack-file.sh", "", str(archive), f"{folder}/")
    assert result.exit_status == 0, result.stderr
    assert _files(folder) == CONTENT
    assert list(folder.parent.iterdir()) == [folder]


async def test_what_is_interrupted_is_made_good(machine: Machine, folder: Path) -> None:
    """Between two renames there is no folder; the next attempt puts it there."""
    left = folder.with_name(".unpack.example")
    for name in ("new/half.py", "old/old.py"):
        (left / name).parent.mkdir(parents=True)
        (left / name).touch()
    archive = _zip(machine.folder / "example.zip", CONTENT)
    result = await machine.run(
        "unpack-file.sh", "", str(archive), str(folder), attempt=2
    )
    assert result.exit_status == 0, result.stderr
    assert _files(folder) == CONTENT
    assert list(folder.parent.iterdir()) == [folder]


async def test_unpacks_as_the_user(machine: Machine, folder: Path) -> None:
    """The files are the user's."""
    machine.provide_real("setpriv")
    archive = _tar(machine.folder / "example.tar.gz", CONTENT)
    result = await machine.run("unpack-file.sh", "nobody", str(archive), str(folder))
    assert result.exit_status == 0, result.stderr
    assert {path.owner() for path in (folder, *folder.rglob("*"))} == {"nobody"}


@pytest.mark.parametrize("name", ["example.zip", "example.tar.gz"])
async def test_a_broken_archive_changes_nothing(
    machine: Machine, folder: Path, name: str
) -> None:
    """What was there stays."""
    archive = MAKERS[name](machine.folder / name, CONTENT)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    result = await machine.run("unpack-file.sh", "", str(archive), str(folder))
    assert f"could not unpack {archive}: " in _failed(result, folder)


@pytest.mark.parametrize("name", ["example.zip", "example.tar"])
async def test_nothing_gets_out_of_the_folder(
    machine: Machine, folder: Path, name: str
) -> None:
    """By a name that leads elsewhere."""
    evil = {"../../evil": b"", f"{machine.open_folder}/evil": b"", "good": b""}
    archive = MAKERS[name](machine.folder / name, evil)
    await machine.run("unpack-file.sh", "", str(archive), str(folder))
    found = {*machine.folder.rglob("evil")} - {*folder.rglob("evil")}
    assert found == set()
    assert not (folder.parent / "evil").exists()


async def test_links_are_refused(machine: Machine, folder: Path) -> None:
    """They may lead anywhere."""
    archive = machine.folder / "example.tar"
    for type_ in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        with tarfile.open(archive, "w") as made:
            file = tarfile.TarInfo("file")
            made.addfile(file, io.BytesIO())
            link = tarfile.TarInfo("link")
            link.type, link.linkname = type_, "file"
            made.addfile(link)
        result = await machine.run("unpack-file.sh", "", str(archive), str(folder))
        assert "has a link or a device: " in _failed(result, folder)


async def test_an_empty_archive_is_refused(machine: Machine, folder: Path) -> None:
    """It would take away what is there."""
    archive = _tar(machine.folder / "example.tar", {})
    result = await machine.run("unpack-file.sh", "", str(archive), str(folder))
    assert "the archive is empty" in _failed(result, folder)


@pytest.mark.parametrize("at", ["missing/example", "file", "link"])
async def test_a_folder_that_cannot_be_replaced(machine: Machine, at: str) -> None:
    """None is made on the way, and nothing but a folder is taken away."""
    (machine.open_folder / "file").touch()
    (machine.open_folder / "link").symlink_to(machine.folder)
    archive = _zip(machine.folder / "example.zip", CONTENT)
    to = machine.open_folder / at
    result = await machine.run("unpack-file.sh", "", str(archive), str(to))
    assert result.exit_status == 1
    assert to.is_symlink() == (at == "link")
    assert to.is_file() == (at == "file")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("a.zip",),
        ("a.zip", ""),
        ("", "/x"),
        ("a.rar", "/x"),
        ("a.zip", "/x", "more"),
    ],
)
async def test_wrong_arguments(machine: Machine, args: tuple[str, ...]) -> None:
    """Nothing is looked at."""
    result = await machine.run("unpack-file.sh", "", *args)
    assert result.exit_status == 2


@pytest.mark.parametrize("folder", ["/", "/etc/../x", "/etc/."])
async def test_refuses_what_is_no_folder_to_replace(
    machine: Machine, folder: str
) -> None:
    """Whatever is meant by it."""
    archive = _zip(machine.folder / "example.zip", CONTENT)
    result = await machine.run("unpack-file.sh", "", str(archive), folder)
    assert result.exit_status == 2
    assert "no folder to replace" in result.stderr
