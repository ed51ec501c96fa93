"""Whom a command runs as: the user that the job names, or nobody at all."""

import asyncio
from collections.abc import Callable
import grp
import json
import os
from pathlib import Path
import pwd
import shutil
import stat
from typing import Any

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome

from .bench import JOB, Bench, write
from .processes import living
from .programs import run_program

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be several users"
)
SHOW_IDS = 'echo "$(id -ru) $(id -u) $(id -rg) $(id -g) $(id -G)"'
STUBBORN = "trap '' TERM; echo $$ ready; while :; do sleep 0.05; done"


def someone() -> pwd.struct_passwd:
    """Return a user other than root, with more than one group where there is one."""
    members = [name for group in grp.getgrall() for name in group.gr_mem]
    for name in (*members, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return entry
    raise AssertionError("there is no user nobody")


# As root


@needs_root
async def test_root_becomes_the_user_with_all_its_groups_and_no_other(
    bench: Bench,
) -> None:
    """Real and effective ids, primary and supplementary groups."""
    user = someone()
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    own = os.getgroups()
    os.setgroups([0, 4, 20])
    try:
        result = await bench.shell(SHOW_IDS, run_as_user=user.pw_name)
    finally:
        os.setgroups(own)
    *ids, others = result.stdout.split(maxsplit=4)
    assert ids == [*[str(user.pw_uid)] * 2, *[str(user.pw_gid)] * 2]
    assert set(others.split()) == set(map(str, groups))


@needs_root
async def test_the_user_finds_its_own_environment(bench: Bench) -> None:
    """And what the job gives it."""
    user = someone()
    result = await bench.shell(
        'echo "$HOME $USER $LOGNAME $AWS_IOT_JOB_ID"; pwd',
        run_as_user=user.pw_name,
        environment={"AWS_IOT_JOB_ID": "job-1"},
    )
    home = user.pw_dir if Path(user.pw_dir).is_dir() else "/"
    name = user.pw_name
    assert result.stdout == f"{user.pw_dir} {name} {name} job-1\n{home}\n"


@needs_root
async def test_the_user_has_no_capabilities(bench: Bench) -> None:
    """None of root's powers stays."""
    result = await bench.command(
        "grep", "-E", "^Cap(Prm|Eff|Amb)", "/proc/self/status", run_as_user="nobody"
    )
    assert set(result.stdout.split()[1::2]) == {"0" * 16}


@needs_root
async def test_the_jobs_directory_is_for_each_user_in_turn(bench: Bench) -> None:
    """Each finds what those before have left; in the end it is removed with all of it."""
    script = (
        'cd "$AWS_IOT_JOBS_DIR"; mkdir "$(id -un)"; id -un >"$(id -un)/it"; cat */it'
    )
    found = [
        (await bench.shell(script, run_as_user=user)).stdout.split()
        for user in ("nobody", "daemon", "")
    ]
    assert found == [["nobody"], ["daemon", "nobody"], ["daemon", "nobody", "root"]]
    assert stat.S_IMODE(bench.job_directory.stat().st_mode) == 0o700
    await bench.runner.release(JOB)
    assert not bench.job_directory.exists()


@needs_root
async def test_a_process_of_another_user_is_ended_like_any(bench: Bench) -> None:
    """With its group, by a timeout and by a cancellation."""
    result = await bench.shell(
        "sleep 60 & echo $!; wait", run_as_user="nobody", timeout=0.3
    )
    assert result.outcome is RunOutcome.TIMED_OUT
    assert not living(int(result.stdout))
    run = asyncio.create_task(bench.shell("echo ready; sleep 60", run_as_user="nobody"))
    await bench.said(b"ready")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not living(bench.pid)


@needs_root
async def test_a_signal_shows_through_the_switch(bench: Bench) -> None:
    """The switch leaves no process between."""
    result = await bench.shell("kill -s SEGV $$", run_as_user="nobody")
    assert (result.outcome, result.signal) == (RunOutcome.SIGNALED, "SIGSEGV")


@needs_root
async def test_a_bare_script_runs_by_sh_for_another_user_too(bench: Bench) -> None:
    """The same as for the agent's own user."""
    file = write(bench.directory / "bare.sh", "id -un\n", 0o755)
    result = await bench.command(str(file), run_as_user="nobody")
    assert result.stdout == "nobody\n"


async def test_ones_own_user_needs_no_switch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the agent's user is the same as none."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setenv("PATH", str(_bin(bench.directory / "bin", "id")))
    result = await bench.command("id", "-un", run_as_user=name)
    assert result.stdout == f"{name}\n"


@pytest.mark.parametrize(
    "name",
    ["no-such-user", " root", "root ", "0", "root\n", "*", "-u", "a" * 5000, "é"],
)
async def test_an_unknown_user_is_refused_before_anything_runs(
    bench: Bench, name: str
) -> None:
    """For commands, and for handlers, which would be told of the user."""
    ran = bench.directory / "ran"
    bench.handler("x.sh", f"#!/bin/sh\ntouch {ran}\n")
    for result in (
        await bench.command("touch", str(ran), run_as_user=name),
        await bench.handle("x.sh", name, run_as_user=name),
    ):
        assert result.outcome is RunOutcome.REFUSED
        assert result.detail == f"there is no user {name!r} on this system"
    assert not ran.exists()


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_a_user_name_that_none_can_have_is_refused(
    bench: Bench, name: str
) -> None:
    """Documents have none, but other callers might."""
    result = await bench.command("true", run_as_user=name)
    assert result.outcome is RunOutcome.REFUSED


async def test_a_handler_runs_as_the_agents_user(bench: Bench) -> None:
    """It becomes the step's user by itself: its first argument names it."""
    bench.handler("who.sh", '#!/bin/sh\necho "$(id -u) $1"\n')
    result = await bench.handle("who.sh", "nobody", run_as_user="nobody")
    assert result.stdout == f"{os.geteuid()} nobody\n"


@needs_root
@pytest.mark.parametrize("busybox", [False, True])
async def test_without_setpriv_root_refuses_before_anything_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, busybox: bool
) -> None:
    """BusyBox has an applet of that name that cannot change users."""
    folder = _bin(bench.directory / "bin", "touch")
    if busybox:
        write(bench.directory / "busybox", "#!/bin/sh\n", 0o755)
        (folder / "setpriv").symlink_to(bench.directory / "busybox")
    monkeypatch.setenv("PATH", str(folder))
    ran = bench.directory / "ran"
    result = await bench.command("touch", str(ran), run_as_user="nobody")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail == (
        "cannot run as user 'nobody': there is no setpriv of util-linux"
    )
    assert not ran.exists()


