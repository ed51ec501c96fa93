"""The documents to start from, as docs/jobs gives them to AWS and as the stack has them."""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import re
import subprocess
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from stack.paths import AWS_CLI, ROOT

from .conftest import ALL, SharedFleet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("fleet"),
]

FOLDER = ROOT / "docs" / "jobs"
JOBS = {
    "core-2026-10-4": "patch-release",
    "os-16-3": "os-update",
    "update-apps-1": "update-apps",
    "update-hacs-1": "update-hacs",
    "nightly-backup-": "nightly-backup",
    "diagnostics-home-4f1c-1": "diagnostics",
    "install-example-1": "install-integration",
}
"""The beginnings of the jobs' IDs on the page, and of the documents' and templates' names."""
NO_TEMPLATE = "install-integration"
SETTINGS = (
    "timeoutConfig",
    "jobExecutionsRolloutConfig",
    "abortConfig",
    "jobExecutionsRetryConfig",
)

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The local AWS has no dynamic groups.
_DYNAMIC = re.compile(r"create-dynamic-thing-group --thing-group-name (\S+)")


def _commands() -> tuple[list[str], list[str]]:
    """Return the groups that the page makes, and its other commands, in their order."""
    blocks = _BLOCK.findall((FOLDER / "README.md").read_text())
    groups = [match[1] for block in blocks if (match := _DYNAMIC.search(block))]
    return groups, [block for block in blocks if not _DYNAMIC.search(block)]


def _run(shared: SharedFleet, folder: Path, script: str) -> None:
    """Run commands of the page as somebody does who is logged in to the local AWS."""
    configuration = folder / "config"
    configuration.write_text(f"[default]\nregion = {shared.aws.region}\n")
    environment = {
        "PATH": f"{AWS_CLI.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "AWS_CONFIG_FILE": str(configuration),
        "AWS_ENDPOINT_URL": shared.aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": shared.aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": shared.aws.secret_access_key,
    }
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def jobs(
    shared: SharedFleet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, Any]]]:
    """Create the jobs of the page by its own commands; return them by their documents."""
    iot = shared.aws.iot
    groups, commands = _commands()
    for group in groups:
        iot.create_thing_group(thingGroupName=group)
    iot.create_thing(thingName="home-4f1c")
    script = "\n".join(commands).replace("my-files", ALL["FilesBucket"])
    _run(shared, tmp_path_factory.mktemp("cli"), script)
    ids = [job["jobId"] for job in iot.list_jobs()["jobs"]]
    yield {
        JOBS[beginning]: iot.describe_job(jobId=id_)["job"]
        | iot.get_job_document(jobId=id_)
        for id_ in ids
        for beginning in JOBS
        if re.fullmatch(rf"{beginning}[0-9-]*", id_)
    }
    for id_ in ids:
        iot.delete_job(jobId=id_, force=True)
    iot.delete_thing(thingName="home-4f1c")


def _template(shared: SharedFleet, name: str) -> dict[str, Any]:
    template = f"{shared.fleet.name}-{name}-1"
    answer: dict[str, Any] = shared.aws.iot.describe_job_template(
        jobTemplateId=template
    )
    return answer


def _settings(described: dict[str, Any]) -> dict[str, Any]:
    """Return how a job is rolled out, without what is not said."""

    def said(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: said(v) for k, v in value.items() if v is not None}
        return [said(each) for each in value] if isinstance(value, list) else value

    return {key: said(described[key]) for key in SETTINGS}


def test_each_document_has_its_commands(jobs: dict[str, dict[str, Any]]) -> None:
    """And AWS takes them."""
    assert jobs.keys() == {path.stem for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("name", JOBS.values())
def test_the_timer_is_there_and_long_enough(
    jobs: dict[str, dict[str, Any]], name: str
) -> None:
    """It is what ends a job whose Home Assistant does not load the integration."""
    document = parse_job_document(json.loads(jobs[name]["document"]))
    minutes = jobs[name]["timeoutConfig"]["inProgressTimeoutInMinutes"]
    steps = [step.timeout for step in document.all_steps]
    assert sum(seconds or float("inf") for seconds in steps) < minutes * 60


@pytest.mark.parametrize("name", [it for it in JOBS.values() if it != NO_TEMPLATE])
def test_the_stack_has_the_same(
    shared: SharedFleet, jobs: dict[str, dict[str, Any]], name: str
) -> None:
    """The document, with what its parameters say, and all settings."""
    template = _template(shared, name)
    job = jobs[name]
    assert json.loads(template["document"]) == json.loads(job["document"])
    assert _settings(template) == _settings(job)
    if "${aws:" in job["document"]:
        assert template["presignedUrlConfig"] == job["presignedUrlConfig"]


def test_one_document_has_no_template(shared: SharedFleet) -> None:
    """It would take a parameter for nearly all that is in it."""
    names = {
        template["jobTemplateId"]
        for template in shared.aws.iot.list_job_templates()["jobTemplates"]
    }
    assert f"{shared.fleet.name}-{NO_TEMPLATE}-1" not in names


def test_the_stack_can_be_given_to_aws_as_it_is() -> None:
    """CloudFormation takes a larger template from a bucket alone."""
    assert (ROOT / "cloudformation" / "fleet.yaml").stat().st_size < 51_200
