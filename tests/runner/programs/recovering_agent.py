"""Be an agent that a job has started, and recover that very job.

Takes the directory of a bench.
"""

import asyncio
from pathlib import Path
import sys

from .standalone import local

_directory = Path(sys.argv[1])
_runner = local.LocalRunner(_directory / "handlers", _directory / "work", grace=0.2)
asyncio.run(_runner.recover("job-1.1"))
sys.stdout.write("recovered\n")
