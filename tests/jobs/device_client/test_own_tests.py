"""What the Device Client's own tests of its Jobs feature expect.

Documents, steps and outputs of the same kind, with the expectation of each test; where
the answer here is another one, the docstring says why. Its tests of the shutdown and of
the classes that only its language needs have no counterpart: `GetName`, `Init`,
`promiseExpires` and `standardPromiseFeaturesWork`. `RunJobsHappy`, which counts the
subscriptions, is test_agent.py's `test_keeps_within_the_minimal_policy`.
"""

from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.jobs.document import JobDocument, parse_job_document
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.runner.model import CommandCall, HandlerCall
from custom_components.aws_iot_jobs.runner.output import Tail

from ...broker import Broker
from ...fake_jobs_service import FakeJobsService
from ..conftest import THING, Device
from ..documents import command_step, document, handler_step
from .conftest import Engine

HELLO = "echo This is test stdout\n"
WRONG = "echo This is test stderr >&2; exit 1\n"


def elsewhere(engine: Engine, name: str, text: str) -> dict[str, Any]:
    """Return a step of a bare script, mode 700, with an explicit path."""
    engine.other_handler(name, text, 0o700)
    step = handler_step(name)
    step["action"]["input"]["path"] = str(engine.elsewhere)
    return step


# Documents


def test_sample_job_document() -> None:
    """A full document is valid, and every field has its value."""
    found = parse_job_document(
        document(
            handler_step("a.sh", "x", "y", runAsUser="u1", allowStdErr=8),
            handler_step("b.sh", runAsUser="u2", ignoreStepFailure="true"),
            handler_step("c.sh"),
            command_step("ls,/tmp", runAsUser="u3"),
            includeStdOut="true",
            conditions=[
                {"key": "operatingSystem", "value": ["ubuntu"], "type": "stringEqual"},
                {"key": "architecture", "value": ["x86", "arm"]},
            ],
            finalStep=handler_step("d.sh", runAsUser="u4"),
        )
    )
    assert found.include_stdout
    assert [(each.key, each.values) for each in found.conditions] == [
        ("operatingSystem", ("ubuntu",)),
        ("architecture", ("x86", "arm")),
    ]
    assert [step.run_as_user for step in found.all_steps] == [
        "u1",
        "u2",
        "",
        "u3",
        "u4",
    ]
    assert [step.allow_stderr for step in found.all_steps] == [
        8,
        None,
        None,
        None,
        None,
    ]
    assert [step.ignore_failure for step in found.all_steps] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert [step.call for step in found.all_steps] == [
        HandlerCall(handler="a.sh", args=("u1", "x", "y"), path="default"),
        HandlerCall(handler="b.sh", args=("u2",), path="default"),
        HandlerCall(handler="c.sh", args=("",), path="default"),
        CommandCall(argv=("ls", "/tmp")),
        HandlerCall(handler="d.sh", args=("u4",), path="default"),
    ]


def test_missing_required_fields() -> None:
    """A document without its version is invalid."""
    found = document(command_step("true"))
    del found["version"]
    with pytest.raises(InvalidJobDocumentError, match="version: required"):
        parse_job_document(found)


def test_minimum_job_document() -> None:
    """A version, and steps of name, type and input alone, are enough."""
    minimum: list[dict[str, Any]] = [
        {"name": "n", "type": "runHandler", "input": {"handler": "h"}},
        {"name": "n", "type": "runCommand", "input": {"command": "c"}},
    ]
    steps = [{"action": action} for action in minimum * 2]
    found = parse_job_document({"version": "1.0", "steps": steps})
    assert len(found.steps) == 4
    assert found == JobDocument(steps=found.steps)


@pytest.mark.parametrize(
    "fields", [{"name": None}, {"name": ""}, {"input": {"command": None}}]
)
def test_missing_required_fields_value_and_command_fields_is_empty(
    fields: dict[str, Any],
) -> None:
    """Fields without a value make a document invalid.

    There it is the JSON that is broken; AWS does not take such a document.
    """
    with pytest.raises(InvalidJobDocumentError, match="required"):
        parse_job_document(document(command_step("true", **fields)))


def test_command_contains_space_characters() -> None:
    """They are trimmed at both ends of each word."""
    found = parse_job_document(document(command_step(" \n echo \t, Hello World ")))
    assert found.steps[0].call == CommandCall(argv=("echo", "Hello World"))


def test_space_characters_contained_within_first_word_of_command() -> None:
    """Most likely somebody took the command for a shell's."""
    with pytest.raises(InvalidJobDocumentError, match="contains spaces"):
        parse_job_document(document(command_step(" aws iot \t,describe-endpoint")))


def test_old_job_document_compatibility() -> None:
    """The old schema is valid."""
    found = parse_job_document(
        {"operation": "download-file.sh", "args": ["a", "b"], "path": "default"}
    )
    assert found.steps[0].call == HandlerCall(
        handler="download-file.sh", args=("a", "b"), path="default"
    )


# The engine


async def test_execute_steps_happy(engine: Engine) -> None:
    """Success, and its output."""
    outcome = await engine.run(document(elsewhere(engine, "ok.sh", HELLO)))
    assert outcome.status is JobStatus.SUCCEEDED
    assert outcome.status_details["stdout"] == "This is test stdout\n"


