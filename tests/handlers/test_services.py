"""Starting, stopping and restarting services, by whatever manages them."""

import asyncio
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome

from .machine import Call, Machine

HANDLERS = {
    "start": "start-services.sh",
    "stop": "stop-services.sh",
    "restart": "restart-services.sh",
}


def have_systemd(machine: Machine, then: str = "") -> None:
    """Have systemd run the machine."""
    (machine.folder / "run/systemd/system").mkdir(parents=True)
    machine.fake("systemctl", then)


def have_openrc(machine: Machine, then: str = "") -> None:
    """Have OpenRC run the machine."""
    machine.file("run/openrc/softlevel", "default\n")
    machine.fake("rc-service", then)


def have_s6(machine: Machine, *names: str, then: str = "") -> Path:
    """Have s6 supervise services."""
    folder = machine.folder / "run/service"
    for name in names:
        (folder / name).mkdir(parents=True)
    machine.fake("s6-svc", then)
    return folder


@pytest.mark.parametrize("action", HANDLERS)
@pytest.mark.parametrize("args", [("web db",), ("web", "db")])
async def test_systemd(machine: Machine, action: str, args: tuple[str, ...]) -> None:
    """Each service in its turn, without a question."""
    have_systemd(machine)
    result = await machine.run(HANDLERS[action], "", *args)
    assert result.exit_status == 0, result.stderr
    assert machine.commands == [
        f"systemctl --no-ask-password {action} web",
        f"systemctl --no-ask-password {action} db",
    ]


@pytest.mark.parametrize("action", HANDLERS)
async def test_openrc(machine: Machine, action: str) -> None:
    """Each service in its turn."""
    have_openrc(machine)
    result = await machine.run(HANDLERS[action], "", "web db")
    assert result.exit_status == 0, result.stderr
    assert machine.commands == [f"rc-service web {action}", f"rc-service db {action}"]


@pytest.mark.parametrize("action", HANDLERS)
async def test_sysv(machine: Machine, action: str) -> None:
    """Each service in its turn, by way of `service`."""
    machine.fake("service")
    result = await machine.run(HANDLERS[action], "", "web db")
    assert result.exit_status == 0, result.stderr
    assert machine.commands == [f"service web {action}", f"service db {action}"]


@pytest.mark.parametrize(
    ("action", "changes"),
    [("start", ["-u -wu"]), ("stop", ["-d -wd"]), ("restart", ["-d -wd", "-u -wu"])],
)
async def test_s6(machine: Machine, action: str, changes: list[str]) -> None:
    """The state is waited for; a restart starts what did not run."""
    folder = have_s6(machine, "web")
    result = await machine.run(HANDLERS[action], "", "web")
    assert result.exit_status == 0, result.stderr
    assert machine.commands == [
        f"s6-svc {change} -T 60000 {folder}/web" for change in changes
    ]


async def test_s6_leaves_other_services_to_their_scripts(machine: Machine) -> None:
    """A container may have both."""
    folder = have_s6(machine, "web")
    machine.fake("service")
    result = await machine.run("start-services.sh", "", "web cron")
    assert result.exit_status == 0
    assert machine.commands == [
        f"s6-svc -u -wu -T 60000 {folder}/web",
        "service cron start",
    ]


@pytest.mark.parametrize("tool", ["systemctl", "rc-service", "s6-svc"])
async def test_a_manager_that_does_not_run_is_passed_over(
    machine: Machine, tool: str
) -> None:
    """Containers often have systemctl, and no systemd."""
    machine.fake(tool)
    machine.fake("service")
    result = await machine.run("start-services.sh", "", "web")
    assert result.exit_status == 0
    assert machine.commands == ["service web start"]


@pytest.mark.parametrize("handler", HANDLERS.values())
async def test_without_a_manager_it_fails(machine: Machine, handler: str) -> None:
    """The Device Client's would succeed."""
    result = await machine.run(handler, "", "web")
    assert result.exit_status == 1
    assert "found nothing here that manages web" in result.stderr


@pytest.mark.parametrize("handler", HANDLERS.values())
async def test_the_first_failure_ends_it(machine: Machine, handler: str) -> None:
    """With the manager's exit status and words, and the service's name."""
    have_systemd(machine, 'case $* in *broken) echo "no such unit" >&2; exit 5; esac')
    result = await machine.run(handler, "", "web broken db")
    assert result.exit_status == 5
    assert "no such unit" in result.stderr
    assert "broken, exit status 5 of systemd" in result.stderr
    assert len(machine.calls) == 2


async def test_a_service_of_s6_that_does_not_go_down_is_not_restarted(
    machine: Machine,
) -> None:
    """S6 tells so by its exit status, after a minute."""
    have_s6(machine, "web", then="exit 99")
    result = await machine.run("restart-services.sh", "", "web")
    assert result.exit_status == 99
    assert len(machine.calls) == 1


@pytest.mark.parametrize("handler", HANDLERS.values())
async def test_refuses_what_is_not_a_name(machine: Machine, handler: str) -> None:
    """Options, patterns, paths, and nothing at all."""
    machine.fake("service")
    for name in ("--all", "web -.mount", "*", "../x", ""):
        result = await machine.run(handler, "", name)
        assert result.exit_status == 2
    assert machine.calls == []


