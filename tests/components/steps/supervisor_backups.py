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
        app.router.add_route("*", "/{path:.*}", self._answer)
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

    async def answer(self, asked: str, request: web.Request) -> web.Response | None:
        """Answer what is asked of backups and of jobs; None if it is something else."""
        match asked.split("/"):
            case ["GET backups"]:
                return _ok({"backups": list(self.backups.values())})
            case ["POST backups", "new", "partial"]:
                wanted = await request.json()
                self.asked.append(wanted)
                job = self.begin()
                self.end(job, wanted)
                return _ok({"job_id": job["uuid"], "slug": job["reference"]})
            case ["GET backups", slug, "info"]:
                return _ok(self.backups[slug])
            case ["GET backups", slug, "download"]:
                assert slug in self.backups
                return web.Response(body=CONTENT, content_type="application/tar")
            case ["GET jobs", "info"]:
                self.looked.set()
                return _ok({"ignore_conditions": [], "jobs": list(self.jobs.values())})
            case ["GET jobs", job_id]:
                return _ok(self.jobs[job_id])
        return None

    async def _answer(self, request: web.Request) -> web.Response:
        asked = f"{request.method} {request.match_info['path']}"
        if asked == "GET mounts":
            return _ok({"default_backup_mount": None, "mounts": []})
        found = await self.answer(asked, request)
        return web.Response(status=404) if found is None else found


def _ok(data: Any) -> web.Response:
    return web.json_response({"result": "ok", "data": data})
