"""A home's enrolment as a program, which is given its folder, and may be told to crash."""

import asyncio
import os
from pathlib import Path
import sys
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))
import tests.parts  # noqa: F401, I001

from custom_components.aws_iot_jobs.aws_iot import enrolment, provisioning
from tests.aws_iot.enrolment_home import CRASHED, Home


def _hurry() -> None:
    """Wait for no more than is needed on loopback."""
    provisioning.ANSWER_TIMEOUT_SECONDS = 1
    provisioning.FIRST_BACKOFF_SECONDS = 0.1
    enrolment.FIRST_BACKOFF_SECONDS = 0.1


def _crash_after(home: Home, deeds: int) -> None:
    """Have the process end after so many deeds: writes, answers, and checks."""
    left = deeds

    def done() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(CRASHED)

    def count(owner: Any, name: str) -> None:
        deed = getattr(owner, name)

        async def counted(*args: Any) -> Any:
            result = await deed(*args)
            done()
            return result

        setattr(owner, name, counted)

    home.on_write = done
    count(provisioning.Provisioning, "_answer")
    count(enrolment, "check_connection")


if __name__ == "__main__":
    here = Home(Path(sys.argv[1]))
    _hurry()
    if (number := here.asked["crash_after"]) is not None:
        _crash_after(here, number)
    asyncio.run(here.enrol())
