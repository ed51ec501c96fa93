"""Job documents: what they mean, and what is wrong with those that mean nothing."""

import json
import math
import re
import time
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.aws_iot_jobs.jobs.document import (
    Condition,
    JobDocument,
    Step,
    parse_job_document,
    split_command,
)
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.reasons import Sentence, read
from custom_components.aws_iot_jobs.runner.model import CommandCall, HandlerCall

from .documents import command_step, document, handler_step


def problem(found: Any) -> str:
    """Return what is wrong with a document."""
    with pytest.raises(InvalidJobDocumentError) as raised:
        parse_job_document(found)
    told = str(raised.value)
    assert isinstance(read(told), Sentence), "it cannot be told in other languages"
    return told


def parsed_step(**fields: Any) -> Step:
    """Return what a step that runs a command says, with these fields of its action."""
    return parse_job_document(document(command_step("true", **fields))).steps[0]


def only_step(**fields: Any) -> dict[str, Any]:
    """Return a document whose one action has these fields and no others."""
    return {"version": "1.0", "steps": [{"action": fields}]}


HANDLER = {"name": "n", "type": "runHandler"}
COMMAND = {"name": "n", "type": "runCommand"}


# The whole of both schemas


def test_a_full_document_of_the_new_schema() -> None:
    """Every field has its meaning."""
    found = parse_job_document(
        {
            "_comment": "unknown keys are ignored",
            "version": "1.0",
            "includeStdOut": "true",
            "conditions": [
                {"key": "operatingSystem", "value": ["debian", "alpine"]},
                {"key": "thingName", "value": ["a"], "type": "stringEqual"},
            ],
            "steps": [
                {
                    "action": {
                        "name": "Download",
                        "type": "runHandler",
                        "input": {
                            "handler": "download-file.sh",
                            "args": ["https://example.com/a?b=c", "/tmp/a b"],
                            "path": "default",
                        },
                        "runAsUser": "user1",
                        "allowStdErr": 8,
                        "ignoreStepFailure": "true",
                        "timeoutSeconds": 90,
                    }
                },
                command_step("ls,/tmp", runAsUser="user2"),
            ],
            "finalStep": handler_step("clean-up.sh"),
        }
    )
    assert found == JobDocument(
        include_stdout=True,
        conditions=(
            Condition(key="operatingSystem", values=("debian", "alpine")),
            Condition(key="thingName", values=("a",)),
        ),
        steps=(
            Step(
                name="Download",
                call=HandlerCall(
                    handler="download-file.sh",
                    args=("user1", "https://example.com/a?b=c", "/tmp/a b"),
                    path="default",
                ),
                run_as_user="user1",
                allow_stderr=8,
                ignore_failure=True,
                timeout=90.0,
            ),
            Step(
                name="ls,/tmp",
                call=CommandCall(argv=("ls", "/tmp")),
                run_as_user="user2",
            ),
        ),
        final_step=Step(
            name="clean-up.sh",
            call=HandlerCall(handler="clean-up.sh", args=("",), path="default"),
        ),
    )


def test_a_full_document_of_the_old_schema() -> None:
    """Its handler gets its arguments alone: the schema knows no user."""
    found = parse_job_document(
        {
            "operation": "install-packages.sh",
            "args": ["lftp", "dos2unix"],
            "path": "default",
            "includeStdOut": True,
            "allowStdErr": 2,
            "timeoutSeconds": 5,
            "runAsUser": "root",
            "steps": ["of no meaning here"],
        }
    )
    call = HandlerCall(
        handler="install-packages.sh", args=("lftp", "dos2unix"), path="default"
    )
    step = Step(name="install-packages.sh", call=call, allow_stderr=2, timeout=5.0)
    assert found == JobDocument(
        steps=(step,), include_stdout=True, is_of_old_schema=True
    )


def test_what_an_old_document_leaves_out() -> None:
    """No argument, no path, no output, and not a single line on stderr."""
    step = Step(name="true", call=HandlerCall(handler="true"), allow_stderr=0)
    assert parse_job_document({"operation": "true"}) == JobDocument(
        steps=(step,), is_of_old_schema=True
    )


def test_what_a_new_document_leaves_out() -> None:
    """Any stderr is allowed; there is no timeout and no user."""
    found = parse_job_document(only_step(**HANDLER, input={"handler": "h"}))
    step = Step(name="n", call=HandlerCall(handler="h", args=("",)))
    assert found == JobDocument(steps=(step,))


