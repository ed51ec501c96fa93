"""Supervisor at its HTTP boundary: its backups, and the jobs that make them."""

import asyncio
from typing import Any, Self
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

CONTENT = b"an encrypted backup " * 1000


class SupervisorBackups:
    """Makes backups at once.

    What was asked for is in `asked`; `looked` is set once somebody has seen all jobs.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.asked: list[dict[str, Any]] = []
        self.backups: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        app = web.Application()
        app.router.add_get("/mounts", self._mounts)
        app.router.add_get("/jobs/{id}", self._job)
        app.router.add_get("/backups", self._list)
        app.router.add_post("/backups/new/partial", self._new)
        app.router.add_get("/backups/{slug}/info", self._info)
        app.router.add_get("/backups/{slug}/download", self._download)
        self._server = TestServer(app)
        self.looked = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Answer."""
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer no more."""
        await self._server.close()

    @property
    def host(self) -> str:
        """Where it is."""
        return f"{self._server.host}:{self._server.port}"

    def begin(self) -> dict[str, Any]:
        """Begin a job that makes a backup."""
        job: dict[str, Any] = {
            "name": "backup_manager_partial_backup",
            "reference": None,
            "uuid": uuid4().hex,
            "progress": 0,
            "stage": "home_assistant",
            "done": False,
            "errors": [],
            "created": "2026-10-04T00:00:00+00:00",
            "child_jobs": [],
            "extra": None,
        }
        self.jobs[job["uuid"]] = job
        return job

    def end(self, job: dict[str, Any], asked: dict[str, Any]) -> None:
        """End one, with its backup."""
        slug = uuid4().hex[:8]
        protected = asked.get("password") is not None
        place = {"protected": protected, "size_bytes": len(CONTENT)}
        self.backups[slug] = {
            "slug": slug,
            "name": asked["name"],
            "date": "2026-10-04T00:00:00+00:00",
            "type": "partial",
            "location_attributes": {".local": place},
            "compressed": True,
            "content": {"homeassistant": True, "addons": [], "folders": []},
            "supervisor_version": "2026.10.0",
            "homeassistant": "2026.10.4",
            "addons": [],
            "repositories": [],
            "folders": ["ssl"],
            "homeassistant_exclude_database": asked["homeassistant_exclude_database"],
            "extra": asked["extra"],
        }
        job |= {"done": True, "reference": slug, "progress": 100}

    async def _mounts(self, _: web.Request) -> web.Response:
        return _ok({"default_backup_mount": None, "mounts": []})

    async def _job(self, request: web.Request) -> web.Response:
        if request.match_info["id"] == "info":
            self.looked.set()
            return _ok({"ignore_conditions": [], "jobs": list(self.jobs.values())})
        return _ok(self.jobs[request.match_info["id"]])

    async def _list(self, _: web.Request) -> web.Response:
        return _ok({"backups": list(self.backups.values())})

    async def _new(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        job = self.begin()
        self.end(job, asked)
        return _ok({"job_id": job["uuid"], "slug": job["reference"]})

    async def _info(self, request: web.Request) -> web.Response:
        return _ok(self.backups[request.match_info["slug"]])

    async def _download(self, request: web.Request) -> web.Response:
        assert request.match_info["slug"] in self.backups
        return web.Response(body=CONTENT, content_type="application/tar")


def _ok(data: Any) -> web.Response:
    return web.json_response({"result": "ok", "data": data})
