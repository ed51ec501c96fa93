"""What an agent needs to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ..aws_iot.connection import ConnectionSettings
from .approval import DEFAULT_LIMIT_SECONDS, ApprovalPolicy
from .conditions import Facts
from .fences import OPEN, Fences
from .home_steps import NO_HOME, HomeSteps
from .signed import ANYBODY, Trust
from .timers import OUTAGE_ALLOWANCE_SECONDS
from .window import MaintenanceWindow


def _local_time() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """The settings of one thing's agent.

    `directory` is the thing's own, for what must survive a restart. `facts` are for the
    conditions of jobs. `default_timeout` in seconds is for steps without one,
    `outage_allowance` how long the thing may be offline beyond its steps' own time before
    a timer of AWS ends a job. `approval_limit` is how many seconds a job waits for
    approval, `window` when jobs may be asked for by the local time that `now` tells, `fences`
    what no job may do, `trust` whose documents are run. `home` does the steps that run in Home Assistant. With `peek`, a job that has to wait is looked at without being begun,
    if the policy allows that.
    `final_details` are told with each final status. `history_days`, `history_count` and
    `log_bytes`, per job, limit what is kept of ended jobs.
    """

    connection: ConnectionSettings
    directory: Path
    facts: Facts
    default_timeout: float | None = None
    outage_allowance: float = OUTAGE_ALLOWANCE_SECONDS
    approval: ApprovalPolicy = ApprovalPolicy.NEVER
    approval_limit: float = DEFAULT_LIMIT_SECONDS
    window: MaintenanceWindow | None = None
    peek: bool = False
    fences: Fences = OPEN
    trust: Trust = ANYBODY
    home: HomeSteps = NO_HOME
    now: Callable[[], datetime] = _local_time
    final_details: Mapping[str, str] = field(default_factory=dict)
    history_count: int = 50
    history_days: int = 90
    log_bytes: int = 1024 * 1024
