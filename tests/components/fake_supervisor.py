"""Supervisor at its HTTP boundary: what AddonManager and discovery ask of it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

from ..runner_service import RunnerService

SLUG = "1a2b3c4d_aws_iot_jobs"
TOKEN = "supervisor-token"
_STORE = {
    "advanced": False,
    "apparmor": "default",
    "arch": ["amd64"],
    "auth_api": False,
    "available": True,
    "build": False,
    "description": "Runs handlers",
    "detached": False,
    "docker_api": False,
    "documentation": True,
    "full_access": False,
    "hassio_api": False,
    "hassio_role": "default",
    "homeassistant": None,
    "homeassistant_api": False,
    "host_network": False,
    "host_pid": False,
    "icon": True,
    "ingress": False,
    "logo": True,
    "long_description": None,
    "name": "AWS IoT Jobs",
    "rating": 6,
    "repository": "1a2b3c4d",
    "signed": False,
    "slug": SLUG,
    "stage": "stable",
    "update_available": False,
    "url": None,
    "version": None,
    "version_latest": "0.1.0",
}
_INSTALLED: dict[str, Any] = {
    "audio": False,
    "audio_input": None,
    "audio_output": None,
    "auto_update": False,
    "boot": "auto",
    "boot_config": "auto",
    "changelog": False,
    "devices": [],
    "devicetree": False,
    "discovery": ["aws_iot_jobs"],
    "dns": [],
    "gpio": False,
    "host_dbus": False,
    "host_ipc": False,
    "host_uts": False,
    "hostname": SLUG.replace("_", "-"),
    "ingress_entry": None,
    "ingress_panel": None,
    "ingress_port": None,
    "ingress_url": None,
    "ip_address": "172.30.33.5",
    "kernel_modules": False,
    "machine": [],
    "network": None,
    "network_description": None,
    "options": {},
    "privileged": [],
    "protected": True,
    "schema": None,
    "services": [],
    "startup": "services",
    "stdin": False,
    "system_managed": False,
    "system_managed_config_entry": None,
    "translations": {},
    "uart": False,
    "udev": False,
    "usb": False,
    "video": False,
    "watchdog": False,
    "webui": None,
}


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakeSupervisor:
    """Knows one app, whose container is a process of the runner's service.

    `in_store` says whether the app's repository is there, `published` whether the app is
    in it, `announces` whether the app tells where it is, `refuse` which requests fail. An
    installation lasts while a test has cleared `may_install`.
    """

    runner: RunnerService
    installed: bool = False
    started: bool = False
    in_store: bool = True
    published: bool = True
    announces: bool = True
    refuse: set[str] = field(default_factory=set)
    may_install: asyncio.Event = field(default_factory=_set)
    requests: list[str] = field(default_factory=list)
    uuid: str = field(default_factory=lambda: uuid4().hex)
    server: TestServer | None = None

    async def __aenter__(self) -> Self:
        """Answer."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer no more."""
        assert self.server is not None
        await self.server.close()

    @property
    def host(self) -> str:
        """Where it is, as Home Assistant is told."""
        assert self.server is not None
        return f"{self.server.host}:{self.server.port}"

    @property
    def announcement(self) -> dict[str, Any]:
        """What the app has said of itself."""
        return {
            "host": "127.0.0.1",
            "port": self.runner.port,
            "token": self.runner.token,
        }

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        asked = f"{request.method} {path}"
        self.requests.append(asked)
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if asked in self.refuse:
            return refusal("it is refused")
        match asked:
            case "GET addons":
                data: Any = {"addons": [self._app()] if self.installed else []}
            case "GET store/addons":
                data = {"addons": [self._store()] if self.in_store else []}
            case "POST store/repositories":
                self.in_store, data = self.published, {}
            case "GET discovery":
                told = self.started and self.announces
                data = {"discovery": [self._message()] if told else []}
            case _ if asked == f"GET store/addons/{SLUG}":
                data = self._store()
            case _ if asked == f"GET addons/{SLUG}/info":
                data = self._app()
            case _ if asked == f"POST store/addons/{SLUG}/install":
                await self.may_install.wait()
                self.installed, data = True, {}
            case _ if asked == f"POST addons/{SLUG}/start":
                await self.runner.start()
                self.started, data = True, {}
            case _:
                return await self._answer_else(asked, request)
        return answer(data)

    async def _answer_else(self, asked: str, request: web.Request) -> web.Response:
        """Answer what a Supervisor is asked that knows more than one app."""
        return refusal("not found", status=404)

    def _store(self) -> dict[str, Any]:
        return _STORE | {"installed": self.installed}

    def _app(self) -> dict[str, Any]:
        state = "started" if self.started else "stopped"
        return _STORE | _INSTALLED | {"state": state, "version": "0.1.0"}

    def _message(self) -> dict[str, Any]:
        return {
            "addon": SLUG,
            "service": "aws_iot_jobs",
            "uuid": self.uuid,
            "config": self.announcement,
        }


def answer(data: Any) -> web.Response:
    """Return what Supervisor answers when all is well."""
    return web.json_response({"result": "ok", "data": data})


def refusal(message: str, status: int = 400) -> web.Response:
    """Return what Supervisor answers where it does not do what it is asked."""
    return web.json_response({"result": "error", "message": message}, status=status)
