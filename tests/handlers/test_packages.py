"""Installing, removing and verifying packages, by whatever manager there is."""

from dataclasses import dataclass
import os
from pathlib import Path
import time

import pytest

from .machine import Call, Machine

APT = (
    "apt-get -y -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef "
    "-o Dpkg::Options::=--force-confold"
)
PACKAGES = ("lftp", "dos2unix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A package manager: what it is called with, and how to ask what is installed.

    `query` is what answers for a package `$package` whose file is in the folder `$state`.
    """

    name: str
    install: str
    remove: str
    query_tool: str
    query_package: str
    query: str
    not_installed: str = "exit 1"


RPM = {
    "query_tool": "rpm",
    "query_package": '[ "$1" = -q ] && package=$2',
    "query": 'echo "$package-1.0"',
    "not_installed": 'echo "package $package is not installed"; exit 1',
}
MANAGERS = {
    manager.name: manager
    for manager in (
        Manager(
            name="apt-get",
            install=f"{APT} install",
            remove=f"{APT} remove --purge",
            query_tool="dpkg-query",
            query_package='[ "$1 $2 $3" = "-W -f \\${db:Status-Status}\\\\n" ] && package=$4',
            query="echo installed",
            not_installed='echo "no packages found matching $package" >&2; exit 1',
        ),
        Manager(
            name="apk",
            install="apk add --update-cache",
            remove="apk del --purge",
            query_tool="apk",
            query_package='[ "$1 $2" = "info -e" ] && package=$3',
            query='echo "$package"',
        ),
        Manager(name="dnf", install="dnf install -y", remove="dnf remove -y", **RPM),
        Manager(name="yum", install="yum install -y", remove="yum remove -y", **RPM),
        Manager(
            name="zypper",
            install="zypper --non-interactive install",
            remove="zypper --non-interactive remove",
            **RPM,
        ),
        Manager(
            name="pacman",
            install="pacman -S --noconfirm --needed",
            remove="pacman -Rn --noconfirm",
            query_tool="pacman",
            query_package='[ "$1" = -Qq ] && package=$2',
            query='echo "$package"',
        ),
        Manager(
            name="opkg",
            install="opkg install",
            remove="opkg remove",
            query_tool="opkg",
            query_package='[ "$1" = status ] && package=$2',
            query='echo "Package: $package"; echo "Status: install user installed"',
            not_installed='echo "Status: unknown ok not-installed"',
        ),
    )
}


class Packages:
    """A fake package manager, and the packages that it says are installed."""

    def __init__(self, machine: Machine, manager: Manager) -> None:
        """Put it on the machine."""
        self._machine = machine
        self.manager = manager
        self._state = machine.open_folder
        self.says()

    def says(self, then: str = "") -> None:
        """Have the manager do this, in shell, when it is to change something."""
        manager, machine = self.manager, self._machine
        query = (
            f"if {manager.query_package}; then\n"
            f"if [ -e {self._state}/$package ]; then {manager.query}; exit; fi\n"
            f"{manager.not_installed}; exit; fi\n"
        )
        if manager.query_tool == manager.name:
            machine.fake(manager.name, query + then)
            return
        machine.fake(manager.name, then)
        machine.fake(manager.query_tool, query)

    def have(self, *names: str) -> None:
        """Have these installed."""
        for name in names:
            (self._state / name).touch()

    @property
    def changes(self) -> list[str]:
        """What the manager was asked to change."""
        return [
            command
            for command in self._machine.commands
            if command.startswith((self.manager.install, self.manager.remove))
        ]


@pytest.fixture(params=MANAGERS)
def packages(machine: Machine, request: pytest.FixtureRequest) -> Packages:
    """Return a machine's packages, for each manager."""
    new_lists(machine)
    return Packages(machine, MANAGERS[request.param])


@pytest.fixture
def apt(machine: Machine) -> Packages:
    """Return packages that apt manages."""
    new_lists(machine)
    return Packages(machine, MANAGERS["apt-get"])


def new_lists(machine: Machine, age_in_days: float = 0) -> Path:
    """Have lists of apt, as old as told."""
    machine.file("lists/deb.example.org_debian_main_Packages.lz4")
    partial = machine.folder / "lists/partial"
    partial.mkdir(exist_ok=True)
    then = time.time() - age_in_days * 86400
    os.utime(partial, (then, then))
    return partial


# Every manager


@pytest.mark.parametrize("args", [("lftp dos2unix",), ("lftp", "dos2unix")])
async def test_installs(
    machine: Machine, packages: Packages, args: tuple[str, ...]
) -> None:
    """One argument of a template holds as many as separate arguments do."""
    result = await machine.run("install-packages.sh", "", *args)
    assert result.exit_status == 0, result.stderr
    assert machine.commands == [f"{packages.manager.install} lftp dos2unix"]


async def test_removes_those_that_are_there(
    machine: Machine, packages: Packages
) -> None:
    """What is not installed is left out, so that a step may run twice."""
    packages.have("lftp", "mc")
    packages.says(f"rm -f {machine.open_folder}/lftp {machine.open_folder}/mc")
    result = await machine.run("remove-packages.sh", "", "lftp dos2unix mc")
    assert result.exit_status == 0, result.stderr
    assert packages.changes == [f"{packages.manager.remove} lftp mc"]
    assert result.stdout.strip() == "dos2unix is not installed."


async def test_removing_nothing_is_done_at_once(
    machine: Machine, packages: Packages
) -> None:
    """The manager is not asked to."""
    result = await machine.run("remove-packages.sh", "", *PACKAGES)
    assert result.exit_status == 0
    assert packages.changes == []


async def test_a_removal_that_leaves_it_there_fails(
    machine: Machine, packages: Packages
) -> None:
    """A manager may keep what others need, and say that all went well."""
    packages.have("lftp")
    result = await machine.run("remove-packages.sh", "", "lftp")
    assert result.exit_status == 1
    assert "remove-packages.sh: lftp is still installed" in result.stderr


async def test_a_failure_has_the_managers_exit_status(
    machine: Machine, packages: Packages
) -> None:
    """And its words."""
    packages.says('echo "E: the disk is full" >&2; exit 42')
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 42
    assert result.stderr.split("\n")[:2] == [
        "E: the disk is full",
        f"install-packages.sh: {packages.manager.name} has failed with exit status 42",
    ]
    assert len(packages.changes) == 1


async def test_verifies_what_is_installed(machine: Machine, packages: Packages) -> None:
    """All must be; those that are not are named, all of them."""
    packages.have("lftp")
    result = await machine.run("verify-packages-installed.sh", "", "lftp")
    assert (result.exit_status, result.stdout.strip()) == (0, "lftp is installed.")
    result = await machine.run("verify-packages-installed.sh", "", "mc lftp dos2unix")
    assert result.exit_status == 1
    assert (
        result.stderr.strip()
        == "verify-packages-installed.sh: not installed: mc dos2unix"
    )
    assert packages.changes == []


async def test_verifies_what_is_removed(machine: Machine, packages: Packages) -> None:
    """None may be; those that are are named, all of them."""
    packages.have("lftp", "mc")
    result = await machine.run("verify-packages-removed.sh", "", "dos2unix")
    assert (result.exit_status, result.stdout.strip()) == (
        0,
        "dos2unix is not installed.",
    )
    result = await machine.run("verify-packages-removed.sh", "", "lftp dos2unix", "mc")
    assert result.exit_status == 1
    assert (
        result.stderr.strip() == "verify-packages-removed.sh: still installed: lftp mc"
    )
    assert packages.changes == []


async def test_works_as_the_user(machine: Machine, packages: Packages) -> None:
    """Managers and queries run as the user, without questions and in plain English."""
    machine.provide_real("setpriv")
    packages.have("lftp")
    packages.says('echo "frontend=$DEBIAN_FRONTEND messages=$LC_MESSAGES"')
    result = await machine.run("install-packages.sh", "nobody", "lftp")
    assert result.stdout.strip() == "frontend=noninteractive messages=C"
    await machine.run("verify-packages-installed.sh", "nobody", "lftp")
    await machine.run("remove-packages.sh", "nobody", "lftp")
    assert len(packages.changes) == 2
    assert {call.user for call in machine.calls} == {"nobody"}


async def test_waits_for_a_lock(machine: Machine, packages: Packages) -> None:
    """A manager that another process keeps from working is asked again."""
    message = LOCKED[packages.manager.name]
    packages.says(
        f"if [ ! -e {machine.open_folder}/tried ]; then touch {machine.open_folder}/tried\n"
        f"echo '{message}' >&2; exit 100; fi"
    )
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 0
    assert packages.changes == [f"{packages.manager.install} lftp"] * 2
    assert "Waiting for another process that holds the lock" in result.stdout
    assert result.stderr == ""


LOCKED = {
    "apt-get": "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by 1",
    "apk": "ERROR: Unable to lock database: temporary error (try again later)",
    "dnf": "can not create transaction lock on /var/lib/rpm/.rpm.lock",
    "yum": "can not create transaction lock on /var/lib/rpm/.rpm.lock",
    "zypper": "System management is locked by the application with pid 1 (zypper).",
    "pacman": "error: failed to init transaction (unable to lock database)",
    "opkg": " * opkg_lock: Could not lock /var/lock/opkg.lock: Resource unavailable.",
}


@pytest.mark.parametrize(
    "name", ["-y", "--purge", "lftp -y", "lftp-", "lib*", "+lftp", "a;b", "$(id)", ""]
)
async def test_refuses_what_is_not_a_name(
    machine: Machine, apt: Packages, name: str
) -> None:
    """Options, patterns, the opposite of what is meant, and nothing at all."""
    result = await machine.run("install-packages.sh", "", name)
    assert result.exit_status == 2
    assert result.stderr.startswith("install-packages.sh: ")
    assert machine.commands == []


@pytest.mark.parametrize(
    "handler",
    [
        "remove-packages.sh",
        "verify-packages-installed.sh",
        "verify-packages-removed.sh",
    ],
)
async def test_refuses_an_option_everywhere(
    machine: Machine, apt: Packages, handler: str
) -> None:
    """Be it only asked for."""
    result = await machine.run(handler, "", "lftp --force-all")
    assert result.exit_status == 2
    assert f"{handler}: '--force-all' cannot be a package" in result.stderr
    assert machine.commands == []


@pytest.mark.parametrize(
    "name", ["g++", "libc6:amd64", "lftp=4.9.2-2", "a.b_c~1", "@tools", "/tmp/a.deb"]
)
async def test_takes_all_that_names_a_package(
    machine: Machine, apt: Packages, name: str
) -> None:
    """Versions, architectures, groups and files are the managers' own business."""
    result = await machine.run("install-packages.sh", "", name)
    assert result.exit_status == 0
    assert machine.commands == [f"{APT} install {name}"]


# Which manager


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ("ID=debian\n", "apt-get"),
        ("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "apt-get"),
        ('ID="raspbian"\nID_LIKE="debian"\n', "apt-get"),
        ("ID=alpine\nVERSION_ID=3.22.1\n", "apk"),
        ("ID=fedora\n", "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper"),
        ("ID=manjaro\nID_LIKE=arch\n", "pacman"),
        ('ID="openwrt"\nID_LIKE="lede openwrt"\n', "opkg"),
        ("ID=unheard-of\n", "apt-get"),
    ],
)
async def test_takes_the_manager_of_the_distribution(
    machine: Machine, os_release: str, expected: str
) -> None:
    """Others may be installed beside it."""
    new_lists(machine)
    machine.file("etc/os-release", os_release)
    for name in MANAGERS:
        machine.fake(name)
    await machine.run("install-packages.sh", "", "lftp")
    assert machine.commands == [f"{MANAGERS[expected].install} lftp"]


