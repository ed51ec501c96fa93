"""The options of a thing's entry, and what they come to for its agent."""

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from homeassistant.const import __version__ as HOME_ASSISTANT_VERSION
from homeassistant.util import dt as dt_util

from .aws_iot.connection import ConnectionSettings
from .const import (
    CONF_APPROVAL,
    CONF_APPROVAL_TIME_LIMIT,
    CONF_DEFAULT_TIMEOUT,
    CONF_HISTORY_COUNT,
    CONF_HISTORY_DAYS,
    CONF_LOG_KIB,
    CONF_ONLY_SIGNED,
    CONF_OUTAGE_ALLOWANCE,
    CONF_PEEK,
    CONF_REPORT_VERSIONS,
    CONF_RUN_DOCUMENT,
    CONF_WINDOW_DAYS,
    CONF_WINDOW_FROM,
    CONF_WINDOW_TO,
    DEFAULT_APPROVAL_TIME_LIMIT,
    DEFAULT_HISTORY_COUNT,
    DEFAULT_HISTORY_DAYS,
    DEFAULT_LOG_KIB,
    DEFAULT_OUTAGE_ALLOWANCE,
    Weekday,
)
from .fence_options import fences_of
from .jobs.approval import ApprovalPolicy
from .jobs.conditions import Facts
from .jobs.home_steps import NO_HOME, HomeSteps
from .jobs.settings import AgentSettings
from .jobs.window import MaintenanceWindow
from .signing_options import trust_of

type Options = Mapping[str, Any]


def agent_settings(
    options: Options,
    *,
    connection: ConnectionSettings,
    directory: Path,
    facts: Facts,
    home: HomeSteps = NO_HOME,
    agent_version: str,
) -> AgentSettings:
    """Return the settings of an agent with what the options of its entry say."""
    return AgentSettings(
        connection=connection,
        directory=directory,
        facts=facts,
        default_timeout=_default_timeout(options),
        outage_allowance=outage_seconds(options),
        approval=approval_policy(options),
        approval_limit=_seconds(
            options, CONF_APPROVAL_TIME_LIMIT, DEFAULT_APPROVAL_TIME_LIMIT
        ),
        window=maintenance_window(options),
        peek=bool(options.get(CONF_PEEK, False)),
        fences=fences_of(options),
        trust=trust_of(options),
        home=home,
        now=dt_util.now,
        final_details=_versions(options, agent_version),
        history_count=int(options.get(CONF_HISTORY_COUNT, DEFAULT_HISTORY_COUNT)),
        history_days=int(options.get(CONF_HISTORY_DAYS, DEFAULT_HISTORY_DAYS)),
        log_bytes=int(options.get(CONF_LOG_KIB, DEFAULT_LOG_KIB)) * 1024,
    )


def outage_seconds(options: Options) -> float:
    """Return how long AWS waits for an offline thing beyond its steps' time."""
    return _seconds(options, CONF_OUTAGE_ALLOWANCE, DEFAULT_OUTAGE_ALLOWANCE)


def may_run_documents(options: Options) -> bool:
    """Tell whether an administrator may have documents run without AWS."""
    return bool(options.get(CONF_RUN_DOCUMENT, False))


def approval_policy(options: Options) -> ApprovalPolicy:
    """Return which jobs wait for approval."""
    return ApprovalPolicy(options.get(CONF_APPROVAL, ApprovalPolicy.NEVER))


def inventory_options(options: Options) -> dict[str, bool | int | None]:
    """Return what of the options whoever makes jobs wants to know, times in seconds."""
    timeout = _default_timeout(options)
    return {
        "defaultTimeoutSeconds": None if timeout is None else int(timeout),
        "outageAllowanceSeconds": int(outage_seconds(options)),
        "reportVersions": bool(options.get(CONF_REPORT_VERSIONS, True)),
        "runDocument": may_run_documents(options),
        "onlySigned": bool(options.get(CONF_ONLY_SIGNED, False)),
        "allowedActions": len(fences_of(options).actions),
    }


def _default_timeout(options: Options) -> float | None:
    """Return the time in seconds that a step may take if its document says nothing."""
    if (duration := options.get(CONF_DEFAULT_TIMEOUT)) is None:
        return None
    return timedelta(**duration).total_seconds()


def _seconds(options: Options, key: str, default: timedelta) -> float:
    duration = options.get(key)
    return (default if duration is None else timedelta(**duration)).total_seconds()


def maintenance_window(options: Options) -> MaintenanceWindow | None:
    """Return when jobs are taken; None where that is always."""
    begin, end = options.get(CONF_WINDOW_FROM), options.get(CONF_WINDOW_TO)
    if not begin or not end:
        return None
    days = options.get(CONF_WINDOW_DAYS) or list(Weekday)
    return MaintenanceWindow(
        begin=time.fromisoformat(begin),
        end=time.fromisoformat(end),
        days=frozenset(list(Weekday).index(Weekday(day)) for day in days),
    )


def _versions(options: Options, agent_version: str) -> dict[str, str]:
    """Return what AWS is told of a thing with the end of each of its jobs."""
    if not options.get(CONF_REPORT_VERSIONS, True):
        return {}
    return {
        "homeAssistantVersion": HOME_ASSISTANT_VERSION,
        "agentVersion": agent_version,
    }
