"""Options as they are entered: which may be, and which are stored.

They are stored flat, and only where they differ from what is so anyway.
"""

from collections.abc import Callable, Mapping
from datetime import time, timedelta
from typing import Any, Final

from .const import (
    CONF_ALLOWED_ACTIONS,
    CONF_APPROVAL,
    CONF_APPROVAL_TIME_LIMIT,
    CONF_DEFAULT_TIMEOUT,
    CONF_FENCE_HANDLERS,
    CONF_FENCE_UPLOAD_HOSTS,
    CONF_FENCE_USERS,
    CONF_HISTORY_COUNT,
    CONF_HISTORY_DAYS,
    CONF_INVENTORY,
    CONF_LOG_KIB,
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
    MAX_APPROVAL_TIME_LIMIT,
    MAX_OUTAGE_ALLOWANCE,
    Weekday,
)
from .errors import InvalidInputError
from .fence_options import (
    OPEN_OPTIONS,
    read_actions,
    read_hosts,
    read_names,
    said_plainly,
)
from .jobs.approval import ApprovalPolicy

MAX_HISTORY_COUNT: Final = 1000
MAX_HISTORY_DAYS: Final = 3650
MIN_LOG_KIB: Final = 16
MAX_LOG_KIB: Final = 64 * 1024

_WINDOW = (CONF_WINDOW_DAYS, CONF_WINDOW_FROM, CONF_WINDOW_TO)

DEFAULTS: Final[Mapping[str, Any]] = {
    CONF_DEFAULT_TIMEOUT: {},
    CONF_OUTAGE_ALLOWANCE: {
        "minutes": DEFAULT_OUTAGE_ALLOWANCE // timedelta(minutes=1)
    },
    CONF_REPORT_VERSIONS: True,
    CONF_INVENTORY: False,
    CONF_PEEK: False,
    CONF_APPROVAL: ApprovalPolicy.NEVER.value,
    CONF_APPROVAL_TIME_LIMIT: {
        "hours": DEFAULT_APPROVAL_TIME_LIMIT // timedelta(hours=1)
    },
    CONF_WINDOW_DAYS: [],
    CONF_HISTORY_COUNT: DEFAULT_HISTORY_COUNT,
    CONF_HISTORY_DAYS: DEFAULT_HISTORY_DAYS,
    CONF_LOG_KIB: DEFAULT_LOG_KIB,
    CONF_RUN_DOCUMENT: False,
    **OPEN_OPTIONS,
}
"""What is so where nothing is stored. Without times, there is no maintenance window."""


def read_options(entered: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored of what was entered. Raises InvalidInputError for all at once."""
    options: dict[str, Any] = {}
    faults: list[InvalidInputError] = []
    for key, default in DEFAULTS.items():
        if key in _WINDOW:
            continue
        try:
            value = _CHECKS.get(key, _as_it_is)(entered.get(key, default))
        except InvalidInputError as fault:
            faults.append(fault)
        else:
            if not _same(value, default):
                options[key] = value
    try:
        options |= _read_window(entered)
    except InvalidInputError as fault:
        faults.append(fault)
    if faults:
        raise InvalidInputError.of(faults)
    return said_plainly(options)


def _as_it_is(value: Any) -> Any:
    return value


def _same(value: Any, default: Any) -> bool:
    """Tell whether two values mean the same: an hour is 60 minutes."""
    if isinstance(default, dict):
        return timedelta(**value) == timedelta(**default)
    return bool(value == default)


def _read_outage_allowance(duration: Mapping[str, float]) -> Mapping[str, float]:
    if timedelta(**duration) > MAX_OUTAGE_ALLOWANCE:
        raise InvalidInputError({CONF_OUTAGE_ALLOWANCE: "outage_allowance_too_long"})
    return duration


def _read_approval_time_limit(duration: Mapping[str, float]) -> Mapping[str, float]:
    if not timedelta(0) < timedelta(**duration) <= MAX_APPROVAL_TIME_LIMIT:
        raise InvalidInputError(
            {CONF_APPROVAL_TIME_LIMIT: "approval_time_limit_out_of_range"}
        )
    return duration


def _read_history_count(value: float) -> int:
    if not 1 <= value <= MAX_HISTORY_COUNT:
        raise InvalidInputError(
            {CONF_HISTORY_COUNT: "history_count_out_of_range"},
            max_history_count=str(MAX_HISTORY_COUNT),
        )
    return int(value)


def _read_history_days(value: float) -> int:
    if not 1 <= value <= MAX_HISTORY_DAYS:
        raise InvalidInputError(
            {CONF_HISTORY_DAYS: "history_days_out_of_range"},
            max_history_days=str(MAX_HISTORY_DAYS),
        )
    return int(value)


def _read_log_kib(value: float) -> int:
    if not MIN_LOG_KIB <= value <= MAX_LOG_KIB:
        raise InvalidInputError(
            {CONF_LOG_KIB: "log_kib_out_of_range"},
            min_log_kib=str(MIN_LOG_KIB),
            max_log_kib=str(MAX_LOG_KIB),
        )
    return int(value)


def _read_window(entered: Mapping[str, Any]) -> dict[str, Any]:
    """Return when jobs are taken. Without times it is always.

    Two times that are the same are a day apart: on every day, that is always, too. The page
    cannot take times back, so that is how a window is given up.
    """
    begin, end = entered.get(CONF_WINDOW_FROM), entered.get(CONF_WINDOW_TO)
    days = [day.value for day in Weekday if day in entered.get(CONF_WINDOW_DAYS, ())]
    every_day = len(days) in {0, len(Weekday)}
    if not begin and not end and every_day:
        return {}
    for field, value in ((CONF_WINDOW_FROM, begin), (CONF_WINDOW_TO, end)):
        if not value:
            raise InvalidInputError({field: "window_incomplete"})
    window = {
        CONF_WINDOW_FROM: time.fromisoformat(str(begin)).isoformat(),
        CONF_WINDOW_TO: time.fromisoformat(str(end)).isoformat(),
    }
    if not every_day:
        return {**window, CONF_WINDOW_DAYS: days}
    return {} if window[CONF_WINDOW_FROM] == window[CONF_WINDOW_TO] else window


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    CONF_OUTAGE_ALLOWANCE: _read_outage_allowance,
    CONF_APPROVAL_TIME_LIMIT: _read_approval_time_limit,
    CONF_HISTORY_COUNT: _read_history_count,
    CONF_HISTORY_DAYS: _read_history_days,
    CONF_LOG_KIB: _read_log_kib,
    CONF_FENCE_HANDLERS: read_names,
    CONF_FENCE_USERS: read_names,
    CONF_FENCE_UPLOAD_HOSTS: read_hosts,
    CONF_ALLOWED_ACTIONS: read_actions,
}
