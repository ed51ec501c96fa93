"""The known defects of the Device Client, by their numbers in docs/job-documents.md."""

import asyncio
import logging
import os
from pathlib import Path
import signal
import sys

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.model import JobOutcome

from ...fake_jobs_service import FakeJobsService
from ..conftest import Device
from ..documents import command_step, document, handler_step
from .conftest import Engine

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be several users"
)


def failed(outcome: JobOutcome) -> str:
    """Return why a job has failed."""
    assert outcome.status is JobStatus.FAILED
    return outcome.reason


# Results


@pytest.mark.parametrize("name", ["KILL", "SEGV", "TERM", "ABRT", "PIPE", "HUP"])
async def test_defect_01_a_process_killed_by_a_signal_fails_the_step(
    engine: Engine, name: str
) -> None:
    """There it is a success."""
    step = command_step(f"sh,-c,kill -s {name} $$", name="s")
    outcome = await engine.run(document(step))
    assert failed(outcome) == f"step 1 of 1 's': ended by signal SIG{name}"


async def test_defect_02_the_reason_has_the_real_exit_status(engine: Engine) -> None:
    """There it is right for 0 and 255 alone; more is in test_updates.py."""
    outcome = await engine.run(document(command_step("sh,-c,exit 3", name="s")))
    assert failed(outcome) == "step 1 of 1 's': exit status 3"


@pytest.mark.parametrize(
    ("script", "allowed", "reason"),
    [
        ("exit 1", 0, "exit status 1"),
        ("exit 1", 5, "exit status 1"),
        ("exit 1", "5", "exit status 1"),
        ("echo e >&2", 0, "1 lines on stderr, more than the 0 of allowStdErr"),
        (
            "echo e >&2; echo e >&2; printf e >&2",
            2,
            "3 lines on stderr, more than the 2 of allowStdErr",
        ),
        ("echo e >&2; echo e >&2", 2, None),
        ("echo o; echo o", 0, None),
        ("echo e >&2", None, None),
    ],
)
async def test_defect_03_allow_std_err_is_a_limit_and_excuses_nothing(
    engine: Engine, script: str, allowed: int | str | None, reason: str | None
) -> None:
    """There a step with it cannot fail, and no number of lines is too great."""
    step = command_step(f"sh,-c,{script}", name="s", allowStdErr=allowed)
    outcome = await engine.run(document(step))
    if reason is None:
        assert outcome.status is JobStatus.SUCCEEDED
    else:
        assert failed(outcome) == f"step 1 of 1 's': {reason}"


async def test_defect_03_the_old_schema_allows_no_line_on_stderr_by_default(
    engine: Engine,
) -> None:
    """As its README says."""
    engine.handler("warn.sh", "#!/bin/sh\necho e >&2\n")
    job = {"operation": "warn.sh"}
    assert "1 lines on stderr" in failed(await engine.run(job))
    allowing = await engine.run(job | {"allowStdErr": 1})
    assert allowing.status is JobStatus.SUCCEEDED


async def test_defect_04_many_lines_end_no_process(engine: Engine) -> None:
    """There 1001 lines kill it, and the job succeeds."""
    done = engine.elsewhere / "done"
    script = f"sh,-c,seq 100000; seq 100000 >&2; touch {done}; exit 4"
    outcome = await engine.run(document(command_step(script, name="s")))
    assert failed(outcome) == "step 1 of 1 's': exit status 4"
    assert done.exists()
    assert outcome.status_details["stdout"].endswith("\n99999\n100000\n")


