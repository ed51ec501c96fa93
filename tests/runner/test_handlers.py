"""Which file a handler name means, and which files may run: the permission rule."""

from collections.abc import Callable
import os
from pathlib import Path
import pwd

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .bench import Bench, write

HELLO = "#!/bin/sh\necho hello\n"
NOBODY = pwd.getpwnam("nobody").pw_uid
OWN = os.geteuid()


def refused(result: RunResult) -> str:
    """Return why a run was refused."""
    assert result.outcome is RunOutcome.REFUSED, result
    return result.detail


def expected_private(path: Path, mode: str, owner: int = OWN) -> str:
    """Return the words for a path that must be private and is not."""
    return (
        f"{path} has mode {mode} and owner {owner}; expected mode 700 and owner {OWN}"
    )


def expected_protected(path: Path, mode: str, owner: int = OWN) -> str:
    """Return the words for a path that others must not change and can."""
    return (
        f"{path} has mode {mode} and owner {owner}; expected no write permission for "
        f"group and others, and owner {OWN} or 0"
    )


# The handler directory


@pytest.mark.parametrize(
    "mode",
    [0o000, 0o400, 0o500, 0o600, 0o701, 0o710, 0o740, 0o744, 0o750, 0o755, 0o777],
)
async def test_a_handler_in_the_handler_directory_has_mode_700(
    bench: Bench, mode: int
) -> None:
    """Nothing less and nothing more; the words say what was found."""
    file = bench.handler("x.sh", HELLO, mode)
    for path in ("default", ""):
        result = await bench.handle("x.sh", path=path)
        assert refused(result) == expected_private(file, f"{mode:03o}")


@pytest.mark.parametrize("mode", [0o500, 0o701, 0o711, 0o720, 0o755, 0o770, 0o777])
async def test_the_handler_directory_has_mode_700(bench: Bench, mode: int) -> None:
    """Who can write to a directory can replace what is in it."""
    bench.handler("x.sh", HELLO)
    bench.handlers.chmod(mode)
    for path in ("default", ""):
        result = await bench.handle("x.sh", path=path)
        assert refused(result) == expected_private(bench.handlers, f"{mode:03o}")


async def test_the_folders_of_the_handler_directory_have_mode_700(bench: Bench) -> None:
    """A handler may lie in a folder, which then is part of what is trusted."""
    folder = bench.handlers / "network" / "wifi"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        path.chmod(0o700)
    write(folder / "x.sh", HELLO)
    assert (await bench.handle("network/wifi/x.sh")).stdout == "hello\n"
    for path in (folder, folder.parent):
        path.chmod(0o770)
        found = refused(await bench.handle("network/wifi/x.sh"))
        assert found == expected_private(path, "770")
        path.chmod(0o700)


@pytest.mark.skipif(OWN != 0, reason="only root can give files away")
async def test_the_owner_of_handlers_and_their_directory_is_the_agents_user(
    bench: Bench,
) -> None:
    """The mode alone would let the owner be anybody."""
    file = bench.handler("x.sh", HELLO)
    os.chown(file, NOBODY, 0)
    found = refused(await bench.handle("x.sh"))
    assert found == expected_private(file, "700", NOBODY)
    os.chown(file, 0, 0)
    os.chown(bench.handlers, NOBODY, 0)
    found = refused(await bench.handle("x.sh"))
    assert found == expected_private(bench.handlers, "700", NOBODY)


async def test_special_mode_bits_do_not_matter(bench: Bench) -> None:
    """A set-group-ID directory is common, and changes nothing of who may write."""
    bench.handler("x.sh", HELLO, 0o700)
    bench.handlers.chmod(0o2700)
    assert (await bench.handle("x.sh")).stdout == "hello\n"


async def test_a_missing_handler_is_told_with_its_directory(bench: Bench) -> None:
    """Path "default" never falls back to PATH."""
    for name in ("no-such.sh", "sh", "x" * 300):
        found = refused(await bench.handle(name))
        assert found == f"there is no handler {name!r} in {bench.handlers}"


async def test_a_missing_handler_directory_is_told(bench: Bench) -> None:
    """Most likely a wrong setting."""
    bench.handlers.rmdir()
    found = refused(await bench.handle("x.sh"))
    assert found == f"there is no directory {bench.handlers} to find handlers in"


