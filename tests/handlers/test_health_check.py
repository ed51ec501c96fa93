"""A small report of how the machine is."""

import re

from .machine import Machine


async def test_tells_how_the_machine_is(machine: Machine) -> None:
    """What AWS is told fits into one status detail."""
    result = await machine.run("health-check.sh", "")
    assert (result.exit_status, result.stderr) == (0, "")
    assert re.fullmatch(
        r"Uptime: \d+ d \d+ h \d+ min\n"
        r"Load in 1, 5 and 15 minutes: [\d.]+, [\d.]+, [\d.]+\n"
        r"Memory: \d+ of \d+ MiB available\n"
        r"Disk at /: \d+ of \d+ MiB free, \d+% used\n"
        r"(Disk at /\S+: \d+ of \d+ MiB free, \d+% used\n)?",
        result.stdout,
    )
    assert len(result.stdout) < 1024


async def test_works_as_the_user(machine: Machine) -> None:
    """Everybody may look."""
    machine.provide_real("setpriv")
    result = await machine.run("health-check.sh", "nobody")
    assert result.exit_status == 0
    assert "Memory: " in result.stdout


async def test_tells_what_there_is(machine: Machine) -> None:
    """A part that cannot be found out is left out."""
    machine.fake("df", "exit 1")
    result = await machine.run("health-check.sh", "")
    assert result.exit_status == 0
    assert "Uptime: " in result.stdout
    assert "Disk" not in result.stdout
