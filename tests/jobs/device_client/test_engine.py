"""How the steps of a job run."""

import asyncio
import os
from pathlib import Path
import pwd

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.model import JobOutcome

from ..documents import command_step, document, handler_step
from .conftest import Engine

OWN_USER = pwd.getpwuid(os.geteuid()).pw_name


def failed(outcome: JobOutcome) -> str:
    """Return why a job has failed."""
    assert outcome.status is JobStatus.FAILED
    assert outcome.status_details["reason"] == outcome.reason[:1024]
    return outcome.reason


def succeeded(outcome: JobOutcome) -> str:
    """Return what the steps of a successful job wrote."""
    assert outcome.status is JobStatus.SUCCEEDED, outcome.reason
    return outcome.status_details.get("stdout", "")


# The steps


async def test_steps_share_their_output(engine: Engine) -> None:
    """What all of them wrote comes together, each stream for itself."""
    outcome = await engine.run(
        document(
            command_step("sh,-c,echo o1; echo e1 >&2"),
            command_step("sh,-c,echo o2; echo e2 >&2"),
        )
    )
    assert outcome.status_details["stdout"] == "o1\no2\n"
    assert outcome.status_details["stderr"] == "e1\ne2\n"


async def test_the_lines_on_stderr_are_counted_for_each_step(engine: Engine) -> None:
    """There they add up over the steps."""
    one_line = command_step("sh,-c,echo e >&2", allowStdErr=1)
    succeeded(await engine.run(document(one_line, one_line, one_line)))


async def test_a_failed_step_ends_the_job_without_the_final_step(
    engine: Engine,
) -> None:
    """Nothing after it runs."""
    ran = engine.elsewhere / "ran"
    touch = command_step(f"touch,{ran}")
    outcome = await engine.run(
        document(command_step("true"), command_step("false"), touch, finalStep=touch)
    )
    assert failed(outcome) == "step 2 of 3 'false': exit status 1"
    assert not ran.exists()


async def test_the_final_step_runs_after_success_and_its_failure_counts(
    engine: Engine,
) -> None:
    """Success with failures that were ignored is success."""
    outcome = await engine.run(
        document(
            command_step("false", ignoreStepFailure="true"),
            finalStep=command_step("sh,-c,echo final; exit 9"),
        )
    )
    assert failed(outcome) == "final step 'sh,-c,echo final; exit 9': exit status 9"
    assert outcome.status_details["stdout"] == "final\n"


@pytest.mark.parametrize("ignore", ["true", True])
async def test_an_ignored_failure_covers_whatever_went_wrong(
    engine: Engine, ignore: str | bool
) -> None:
    """Exit status, signal, timeout, a missing handler, a wrong mode, an unknown user."""
    engine.handler("open.sh", "#!/bin/sh\n", 0o755)
    outcome = await engine.run(
        document(
            command_step("false", ignoreStepFailure=ignore),
            command_step("sh,-c,kill -9 $$", ignoreStepFailure=ignore),
            command_step("sleep,9", timeoutSeconds=0.2, ignoreStepFailure=ignore),
            handler_step("none.sh", ignoreStepFailure=ignore),
            handler_step("open.sh", ignoreStepFailure=ignore),
            command_step("true", runAsUser="no-such-user", ignoreStepFailure=ignore),
            command_step("sh,-c,echo e >&2", allowStdErr=0, ignoreStepFailure=ignore),
            command_step("echo,end"),
        )
    )
    assert succeeded(outcome) == "end\n"
    reason = outcome.reason
    assert reason.startswith("1 of 8 steps succeeded; failure ignored: step 1 of 8")
    for told in ("exit status 1", "SIGKILL", "timed out", "none.sh", "755", "no user"):
        assert told in reason


@pytest.mark.parametrize("ignore", ["false", False, "", None])
async def test_a_failure_is_not_ignored_unless_it_is_asked_for(
    engine: Engine, ignore: str | bool | None
) -> None:
    """The default is that it counts."""
    step = command_step("false", ignoreStepFailure=ignore)
    assert failed(await engine.run(document(step)))


# runHandler: which file


