"""What a step finds around it: variables, file descriptors, signals, a directory."""

import asyncio
import json
import os
import pwd
import signal
import stat
import sys

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome

from .bench import JOB, Bench

OWN = pwd.getpwuid(os.geteuid())
SETTINGS = {"AWS_IOT_THING_NAME": "thing-1", "AWS_IOT_JOBS_STEP": "2"}

SHOW_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
SHOW_DESCRIPTORS = (
    "import os; open_now = os.listdir('/proc/self/fd');"
    "print(*sorted(fd for fd in open_now if os.path.exists(f'/proc/self/fd/{fd}')))"
)


async def test_a_step_finds_exactly_the_documented_variables(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the agent's own environment comes along: it may hold tokens."""
    monkeypatch.setenv("SUPERVISOR_TOKEN", "secret")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    bench.handler("env.py", f"#!{sys.executable} -I\n{SHOW_ENVIRONMENT}\n")
    expected = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": OWN.pw_dir,
        "USER": OWN.pw_name,
        "LOGNAME": OWN.pw_name,
        "LANG": "de_DE.UTF-8",
        "AWS_IOT_JOBS_DIR": str(bench.job_directory),
        **SETTINGS,
    }
    for result in (
        await bench.command(
            sys.executable, "-I", "-c", SHOW_ENVIRONMENT, environment=SETTINGS
        ),
        await bench.handle("env.py", environment=SETTINGS),
    ):
        found = json.loads(result.stdout)
        # Python sets this one itself where it does not like the locale.
        found.pop("LC_CTYPE", None)
        assert found == expected


async def test_an_agent_with_an_empty_environment_gives_defaults(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a service manager that sets nothing."""
    monkeypatch.delenv("PATH")
    monkeypatch.delenv("LANG", raising=False)
    result = await bench.shell('echo "$PATH $LANG"')
    assert result.stdout == (
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin C.UTF-8\n"
    )


@pytest.mark.parametrize(
    ("own", "given"),
    [
        ("/usr/bin:/bin", "/usr/bin:/bin"),
        (":/usr/bin::.:bin:./x:/bin:", "/usr/bin:/bin"),
        (".", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ],
)
async def test_path_has_no_relative_entries(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, own: str, given: str
) -> None:
    """What is run does not depend on where it is run."""
    monkeypatch.setenv("PATH", own)
    assert (await bench.command("/bin/sh", "-c", 'echo "$PATH"')).stdout == f"{given}\n"


async def test_a_step_inherits_no_file_descriptor(bench: Bench) -> None:
    """Nothing that the agent has open, not even what is marked inheritable."""
    reading, writing = os.pipe()
    try:
        for descriptor in (reading, writing):
            os.set_inheritable(descriptor, True)
        result = await bench.command(sys.executable, "-I", "-c", SHOW_DESCRIPTORS)
    finally:
        os.close(reading)
        os.close(writing)
    assert result.stdout == "0 1 2\n"


async def test_no_signal_is_blocked_or_ignored_in_a_step(bench: Bench) -> None:
    """Whatever the agent blocks: it may have been started by a careless parent."""
    blocked = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        result = await bench.command("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | blocked
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert result.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


async def test_steps_that_start_together_leave_the_agents_mask_as_it_was(
    bench: Bench,
) -> None:
    """Each changes it for no longer than a moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        directories = [bench.directory / str(number) for number in range(5)]
        for directory in directories:
            directory.mkdir()
        await asyncio.gather(*(Bench(one).command("true") for one in directories))
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def test_a_step_leads_its_own_session(bench: Bench) -> None:
    """It has no terminal to read from, and gets no Ctrl-C of the agent's."""
    result = await bench.shell("cat /proc/$$/stat")
    pid, _, rest = result.stdout.partition(" ")
    _, _, group, session, terminal, *_ = rest.rpartition(")")[2].split()
    assert pid == group == session
    assert terminal == "0"


async def test_the_steps_of_a_job_share_a_directory_until_it_ends(
    bench: Bench,
) -> None:
    """What one puts there, the next finds; then it is gone."""
    bench.handler("take.sh", '#!/bin/sh\ncat "$AWS_IOT_JOBS_DIR/it"\n')
    await bench.shell('echo handed over >"$AWS_IOT_JOBS_DIR/it"')
    assert (await bench.handle("take.sh")).stdout == "handed over\n"
    assert stat.S_IMODE(bench.job_directory.stat().st_mode) == 0o700
    await bench.runner.release(JOB)
    assert not bench.job_directory.exists()


async def test_a_job_whose_directory_is_gone_already_is_released(bench: Bench) -> None:
    """There is nothing to do."""
    await bench.runner.release(JOB)


async def test_the_work_directory_lets_users_pass_whatever_the_umask(
    bench: Bench,
) -> None:
    """They must reach a directory that they know, and see no other."""
    before = os.umask(0o077)
    try:
        await bench.command("true")
    finally:
        os.umask(before)
    assert stat.S_IMODE(bench.work.stat().st_mode) == 0o711


@pytest.mark.parametrize("job_key", ["..", ".", "", "a/b", "../beside", "a\0b"])
async def test_a_job_key_names_one_directory(bench: Bench, job_key: str) -> None:
    """Nothing beyond the work directory can be meant, and removed."""
    await _assert_is_no_name(bench, job_key)


async def test_a_job_key_is_no_absolute_path(bench: Bench) -> None:
    """It would lead out of the work directory, wherever that is."""
    await _assert_is_no_name(bench, str(bench.directory / "beside"))


async def _assert_is_no_name(bench: Bench, job_key: str) -> None:
    """Require that a key is refused.

    All that a key here may lead to lies in the directory of this test: a runner that does
    not refuse it removes that, and nothing else.
    """
    present = (bench.work / "a" / "b", bench.directory / "beside")
    for directory in present:
        directory.mkdir(parents=True)
    with pytest.raises(ValueError, match="cannot name a directory"):
        await bench.runner.release(job_key)
    assert all(directory.is_dir() for directory in present)


async def test_a_work_directory_that_cannot_be_made_is_told(bench: Bench) -> None:
    """Before anything runs."""
    bench.work.write_text("in the way")
    result = await bench.command("true")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail == f"cannot make {bench.job_directory}: File exists"


async def test_a_home_that_is_missing_is_the_root(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """System users often have none."""
    missing = pwd.struct_passwd((*OWN[:5], "/no/such/home", OWN[6]))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: missing)
    assert (await bench.shell('pwd; echo "$HOME"')).stdout == "/\n/no/such/home\n"


async def test_a_user_without_a_name_is_its_number(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As containers run."""

    def unknown(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    result = await bench.shell('echo "$USER $LOGNAME $HOME"')
    assert result.stdout == f"{os.geteuid()} {os.geteuid()} /\n"
