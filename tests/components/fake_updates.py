"""A Supervisor that updates: Core, the operating system, itself and an app.

It is what Home Assistant's own integration is set up with, so that the update entities are
the real ones.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiohttp import web

from .fake_supervisor import SLUG, FakeSupervisor, answer, refusal
from .steps.supervisor_backups import SupervisorBackups


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Part:
    """What can be updated: its version, and the one that it can be updated to."""

    version: str
    latest: str


@dataclass(kw_only=True)
class UpdatingSupervisor(FakeSupervisor):
    """Updates what it is asked to update.

    `errors` has why it does not do what it is asked, and `lost` whose answers do not arrive.
    An update lasts while a test has cleared `may_update`, and a job of Supervisor's while it
    is in `jobs`, by its name, with its percentage. Of a version of Core that is `broken`, it
    goes back to the one before. `end_core` ends Home Assistant, and `reboot` the host; what
    asks for either has no answer.
    """

    core: Part = field(default_factory=lambda: Part("2026.10.3", "2026.10.4"))
    os: Part = field(default_factory=lambda: Part("16.1", "16.2"))
    supervisor: Part = field(default_factory=lambda: Part("2026.07.1", "2026.08.0"))
    app: Part = field(default_factory=lambda: Part("0.1.0", "0.2.0"))
    pending_os: str | None = None
    installs_os: bool = True
    has_os: bool = True
    errors: dict[str, str] = field(default_factory=dict)
    asked_for: list[tuple[str, Any]] = field(default_factory=list)
    may_update: asyncio.Event = field(default_factory=_set)
    jobs: dict[str, float] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    end_core: Callable[[], Awaitable[object]] | None = None
    reboot: Callable[[], Awaitable[object]] | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    ending: asyncio.Future[object] | None = None
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    backups: SupervisorBackups = field(default_factory=SupervisorBackups)

    def __post_init__(self) -> None:
        """Have the app installed."""
        self.installed = True

    async def __aexit__(self, *args: object) -> None:
        """Let go of who waits, and answer no more."""
        self.ends.set()
        self.may_update.set()
        if self.ending is not None:
            await self.ending
        await super().__aexit__(*args)

    async def was_asked(self, asked: str) -> None:
        """Wait until something was asked of it, and is under way."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: asked in dict(self.asked_for))

    async def is_asked(self, asked: str) -> None:
        """Wait until something is asked of it, once more."""
        count = self.requests.count(asked)
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.requests.count(asked) > count)

    def roll_back(self) -> None:
        """Note that it has undone an update of Core."""
        self.issues.append(
            {
                "type": "update_rollback",
                "context": "core",
                "reference": None,
                "reference_extra": None,
                "uuid": uuid4().hex,
            }
        )

    async def _answer(self, request: web.Request) -> web.Response:
        asked = f"{request.method} {request.match_info['path']}"
        if why := self.errors.get(asked):
            self.requests.append(asked)
            return refusal(why)
        try:
            return await super()._answer(request)
        finally:
            async with self.changed:
                self.changed.notify_all()

    async def _answer_else(self, asked: str, request: web.Request) -> web.Response:
        if (kept := await self._answer_of_backups(asked, request)) is not None:
            return kept
        body = await request.json() if request.can_read_body else {}
        if asked in _DEEDS:
            async with self.changed:
                self.asked_for.append((asked, body))
                self.changed.notify_all()
            await self.may_update.wait()
        if asked in self.lost and request.transport is not None:
            request.transport.abort()
        match asked:
            case "POST core/update":
                await self._update_core(body["version"])
            case "POST os/update" if self.installs_os:
                self.pending_os = body["version"]
            case "POST supervisor/update" if _is_latest(self.supervisor):
                return refusal("No supervisor update available")
            case "POST supervisor/update":
                self.supervisor.version = self.supervisor.latest
            case _ if asked == f"POST store/addons/{SLUG}/update":
                self.app.version = self.app.latest
            case "POST host/reboot":
                await self._end(self.reboot)
            case _ if request.method == "POST":
                pass
            case _:
                found = self._told(asked)
                return refusal("not found", 404) if found is None else answer(found)
        return answer({})

    async def _answer_of_backups(
        self, asked: str, request: web.Request
    ) -> web.Response | None:
        if asked == "GET jobs/info":
            # Those of updates, too.
            return None
        return await self.backups.answer(asked, request)

    async def _update_core(self, version: str) -> None:
        """Replace the container of Home Assistant: who has asked does not see the answer."""
        if version in self.broken:
            self.roll_back()
        else:
            self.core.version = version
        await self._end(self.end_core)

    async def _end(self, end: Callable[[], Awaitable[object]] | None) -> None:
        """End who has asked, and go on without it."""
        if end is not None:
            self.ending = asyncio.ensure_future(end())
        await self.ends.wait()

    def _told(self, asked: str) -> Any:
        match asked:
            case "GET info":
                return _INFO | {
                    "supervisor": self.supervisor.version,
                    "homeassistant": self.core.version,
                    "hassos": self.os.version if self.has_os else None,
                }
            case "GET core/info":
                return _CORE | _versions(self.core)
            case "GET os/info":
                return _OS | _versions(self.os) | {"version_pending": self.pending_os}
            case "GET supervisor/info":
                return _SUPERVISOR | _versions(self.supervisor)
            case "GET jobs/info":
                jobs = [_job(name, percent) for name, percent in self.jobs.items()]
                return {"ignore_conditions": [], "jobs": jobs}
            case "GET resolution/info":
                return _RESOLUTION | {"issues": self.issues}
            case _ if asked.startswith("GET resolution/issue/"):
                return {"suggestions": []}
            case _ if asked.endswith("/stats"):
                return _STATS
        return _TOLD.get(asked)

    def _app(self) -> dict[str, Any]:
        return super()._app() | _versions(self.app)