async def test_defect_05_aws_learns_the_cause(
    device: Device, service: FakeJobsService
) -> None:
    """There it is one sentence for every document, and a wrong one for handlers."""
    device.handler("open.sh", "#!/bin/sh\n", 0o755)
    documents = {
        "invalid job document: steps[0].action.input: required": document(
            {"action": {"name": "s", "type": "runHandler"}}
        ),
        "there is no handler 'none.sh' in ": document(handler_step("none.sh")),
        "open.sh has mode 755 and owner ": document(handler_step("open.sh")),
        "there is no user 'nemo' on this system": document(
            command_step("true", runAsUser="nemo")
        ),
    }
    for reason, found in documents.items():
        job = await service.ended(service.create_job(found))
        assert reason in job.status_details["reason"]


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"includeStdOut": True}, True),
        ({"includeStdOut": "true"}, True),
        ({"includeStdOut": False}, False),
        ({"includeStdOut": "false"}, False),
        ({}, False),
    ],
)
async def test_defect_06_stdout_is_sent_only_when_it_is_asked_for(
    engine: Engine, fields: dict[str, str | bool], sent: bool
) -> None:
    """There always. What goes to stderr is, in all cases."""
    steps = [command_step("sh,-c,echo secret; echo problem >&2")]
    outcome = await engine.run({"version": "1.0", "steps": steps} | fields)
    assert outcome.status_details.get("stdout") == ("secret\n" if sent else None)
    assert outcome.status_details["stderr"] == "problem\n"


async def test_defect_07_conditions_are_evaluated(
    device: Device, service: FakeJobsService
) -> None:
    """There they are read and forgotten; more is in test_conditions.py."""
    ran = device.handlers / "ran"
    conditions = [{"key": "operatingSystem", "value": ["windows"]}]
    job = service.create_job(
        document(command_step(f"touch,{ran}"), conditions=conditions)
    )
    await service.ended(job)
    assert job.status == "REJECTED"
    assert (
        "operatingSystem is 'debian' or 'linux', not 'windows'"
        in (job.status_details["reason"])
    )
    assert not ran.exists()


def test_defect_08_versions_keys_and_booleans_are_what_they_are() -> None:
    """There any version will do, keys are of any case, and booleans are strings only."""
    for wrong in (
        document(command_step("true"), version="9.9"),
        {"Version": "1.0", "STEPS": [command_step("true")]},
    ):
        with pytest.raises(InvalidJobDocumentError):
            parse_job_document(wrong)
    step = command_step("false", ignoreStepFailure=True)
    assert parse_job_document(document(step)).steps[0].ignore_failure


