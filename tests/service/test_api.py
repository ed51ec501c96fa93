"""The service does what docs/runner-api.yaml says, whatever it is asked."""

import asyncio
from pathlib import Path
import re
import sys
from typing import Any

from custom_components.aws_iot_jobs.runner import server
from homeassistant.util.yaml import load_yaml_dict

from ..runner_service import RunnerService

DOCUMENT = Path(__file__).parents[2] / "docs" / "runner-api.yaml"
API: dict[str, Any] = load_yaml_dict(str(DOCUMENT))


def test_every_route_is_described() -> None:
    """And nothing that is none."""
    source = Path(server.__file__).read_text()
    routes = re.findall(r'web\.(get|put|post|delete)\("([^"]+)"', source)
    described = {
        (method, path)
        for path, operations in API["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert set(routes) == described


async def test_the_service_is_as_described(
    tmp_path: Path, socket_enabled: None
) -> None:
    """Schemathesis asks for all that is described, and for what is not allowed."""
    runner_service = RunnerService(tmp_path / "app")
    # What is made up must not be the name of a program by chance.
    await runner_service.start(PATH="/nonexistent")
    runner_service.handler("example.sh", "#!/bin/sh\n")
    runner_service.bundle.write_text("{}")
    checking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(DOCUMENT)),
        *("--url", runner_service.url),
        *("--header", f"Authorization: Bearer {runner_service.token}"),
        # A run that was ended is still there to be asked how.
        *("--checks", "all", "--exclude-checks", "use_after_free"),
        *("--max-examples", "20", "--seed", "1"),
        *("--generation-database", "none", "--no-color"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await checking.communicate()
    await runner_service.stop()
    assert checking.returncode == 0, said.decode()