async def test_without_a_manager_it_says_so(machine: Machine) -> None:
    """The Device Client says the same."""
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 1
    assert "found no package manager" in result.stderr


# Lists


@pytest.mark.parametrize("lists", ["none", "old"])
async def test_renews_lists_that_are_missing_or_old(
    machine: Machine, lists: str
) -> None:
    """Before it installs."""
    if lists == "old":
        new_lists(machine, age_in_days=3)
    machine.fake("apt-get")
    await machine.run("install-packages.sh", "", "lftp")
    assert machine.commands == ["apt-get update", f"{APT} install lftp"]


async def test_installs_with_the_lists_that_are_there_when_it_cannot_renew_them(
    machine: Machine,
) -> None:
    """A repository that is away need not be the one that is needed."""
    machine.fake("apt-get", 'case $* in update) echo "E: no route" >&2; exit 100; esac')
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 0
    assert result.stderr == ""
    assert "E: no route" in result.stdout
    assert "The package lists could not be renewed." in result.stdout


@pytest.mark.parametrize(
    ("name", "update", "message"),
    [
        ("apt-get", "apt-get update", "E: Unable to locate package lftp"),
        ("apt-get", "apt-get update", "E: Unable to fetch some archives"),
        ("pacman", "pacman -Sy", "error: target not found: lftp"),
        ("opkg", "opkg update", " * opkg_install_cmd: Cannot install package lftp."),
    ],
)
async def test_renews_lists_that_lack_the_package(
    machine: Machine, name: str, update: str, message: str
) -> None:
    """And installs again, once."""
    new_lists(machine)
    updated = machine.open_folder / "updated"
    machine.fake(
        name,
        f'if [ "{name} $*" = "{update}" ]; then touch {updated}\n'
        f'elif [ ! -e {updated} ]; then echo "{message}" >&2; exit 100; fi',
    )
    install = f"{MANAGERS[name].install} lftp"
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 0
    assert machine.commands == [install, update, install]
    assert result.stderr == ""