@pytest.mark.parametrize("absent", [None, ""])
def test_null_and_empty_are_as_good_as_absent(absent: str | None) -> None:
    """AWS drops null itself; managed templates leave what is not set empty."""
    empty = dict.fromkeys(
        ["runAsUser", "allowStdErr", "ignoreStepFailure", "timeoutSeconds"], absent
    )
    found = only_step(**HANDLER, input={"handler": "h", "path": absent}, **empty)
    found["includeStdOut"] = absent
    assert parse_job_document(found) == parse_job_document(
        only_step(**HANDLER, input={"handler": "h"})
    )
    old = {"operation": "o", "version": absent, "path": absent, "allowStdErr": absent}
    assert parse_job_document(old) == parse_job_document({"operation": "o"})
    for name in ("args", "finalStep", "conditions"):
        assert parse_job_document({"operation": "o", name: None})


def test_keys_are_what_they_are_called() -> None:
    """Of another case, they are unknown keys."""
    assert problem({"VERSION": "1.0", "Steps": []}).startswith("version: required")
    assert problem(only_step(Name="n", type="runCommand")) == (
        "steps[0].action.name: required"
    )


def test_a_document_of_the_greatest_size_is_read_in_no_time() -> None:
    """32 KB, of as many steps as fit, or of one long command."""
    step = only_step(**COMMAND, input={"command": "a"})["steps"][0]
    count = 32_768 // (len(json.dumps(step)) + 2)
    begun = time.perf_counter()
    many = parse_job_document({"version": "1.0", "steps": [step] * count})
    command = ",".join(["\\,"] * 10_000)
    one = parse_job_document(only_step(**COMMAND, input={"command": command}))
    assert time.perf_counter() - begun < 1
    assert len(many.steps) == count > 250
    assert isinstance(one.steps[0].call, CommandCall)
    assert one.steps[0].call.argv == (",",) * 10_000


# The schema that is meant


@pytest.mark.parametrize("version", ["2.0", "1", "1.0.0", " 1.0", "one"])
def test_an_unknown_version_is_rejected(version: str) -> None:
    """It may mean anything."""
    expected = f"version: must be the string \"1.0\", not '{version}'"
    assert problem(document(command_step("true"), version=version)) == expected
    assert problem({"version": version, "operation": "true"}) == expected


@pytest.mark.parametrize("version", [1.0, 1, True, ["1.0"], {"a": 1}, 0])
def test_a_version_that_is_no_string_is_none(version: Any) -> None:
    """The new schema needs one; the old one has none, and takes no notice."""
    found = problem(document(command_step("true"), version=version))
    assert found.startswith('version: must be the string "1.0", not ')
    old = parse_job_document({"version": version, "operation": "true"})
    assert old == parse_job_document({"operation": "true"})


def test_without_a_version_and_an_operation_a_document_means_nothing() -> None:
    """What is missing depends on what is there."""
    assert problem({"steps": []}) == 'version: required ("1.0")'
    expected = 'version: required ("1.0"), or operation in the old schema'
    assert problem({}) == problem({"a": 1}) == expected


@pytest.mark.parametrize("found", [None, [], "echo", 1, 1.5, True])
def test_a_document_is_an_object(found: Any) -> None:
    """AWS takes any JSON."""
    assert problem(found) == "the job document is not a JSON object"


# Each field: what is taken, and what is wrong


TRUE = (True, "true", "True", "TRUE")
FALSE = (False, "false", "False", "", None)
NO_BOOLEAN: tuple[Any, ...] = ("yes", "1", " true", 0, 1, [], {}, 1.0)
NOT_BOOLEAN = 'must be true, false, "true" or "false"'
NO_TEXT = "must not hold NUL characters or lone surrogates"
NO_TYPE = 'must be "runHandler" or "runCommand"'
NO_WORD = "contains spaces; commas separate the words"


@pytest.mark.parametrize("value", [*TRUE, *FALSE])
def test_include_std_out_and_ignore_step_failure_are_booleans_or_their_words(
    value: Any,
) -> None:
    """The README of the Device Client has both."""
    expected = value in TRUE
    found = parse_job_document(document(command_step("true"), includeStdOut=value))
    assert found.include_stdout is expected
    old = parse_job_document({"operation": "true", "includeStdOut": value})
    assert old.include_stdout is expected
    assert parsed_step(ignoreStepFailure=value).ignore_failure is expected


