"""Rebooting: telling "done" from "not yet", without ever rebooting."""

import asyncio

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .machine import BOOT_ID, NEXT_BOOT_ID, Call, Machine

MEMORY = "work/job.1/reboot.sh.1"


async def requested(machine: Machine, user: str = "") -> RunResult:
    """Run the first attempt until it waits for the reboot, and end it as an agent does."""
    request = machine.request("reboot.sh", user)
    runner = machine.runner
    stop = asyncio.Event()
    running = asyncio.ensure_future(runner.run(request, machine.note, stop))
    await machine.printed("Asked for a reboot.")
    assert not running.done()
    stop.set()
    return await running


@pytest.fixture(autouse=True)
def in_a_hurry(machine: Machine) -> None:
    """Have an agent with little grace: the handler outlasts SIGTERM."""
    machine.grace = 0.1


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("reboot systemctl shutdown", "reboot"),
        ("systemctl shutdown", "systemctl --no-ask-password reboot"),
        ("shutdown", "shutdown -r now"),
    ],
)
async def test_reboots_and_succeeds_when_the_machine_is_up_again(
    machine: Machine, commands: str, expected: str
) -> None:
    """It waits for its end; in the next boot it is done, and asks for no other reboot."""
    for command in commands.split():
        machine.fake(command)
    await requested(machine)
    assert machine.commands == [expected]
    machine.boot(NEXT_BOOT_ID)
    result = await machine.run("reboot.sh", "", attempt=2)
    assert (result.exit_status, result.stdout.strip()) == (
        0,
        "The machine has rebooted.",
    )
    assert machine.commands == [expected]


async def test_a_system_on_its_way_down_does_not_end_it_before_the_agent(
    machine: Machine,
) -> None:
    """An agent would report SIGTERM as a failure while it still can."""
    machine.fake("reboot")
    result = await requested(machine)
    assert result.signal == "SIGKILL"


async def test_the_same_boot_in_the_next_attempt_is_a_failure(machine: Machine) -> None:
    """The agent was restarted, the machine not: a second request might never end."""
    machine.fake("reboot")
    await requested(machine)
    result = await machine.run("reboot.sh", "", attempt=2)
    assert result.exit_status == 1
    assert "this was interrupted, but not by a reboot" in result.stderr
    assert machine.commands == ["reboot"]


async def test_an_attempt_that_was_lost_before_it_asked_is_made_up_for(
    machine: Machine,
) -> None:
    """The second attempt knows of no request."""
    machine.fake("reboot", "exit 1")
    result = await machine.run("reboot.sh", "", attempt=2)
    assert result.exit_status == 1
    assert machine.commands == ["reboot"]


async def test_nothing_stale_makes_it_succeed(machine: Machine) -> None:
    """A first attempt always reboots: whatever lies about is not its own."""
    machine.fake("reboot")
    machine.file(MEMORY, f"{NEXT_BOOT_ID}\n")
    await requested(machine)
    assert machine.commands == ["reboot"]
    assert (machine.folder / MEMORY).read_text() == f"{BOOT_ID}\n"


async def test_two_reboots_of_one_job_are_two(machine: Machine) -> None:
    """Each step has its own memory."""
    machine.fake("reboot")
    await requested(machine)
    machine.boot(NEXT_BOOT_ID)
    machine.fake("reboot", "exit 7")
    result = await machine.run("reboot.sh", "", step=2)
    assert result.exit_status == 7
    assert machine.commands == ["reboot", "reboot"]


async def test_nothing_happens(machine: Machine) -> None:
    """After a while it fails, and forgets that it asked."""
    machine.set_constant("reboot.sh", "wait_seconds", 0.1)
    machine.fake("reboot")
    result = await machine.run("reboot.sh", "")
    assert result.exit_status == 1
    assert "the machine is still up after 0.1 seconds" in result.stderr
    assert not (machine.folder / MEMORY).exists()


async def test_waits_for_five_minutes() -> None:
    """The other tests do not."""
    from .machine import HANDLERS

    assert "\nwait_seconds=300\n" in (HANDLERS / "reboot.sh").read_text()


async def test_a_request_that_is_refused_fails_at_once(machine: Machine) -> None:
    """And leaves nothing behind."""
    machine.provide_real("setpriv")
    machine.fake("reboot", 'echo "Operation not permitted" >&2; exit 4')
    result = await machine.run("reboot.sh", "nobody")
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 4)
    assert "Operation not permitted" in result.stderr
    assert "could not ask for a reboot, exit status 4 (it ran as user nobody" in (
        result.stderr
    )
    assert machine.calls == [Call("nobody", ("reboot",))]
    assert not (machine.folder / MEMORY).exists()


async def test_without_a_command_it_fails(machine: Machine) -> None:
    """The message says what is missing."""
    result = await machine.run("reboot.sh", "")
    assert result.exit_status == 1
    assert "There is no command to reboot with." in result.stderr


def test_without_a_job_it_would_reboot_for_ever(machine: Machine) -> None:
    """An agent that tells of no attempt would run it again after each reboot."""
    machine.fake("reboot")
    result = machine.run_as("root", "reboot.sh", "")
    assert result.returncode == 1
    assert "AWS_IOT_JOBS_DIR is not set" in result.stderr
    assert machine.calls == []
