"""The whole chain, as a user starts it: a job goes from AWS to Home Assistant and back."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
import json
import os
from pathlib import Path
import signal
import subprocess
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import boto3
import pytest

DEMO = Path(__file__).parents[1] / "scripts" / "demo"

# A Home Assistant starts and stops, on a busy machine perhaps.
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("demo"),
    pytest.mark.slow,
]

HOMES = 3
"""How many homes enrol in the demo of a fleet."""

HANDLERS = {
    "fetch.sh": 'echo "fetched $2 for <$1>" >"$3"; cat "$3"',
    "install.sh": 'echo "installed $2"',
    "check.sh": 'test -f "$2" && echo "checked"',
    "clean-up.sh": 'rm "$2"; echo "cleaned up"',
}


def _handler_step(name: str, handler: str, *args: object) -> dict[str, Any]:
    source = {"handler": handler, "args": [str(arg) for arg in args], "path": "default"}
    return {"action": {"name": name, "type": "runHandler", "input": source}}


def _command_step(name: str, command: str, **fields: str) -> dict[str, Any]:
    action = {"name": name, "type": "runCommand", "input": {"command": command}}
    return {"action": action | fields}


def _documents(folder: Path) -> dict[str, Any]:
    """Return job documents by name; what they write is in `folder`."""

    def exits_3(written: str, **fields: str) -> dict[str, Any]:
        return {
            "version": "1.0",
            "steps": [
                _command_step("Break", "sh,-c,exit 3", **fields),
                _command_step("Go-On", f"touch,{folder / written}.later"),
            ],
            "finalStep": _command_step("End", f"touch,{folder / written}.final"),
        }

    package = folder / "package"
    return {
        "echo": {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [_command_step("Say-Hello", "echo,Hello World!")],
        },
        "three-steps": {
            "version": "1.0",
            "includeStdOut": True,
            "steps": [
                _handler_step("Fetch", "fetch.sh", "winter", package),
                _handler_step("Install", "install.sh", "winter"),
                _handler_step("Check", "check.sh", package),
            ],
            "finalStep": _handler_step("Clean-Up", "clean-up.sh", package),
        },
        "exit-3": exits_3("failed"),
        "exit-3-ignored": exits_3("ignored", ignoreStepFailure="true"),
        "old-schema": {
            "operation": "echo",
            "args": ["Hello world!"],
            "includeStdOut": True,
        },
        "without-steps": {"version": "1.0"},
    }


@contextmanager
def _demo(temporary: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run the demo; all its temporary files go to `temporary`."""
    temporary.mkdir()
    with subprocess.Popen(
        [DEMO, *arguments],
        cwd=temporary.parent,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _left_behind(temporary: Path) -> list[str]:
    """Return the folders and processes that a demo has left."""
    wanted = os.fsencode(temporary)
    processes = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            known = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted in known:
            processes.append(str(entry))
    return [*processes, *map(str, temporary.glob("aws-iot-jobs-*"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where jobs write to."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return what the demo says of each job, by the name of its document."""
    handlers = folder / "handlers"
    handlers.mkdir(mode=0o700)
    for name, text in HANDLERS.items():
        (handlers / name).write_text(f"#!/bin/sh\n{text}\n")
        (handlers / name).chmod(0o700)
    documents = _documents(folder)
    arguments: list[str | Path] = ["--once", "--json", "--handlers", handlers]
    for name, document in documents.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(document))
        arguments += ["--document", path.name]

    temporary = folder / "temporary"
    with _demo(temporary, *arguments) as process:
        output, _ = process.communicate()

    assert process.returncode == 0
    assert _left_behind(temporary) == []
    lines = output.splitlines()
    assert len(lines) == len(documents)
    return dict(zip(documents, map(json.loads, lines), strict=True))


def test_each_job_is_told_as_aws_describes_it(
    results: dict[str, Mapping[str, Any]],
) -> None:
    """Each document becomes a job, in order, and its execution is told in one line."""
    for name, result in results.items():
        assert result.keys() == {
            "jobId",
            "status",
            "statusDetails",
            "versionNumber",
            "seconds",
        }
        assert name in result["jobId"]
        assert result["versionNumber"] > 1
        assert 0 < result["seconds"] < 60


def test_a_command_runs(results: dict[str, Mapping[str, Any]]) -> None:
    """A command runs, and AWS gets what it prints."""
    assert results["echo"]["status"] == "SUCCEEDED"
    assert results["echo"]["statusDetails"]["stdout"].strip() == "Hello World!"


def test_handlers_run_in_order_and_get_their_user_first(
    results: dict[str, Mapping[str, Any]],
) -> None:
    """Steps and final step run in order; a handler gets its user, then its arguments."""
    result = results["three-steps"]

    assert result["status"] == "SUCCEEDED"
    assert result["statusDetails"]["stdout"].split("\n") == [
        "fetched winter for <>",
        "installed winter",
        "checked",
        "cleaned up",
        "",
    ]


def test_a_step_that_fails_ends_the_job(
    results: dict[str, Mapping[str, Any]], folder: Path
) -> None:
    """The reason names the step and its exit status, and nothing after it runs."""
    result = results["exit-3"]

    assert result["status"] == "FAILED"
    assert "Break" in result["statusDetails"]["reason"]
    assert "exit status 3" in result["statusDetails"]["reason"]
    assert not list(folder.glob("failed.*"))


def test_a_failure_can_be_ignored(
    results: dict[str, Mapping[str, Any]], folder: Path
) -> None:
    """With ignoreStepFailure all that comes after the step runs."""
    assert results["exit-3-ignored"]["status"] == "SUCCEEDED"
    assert {path.name for path in folder.glob("ignored.*")} == {
        "ignored.later",
        "ignored.final",
    }


def test_the_old_schema_runs_a_program(results: dict[str, Mapping[str, Any]]) -> None:
    """A document of the old schema runs a program on PATH."""
    assert results["old-schema"]["status"] == "SUCCEEDED"
    assert results["old-schema"]["statusDetails"]["stdout"].strip() == "Hello world!"


def test_a_document_without_steps_is_rejected(
    results: dict[str, Mapping[str, Any]],
) -> None:
    """The reason names the field that is missing."""
    assert results["without-steps"]["status"] == "REJECTED"
    assert "steps" in results["without-steps"]["statusDetails"]["reason"]


def test_a_fleet_enrols_and_runs_a_job(tmp_path: Path) -> None:
    """Each home with nothing but the bundle; a job for the group succeeds on all of them."""
    temporary = tmp_path / "temporary"
    with _demo(temporary, "--fleet", str(HOMES), "--once", "--json") as process:
        output, _ = process.communicate()

    assert process.returncode == 0
    assert _left_behind(temporary) == []
    ended = list(map(json.loads, output.splitlines()))
    assert [job["status"] for job in ended] == ["SUCCEEDED"] * HOMES
    assert len({job["thing"] for job in ended}) == HOMES
    assert len({job["jobId"] for job in ended}) == 1


def test_the_printed_command_creates_a_job_that_is_shown(tmp_path: Path) -> None:
    """The demo stays up, takes the job that it invites to, and ends with Ctrl-C."""
    with _demo(tmp_path / "temporary") as process:
        assert process.stdout
        command = next(line for line in process.stdout if "aws iot create-job" in line)
        subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "Hello World!" in line:
                break
        process.send_signal(signal.SIGINT)
        seen += process.stdout
        assert process.wait() == 0

    assert any("Home Assistant" in line and "hello-1" in line for line in seen)
    assert _left_behind(tmp_path / "temporary") == []


async def test_a_program_uses_the_demo(socket_enabled: None, tmp_path: Path) -> None:
    """One line says where everything is; with what it says a job is made, and seen to run."""
    with _demo(tmp_path / "temporary", "--json") as process:
        assert process.stdout
        ready = json.loads(await asyncio.to_thread(process.stdout.readline))
        assert ready.keys() >= {"homeAssistant", "token", "aws", "thing", "mqtt"}
        await _connects(ready["mqtt"])
        iot = boto3.client(
            "iot",
            region_name="us-east-1",
            endpoint_url=ready["aws"],
            aws_access_key_id=ready["accessKeyId"],
            aws_secret_access_key=ready["secretAccessKey"],
        )
        thing = await asyncio.to_thread(iot.describe_thing, thingName=ready["thing"])
        # All that has run here runs because the program wants it.
        listed = await asyncio.to_thread(
            iot.list_job_executions_for_thing, thingName=ready["thing"]
        )
        assert listed["executionSummaries"] == []
        headers = {"Authorization": f"Bearer {ready['token']}"}
        async with (
            aiohttp.ClientSession(ready["homeAssistant"], headers=headers) as home,
            asyncio.timeout(60),
        ):
            document = json.dumps(_documents(tmp_path)["echo"])
            await asyncio.to_thread(
                iot.create_job,
                jobId="mine",
                targets=[thing["thingArn"]],
                document=document,
            )
            while not await _is_shown(home, "mine"):
                await asyncio.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.stdout.read) == ""
        assert await asyncio.to_thread(process.wait) == 0
    assert _left_behind(tmp_path / "temporary") == []


async def _connects(url: str) -> None:
    """Assert that somebody answers there, on loopback."""
    where = urlsplit(url)
    assert where.scheme == "mqtts"
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    assert ip_address(writer.get_extra_info("peername")[0]).is_loopback
    writer.close()


async def _is_shown(home: aiohttp.ClientSession, job_id: str) -> bool:
    """Tell whether Home Assistant shows how a job has ended."""
    async with home.get("/api/states", raise_for_status=True) as answer:
        states = await answer.json()
    return any(
        state["attributes"].get("job_id") == job_id and state["state"] == "succeeded"
        for state in states
    )