@pytest.mark.parametrize("value", NO_BOOLEAN)
def test_what_is_no_boolean_is_rejected(value: Any) -> None:
    """Neither is it silently false."""
    found = problem(document(command_step("true"), includeStdOut=value))
    assert found == f"includeStdOut: {NOT_BOOLEAN}"
    found = problem({"operation": "true", "includeStdOut": value})
    assert found == f"includeStdOut: {NOT_BOOLEAN}"
    found = problem(document(command_step("true", ignoreStepFailure=value)))
    assert found == f"steps[0].action.ignoreStepFailure: {NOT_BOOLEAN}"


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (5, 5), (2.0, 2), ("3", 3), ("0", 0), (10**12, 10**12)]
)
def test_allow_std_err_is_a_whole_number(value: Any, count: int) -> None:
    """Also in quotes, as templates render it."""
    assert parsed_step(allowStdErr=value).allow_stderr == count
    old = parse_job_document({"operation": "true", "allowStdErr": value})
    assert old.steps[0].allow_stderr == count


@pytest.mark.parametrize(
    "value", [-1, 1.5, "-1", "1.5", "five", True, False, [], {}, math.inf, " 1", "٣"]
)
def test_what_is_no_number_of_lines_is_rejected(value: Any) -> None:
    """In both schemas."""
    expected = "allowStdErr: must be a whole number of 0 or more"
    assert problem({"operation": "true", "allowStdErr": value}) == expected
    found = problem(document(command_step("true", allowStdErr=value)))
    assert found == f"steps[0].action.{expected}"


@pytest.mark.parametrize(
    ("value", "seconds"), [(1, 1.0), (0.5, 0.5), ("90", 90.0), (604_800, 604_800.0)]
)
def test_timeout_seconds_is_a_number(value: Any, seconds: float) -> None:
    """Up to AWS's own longest step timer."""
    assert parsed_step(timeoutSeconds=value).timeout == seconds
    old = parse_job_document({"operation": "true", "timeoutSeconds": value})
    assert old.steps[0].timeout == seconds


@pytest.mark.parametrize(
    "value",
    [0, -1, 604_801, "0", "604801", "1.5", "soon", True, [], {}, math.nan, math.inf],
)
def test_what_is_no_timeout_is_rejected(value: Any) -> None:
    """In both schemas."""
    expected = (
        "timeoutSeconds: must be a number of seconds, more than 0 and at most 604800"
    )
    assert problem({"operation": "true", "timeoutSeconds": value}) == expected
    found = problem(document(command_step("true", timeoutSeconds=value)))
    assert found == f"steps[0].action.{expected}"


def test_args_are_strings_or_what_json_writes_without_quotes() -> None:
    """A number in a document is the number's text on a command line."""
    args = ["a", "", 1, -2.5, True, False, None, "ünï"]
    texts = ("a", "", "1", "-2.5", "true", "false", "", "ünï")
    new = parse_job_document(only_step(**HANDLER, input={"handler": "h", "args": args}))
    old = parse_job_document({"operation": "h", "args": args})
    assert new.steps[0].call == HandlerCall(handler="h", args=("", *texts))
    assert old.steps[0].call == HandlerCall(handler="h", args=texts)


@pytest.mark.parametrize("path", ["default", "", "/opt/handlers", "~/x", "a b", None])
def test_path_is_kept_as_it_is(path: str | None) -> None:
    """The runner knows what it means."""
    found = parse_job_document(
        only_step(**HANDLER, input={"handler": "h", "path": path})
    )
    assert found.steps[0].call == HandlerCall(
        handler="h", args=("",), path="" if path is None else path
    )