async def test_a_handler_is_a_regular_file(bench: Bench) -> None:
    """A directory, a pipe or a link to nothing is none."""
    folder, pipe, link = (bench.handlers / name for name in ("folder", "pipe", "link"))
    folder.mkdir(mode=0o700)
    os.mkfifo(pipe, 0o700)
    link.symlink_to(bench.handlers / "nothing")
    for file in (folder, pipe, link):
        for path in ("default", ""):
            found = refused(await bench.handle(file.name, path=path))
            assert found == f"handler {file} is not a regular file"


@pytest.mark.parametrize(
    "name", ["../x.sh", "a/../../x.sh", "..", ".", "/", "//", "./", "a/.."]
)
async def test_a_handler_name_stays_inside_its_directory(
    bench: Bench, name: str
) -> None:
    """With every path, and before anything is looked at."""
    write(bench.directory / "x.sh", HELLO)
    for path in ("default", "", str(bench.handlers)):
        found = refused(await bench.handle(name, path=path))
        assert found == f"handler {name!r} is outside its directory {bench.handlers}"


@pytest.mark.parametrize("name", ["/bin/sh", "//bin/sh", "/bin/../bin//sh"])
async def test_a_program_named_by_its_whole_path_is_told_how_to_be_written(
    bench: Bench, name: str
) -> None:
    """Whoever writes that knows what is meant, and not yet how it is said."""
    for path in ("default", "", str(bench.handlers)):
        found = refused(await bench.handle(name, path=path))
        assert found == (
            f"handler {name!r} is outside its directory {bench.handlers}; write it as "
            "handler 'sh' with path '/bin'"
        )
    assert (await bench.handle("sh", "-c", "echo ok", path="/bin")).stdout == "ok\n"


async def test_a_handler_name_may_wander_inside_its_directory(bench: Bench) -> None:
    """An absolute name of a handler that is in its directory is one of it, too."""
    file = bench.handler("x.sh", HELLO)
    for name in ("./x.sh", "a/../x.sh", str(file)):
        assert (await bench.handle(name)).stdout == "hello\n"


async def test_links_do_not_leave_the_directory(bench: Bench) -> None:
    """Neither a link to a file, nor a folder that is one."""
    outside = bench.directory / "outside"
    outside.mkdir(mode=0o700)
    write(outside / "x.sh", HELLO)
    (bench.handlers / "link.sh").symlink_to(outside / "x.sh")
    (bench.handlers / "folder").symlink_to(outside)
    for name in ("link.sh", "folder/x.sh"):
        for path in ("default", "", str(bench.handlers)):
            found = refused(await bench.handle(name, path=path))
            assert found == f"handler {name!r} is a link that leaves {bench.handlers}"


async def test_links_within_the_directory_keep_their_name(bench: Bench) -> None:
    """One script with several names sees which one the job means."""
    bench.handler("services.sh", '#!/bin/sh\nbasename "$0"\n')
    (bench.handlers / "start.sh").symlink_to("services.sh")
    assert (await bench.handle("start.sh")).stdout == "start.sh\n"


async def test_what_a_link_passes_is_part_of_what_is_trusted(bench: Bench) -> None:
    """Both the folder that the link lies in, and the one it leads to."""
    named, real = bench.handlers / "named", bench.handlers / "real"
    for folder in (named, real):
        folder.mkdir()
        folder.chmod(0o700)
    write(real / "x.sh", HELLO)
    (named / "x.sh").symlink_to(real / "x.sh")
    assert (await bench.handle("named/x.sh")).stdout == "hello\n"
    for folder in (named, real):
        folder.chmod(0o777)
        found = refused(await bench.handle("named/x.sh"))
        assert found == expected_private(folder, "777")
        folder.chmod(0o700)


async def test_the_handler_directory_may_be_a_link(bench: Bench) -> None:
    """It is a setting of the user, not of a job."""
    bench.handler("x.sh", HELLO)
    moved = bench.handlers.rename(bench.directory / "moved")
    bench.handlers.symlink_to(moved)
    assert (await bench.handle("x.sh")).stdout == "hello\n"


# An explicit path