async def test_path_default_is_the_handler_directory_alone(engine: Engine) -> None:
    """With the mode 700 of file and directory, and one owner; there it is of the file."""
    engine.handler("h.sh", "#!/bin/sh\necho here\n")
    assert succeeded(await engine.run(document(handler_step("h.sh")))) == "here\n"
    engine.handler("h.sh", "#!/bin/sh\n", 0o755)
    reason = failed(await engine.run(document(handler_step("h.sh"))))
    assert "h.sh has mode 755 and owner" in reason
    assert "expected mode 700" in reason
    engine.handler("h.sh", "#!/bin/sh\n")
    engine.handlers.chmod(0o755)
    reason = failed(await engine.run(document(handler_step("h.sh"))))
    assert f"{engine.handlers} has mode 755" in reason


async def test_an_explicit_path_is_literal(engine: Engine) -> None:
    """Nothing in it is expanded; here it is absolute, too."""
    engine.other_handler("h.sh", "#!/bin/sh\necho there\n")
    step = handler_step("h.sh")
    step["action"]["input"]["path"] = str(engine.elsewhere)
    assert succeeded(await engine.run(document(step))) == "there\n"
    for path in ("~/x", "$HOME", "relative"):
        step["action"]["input"]["path"] = path
        reason = failed(await engine.run(document(step)))
        assert f"path {path!r} is not absolute" in reason


@pytest.mark.parametrize("path", [None, ""])
async def test_without_a_path_handler_directory_and_then_path(
    engine: Engine, path: str | None
) -> None:
    """There it is PATH alone, which has the default handler directory."""
    engine.handler("h.sh", "#!/bin/sh\necho here\n")
    for name, output in (("h.sh", "here\n"), ("echo", "\n")):
        step = handler_step(name)
        step["action"]["input"]["path"] = path
        assert succeeded(await engine.run(document(step))) == output


async def test_a_script_without_an_interpreter_line_runs_by_sh(engine: Engine) -> None:
    """As `execvp` does it."""
    engine.handler("bare.sh", "echo bare\n")
    assert succeeded(await engine.run(document(handler_step("bare.sh")))) == "bare\n"


# runHandler: what it gets


async def test_the_user_is_the_first_argument_of_a_handler(engine: Engine) -> None:
    """An empty one where there is none; the handler runs as the agent's own user."""
    engine.handler("show.sh", '#!/bin/sh\necho "$(id -un)" "[$1]" "[$2]"\n')
    outcome = await engine.run(
        document(
            handler_step("show.sh", "a b"),
            handler_step("show.sh", "c", runAsUser=OWN_USER),
        )
    )
    assert succeeded(outcome) == (f"{OWN_USER} [] [a b]\n{OWN_USER} [{OWN_USER}] [c]\n")


async def test_a_handler_of_path_gets_the_user_first_too(engine: Engine) -> None:
    """That is what the new schema means; the old one has no user."""
    step = handler_step("echo", "Hello")
    step["action"]["input"]["path"] = ""
    assert succeeded(await engine.run(document(step))) == " Hello\n"
    old = {"operation": "echo", "args": ["Hello"], "includeStdOut": True}
    assert succeeded(await engine.run(old)) == "Hello\n"


# runCommand


async def test_a_command_is_split_at_commas_without_a_shell(engine: Engine) -> None:
    """Every sign of a shell is what it is."""
    command = r"printf,[%s], a ,,b\,c,$HOME | wc; ,"
    outcome = await engine.run(document(command_step(command)))
    assert succeeded(outcome) == "[a][b,c][$HOME | wc;]"


async def test_a_command_needs_neither_bash_nor_probes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """There `id` and `bash` run before each command."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/echo").symlink_to("/bin/echo")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert succeeded(await engine.run(document(command_step("echo,a")))) == "a\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
async def test_a_command_runs_as_its_user(engine: Engine) -> None:
    """For root without sudo."""
    outcome = await engine.run(document(command_step("id,-un", runAsUser="nobody")))
    assert succeeded(outcome) == "nobody\n"


async def test_a_command_of_an_unknown_user_does_not_run(engine: Engine) -> None:
    """There it runs as the client's own user, which often is root."""
    ran = engine.elsewhere / "ran"
    step = command_step(f"touch,{ran}", name="t", runAsUser="no-such-user")
    reason = failed(await engine.run(document(step)))
    assert reason == "step 1 of 1 't': there is no user 'no-such-user' on this system"
    assert not ran.exists()


