"""The fields of a job document, one by one."""

from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.document import (
    JobDocument,
    Step,
    parse_job_document,
)
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.runner.model import CommandCall, HandlerCall

from ...fake_jobs_service import FakeJobsService
from ..conftest import Device
from ..documents import command_step, document, handler_step


def parsed(*steps: dict[str, Any], **fields: Any) -> JobDocument:
    """Return what a document of the new schema says."""
    return parse_job_document(document(*steps, **fields))


def first(step: dict[str, Any]) -> Step:
    """Return what a step says."""
    return parsed(step).steps[0]


def rejected(found: Any) -> str:
    """Return why a document is rejected."""
    with pytest.raises(InvalidJobDocumentError) as raised:
        parse_job_document(found)
    return str(raised.value)


def given(step: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a step with these fields in its action's input; None takes one away."""
    action = step["action"]
    put = {
        name: value
        for name, value in (action["input"] | fields).items()
        if value is not None
    }
    return {"action": action | {"input": put}}


def without(step: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a step without a field of its action."""
    action = {key: value for key, value in step["action"].items() if key != name}
    return {"action": action}


HANDLER = handler_step("h")
COMMAND = command_step("true")


# Keys and schemas


def test_keys_are_case_sensitive() -> None:
    """Here they are; there any case is taken, against its README."""
    assert rejected({"VERSION": "1.0", "Steps": [COMMAND]}).startswith("version:")


def test_unknown_keys_are_ignored() -> None:
    """At every level, `_comment` among them."""
    commented = {"action": COMMAND["action"] | {"_comment": "c"}, "_comment": "c"}
    assert parsed(commented, _comment="c") == parsed(COMMAND)


def test_null_is_the_same_as_absent() -> None:
    """For optional fields, and for required ones."""
    assert parsed(COMMAND, finalStep=None, conditions=None) == parsed(COMMAND)
    assert rejected({"version": "1.0", "steps": None}) == "steps: required"


def test_schema_selection_by_version() -> None:
    """A string that is not empty is for the new schema, anything else for the old one."""
    for version in (None, "", 1.0):
        old = parse_job_document({"version": version, "operation": "o"})
        assert old.steps[0].call == HandlerCall(handler="o")
    assert rejected({"version": "1.0", "operation": "o"}) == "steps: required"


def test_schema_selection_by_a_number() -> None:
    """Steps with a version that is no string are rejected, here with the reason."""
    found = rejected(document(COMMAND, version=1.0))
    assert found == 'version: must be the string "1.0", not 1.0'


# The new schema


def test_new_version() -> None:
    """Only "1.0", as its README says; there any string is taken."""
    assert parsed(COMMAND, version="1.0")
    assert rejected(document(COMMAND, version="2.0")).startswith("version: must be")


def test_new_include_std_out() -> None:
    """A boolean, as its README says, or its word; there it has no effect at all."""
    assert parsed(COMMAND, includeStdOut=True).include_stdout
    assert parsed(COMMAND, includeStdOut="true").include_stdout
    for value in (False, "false", None):
        assert not parsed(COMMAND, includeStdOut=value).include_stdout


def test_new_conditions() -> None:
    """A list of objects."""
    found = parsed(COMMAND, conditions=[{"key": "k", "value": ["a", "b"]}])
    assert found.conditions[0].values == ("a", "b")
    assert rejected(document(COMMAND, conditions="k")) == "conditions: must be a list"


def test_new_conditions_key() -> None:
    """A string that is not empty."""
    for condition in ({"value": ["a"]}, {"key": "", "value": ["a"]}):
        found = rejected(document(COMMAND, conditions=[condition]))
        assert found == "conditions[0].key: required"


def test_new_conditions_value() -> None:
    """A list of strings that is not empty."""
    for value, problem in (
        (None, "required"),
        ([], "must not be empty"),
        ("a", "must be a list"),
    ):
        found = rejected(document(COMMAND, conditions=[{"key": "k", "value": value}]))
        assert found == f"conditions[0].value: {problem}"


def test_new_conditions_type() -> None:
    """`stringEqual` where there is none."""
    condition = {"key": "k", "value": ["a"]}
    for kind in ({}, {"type": ""}, {"type": "stringEqual"}):
        found = parsed(COMMAND, conditions=[condition | kind])
        assert found.conditions[0].type == "stringEqual"


def test_new_steps() -> None:
    """A list with at least one."""
    assert len(parsed(COMMAND, COMMAND).steps) == 2
    for steps, problem in (
        (None, "required"),
        ([], "must not be empty"),
        (COMMAND, "must be a list"),
    ):
        found = rejected({"version": "1.0", "steps": steps})
        assert found == f"steps: {problem}"


def test_new_steps_action() -> None:
    """Each step has one; there a step without one is silently left out."""
    found = rejected(document(COMMAND, {"actoin": {}}))
    assert found == "steps[1].action: required"


def test_new_final_step() -> None:
    """It has an action; there one without is silently left out."""
    assert parsed(COMMAND, finalStep=HANDLER).final_step == first(HANDLER)
    assert parsed(COMMAND).final_step is None
    found = rejected(document(COMMAND, finalStep={}))
    assert found == "finalStep.action: required"


def test_new_action_name() -> None:
    """A string that is not empty."""
    assert first(command_step("true", name="n")).name == "n"
    for wrong in (without(COMMAND, "name"), command_step("true", name="")):
        assert rejected(document(wrong)) == "steps[0].action.name: required"


def test_new_action_type() -> None:
    """One of two words, in exactly this case."""
    found = rejected(document(without(COMMAND, "type")))
    assert found == "steps[0].action.type: required"
    for kind in ("runcommand", "runHandlers"):
        found = rejected(document(command_step("true", type=kind)))
        assert found.startswith("steps[0].action.type: must be")


@pytest.mark.parametrize("step", [HANDLER, COMMAND])
def test_new_action_input(step: dict[str, Any]) -> None:
    """An object; there a document without one ends the client, at each of its starts."""
    found = rejected(document(without(step, "input")))
    assert found == "steps[0].action.input: required"


def test_new_action_run_as_user() -> None:
    """A string; none is an empty one."""
    assert first(command_step("true", runAsUser="u")).run_as_user == "u"
    assert first(COMMAND).run_as_user == ""


def test_new_action_allow_std_err() -> None:
    """A whole number; without one any number of lines is allowed."""
    assert first(command_step("true", allowStdErr=3)).allow_stderr == 3
    assert first(COMMAND).allow_stderr is None
    found = rejected(document(command_step("true", allowStdErr=1.5)))
    assert found.startswith("steps[0].action.allowStdErr: must be")


def test_new_action_ignore_step_failure() -> None:
    """The strings of its README, and the booleans that everybody writes."""
    for value, ignored in (
        ("true", True),
        ("false", False),
        (True, True),
        (False, False),
        ("True", True),
    ):
        step = first(command_step("true", ignoreStepFailure=value))
        assert step.ignore_failure is ignored


def test_new_input_handler() -> None:
    """A string that is not empty."""
    for handler in (None, ""):
        found = rejected(document(given(HANDLER, handler=handler)))
        assert found == "steps[0].action.input.handler: required"


def test_new_input_args() -> None:
    """A list of strings; a number is its text here, and an empty string there."""
    call = HandlerCall(handler="h", args=("", "a", "5"), path="default")
    assert first(given(HANDLER, args=["a", 5])).call == call
    found = rejected(document(given(HANDLER, args="a")))
    assert found == "steps[0].action.input.args: must be a list"


def test_new_input_path() -> None:
    """A string; none is an empty one."""
    for path in ("default", "/x", "", None):
        call = first(given(HANDLER, path=path)).call
        assert call == HandlerCall(handler="h", args=("",), path=path or "")


def test_new_input_command() -> None:
    """A string; a list or a number is rejected."""
    assert first(given(COMMAND, command="a,b")).call == CommandCall(argv=("a", "b"))
    for command in (["a", "b"], 5):
        found = rejected(document(given(COMMAND, command=command)))
        assert found == "steps[0].action.input.command: must be a string"


# The old schema


def test_old_operation() -> None:
    """Both the step's name and its handler."""
    step = parse_job_document({"operation": "o"}).steps[0]
    assert (step.name, step.call) == ("o", HandlerCall(handler="o"))
    assert rejected({"operation": ""}) == "operation: required"


def test_old_args() -> None:
    """They come alone; there an empty user comes before, and no old handler expects it."""
    step = parse_job_document({"operation": "o", "args": ["a", "b"]}).steps[0]
    assert step.call == HandlerCall(handler="o", args=("a", "b"))


def test_old_path() -> None:
    """As in the new schema."""
    step = parse_job_document({"operation": "o", "path": "default"}).steps[0]
    assert step.call == HandlerCall(handler="o", path="default")


def test_old_allow_std_err() -> None:
    """0 where there is none, as its README says; there it has no effect at all."""
    assert parse_job_document({"operation": "o"}).steps[0].allow_stderr == 0
    found = parse_job_document({"operation": "o", "allowStdErr": 2})
    assert found.steps[0].allow_stderr == 2


def test_old_include_std_out() -> None:
    """As in the new schema."""
    assert not parse_job_document({"operation": "o"}).include_stdout
    assert parse_job_document({"operation": "o", "includeStdOut": True}).include_stdout


def test_old_schema_has_nothing_else() -> None:
    """Neither a user, nor steps, conditions, commands or ignored failures."""
    rest = {
        "runAsUser": "root",
        "steps": [COMMAND],
        "finalStep": COMMAND,
        "conditions": [{"key": "k", "value": ["v"]}],
        "ignoreStepFailure": "true",
    }
    assert parse_job_document({"operation": "o"} | rest) == parse_job_document(
        {"operation": "o"}
    )


# Validation, as AWS sees it


async def test_every_invalid_document_is_rejected_with_its_own_reason(
    device: Device, service: FakeJobsService
) -> None:
    """There it is one sentence for all; the agent is as good as new after each."""
    conditions = [{"key": "operatingSystem"}]
    documents = {
        "conditions[0].key: required": document(COMMAND, conditions=[{"value": ["a"]}]),
        "conditions[0].value: required": document(COMMAND, conditions=conditions),
        "steps: required": {"version": "1.0"},
        "steps[0].action.name: required": document(without(COMMAND, "name")),
        "steps[0].action.type: required": document(without(COMMAND, "type")),
        """steps[0].action.type: must be "runHandler" or "runCommand", not 'x'""": (
            document(command_step("true", type="x"))
        ),
        "steps[0].action.input: required": document(without(COMMAND, "input")),
        "steps[0].action.input.handler: required": document(
            given(HANDLER, handler=None)
        ),
        "steps[0].action.input.command: required": document(
            given(COMMAND, command=" ")
        ),
        (
            "steps[0].action.input.command: its first word 'a b' contains spaces; "
            "commas separate the words"
        ): document(command_step("a b,c")),
        "finalStep.action.name: required": document(
            COMMAND, finalStep=without(COMMAND, "name")
        ),
        'version: must be the string "1.0", not 1.0': document(COMMAND, version=1.0),
        "the job document is not a JSON object": ["not", "an", "object"],
        'version: required ("1.0"), or operation in the old schema': {},
    }
    for reason, found in documents.items():
        job = await service.ended(service.create_job(found))
        assert job.status == "REJECTED", reason
        assert job.status_details == {"reason": f"invalid job document: {reason}"}
        assert "IN_PROGRESS" not in job.history[1:]
    job = await service.ended(service.create_job(document(COMMAND)))
    assert job.status == "SUCCEEDED"


async def test_a_document_of_32_kb_runs(
    device: Device, service: FakeJobsService
) -> None:
    """The greatest that AWS takes, full of text of all kinds."""
    device.handler("count.sh", '#!/bin/sh\nprintf %s "$2" | wc -c\n')
    text = 'ü\\"\n' * 5000
    job = service.create_job(document(handler_step("count.sh", text)))
    await service.ended(job)
    assert job.status_details["stdout"].strip() == str(len(text.encode()))