@pytest.mark.parametrize("mode", [0o500, 0o555, 0o700, 0o711, 0o744, 0o755])
async def test_a_handler_elsewhere_may_be_readable_by_all(
    bench: Bench, mode: int
) -> None:
    """Only who can change it matters."""
    folder = bench.directory / "elsewhere"
    folder.mkdir()
    folder.chmod(0o755)
    write(folder / "x.sh", HELLO, mode)
    assert (await bench.handle("x.sh", path=str(folder))).stdout == "hello\n"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o775, 0o757, 0o777])
async def test_a_handler_elsewhere_is_writable_by_its_owner_alone(
    bench: Bench, mode: int
) -> None:
    """Of the file, of its directory, and of what is between them."""
    folder = bench.directory / "elsewhere"
    (folder / "between").mkdir(parents=True)
    file = write(folder / "between" / "x.sh", HELLO, 0o755)
    for path in (file, file.parent, folder):
        path.chmod(mode)
        found = refused(await bench.handle("between/x.sh", path=str(folder)))
        assert found == expected_protected(path, f"{mode:03o}")
        path.chmod(0o755)
    assert (await bench.handle("between/x.sh", path=str(folder))).stdout == "hello\n"


@pytest.mark.skipif(OWN != 0, reason="only root can give files away")
async def test_a_handler_elsewhere_belongs_to_the_agents_user_or_root(
    bench: Bench,
) -> None:
    """File and directory."""
    folder = bench.directory / "elsewhere"
    folder.mkdir()
    folder.chmod(0o755)
    file = write(folder / "x.sh", HELLO, 0o755)
    for path in (file, folder):
        os.chown(path, NOBODY, 0)
        found = refused(await bench.handle("x.sh", path=str(folder)))
        assert found == expected_protected(path, "755", NOBODY)
        os.chown(path, 0, 0)


async def test_a_handler_elsewhere_is_executable(bench: Bench) -> None:
    """The words say which modes are good ones."""
    folder = bench.directory / "elsewhere"
    folder.mkdir()
    folder.chmod(0o755)
    file = write(folder / "x.sh", HELLO, 0o644)
    found = refused(await bench.handle("x.sh", path=str(folder)))
    assert found == f"{file} is not executable; expected mode 700 or 755"


async def test_programs_of_a_folder_may_link_elsewhere(bench: Bench) -> None:
    """As /sbin/reboot and the many names of BusyBox do; they see their own name."""
    sbin, lib = bench.directory / "sbin", bench.directory / "lib"
    for folder in (sbin, lib, lib / "box"):
        folder.mkdir()
        folder.chmod(0o755)
    file = write(lib / "box" / "all-in-one", '#!/bin/sh\necho "$0"\n', 0o755)
    (lib / "alternative").symlink_to("box/all-in-one")
    (sbin / "reboot").symlink_to(lib / "alternative")
    (bench.directory / "merged").symlink_to(sbin)
    for path in (sbin, bench.directory / "merged"):
        result = await bench.handle("reboot", path=str(path))
        assert result.stdout == f"{path}/reboot\n"
    for changed, told in ((file, sbin / "reboot"), (file.parent, file.parent)):
        changed.chmod(0o775)
        found = refused(await bench.handle("reboot", path=str(sbin)))
        assert found == expected_protected(told, "775")
        changed.chmod(0o755)
    lib.chmod(0o775)
    found = refused(await bench.handle("reboot", path=str(sbin)))
    assert found.startswith(f"{lib}, on the way to {sbin}/reboot, has mode 775")


async def test_a_program_of_the_system_that_links_elsewhere_runs(bench: Bench) -> None:
    """A real one, which is told apart from its siblings by the name it was started with."""
    folder = bench.directory / "sbin"
    folder.mkdir(mode=0o755)
    (folder / "my-sh").symlink_to("/bin/sh")
    result = await bench.handle("my-sh", "-c", 'echo "$0"', path=str(folder))
    assert result.stdout == f"{folder}/my-sh\n"


@pytest.mark.parametrize("path", ["default/", "./default", "default/."])
async def test_what_is_nearly_default_is_told_how_to_be_written(
    bench: Bench, path: str
) -> None:
    """In words that quote what was written."""
    bench.handler("x.sh", HELLO)
    assert refused(await bench.handle("x.sh", path=path)) == (
        f"path {path!r} is neither absolute nor 'default'; write 'default' for the "
        "handler directory"
    )