@pytest.mark.parametrize("name", ["a@b.service", "systemd-x_y.socket", "dev-a\\x2db"])
async def test_takes_the_names_of_units(machine: Machine, name: str) -> None:
    """All that systemd allows, but for paths."""
    have_systemd(machine)
    result = await machine.run("start-services.sh", "", name)
    assert result.exit_status == 0
    assert machine.calls == [
        Call("root", ("systemctl", "--no-ask-password", "start", name))
    ]


async def test_works_as_the_user(machine: Machine) -> None:
    """Whom sudo or polkit may know."""
    machine.provide_real("setpriv")
    have_systemd(machine)
    await machine.run("restart-services.sh", "nobody", "web")
    assert {call.user for call in machine.calls} == {"nobody"}


async def test_needs_no_process_of_the_service(machine: Machine) -> None:
    """The Device Client's fails where `pidof` finds none of its own."""
    have_systemd(machine)
    result = await machine.run("restart-services.sh", "", "aws-iot-device-client")
    assert result.exit_status == 0


# Restarting and stopping the agent


async def killed_by_its_own_work(machine: Machine, handler: str, names: str) -> None:
    """Run a handler whose second service takes the agent with it."""
    have_systemd(machine, "case $* in *agent) kill -KILL $PPID; esac")
    result = await machine.run(handler, "", names)
    assert (result.outcome, result.signal) == (RunOutcome.SIGNALED, "SIGKILL")
    machine.forget_calls()


async def test_a_restart_of_the_agent_is_not_repeated(machine: Machine) -> None:
    """The next attempt makes sure that it runs, and goes on."""
    await killed_by_its_own_work(machine, "restart-services.sh", "web agent db")
    machine.fake("systemctl")
    result = await machine.run("restart-services.sh", "", "web agent db", attempt=2)
    assert result.exit_status == 0
    assert machine.commands == [
        "systemctl --no-ask-password start web",
        "systemctl --no-ask-password start agent",
        "systemctl --no-ask-password restart db",
    ]


async def test_a_stop_of_the_agent_is_not_repeated(machine: Machine) -> None:
    """Or the agent could never be started again. That it runs is a failure."""
    await killed_by_its_own_work(machine, "stop-services.sh", "web agent db")
    machine.fake("systemctl", 'case $* in "is-active --quiet web") exit 3; esac')
    result = await machine.run("stop-services.sh", "", "web agent db", attempt=2)
    assert result.exit_status == 1
    assert "agent was asked to stop before this attempt, and it runs" in result.stderr
    assert machine.commands == [
        "systemctl is-active --quiet web",
        "systemctl is-active --quiet agent",
    ]


@pytest.mark.parametrize("manager", ["systemd", "openrc", "s6", "sysv"])
async def test_an_interrupted_stop_goes_on_when_the_service_is_down(
    machine: Machine, manager: str
) -> None:
    """Every manager can tell whether a service runs."""
    machine.file("work/job.1/stop-services.sh.1", "web\n")
    if manager == "systemd":
        have_systemd(machine, "case $* in *is-active*) exit 3; esac")
    elif manager == "openrc":
        have_openrc(machine, "case $* in *status) exit 3; esac")
    elif manager == "s6":
        have_s6(machine, "web", "db")
        machine.fake("s6-svstat", "echo false")
    else:
        machine.fake("service", "case $* in *status) exit 3; esac")
    result = await machine.run("stop-services.sh", "", "web db", attempt=2)
    assert result.exit_status == 0
    assert result.stdout.split("\n")[:2] == ["Stopped web.", "Stopped db."]
    assert len(machine.calls) == 2


async def test_what_another_job_or_step_did_is_not_remembered(machine: Machine) -> None:
    """Nor what an earlier life of the job's directory left."""
    have_systemd(machine)
    machine.file("work/job.1/restart-services.sh.1", "web\n")
    await machine.run("restart-services.sh", "", "web", attempt=1)
    await machine.run("restart-services.sh", "", "web", attempt=2, step=2)
    await machine.run("restart-services.sh", "", "web", attempt=2, job="other")
    assert machine.commands == ["systemctl --no-ask-password restart web"] * 3


async def test_what_is_remembered_follows_no_link(machine: Machine) -> None:
    """A step's user owns the job's directory, and must not lead root astray."""
    victim = machine.file("victim", "precious")
    link = machine.folder / "work/job.1/restart-services.sh.1"
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    have_systemd(machine)
    result = await machine.run("restart-services.sh", "", "web")
    assert result.exit_status == 0
    assert victim.read_text() == "precious"
    assert link.read_text().split() == ["web"]


async def test_a_stopped_step_ends_at_once(machine: Machine) -> None:
    """A handler that waits for a manager ends with its process group."""
    have_systemd(machine, "echo waiting; exec sleep 30")
    request = machine.request("start-services.sh", "", "web")
    runner = machine.runner
    stop = asyncio.Event()
    running = asyncio.ensure_future(runner.run(request, machine.note, stop))
    await machine.printed("waiting")
    stop.set()
    result = await asyncio.wait_for(running, 5)
    assert result.outcome is RunOutcome.STOPPED