async def test_execute_succeed_then_fail(engine: Engine) -> None:
    """The output of both steps is there when the final one fails."""
    outcome = await engine.run(
        document(
            elsewhere(engine, "ok.sh", HELLO),
            finalStep=elsewhere(engine, "wrong.sh", WRONG),
        )
    )
    assert outcome.status is JobStatus.FAILED
    assert outcome.status_details["stdout"] == "This is test stdout\n"
    assert outcome.status_details["stderr"] == "This is test stderr\n"


async def test_execute_final_step_only(engine: Engine) -> None:
    """A final step runs after steps that do nothing.

    There the engine takes a document without steps, which no valid document is.
    """
    final = elsewhere(engine, "ok.sh", HELLO)
    outcome = await engine.run(document(command_step("true"), finalStep=final))
    assert outcome.status is JobStatus.SUCCEEDED
    assert outcome.status_details["stdout"] == "This is test stdout\n"
    with pytest.raises(InvalidJobDocumentError, match="steps: must not be empty"):
        await engine.run(document(finalStep=final))


async def test_execute_steps_error(engine: Engine) -> None:
    """Failure, and its stderr."""
    outcome = await engine.run(document(elsewhere(engine, "wrong.sh", WRONG)))
    assert outcome.status is JobStatus.FAILED
    assert outcome.status_details["stderr"] == "This is test stderr\n"


async def test_execute_no_steps(engine: Engine) -> None:
    """Steps that write nothing have no output.

    There the engine takes a document without steps, which no valid document is.
    """
    outcome = await engine.run(document(command_step("true")))
    assert set(outcome.status_details) == {"reason"}


async def test_execute_run_command_with_invalid_user(engine: Engine) -> None:
    """FAILED, and the file is not made.

    There it is made, by the client's own user. Whoever asks for another user wants less
    power, not that of the agent, which often is root.
    """
    file = engine.elsewhere / "file"
    step = command_step(f"touch,{file}", runAsUser="fake")
    outcome = await engine.run(document(step))
    assert outcome.status is JobStatus.FAILED
    assert outcome.reason.endswith("there is no user 'fake' on this system")
    assert not file.exists()


@pytest.mark.parametrize("user", ["", "root"])
async def test_execute_run_command_with_empty_user_and_with_user(
    engine: Engine, user: str
) -> None:
    """Without a user, and as root, the file is made."""
    file = engine.elsewhere / "file"
    outcome = await engine.run(document(command_step(f"touch,{file}", runAsUser=user)))
    assert outcome.status is JobStatus.SUCCEEDED
    assert file.exists()


# The feature


@pytest.mark.parametrize(
    ("script", "stdout", "stderr"),
    [
        ("echo out", "out", None),
        ("echo err >&2", None, "err"),
        ("echo out; echo err >&2", "out", "err"),
    ],
)
async def test_execute_job_happy_stderror_and_both(
    device: Device,
    service: FakeJobsService,
    script: str,
    stdout: str | None,
    stderr: str | None,
) -> None:
    """IN_PROGRESS, then SUCCEEDED with what was written; stderr alone fails nothing."""
    job = service.create_job(document(command_step(f"sh,-c,{script}")))
    await service.ended(job)
    assert job.history[0] == "IN_PROGRESS"
    assert job.status == "SUCCEEDED"
    for key, written in (("stdout", stdout), ("stderr", stderr)):
        found = job.status_details.get(key)
        assert (found and found.strip()) == written


async def test_execute_job_duplicate_notification(
    device: Device, service: FakeJobsService, broker: Broker
) -> None:
    """The same answer twice is one execution."""
    service.faults.double_answers = True
    log = device.handlers / "log"
    device.handler("log.sh", f"#!/bin/sh\necho ran >>{log}\n")
    job = await service.ended(service.create_job(document(handler_step("log.sh"))))
    assert job.status == "SUCCEEDED"
    assert log.read_text() == "ran\n"
    final = [request for request in job.accepted if request["status"] == "SUCCEEDED"]
    assert len(final) == 1
    assert len(broker.subscribed_by(THING)) == 5


async def test_invalid_job_document(device: Device, service: FakeJobsService) -> None:
    """REJECTED at once; here with the reason itself."""
    job = await service.ended(service.create_job("{invalid}"))
    assert [request["status"] for request in job.accepted] == ["REJECTED"]
    assert job.status_details == {
        "reason": "invalid job document: the job document is not a JSON object"
    }


# The buffer of the output


@pytest.mark.parametrize(
    ("limit", "chunks", "kept"),
    [
        (10, [], ""),
        (10, ["one", "two"], "onetwo"),
        (10, ["one", "two", "three"], "netwothree"),
        (11, ["one", "two", "three"], "onetwothree"[-11:]),
        (11, ["one", "two", "three", "elevenChars"], "elevenChars"),
        (5, ["seventeen"], "nteen"),
        (9, ["testentry"], "testentry"),
    ],
)
def test_limited_stream_buffer(limit: int, chunks: list[str], kept: str) -> None:
    """Nothing, all, or the end; the same when it is read again.

    There whole chunks go (`twothree` of the third case), here what does not fit.
    """
    tail = Tail(limit)
    for chunk in chunks:
        tail.feed(chunk.encode())
    assert tail.text() == kept
    assert tail.text() == kept
