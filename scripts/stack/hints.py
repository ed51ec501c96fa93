"""What to try next, once the demo is up."""

import asyncio
from asyncio.subprocess import DEVNULL
import json
from pathlib import Path
import shlex
import shutil

from .paths import AWS_CLI
from .screen import Screen
from .stage import Stage

NEXT_JOB_ID = "hello-1"
NEXT_DOCUMENT = {
    "version": "1.0",
    "includeStdOut": True,
    "steps": [
        {
            "action": {
                "name": "Say-Hello",
                "type": "runCommand",
                "input": {"command": "echo,Hello World!"},
            }
        }
    ],
}


async def show_hints(stage: Stage, screen: Screen) -> None:
    """Tell where Home Assistant is, how to log in, and how to create a job."""
    home = stage.home
    device_id = await home.device_id(stage.entry.entry_id)
    screen.heading("Home Assistant")
    screen.pair("Address", home.url)
    screen.pair("The thing", f"{home.url}/config/devices/device/{device_id}")
    screen.pair("User", home.user)
    screen.pair("Password", home.password)
    screen.pair("Handlers", str(stage.handlers))
    screen.heading("The next job: paste this into another terminal")
    screen.line()
    screen.line(await _create_job_command(stage))
    screen.line()
    screen.line(
        "Each job needs an ID of its own. What happens is told here; Ctrl-C ends it all."
    )


async def _create_job_command(stage: Stage) -> str:
    aws = stage.aws
    command = [
        await _aws_cli(),
        *("iot", "create-job"),
        *("--endpoint-url", aws.endpoint_url),
        *("--region", aws.region),
        *("--job-id", NEXT_JOB_ID),
        *("--targets", stage.thing.arn),
        *("--document", json.dumps(NEXT_DOCUMENT)),
    ]
    login = (
        f"AWS_ACCESS_KEY_ID={aws.access_key_id}"
        f" AWS_SECRET_ACCESS_KEY={aws.secret_access_key} AWS_PAGER="
    )
    return f"{login} {shlex.join(command)}"


async def _aws_cli() -> str:
    """Return the user's AWS CLI if there is one that starts, otherwise ours."""
    found = shutil.which("aws")
    return "aws" if found and await _starts(Path(found)) else str(AWS_CLI)


async def _starts(program: Path) -> bool:
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    return await process.wait() == 0