@pytest.mark.parametrize("path", ["handlers", "./handlers", "~/handlers", "$HOME", " "])
async def test_a_path_is_absolute(bench: Bench, path: str) -> None:
    """Nothing in it is expanded: a document says what it means."""
    found = refused(await bench.handle("x.sh", path=path))
    assert found == (
        f"path {path.removeprefix('./')!r} is not absolute; give an absolute path, or "
        "'default' for the handler directory"
    )


async def test_a_path_that_is_missing_is_told(bench: Bench) -> None:
    """With the directory as it was looked for."""
    found = refused(await bench.handle("x.sh", path="/no/such/"))
    assert found == "there is no directory /no/such to find handlers in"


async def test_a_path_with_spaces_is_one(bench: Bench) -> None:
    """And so is a handler's name."""
    folder = bench.directory / "with some spaces"
    folder.mkdir()
    folder.chmod(0o755)
    write(folder / "say hello", HELLO, 0o755)
    assert (await bench.handle("say hello", path=str(folder))).stdout == "hello\n"


# No path


async def test_without_a_path_the_handler_directory_comes_first(bench: Bench) -> None:
    """Even for a name that PATH has, too."""
    bench.handler("true", HELLO)
    assert (await bench.handle("true", path="")).stdout == "hello\n"


async def test_without_a_path_path_comes_second(bench: Bench) -> None:
    """For what every system has, such as echo and apt-get."""
    assert (await bench.handle("echo", "a", "b", path="")).stdout == "a b\n"


async def test_a_handler_that_may_not_run_does_not_make_way_for_path(
    bench: Bench,
) -> None:
    """The one in the handler directory is meant, and is wrong."""
    file = bench.handler("true", HELLO, 0o755)
    assert refused(await bench.handle("true", path="")) == expected_private(file, "755")


async def test_without_a_path_an_unknown_name_is_told(bench: Bench) -> None:
    """With both places. A name with a slash is none for PATH."""
    for name in ("no-such", "bin/true"):
        found = refused(await bench.handle(name, path=""))
        assert found == (
            f"handler {name!r} is neither in the handler directory {bench.handlers} nor "
            "on PATH"
        )


async def test_what_others_can_change_on_path_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, the directory of PATH, and the directory that a link leads to."""
    entry, real = bench.directory / "bin", bench.directory / "real"
    for folder in (entry, real):
        folder.mkdir()
        folder.chmod(0o755)
    file = write(real / "tool", HELLO, 0o755)
    (entry / "tool").symlink_to(file)
    monkeypatch.setenv("PATH", f"{entry}:{os.environ['PATH']}")
    assert (await bench.handle("tool", path="")).stdout == "hello\n"
    for changed, told in ((file, entry / "tool"), (real, real), (entry, entry)):
        changed.chmod(0o775)
        found = refused(await bench.handle("tool", path=""))
        assert found == expected_protected(told, "775")
        changed.chmod(0o755)


async def test_relative_entries_of_path_are_not_searched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an empty one, nor the current directory, nor one below it."""
    write(bench.directory / "tool", HELLO, 0o755)
    monkeypatch.chdir(bench.directory)
    monkeypatch.setenv("PATH", f":.:handlers:{os.environ['PATH']}")
    assert "neither in the handler directory" in refused(
        await bench.handle("tool", path="")
    )
    result = await bench.command("tool")
    assert "there is no command 'tool' on PATH /" in refused(result)


# What a handler gets


async def test_a_handler_gets_its_arguments_as_they_are(bench: Bench) -> None:
    """No shell comes between."""
    bench.handler("show.sh", '#!/bin/sh\nfor it; do echo "[$it]"; done\n')
    args = ("", "a b", "$HOME", "*", "'\"", "\\", "-n", "a\nb", "é€😀")
    result = await bench.handle("show.sh", *args)
    assert result.stdout == "".join(f"[{arg}]\n" for arg in args)


@pytest.mark.parametrize("name", ["a\0b", "\0"])
async def test_a_name_that_no_file_can_have_is_refused(bench: Bench, name: str) -> None:
    """Documents have none, but other callers might."""
    for call in (
        lambda: bench.handle(name),
        lambda: bench.handle("x.sh", path=f"/{name}"),
    ):
        await _is_refused(call)


async def _is_refused(call: Callable[[], object]) -> None:
    result = await call()  # type: ignore[misc]
    assert "is not a file name" in refused(result)
