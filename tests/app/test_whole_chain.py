"""From AWS through a real Home Assistant into the app's container, and back."""

from pathlib import Path
from typing import Any

import pytest

from stack.aws import LocalAws
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN, integration_fields

from .containers import PORT, Container, missing
from .test_container import container, image, running  # noqa: F401

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.timeout(600),
    # There is one image, and one port for all that is made of it.
    pytest.mark.xdist_group("app"),
]

_INSTALL = {
    "version": "1.0",
    "includeStdOut": True,
    "steps": [
        {
            "action": {
                "name": "Install-Application",
                "type": "runHandler",
                "input": {
                    "handler": "install-packages.sh",
                    "args": ["hello"],
                    "path": "",
                },
                "runAsUser": "",
            }
        }
    ],
}


async def test_a_managed_template_installs_a_package_and_all_sides_say_so(
    running: Container,  # noqa: F811
    tmp_path: Path,
) -> None:
    """AWS-Install-Application: in the container, in AWS, and in Home Assistant's sensors."""
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(tmp_path / "home") as home,
    ):
        thing = await aws.create_thing("my-home")
        fields: dict[str, Any] = integration_fields(aws, thing)
        fields |= {"url": f"http://127.0.0.1:{PORT}", "runner_token": running.token}
        await home.add_integration(DOMAIN, fields, choices={"address"})
        job_id = await aws.create_job(thing, _INSTALL)
        execution = await aws.wait_for_execution(thing, job_id, seconds=120)
        assert execution.status == "SUCCEEDED", execution.status_details
        result = await home.wait_for_state(
            "sensor.my_home_last_job_result", lambda found: found.state == "succeeded"
        )
        assert result.attributes["job_id"] == job_id
        assert [step["name"] for step in result.attributes["steps"]] == [
            "Install-Application"
        ]
    assert "Hello, world!" in await running.run("hello")
