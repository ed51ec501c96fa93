"""Real parts to try the integration with: a local AWS and a Home Assistant.

Each is a child process and an asynchronous context manager:

    async with LocalAws(folder / "aws") as aws, HomeAssistant(folder / "home") as home:
        thing = await aws.create_thing("my-home")
        entry = await home.add_integration("aws_iot_jobs", integration_fields(aws, thing))
        job_id = await aws.create_job(thing, document)
        execution = await aws.wait_for_execution(thing, job_id)

Nothing but loopback is listened on, as far as the parts allow it, and nothing is left when
a context ends.
"""

from .aws import Execution, LocalAws, Thing
from .client import State
from .config_flow import ConfigFlowError, Entry, Upload
from .home_assistant import HomeAssistant
from .integration import DOMAIN, integration_fields
from .process import Child, StackError

__all__ = [
    "DOMAIN",
    "Child",
    "ConfigFlowError",
    "Entry",
    "Execution",
    "HomeAssistant",
    "LocalAws",
    "StackError",
    "State",
    "Thing",
    "Upload",
    "integration_fields",
]