def test_the_final_step_comes_last() -> None:
    """And is one of all steps."""
    found = parse_job_document(
        document(command_step("a"), command_step("b"), finalStep=command_step("c"))
    )
    assert [step.name for step in found.all_steps] == ["a", "b", "c"]
    assert found.final_step == found.all_steps[-1]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"version": "1.0"}, "steps: required"),
        ({"version": "1.0", "steps": []}, "steps: must not be empty"),
        ({"version": "1.0", "steps": {}}, "steps: must be a list"),
        ({"version": "1.0", "steps": "a"}, "steps: must be a list"),
        ({"version": "1.0", "steps": [1]}, "steps[0]: must be an object"),
        ({"version": "1.0", "steps": [{}]}, "steps[0].action: required"),
        (
            {"version": "1.0", "steps": [{"action": []}]},
            "steps[0].action: must be an object",
        ),
        (
            document(command_step("a"), {"_comment": "no action"}),
            "steps[1].action: required",
        ),
        (document(command_step("a"), finalStep={}), "finalStep.action: required"),
        (document(command_step("a"), finalStep=[]), "finalStep: must be an object"),
        (
            document(command_step("a"), finalStep={"action": COMMAND}),
            "finalStep.action.input: required",
        ),
        (only_step(type="runCommand", input={}), "steps[0].action.name: required"),
        (
            only_step(name="", type="runCommand", input={}),
            "steps[0].action.name: required",
        ),
        (
            only_step(name=5, type="runCommand", input={}),
            "steps[0].action.name: must be a string",
        ),
        (only_step(name="n", input={}), "steps[0].action.type: required"),
        (
            only_step(name="n", type="", input={}),
            "steps[0].action.type: required",
        ),
        (
            only_step(name="n", type="RunHandler", input={}),
            f"steps[0].action.type: {NO_TYPE}, not 'RunHandler'",
        ),
        (
            only_step(name="n", type=1, input={}),
            "steps[0].action.type: must be a string",
        ),
        (only_step(**HANDLER), "steps[0].action.input: required"),
        (only_step(**COMMAND), "steps[0].action.input: required"),
        (only_step(**COMMAND, input=[]), "steps[0].action.input: must be an object"),
        (only_step(**COMMAND, input="ls"), "steps[0].action.input: must be an object"),
        (only_step(**HANDLER, input={}), "steps[0].action.input.handler: required"),
        (
            only_step(**HANDLER, input={"handler": " "}),
            "steps[0].action.input.handler: required",
        ),
        (
            only_step(**HANDLER, input={"handler": ["h"]}),
            "steps[0].action.input.handler: must be a string",
        ),
        (
            only_step(**HANDLER, input={"handler": "h", "args": "a"}),
            "steps[0].action.input.args: must be a list",
        ),
        (
            only_step(**HANDLER, input={"handler": "h", "args": ["a", ["b"]]}),
            "steps[0].action.input.args[1]: must be a string",
        ),
        (
            only_step(**HANDLER, input={"handler": "h", "args": [{}]}),
            "steps[0].action.input.args[0]: must be a string",
        ),
        (
            only_step(**HANDLER, input={"handler": "h", "path": 5}),
            "steps[0].action.input.path: must be a string",
        ),
        (
            only_step(**HANDLER, input={"handler": "h\0"}),
            f"steps[0].action.input.handler: {NO_TEXT}",
        ),
        (only_step(**COMMAND, input={}), "steps[0].action.input.command: required"),
        (
            only_step(**COMMAND, input={"command": " \n"}),
            "steps[0].action.input.command: required",
        ),
        (
            only_step(**COMMAND, input={"command": ",,"}),
            "steps[0].action.input.command: required: its first word is empty",
        ),
        (
            only_step(**COMMAND, input={"command": " ,ls"}),
            "steps[0].action.input.command: required: its first word is empty",
        ),
        (
            only_step(**COMMAND, input={"command": ["ls"]}),
            "steps[0].action.input.command: must be a string",
        ),
        (
            only_step(**COMMAND, input={"command": 5}),
            "steps[0].action.input.command: must be a string",
        ),
        (
            only_step(**COMMAND, input={"command": "aws iot,describe-endpoint"}),
            f"steps[0].action.input.command: its first word 'aws iot' {NO_WORD}",
        ),
        (
            only_step(**COMMAND, input={"command": "ls"}, runAsUser=0),
            "steps[0].action.runAsUser: must be a string",
        ),
        (
            document(command_step("a"), conditions={}),
            "conditions: must be a list",
        ),
        (
            document(command_step("a"), conditions=["a"]),
            "conditions[0]: must be an object",
        ),
        (
            document(command_step("a"), conditions=[{"value": ["a"]}]),
            "conditions[0].key: required",
        ),
        (
            document(command_step("a"), conditions=[{"key": "k"}]),
            "conditions[0].value: required",
        ),
        (
            document(command_step("a"), conditions=[{"key": "k", "value": []}]),
            "conditions[0].value: must not be empty",
        ),
        (
            document(command_step("a"), conditions=[{"key": "k", "value": "v"}]),
            "conditions[0].value: must be a list",
        ),
        (
            document(command_step("a"), conditions=[{"key": "k", "value": ["v", 1]}]),
            "conditions[0].value[1]: must be a string",
        ),
        (
            document(
                command_step("a"), conditions=[{"key": "k", "value": ["v"], "type": 1}]
            ),
            "conditions[0].type: must be a string",
        ),
        ({"operation": ""}, "operation: required"),
        ({"operation": 1}, "operation: must be a string"),
        ({"operation": "o", "args": "a"}, "args: must be a list"),
        ({"operation": "o", "args": [[]]}, "args[0]: must be a string"),
        ({"operation": "o", "path": []}, "path: must be a string"),
    ],
)
def test_an_invalid_document_is_told_by_the_field(found: Any, expected: str) -> None:
    """With its path, and what is wrong with it."""
    assert problem(found) == expected


