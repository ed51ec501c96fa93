"""The job templates of the stack."""

import json
import re
from typing import Any

import pytest

from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from custom_components.aws_iot_jobs.runner.model import HandlerCall
from stack.paths import HANDLERS, ROOT

from .conftest import ALL, SharedFleet

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]


@pytest.fixture
def templates(shared: SharedFleet) -> dict[str, dict[str, Any]]:
    """Return what AWS says of each, by the name that it has after that of the stack."""
    shared.update(Rotation="yes")
    iot = shared.aws.iot
    names = [it["jobTemplateId"] for it in iot.list_job_templates()["jobTemplates"]]
    prefix = f"{shared.fleet.name}-"
    return {
        name.removeprefix(prefix): iot.describe_job_template(jobTemplateId=name)
        for name in names
    }


def test_documents_are_valid(templates: dict[str, dict[str, Any]]) -> None:
    """By the parser of the integration; the steps end before AWS gives the job up."""
    for name, template in templates.items():
        document = parse_job_document(json.loads(template["document"]))
        minutes = template["timeoutConfig"]["inProgressTimeoutInMinutes"]
        seconds = sum(step.timeout or 0 for step in document.all_steps)
        assert seconds < minutes * 60, name


def test_handlers_are_samples_of_the_project(
    templates: dict[str, dict[str, Any]],
) -> None:
    """There is no template for a handler that is not there."""
    called = {
        step.call.handler
        for template in templates.values()
        for step in parse_job_document(json.loads(template["document"])).all_steps
        if isinstance(step.call, HandlerCall)
    }
    assert called
    assert called <= {path.name for path in HANDLERS.glob("*.sh")}


def test_each_is_documented(templates: dict[str, dict[str, Any]]) -> None:
    """By its name in a stack that is called as that of the documentation."""
    page = (ROOT / "docs" / "fleet.md").read_text()
    named = set(re.findall(r"\| `homes-([a-z-]+-1)`|, `homes-([a-z-]+-1)`", page))
    assert {first or later for first, later in named} == templates.keys()


def test_parameters_of_the_stack_are_filled_in(
    templates: dict[str, dict[str, Any]],
) -> None:
    """Packages, services, and the file to download, whose URL AWS signs."""
    assert (
        f'"args": ["{ALL["Packages"]}"]' in templates["install-packages-1"]["document"]
    )
    assert (
        f'"args": ["{ALL["Services"]}"]' in templates["restart-services-1"]["document"]
    )
    download = templates["download-file-1"]
    assert (
        "${aws:iot:s3-presigned-url-v2:https://s3.us-east-1.amazonaws.com/"
        "files-of-homes/models/model.bin}"
    ) in download["document"]
    assert "FilesRole" in download["presignedUrlConfig"]["roleArn"]


def test_role_that_signs_urls_is_for_jobs_of_this_account(shared: SharedFleet) -> None:
    """It reads and writes the bucket, and nobody else can have AWS IoT use it."""
    iam = shared.aws.client("iam")
    role = shared.fleet.outputs["FilesRoleArn"].rsplit("/", 1)[-1]
    [trust] = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    where = f"{shared.aws.region}:{shared.aws.account}"
    assert trust["Principal"] == {"Service": "iot.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": shared.aws.account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:iot:{where}:job/*"},
    }
    granted = iam.get_role_policy(RoleName=role, PolicyName="Files")["PolicyDocument"]
    [statement] = granted["Statement"]
    assert statement["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert statement["Resource"] == f"arn:aws:s3:::{ALL['FilesBucket']}/*"