@needs_root
async def test_what_switches_is_nobody_elses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets all the rights that root has."""
    folder = _bin(bench.directory / "bin", "true")
    ran = bench.directory / "ran"
    write(folder / "setpriv", f"#!/bin/sh\ntouch {ran}\n", 0o755)
    monkeypatch.setenv("PATH", str(folder))
    folder.chmod(0o777)
    result = await bench.command("true", run_as_user="nobody")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail.startswith(f"{folder}, on the way to {folder}/setpriv, has")
    assert not ran.exists()


# As a user that is not root, by a stand-in for sudo that really switches

type RunUnprivileged = Callable[..., dict[str, Any]]


@pytest.fixture
def run_unprivileged(
    open_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RunUnprivileged:
    """Return what runs a step in an agent of the user `nobody`, as the user `daemon`."""
    nobody = pwd.getpwnam("nobody")
    own = open_path / "own"
    own.mkdir()
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    folder = open_path / "bin"
    # What is in there makes anybody root.
    folder.mkdir(mode=0o700)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    write(folder / "sudo", SUDO, 0o755)
    _make_switcher(folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def run(*argv: str, run_as_user: str = "daemon", **settings: Any) -> dict[str, Any]:
        asked = {"argv": argv, "run_as_user": run_as_user, **settings}
        found = json.loads(run_program("unprivileged", str(own), json.dumps(asked)))
        assert isinstance(found, dict)
        return found

    return run


SUDO = """#!/bin/sh
# sudo -n -u USER [NAME=VALUE]... -- COMMAND...
here=$(dirname "$0")
if [ -e "$here/refuse" ]; then
    case " $* " in *"$(cat "$here/refuse")"*)
        echo 'sudo: a password is required' >&2
        exit 1 ;;
    esac