async def test_a_package_that_no_list_has_fails(
    machine: Machine, apt: Packages
) -> None:
    """After one try with new lists."""
    message = "E: Unable to locate package lftp"
    apt.says(f'case $* in update) ;; *) echo "{message}" >&2; exit 100; esac')
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 100
    assert result.stderr.count(message) == 1
    assert len(apt.changes) == 2


# Locks


async def test_waits_for_a_lock_with_a_limit(machine: Machine, apt: Packages) -> None:
    """Then the manager's own failure is the handler's."""
    machine.set_constant("lib/packages.sh", "lock_wait_seconds", 0)
    apt.says('echo "E: Could not get lock /var/lib/dpkg/lock." >&2; exit 100')
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.exit_status == 100
    assert "E: Could not get lock" in result.stderr
    assert len(apt.changes) == 1


@pytest.mark.parametrize(
    "message",
    [
        "E: Unable to acquire the dpkg frontend lock, are you root?",
        "ERROR: Unable to lock database: Permission denied",
        "ERROR: Unable to lock database: Read-only file system",
    ],
)
async def test_does_not_wait_for_a_lock_that_it_may_never_have(
    machine: Machine, apt: Packages, message: str
) -> None:
    """What needs root fails at once, and says as whom it ran."""
    machine.provide_real("setpriv")
    apt.says(f'echo "{message}" >&2; exit 100')
    result = await machine.run("install-packages.sh", "nobody", "lftp")
    assert result.exit_status == 100
    assert "(it ran as user nobody, who may not be allowed to" in result.stderr
    assert len(apt.changes) == 1


