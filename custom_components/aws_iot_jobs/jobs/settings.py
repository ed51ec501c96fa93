"""What an agent needs to know."""

from dataclasses import dataclass
from pathlib import Path

from ..aws_iot.connection import ConnectionSettings
from .conditions import Facts
from .timers import OUTAGE_ALLOWANCE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """The settings of one thing's agent.

    `directory` is the thing's own, for what must survive a restart. `facts` are for the
    conditions of jobs. `default_timeout` in seconds is for steps without one,
    `outage_allowance` how long the thing may be offline beyond its steps' own time before
    a timer of AWS ends a job.
    """

    connection: ConnectionSettings
    directory: Path
    facts: Facts
    default_timeout: float | None = None
    outage_allowance: float = OUTAGE_ALLOWANCE_SECONDS
