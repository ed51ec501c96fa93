"""Powering off a minute later, without ever powering off."""

import asyncio

import pytest

from .machine import HANDLERS, NEXT_BOOT_ID, Call, Machine


async def powered_off(machine: Machine) -> None:
    """Wait for the call that powers off."""
    async with asyncio.timeout(10):
        while not machine.calls:
            await asyncio.sleep(0.01)


@pytest.fixture
def soon(machine: Machine) -> None:
    """Have the minute pass in a moment."""
    machine.set_constant("shutdown.sh", "delay_seconds", 0.3)


async def test_systemd_does_it_in_a_minute(machine: Machine) -> None:
    """It says on stderr that it will, which is not an error."""
    (machine.folder / "run/systemd/system").mkdir(parents=True)
    machine.fake("shutdown", 'echo "Shutdown scheduled" >&2')
    result = await machine.run("shutdown.sh", "")
    assert result.exit_status == 0
    assert result.stderr == ""
    assert result.stdout.split("\n")[:2] == [
        "Shutdown scheduled",
        "The machine powers off in one minute.",
    ]
    assert machine.commands == ["shutdown -h +1"]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("poweroff shutdown", ("poweroff",)),
        ("shutdown", ("shutdown", "-h", "now")),
    ],
)
async def test_elsewhere_it_outlives_the_step(
    machine: Machine, commands: str, expected: tuple[str, ...]
) -> None:
    """The result is there before the machine goes down."""
    for command in commands.split():
        machine.fake(command)
    result = await machine.run("shutdown.sh", "")
    assert (result.exit_status, result.stderr) == (0, "")
    assert machine.calls == []
    await powered_off(machine)
    assert machine.calls == [Call("root", expected)]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("means", ["setpriv", "su", "runuser"])
async def test_elsewhere_only_root_may(machine: Machine, means: str) -> None:
    """Nobody would see the failure a minute later."""
    machine.take_away("setpriv")
    machine.provide_real(means)
    machine.fake("poweroff")
    result = await machine.run("shutdown.sh", "nobody")
    assert result.exit_status == 1
    assert "Only root may power off." in result.stderr


async def test_it_is_a_minute() -> None:
    """The other tests do not wait for it."""
    assert "\ndelay_seconds=60\n" in (HANDLERS / "shutdown.sh").read_text()


async def test_a_failure_is_told(machine: Machine) -> None:
    """With the command's exit status."""
    (machine.folder / "run/systemd/system").mkdir(parents=True)
    machine.fake("shutdown", "exit 6")
    result = await machine.run("shutdown.sh", "")
    assert result.exit_status == 6
    assert "could not ask for a shutdown, exit status 6" in result.stderr


async def test_without_a_command_it_fails(machine: Machine) -> None:
    """The message says what is missing."""
    result = await machine.run("shutdown.sh", "")
    assert result.exit_status == 1
    assert "There is no command to power off with." in result.stderr


async def test_a_machine_that_is_up_again_is_not_powered_off_again(
    machine: Machine,
) -> None:
    """Where the result did not get through before, the next attempt gives it."""
    (machine.folder / "run/systemd/system").mkdir(parents=True)
    machine.fake("shutdown")
    await machine.run("shutdown.sh", "")
    machine.boot(NEXT_BOOT_ID)
    result = await machine.run("shutdown.sh", "", attempt=2)
    assert (result.exit_status, result.stdout.strip()) == (
        0,
        "The machine was shut down, and is up again.",
    )
    assert len(machine.calls) == 1


async def test_an_attempt_that_was_interrupted_is_made_again(machine: Machine) -> None:
    """In the same boot, to ask twice is harmless."""
    (machine.folder / "run/systemd/system").mkdir(parents=True)
    machine.fake("shutdown")
    await machine.run("shutdown.sh", "")
    result = await machine.run("shutdown.sh", "", attempt=2)
    assert result.exit_status == 0
    assert len(machine.calls) == 2