# Commands


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("echo", ("echo",)),
        ("echo,Hello World!", ("echo", "Hello World!")),
        (" \n echo \t, Hello World ", ("echo", "Hello World")),
        ("echo,,a,,b,", ("echo", "a", "b")),
        (",echo", ("echo",)),
        ("echo, ,b", ("echo", "", "b")),
        (r"echo,a\,b,c", ("echo", "a,b", "c")),
        (r"echo,\,,\,\,", ("echo", ",", ",,")),
        (r"echo,a\b,\n,\\", ("echo", r"a\b", r"\n", "\\\\")),
        ("sh,-c,ls | wc -l > $HOME/'x y'", ("sh", "-c", "ls | wc -l > $HOME/'x y'")),
        ("echo,\u00a0x\u00a0", ("echo", "\u00a0x\u00a0")),
    ],
)
def test_commas_separate_the_words_of_a_command(
    command: str, argv: tuple[str, ...]
) -> None:
    r"""`\,` is a comma, words are trimmed, empty ones vanish, and there is no shell."""
    assert split_command(command) == argv


def join_command(argv: tuple[str, ...]) -> str:
    """Return the command that means these words."""
    return ",".join(word.replace(",", r"\,") or " " for word in argv)


def _can_be_written(word: str) -> bool:
    """Tell whether some command has this word: trimmed, and not escaping its comma."""
    return word == word.strip(" \t\n\v\f\r") and not word.endswith("\\")


words = st.text(st.characters() | st.sampled_from(", \\\t\n'\"$"), max_size=12).filter(
    _can_be_written
)


@given(st.lists(words, min_size=1).map(tuple))
def test_join_then_split_is_the_identity(argv: tuple[str, ...]) -> None:
    """Whatever words a step needs, a document can say them."""
    assert split_command(join_command(argv)) == argv


@given(st.text(st.characters() | st.sampled_from(",,,\\\\ \t"), max_size=60))
def test_split_then_join_is_the_identity(command: str) -> None:
    """Of all that a command means, nothing is lost or made up."""
    argv = split_command(command)
    if all(map(_can_be_written, argv)):
        assert split_command(join_command(argv)) == argv


@given(st.text(max_size=200))
def test_a_command_that_is_taken_has_a_first_word_without_spaces(command: str) -> None:
    """It is a program's name."""
    try:
        step = parsed_step(input={"command": command})
    except InvalidJobDocumentError:
        return
    assert isinstance(step.call, CommandCall)
    assert re.fullmatch(r"[^ \t\n\v\f\r]+", step.call.argv[0])


