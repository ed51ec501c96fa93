"""Telling in time that a thing's certificate expires."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import CONF_CERTIFICATE
from .coordinator import AwsIotJobsConfigEntry
from .credentials import expiry_of
from .issues import Issue, ThingIssues

WARN_BEFORE: Final = timedelta(days=30)
LOOK_INTERVAL: Final = timedelta(days=1)


@callback
def async_watch_expiry(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, issues: ThingIssues
) -> None:
    """Look at the certificate of a thing, now and once a day until it is unloaded."""

    @callback
    def look(now: datetime) -> None:
        expires = expiry_of(entry.data[CONF_CERTIFICATE])
        if now < expires - WARN_BEFORE:
            return
        has_expired = now > expires
        issues.async_show(
            Issue.CERTIFICATE,
            "certificate_expired" if has_expired else "certificate_expires",
            fixable=True,
            severity=ir.IssueSeverity.ERROR
            if has_expired
            else ir.IssueSeverity.WARNING,
            expires=f"{dt_util.as_local(expires):%Y-%m-%d}",
        )

    look(dt_util.utcnow())
    entry.async_on_unload(async_track_time_interval(hass, look, LOOK_INTERVAL))
    entry.async_on_unload(lambda: issues.async_clear(Issue.CERTIFICATE))
