"""Whom a handler works as, by its first argument."""

import pwd

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome

from .machine import Call, Machine, Toolset


@pytest.fixture(autouse=True)
def service_manager(machine: Machine) -> None:
    """Have services that are managed by way of `service`."""
    machine.fake("service", 'echo "HOME=$HOME USER=$USER LOGNAME=$LOGNAME"')


async def test_works_as_the_agents_user_without_a_user(machine: Machine) -> None:
    """An empty user is the one that the handler runs as."""
    result = await machine.run("start-services.sh", "", "web")
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 0)
    assert machine.calls == [Call("root", ("service", "web", "start"))]


async def test_works_as_the_agents_user_when_it_is_named(machine: Machine) -> None:
    """To become who one is takes no means."""
    machine.take_away("setpriv")
    result = await machine.run("start-services.sh", "root", "web")
    assert result.exit_status == 0
    assert machine.calls == [Call("root", ("service", "web", "start"))]


def leave_only(machine: Machine, means: str) -> None:
    """Leave one means to become another user."""
    machine.take_away("setpriv")
    if means != "su-exec":
        machine.provide_real(means)
        return
    # Debian has none. It takes a user and a command.
    machine.provide_real("setpriv", "util-linux-setpriv")
    machine.fake(
        "su-exec",
        'user=$1; shift\nexec util-linux-setpriv --reuid="$user" --clear-groups '
        '--regid="$(id -g "$user")" "$@"',
    )


@pytest.mark.parametrize("means", ["setpriv", "su-exec", "runuser", "su"])
async def test_becomes_the_user_by_any_means(machine: Machine, means: str) -> None:
    """Whatever switches users is used, with the user's own home and name."""
    leave_only(machine, means)
    result = await machine.run("start-services.sh", "nobody", "web")
    assert result.exit_status == 0, result.stderr
    assert machine.calls[-1] == Call("nobody", ("service", "web", "start"))
    home = pwd.getpwnam("nobody").pw_dir
    assert f"HOME={home} USER=nobody LOGNAME=nobody" in result.stdout


async def test_has_the_groups_of_the_user(machine: Machine) -> None:
    """Nothing of root's groups is left."""
    machine.provide_real("setpriv")
    machine.fake("service", "id -G")
    result = await machine.run("start-services.sh", "nobody", "web")
    group = str(pwd.getpwnam("nobody").pw_gid)
    assert result.stdout.split("\n")[0] == group


@pytest.mark.parametrize("toolset", [Toolset.BUSYBOX])
async def test_knows_that_the_setpriv_of_busybox_cannot_switch(
    machine: Machine,
) -> None:
    """It is passed over; without anything else nothing runs."""
    result = await machine.run("start-services.sh", "nobody", "web")
    assert result.exit_status == 1
    assert (
        result.stderr.strip() == "start-services.sh: cannot run as user 'nobody': "
        "there is no setpriv, su-exec, runuser or su"
    )
    assert machine.calls == []


@pytest.mark.parametrize("user", ["no-such-user", "0", "-u", "root:x", "nobody root"])
async def test_an_unknown_user_runs_nothing(machine: Machine, user: str) -> None:
    """There is no fallback, and a number is not a name."""
    result = await machine.run("start-services.sh", user, "web")
    assert result.exit_status == 1
    assert result.stderr == (
        f"start-services.sh: there is no user '{user}' on this system: nothing was done\n"
    )
    assert machine.calls == []


async def test_a_switch_that_fails_runs_nothing(machine: Machine) -> None:
    """Where the means refuses, the handler ends before its work."""
    refuse = 'case $1 in --help) echo --reuid;; *) echo "no way" >&2; exit 1;; esac'
    machine.fake("setpriv", refuse)
    result = await machine.run("start-services.sh", "nobody", "web")
    assert result.exit_status == 1
    assert "no way" in result.stderr
    assert "cannot run as user 'nobody': nothing was done" in result.stderr
    assert not any(call.argv[0] == "service" for call in machine.calls)


def test_uses_sudo_without_a_question_when_it_is_not_root(machine: Machine) -> None:
    """Sudo gets the user and the command, and is told never to ask."""
    machine.fake("sudo", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
    result = machine.run_as("nobody", "start-services.sh", "root", "web")
    assert result.returncode == 0, result.stderr
    sudo = ("sudo", "-n", "-H", "-u", "root", "--")
    service = ("service", "web", "start")
    assert machine.calls == [
        Call("nobody", (*sudo, "true")),
        Call("nobody", (*sudo, *service)),
        Call("nobody", service),
    ]


def test_a_sudo_that_refuses_runs_nothing(machine: Machine) -> None:
    """The real sudo knows no rule for nobody, and does not wait for a password."""
    machine.provide_real("sudo")
    result = machine.run_as("nobody", "start-services.sh", "root", "web")
    assert result.returncode == 1
    assert "cannot run as user 'root': nothing was done" in result.stderr
    assert machine.calls == []


def test_without_sudo_only_root_switches(machine: Machine) -> None:
    """The message says what is missing."""
    result = machine.run_as("nobody", "start-services.sh", "root", "web")
    assert result.returncode == 1
    assert "this is not root, and there is no sudo" in result.stderr
    assert machine.calls == []


def test_runs_plainly_without_a_user_and_tells_who_failed(machine: Machine) -> None:
    """What needs root is tried; when it fails, the message says as whom."""
    machine.fake("service", "exit 4")
    result = machine.run_as("nobody", "start-services.sh", "", "web")
    assert result.returncode == 4
    assert machine.calls == [Call("nobody", ("service", "web", "start"))]
    assert (
        "could not start web, exit status 4 of service (it ran as user nobody, who may not "
        "be allowed to; see runAsUser)"
    ) in result.stderr