fi
[ "$1 $2" = '-n -u' ] || exit 2
user=$3
shift 3
while [ "$1" != -- ]; do
    export "$1"
    shift
done
shift
exec "$here/switch" --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
"""


def _make_switcher(folder: Path) -> None:
    """Put there what lets any user become any other, for as long as the folder lasts."""
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    shutil.copy(setpriv, folder / "switch")
    (folder / "switch").chmod(0o4755)


@needs_root
def test_sudo_becomes_the_user_and_keeps_the_environment(
    run_unprivileged: RunUnprivileged,
) -> None:
    """The same as root gives it."""
    result = run_unprivileged(
        "sh",
        "-c",
        f'{SHOW_IDS}; echo "$HOME $USER $LOGNAME $AWS_IOT_JOB_ID"',
        environment={"AWS_IOT_JOB_ID": "a job, with spaces"},
    )
    daemon = pwd.getpwnam("daemon")
    groups = " ".join(map(str, os.getgrouplist("daemon", daemon.pw_gid)))
    uid, gid = daemon.pw_uid, daemon.pw_gid
    assert result["stdout"] == (
        f"{uid} {uid} {gid} {gid} {groups}\n"
        f"{daemon.pw_dir} daemon daemon a job, with spaces\n"
    )


@needs_root
def test_words_that_look_like_options_are_the_commands_own(
    run_unprivileged: RunUnprivileged,
) -> None:
    """Sudo reads nothing of the command, whatever its first word is."""
    assert run_unprivileged("printf", "%s ", "-u", "root", "--", "A=b")["stdout"] == (
        "-u root -- A=b "
    )
    result = run_unprivileged("-u", "root", "id")
    assert result["exit_status"] != 0
    assert result["stdout"] == ""


@needs_root
def test_the_jobs_directory_is_for_the_user_of_sudo_too(
    run_unprivileged: RunUnprivileged,
) -> None:
    """The agent cannot give it away, so it opens it."""
    result = run_unprivileged(
        "sh", "-c", 'id -un >"$AWS_IOT_JOBS_DIR/it" && cat "$AWS_IOT_JOBS_DIR/it"'
    )
    assert result["stdout"] == "daemon\n"


@needs_root
def test_a_timeout_ends_what_runs_under_sudo(run_unprivileged: RunUnprivileged) -> None:
    """The agent may not signal it, but sudo may: SIGTERM first, then SIGKILL."""
    result = run_unprivileged("sh", "-c", "echo $$; sleep 60", timeout=0.5)
    assert (result["outcome"], result["signal"]) == ("timed_out", "SIGTERM")
    assert not living(int(result["stdout"]))
    result = run_unprivileged("sh", "-c", STUBBORN, timeout=0.5)
    assert (result["outcome"], result["signal"]) == ("timed_out", "SIGKILL")
    assert not living(int(result["stdout"].split()[0]))


@needs_root
def test_a_cancellation_ends_what_runs_under_sudo(
    run_unprivileged: RunUnprivileged,
) -> None:
    """As when Home Assistant stops."""
    result = run_unprivileged("sh", "-c", STUBBORN, cancel="ready")
    assert result["outcome"] == "cancelled"
    assert not living(result["pid"])


@needs_root
def test_what_outlives_an_agent_under_sudo_is_ended(
    run_unprivileged: RunUnprivileged,
) -> None:
    """The agent may look into none of it, so it is found and ended as it was started."""
    result = run_unprivileged("sh", "-c", STUBBORN, kill="ready")
    assert not living(int(result["stdout"].split()[0]))


@needs_root
@pytest.mark.parametrize("hidepid", ["noaccess", "invisible", "ptraceable", "all"])
@pytest.mark.parametrize("user", ["daemon", "nobody"])
def test_what_proc_hides_is_killed_like_any(
    run_unprivileged: RunUnprivileged, hidepid: str, user: str
) -> None:
    """What cannot be looked at is not taken for dead."""
    result = run_unprivileged(
        "sh", "-c", STUBBORN, run_as_user=user, timeout=1.5, hidepid=hidepid
    )
    assert (result["outcome"], result["signal"]) == ("timed_out", "SIGKILL")
    assert not living(int(result["stdout"].split()[0]))


@needs_root
def test_what_sudo_does_not_allow_is_a_failure(
    run_unprivileged: RunUnprivileged, open_path: Path
) -> None:
    """Its own words are in the result, and nothing has run."""
    (open_path / "bin/refuse").write_text("touch")
    ran = open_path / "own" / "ran"
    result = run_unprivileged("touch", str(ran))
    assert (result["outcome"], result["exit_status"]) == ("exited", 1)
    assert result["stderr"] == "sudo: a password is required\n"
    assert not ran.exists()


@needs_root
def test_a_process_that_cannot_be_ended_does_not_hold_the_job(
    run_unprivileged: RunUnprivileged, open_path: Path
) -> None:
    """Where sudo allows the command but not to end it, the result says so."""
    (open_path / "bin/refuse").write_text("kill")
    result = run_unprivileged(
        "sh", "-c", "echo before; sleep 3", timeout=0.5, kill_seconds=0.2
    )
    assert (result["outcome"], result["exit_status"]) == ("timed_out", None)
    assert result["detail"] == "its process could not be ended"


@needs_root
def test_what_is_left_and_cannot_be_ended_is_told(
    run_unprivileged: RunUnprivileged, open_path: Path
) -> None:
    """The process itself has ended by itself, and that counts."""
    (open_path / "bin/refuse").write_text("kill")
    result = run_unprivileged(
        "sh", "-c", "sleep 5 >/dev/null 2>&1 & echo $$", kill_seconds=0.2
    )
    assert (result["outcome"], result["exit_status"]) == ("exited", 0)
    assert result["detail"] == (
        f"what it left running could not be ended: process group {result['pid']}"
    )


@needs_root
def test_without_sudo_a_user_that_is_not_root_is_refused_before_anything_runs(
    run_unprivileged: RunUnprivileged,
    open_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never does a command run as somebody else than the job says."""
    monkeypatch.setenv("PATH", str(_bin(open_path / "few", "touch", "sh")))
    ran = open_path / "own" / "ran"
    result = run_unprivileged("touch", str(ran))
    assert result["outcome"] == "refused"
    assert result["detail"] == (
        "cannot run as user 'daemon': the agent is not root and there is no sudo"
    )
    assert not ran.exists()


@needs_root
def test_ones_own_user_needs_no_sudo(
    run_unprivileged: RunUnprivileged, open_path: Path
) -> None:
    """Also for a user that is not root."""
    (open_path / "bin/sudo").unlink()
    assert run_unprivileged("id", "-un", run_as_user="nobody")["stdout"] == "nobody\n"


def _bin(folder: Path, *names: str) -> Path:
    """Make a folder for PATH with a few programs."""
    folder.mkdir()
    for name in names:
        program = shutil.which(name)
        assert program is not None
        (folder / name).symlink_to(program)
    return folder