# How processes end


async def test_a_command_that_is_not_there_is_told(engine: Engine) -> None:
    """There it is exit status 255, as of any failed start."""
    reason = failed(await engine.run(document(command_step("no-such-command"))))
    assert "there is no command 'no-such-command' on PATH" in reason


async def test_a_handler_that_is_not_there_is_told(engine: Engine) -> None:
    """There it is «killed by signal: 1»."""
    reason = failed(await engine.run(document(handler_step("none.sh"))))
    assert reason.endswith(f"there is no handler 'none.sh' in {engine.handlers}")


async def test_a_background_process_does_not_hold_the_job(engine: Engine) -> None:
    """There it does, for as long as it has the pipes open."""
    async with asyncio.timeout(10):
        outcome = await engine.run(document(command_step("sh,-c,sleep 60 & echo end")))
    assert succeeded(outcome) == "end\n"


# Output


async def test_stderr_is_read_while_stdout_is_open(engine: Engine) -> None:
    """There more than 64 KiB of it hang for ever."""
    script = "sh,-c,head -c 200000 /dev/zero | tr '\\0' e >&2; echo end"
    async with asyncio.timeout(20):
        outcome = await engine.run(document(command_step(script)))
    assert succeeded(outcome) == "end\n"
    assert outcome.status_details["stderr"] == "e" * 1024


async def test_lines_are_lines_however_long(engine: Engine) -> None:
    """There each 1023 bytes count as one."""
    script = "sh,-c,head -c 100000 /dev/zero | tr '\\0' e >&2"
    succeeded(await engine.run(document(command_step(script, allowStdErr=1))))


async def test_what_follows_a_nul_is_not_lost(engine: Engine) -> None:
    """The NUL is, for AWS takes none."""
    outcome = await engine.run(document(command_step(r"printf,a\0b\nc\n")))
    assert succeeded(outcome) == "ab\nc\n"


async def test_text_is_sent_as_it_is(engine: Engine) -> None:
    """There every character beyond ASCII is a space, and so is the percent sign."""
    outcome = await engine.run(document(command_step("echo,100 % café — 日本")))
    assert succeeded(outcome) == "100 % café — 日本\n"


async def test_the_last_1024_characters_are_sent(engine: Engine) -> None:
    """Of each stream, to the character, wherever a chunk or a line begins."""
    script = "sh,-c,seq 5000; seq 6000 >&2"
    outcome = await engine.run(document(command_step(script)))
    everything = "".join(f"{number}\n" for number in range(1, 5001))
    assert succeeded(outcome) == everything[-1024:]
    assert outcome.status_details["stderr"].endswith("5999\n6000\n")


# The child's environment


async def test_a_step_knows_its_job(engine: Engine) -> None:
    """There it has the client's own environment and nothing of the job."""
    script = (
        "echo $AWS_IOT_THING_NAME $AWS_IOT_JOB_ID $AWS_IOT_JOBS_EXECUTION_NUMBER "
        "$AWS_IOT_JOBS_STEP $AWS_IOT_JOBS_ATTEMPT"
    )
    step = command_step(f"sh,-c,{script}")
    outcome = await engine.run(document(step, finalStep=step))
    assert succeeded(outcome) == "thing-1 job-1 1 1 1\nthing-1 job-1 1 2 1\n"


async def test_nothing_of_the_agent_leaks_into_a_step(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither variables, nor the working directory, nor the input."""
    monkeypatch.setenv("SECRET", "secret")
    monkeypatch.chdir(engine.elsewhere)
    script = "sh,-c,echo [$SECRET]; pwd; cat; ls /proc/self/fd | wc -l"
    outcome = await engine.run(document(command_step(script)))
    # The fourth descriptor is that of the listing itself.
    assert succeeded(outcome).split("\n") == ["[]", str(Path.home()), "4", ""]
