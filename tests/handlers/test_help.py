"""What all handlers have in common: their help, and how they lie in the repository."""

import pytest

from .machine import HANDLERS, Machine

NAMES = (
    "download-file.sh",
    "health-check.sh",
    "install-packages.sh",
    "reboot.sh",
    "remove-packages.sh",
    "restart-services.sh",
    "shutdown.sh",
    "start-services.sh",
    "stop-services.sh",
    "unpack-file.sh",
    "upload-file.sh",
    "verify-packages-installed.sh",
    "verify-packages-removed.sh",
)


@pytest.mark.parametrize("name", NAMES)
async def test_shows_its_help(machine: Machine, name: str) -> None:
    """Without a user, or behind one, and without doing anything."""
    result = await machine.run(name, "--help")
    assert (result.exit_status, result.stderr) == (0, "")
    assert await machine.run(name, "no-such-user", "--help") == result
    assert f"\nUsage: {name} USER" in result.stdout
    assert "\nExit status: 0" in result.stdout
    assert "shellcheck" not in result.stdout
    assert "#" not in result.stdout


def test_the_handlers_are_those_that_are_documented() -> None:
    """Their names are those that AWS's job templates and the Device Client's samples use."""
    assert sorted(path.name for path in HANDLERS.glob("*.sh")) == list(NAMES)
    documentation = (HANDLERS.parent / "docs" / "handlers.md").read_text()
    for name in NAMES:
        assert f"## {name}\n" in documentation


@pytest.mark.parametrize("name", NAMES)
def test_is_executable(name: str) -> None:
    """As an archive of the repository has it."""
    assert (HANDLERS / name).stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("name", ["lib/../health-check.sh", "health-check.sh"])
async def test_runs_from_where_it_was_copied_to(machine: Machine, name: str) -> None:
    """Whatever the current directory is, and through a link from PATH."""
    (machine.folder / "link.sh").symlink_to(machine.handlers / name)
    result = machine.run_as("root", "../link.sh", "")
    assert result.returncode == 0, result.stderr