def _is_latest(part: Part) -> bool:
    return part.version == part.latest


def _versions(part: Part) -> dict[str, Any]:
    return {
        "version": part.version,
        "version_latest": part.latest,
        "update_available": not _is_latest(part),
    }


def _job(name: str, percent: float) -> dict[str, Any]:
    return {
        "name": name,
        "reference": None,
        "uuid": uuid4().hex,
        "progress": percent,
        "stage": None,
        "done": False,
        "errors": [],
        "created": datetime.now(UTC).isoformat(),
        "child_jobs": [],
        "extra": None,
    }


_DEEDS = {
    "POST core/update",
    "POST os/update",
    "POST supervisor/update",
    f"POST store/addons/{SLUG}/update",
    "POST host/reboot",
}
_INFO: dict[str, Any] = {
    "docker": "28.0.0",
    "hostname": "homeassistant",
    "operating_system": "Home Assistant OS",
    "features": [],
    "machine": "generic-x86-64",
    "machine_id": None,
    "arch": "amd64",
    "state": "running",
    "supported_arch": ["amd64"],
    "supported": True,
    "channel": "stable",
    "logging": "info",
    "timezone": "UTC",
}
_CORE: dict[str, Any] = {
    "machine": "generic-x86-64",
    "ip_address": "172.30.32.1",
    "arch": "amd64",
    "image": "ghcr.io/home-assistant/home-assistant",
    "boot": True,
    "port": 8123,
    "ssl": False,
    "watchdog": True,
    "audio_input": None,
    "audio_output": None,
    "backups_exclude_database": False,
    "duplicate_log_file": False,
}
_OS: dict[str, Any] = {
    "board": "generic-x86-64",
    "boot": "A",
    "data_disk": None,
    "boot_slots": {},
}
_SUPERVISOR: dict[str, Any] = {
    "channel": "stable",
    "arch": "amd64",
    "supported": True,
    "healthy": True,
    "ip_address": "172.30.32.2",
    "timezone": "UTC",
    "logging": "info",
    "debug": False,
    "debug_block": False,
    "diagnostics": None,
    "auto_update": True,
    "country": None,
    "detect_blocking_io": False,
    "feature_flags": {},
}
_RESOLUTION: dict[str, Any] = {
    "unsupported": [],
    "unhealthy": [],
    "suggestions": [],
    "checks": [],
}
_STATS = {
    "cpu_percent": 1.0,
    "memory_usage": 1,
    "memory_limit": 1,
    "memory_percent": 1.0,
    "network_rx": 0,
    "network_tx": 0,
    "blk_read": 0,
    "blk_write": 0,
}
_TOLD: dict[str, Any] = {
    "GET supervisor/ping": {},
    "GET host/info": {
        "agent_version": None,
        "apparmor_version": None,
        "chassis": None,
        "virtualization": None,
        "cpe": None,
        "deployment": None,
        "disk_free": 10.0,
        "disk_total": 20.0,
        "disk_used": 10.0,
        "disk_life_time": None,
        "features": [],
        "hostname": "homeassistant",
        "llmnr_hostname": None,
        "kernel": None,
        "operating_system": "Home Assistant OS",
        "timezone": "UTC",
        "dt_utc": None,
        "dt_synchronized": True,
        "use_ntp": True,
        "startup_time": 1.0,
        "boot_timestamp": 1,
        "broadcast_llmnr": False,
        "broadcast_mdns": False,
    },
    "GET store": {"addons": [], "repositories": []},
    "GET network/info": {
        "interfaces": [],
        "docker": {
            "interface": "hassio",
            "address": "172.30.32.0/23",
            "gateway": "172.30.32.1",
            "dns": "172.30.32.3",
        },
        "host_internet": True,
        "supervisor_internet": True,
    },
    "GET ingress/panels": {"panels": {}},
    "GET mounts": {"default_backup_mount": None, "mounts": []},
    "GET backups/info": {"backups": [], "days_until_stale": 30},
}