# dpkg's states


async def test_left_configuration_is_not_installed_but_can_be_removed(
    machine: Machine, apt: Packages
) -> None:
    """The state `config-files` is what a removal without purging leaves."""
    machine.fake("dpkg-query", "echo config-files")
    result = await machine.run("verify-packages-installed.sh", "", "lftp")
    assert result.exit_status == 1
    result = await machine.run("verify-packages-removed.sh", "", "lftp")
    assert result.exit_status == 0
    result = await machine.run("remove-packages.sh", "", "lftp")
    assert result.exit_status == 0
    assert apt.changes == [f"{APT} remove --purge lftp"]


async def test_one_architecture_of_two_is_enough(
    machine: Machine, apt: Packages
) -> None:
    """A name may stand for the package of several architectures."""
    machine.fake("dpkg-query", "echo not-installed; echo installed")
    result = await machine.run("verify-packages-installed.sh", "", "libc6")
    assert result.exit_status == 0


async def test_asks_the_real_dpkg(machine: Machine) -> None:
    """Of this Debian, without changing anything."""
    machine.fake("apt-get")
    machine.provide_real("dpkg-query")
    result = await machine.run("verify-packages-installed.sh", "", "dpkg libc6")
    assert result.exit_status == 0
    result = await machine.run("verify-packages-removed.sh", "", "no-such-package")
    assert result.exit_status == 0
    result = await machine.run("verify-packages-removed.sh", "", "dpkg")
    assert result.exit_status == 1
    assert machine.calls == []


# Ends


async def test_leaves_no_temporary_file(machine: Machine, apt: Packages) -> None:
    """After success and after failure."""
    for then in ("", "exit 1"):
        apt.says(then)
        machine.fake("mktemp", f"f={machine.open_folder}/temporary; : >$f; echo $f")
        await machine.run("install-packages.sh", "", "lftp")
        assert "mktemp" in machine.commands
        assert not (machine.open_folder / "temporary").exists()


async def test_a_service_that_a_package_starts_does_not_hold_the_handler(
    machine: Machine, apt: Packages
) -> None:
    """It keeps stderr open, and goes on after the step."""
    pid = machine.open_folder / "pid"
    apt.says(
        f"setsid sh -c 'echo $$ >{pid}; exec sleep 30' >/dev/null &\n"
        f"while [ ! -s {pid} ]; do :; done"
    )
    result = await machine.run("install-packages.sh", "", "lftp")
    try:
        assert result.exit_status == 0
        os.kill(int(pid.read_text()), 0)
    finally:
        os.killpg(int(pid.read_text()), 9)


async def test_is_called_without_an_agents_mark(
    machine: Machine, apt: Packages
) -> None:
    """The agent ends what has AWS_IOT_JOBS_DIR: a service of a package must not."""
    apt.says('echo "directory=${AWS_IOT_JOBS_DIR-none}"')
    result = await machine.run("install-packages.sh", "", "lftp")
    assert result.stdout.strip() == "directory=none"
    assert machine.calls == [Call("root", tuple(f"{APT} install lftp".split()))]