# Any JSON

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.sampled_from("\0\ud800\udfff,\\ a"), max_size=8)
    | st.sampled_from(
        ["1.0", "runHandler", "runCommand", "default", "true", "false", "stringEqual"]
    )
)
keys = st.text(max_size=5) | st.sampled_from(
    [
        "version",
        "steps",
        "finalStep",
        "conditions",
        "includeStdOut",
        "action",
        "name",
        "type",
        "input",
        "handler",
        "args",
        "path",
        "command",
        "runAsUser",
        "allowStdErr",
        "ignoreStepFailure",
        "timeoutSeconds",
        "operation",
        "key",
        "value",
    ]
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6)
    ),
    max_leaves=25,
)
inputs = anything | st.fixed_dictionaries(
    {},
    optional={
        "handler": anything,
        "args": anything,
        "path": anything,
        "command": anything,
    },
)
actions = anything | st.fixed_dictionaries(
    {
        "name": st.just("n") | anything,
        "type": st.sampled_from(["runHandler", "runCommand"]) | anything,
        "input": inputs,
    },
    optional={
        "runAsUser": scalars,
        "allowStdErr": scalars,
        "ignoreStepFailure": scalars,
        "timeoutSeconds": scalars,
    },
)
steps = anything | st.fixed_dictionaries({"action": actions})
conditions = anything | st.lists(
    st.fixed_dictionaries({"key": scalars, "value": st.lists(scalars, max_size=3)}),
    max_size=3,
)
likely = st.fixed_dictionaries(
    {"version": st.just("1.0"), "steps": st.lists(steps, max_size=3)},
    optional={"finalStep": steps, "conditions": conditions, "includeStdOut": scalars},
) | st.fixed_dictionaries(
    {"operation": scalars},
    optional={"args": anything, "path": scalars, "allowStdErr": scalars},
)


@settings(max_examples=300)
@given(anything | likely)
def test_any_json_gives_a_document_or_a_reason(found: Any) -> None:
    """Never another exception; and a document is one that can be run."""
    parsed = _document_or_reason(found)
    if isinstance(parsed, str):
        assert 0 < len(parsed) < 1024
        return
    assert parsed.steps
    for step in parsed.all_steps:
        assert step.name.strip()
        _assert_can_be_run(step)


def _document_or_reason(found: Any) -> JobDocument | str:
    try:
        return parse_job_document(found)
    except InvalidJobDocumentError as err:
        return str(err)


def _assert_can_be_run(step: Step) -> None:
    """Require a call of which the system can make an argv."""
    match step.call:
        case CommandCall(argv=argv):
            pass
        case HandlerCall(handler=handler, args=args):
            argv = (handler, *args)
        case call:
            argv = call.words
    assert argv[0].strip()
    for word in (*argv, step.run_as_user):
        assert "\0" not in word.encode().decode()
    assert step.timeout is None or 0 < step.timeout <= 604_800
    assert step.allow_stderr is None or step.allow_stderr >= 0


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_a_document_or_a_reason(opening: str) -> None:
    """At every place where something is looked at."""
    depth = 32_000 // len(opening)
    closing = "]" if opening == "[" else "}"
    deep = json.loads(opening * depth + "0" + closing * depth)
    assert problem(deep)
    for place in (
        {"version": deep, "steps": []},
        {"version": "1.0", "steps": deep},
        document(deep),
        document(command_step("a"), finalStep=deep),
        document(command_step("a"), conditions=deep),
        document(command_step("a"), includeStdOut=deep),
        document(command_step("a", allowStdErr=deep)),
        document(command_step("a", timeoutSeconds=deep)),
        document(command_step("a", ignoreStepFailure=deep)),
        document(command_step("a", runAsUser=deep)),
        only_step(name=deep, type="runCommand", input={"command": "a"}),
        only_step(name="n", type=deep, input={"command": "a"}),
        only_step(**COMMAND, input=deep),
        only_step(**COMMAND, input={"command": deep}),
        only_step(**HANDLER, input={"handler": "h", "args": [deep]}),
        {"operation": deep},
        {"operation": "o", "args": deep},
    ):
        assert problem(place)
    assert parse_job_document(document(command_step("a", unknown=deep), unknown=deep))


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "x\udc80y"])
def test_text_that_no_process_can_be_given_is_rejected(bad: str) -> None:
    """Wherever it would reach one."""
    for found in (
        only_step(name="n", type="runCommand", input={"command": f"a,{bad}"}),
        only_step(**HANDLER, input={"handler": bad}),
        only_step(**HANDLER, input={"handler": "h", "args": [bad]}),
        only_step(**HANDLER, input={"handler": "h", "path": bad}),
        document(command_step("a", runAsUser=bad)),
        {"operation": bad},
        {"operation": "o", "args": [bad]},
        {"operation": "o", "path": bad},
    ):
        assert NO_TEXT in problem(found)