async def test_defect_20_retries_do_not_pile_up(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """There copies queue up while nobody answers, and come all at once."""
    job = service.create_job(document(command_step("true")))
    service.faults.reject.extend([None, "RequestThrottled", "RequestThrottled"])
    await stopped_device.start()
    await service.ended(job)
    # Each try waited for the answer to the one before.
    statuses = [
        request["status"]
        for topic, request in service.requests
        if topic.endswith("update")
    ]
    assert statuses.count("IN_PROGRESS") == 2 + job.history[1:].count("IN_PROGRESS")
    assert statuses.count("SUCCEEDED") == 1


# Security


@needs_root
@pytest.mark.parametrize("user", ["no-such-user", "nobody"])
async def test_defect_21_a_command_never_runs_as_somebody_else(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str
) -> None:
    """There an unknown user, or no sudo, means the client's own user."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/touch").symlink_to("/usr/bin/touch")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    ran = engine.elsewhere / "ran"
    step = command_step(f"touch,{ran}", runAsUser=user)
    reason = failed(await engine.run(document(step)))
    assert "there is no user" in reason or "there is no setpriv" in reason
    assert not ran.exists()


@needs_root
async def test_defect_22_commands_drop_privileges_and_handlers_are_told_to(
    engine: Engine,
) -> None:
    """There neither a handler nor, without sudo, a command does.

    A handler still starts as the agent's user, for handlers expect it: those of this
    project become the user of their first argument. It does not start at all where there
    is no such user.
    """
    show = engine.handler("show.sh", '#!/bin/sh\necho "$(id -un) $1"\n')
    outcome = await engine.run(
        document(
            command_step("id,-un", runAsUser="nobody"),
            handler_step(show.name, runAsUser="nobody"),
        )
    )
    assert outcome.status_details["stdout"] == "nobody\nroot nobody\n"
    unknown = handler_step(show.name, runAsUser="no-such-user")
    assert "there is no user" in failed(await engine.run(document(unknown)))


async def test_defect_23_no_path_goes_round_the_permission_rule(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There only path "default" has one, and `../` gets out of that, too."""
    monkeypatch.setenv("PATH", f"{engine.elsewhere}:{os.environ['PATH']}")
    engine.other_handler("h.sh", "#!/bin/sh\n", 0o777)
    for handler, path, reason in (
        ("../elsewhere/h.sh", "default", "outside its directory"),
        (str(engine.elsewhere / "h.sh"), "default", "outside its directory"),
        (str(engine.elsewhere / "h.sh"), "", "outside its directory"),
        ("h.sh", str(engine.elsewhere), "has mode 777"),
        ("h.sh", "", "has mode 777"),
    ):
        step = handler_step(handler)
        step["action"]["input"]["path"] = path
        assert reason in failed(await engine.run(document(step)))


async def test_defect_24_nothing_runs_because_of_where_the_agent_is(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the working directory and its `jobs` are on PATH."""
    (engine.elsewhere / "jobs").mkdir()
    for folder in ("", "jobs/"):
        engine.other_handler(f"{folder}planted", "#!/bin/sh\necho planted\n")
    monkeypatch.chdir(engine.elsewhere)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:.:jobs:")
    step = handler_step("planted")
    step["action"]["input"]["path"] = ""
    assert "nor on PATH" in failed(await engine.run(document(step)))
    command = document(command_step("planted"))
    assert "there is no command" in failed(await engine.run(command))
    shown = await engine.run(document(command_step("sh,-c,echo $PATH")))
    entries = shown.status_details["stdout"].strip().split(":")
    assert all(entry.startswith("/") for entry in entries)


async def test_defect_24_a_directory_is_never_a_command(engine: Engine) -> None:
    """There `$(...)` in the setting is run, and a space ends the path."""
    marker = engine.elsewhere / "marker"
    engine.handlers = engine.handlers.rename(
        engine.handlers.with_name(f"with space $(touch {marker.name})")
    )
    engine.handler("h.sh", "#!/bin/sh\necho here\n")
    outcome = await engine.run(document(handler_step("h.sh")))
    assert outcome.status_details["stdout"] == "here\n"
    assert not marker.exists()


async def test_defect_25_no_descriptor_and_no_signal_mask_leaks(
    engine: Engine,
) -> None:
    """There the sockets stay open, and SIGTERM, SIGINT and SIGHUP blocked."""
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    code = (
        "import os; fds = os.listdir('/proc/self/fd'); "
        "print(*sorted(fd for fd in fds if os.path.exists('/proc/self/fd/' + fd))); "
        "print(*[line for line in open('/proc/self/status') if 'SigBlk' in line])"
    )
    # A comma in a command is escaped.
    code = code.replace(",", r"\,")
    try:
        outcome = await engine.run(
            document(command_step(f"{sys.executable},-Ic,{code}"))
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reading)
        os.close(writing)
    assert outcome.status_details["stdout"].split() == [
        "0",
        "1",
        "2",
        "SigBlk:",
        "0" * 16,
    ]


async def test_defect_26_arguments_and_output_are_not_in_the_log(
    device: Device,
    service: FakeJobsService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There both are, whatever they hold; here not even in the log for debugging."""
    caplog.set_level(logging.DEBUG)
    device.handler("show.sh", '#!/bin/sh\necho "$2"; echo "$2" >&2; exit 3\n')
    secret = "https://bucket.example.com/key?X-Amz-Signature=0123456789"
    job = service.create_job(
        document(
            handler_step("show.sh", secret, ignoreStepFailure=True),
            command_step(f"echo,{secret}", name="echo"),
        )
    )
    async with asyncio.timeout(20):
        await service.ended(job)
        await device.until(lambda state: state.last_job is not None)
    assert job.status_details["stdout"].count(secret) == 2
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components")
    ]
    assert any(job.job_id in message for message in ours)
    assert not any("X-Amz-Signature" in message for message in ours)
