"""A real Home Assistant on loopback, with the integration of this checkout."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
import json
import os
from pathlib import Path
import secrets
from types import TracebackType
from typing import Any, Self

import aiohttp

from .client import Client, RequestError
from .config_flow import Entry, add_integration
from .paths import CUSTOM_COMPONENTS, PYTHON
from .process import Child, StackError, free_ports, kill_strays

USER = "demo"
# What Home Assistant ends with when it wants to be started again.
RESTART_EXIT_STATUS = 100

START_SECONDS = 120
# A running handler has 10 s to end itself; Home Assistant ends after it.
STOP_SECONDS = 40
STORED_SECONDS = 10

_BLOCKING_CALL = "Detected blocking call"

# Not default_config, which looks around on the network. What has no log here is what a
# Home Assistant without ffmpeg and other libraries for cameras always has to say.
CONFIGURATION = """\
history:
logbook:
logger:
  default: warning
  logs:
    custom_components.aws_iot_jobs: info
    aiohttp_fast_zlib: fatal
    haffmpeg: fatal
    homeassistant.components.camera.img_util: fatal
"""


class HomeAssistant(Client):
    """A Home Assistant of its own, with one user who is logged in.

    Configuration, log and temporary files are in `directory` and stay there. It may be ended
    in any way and started again: user, login and config entries are the same.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        configuration: str = CONFIGURATION,
        custom_components: Path = CUSTOM_COMPONENTS,
    ) -> None:
        """Take a directory that no other one has used; it is made if missing.

        Without a `port` a free one is taken, without a `password` one is made up.
        `configuration` is the text of configuration.yaml, and `custom_components` the folder
        that is linked there under this name.
        """
        self.port = port or free_ports(1)[0]
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.directory = directory
        self.config = directory / "config"
        self.log = directory / "home-assistant.log"
        self.user = USER
        self.password = password or secrets.token_urlsafe(9)
        self.tokens: Mapping[str, Any] = {}
        self._configuration = configuration
        self._custom_components = custom_components
        self._child: Child | None = None
        self._entry_ids: list[str] = []

    async def __aenter__(self) -> Self:
        """Start it, create its user and log in. Raises StackError if it does not start."""
        await asyncio.to_thread(self._prepare)
        try:
            await self.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, and what it may have left running."""
        try:
            await self.stop()
        finally:
            kill_strays(self.config)
            await self.close()

    @property
    def process(self) -> Child:
        """The process that runs or ran last."""
        if self._child is None:
            raise RuntimeError("Home Assistant has not been started")
        return self._child

    async def start(self) -> None:
        """Start it, for the first time or again, and wait until all of it is set up."""
        self._child = child = await Child.start(
            "Home Assistant",
            self._command(),
            directory=self.config,
            environment=self._environment(),
            log=self.log,
        )
        if not self.token:
            await self._log_in(await child.until(self._onboard, START_SECONDS))
        await child.until(self._running, START_SECONDS)

    async def stop(self) -> None:
        """Stop it in order."""
        if self._child:
            await self._child.stop(STOP_SECONDS)

    async def restart(self) -> None:
        """Have it restart itself, as from its page, and wait until all of it is set up."""
        with suppress(ConnectionError):
            await self.call("call_service", domain="homeassistant", service="restart")
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.wait()
        await self.start()

    async def kill(self) -> None:
        """End it with SIGKILL, to `start` it again afterwards.

        Login and config entries are on disk by then: Home Assistant writes them with a delay.
        """
        async with asyncio.timeout(STORED_SECONDS):
            while not await asyncio.to_thread(self._stored):
                await asyncio.sleep(0.05)
        await self.process.kill()

    async def add_integration(
        self, domain: str, fields: Mapping[str, Any], choices: Collection[str] = ()
    ) -> Entry:
        """Add an integration through its dialog, `Upload`s included.

        In its menus, the step that is in `choices` is taken, else the first.

        Raises ConfigFlowError with the dialog's words if it makes no entry, StackError if
        there is no such dialog.
        """
        try:
            entry = await add_integration(self, domain, fields, choices)
        except RequestError as err:
            raise StackError(f"the dialog of {domain} fails: {err}", self.log) from None
        self._entry_ids.append(entry.entry_id)
        return entry

    def blocking_calls(self) -> list[str]:
        """Return what the log has of calls that kept the event loop from its work."""
        return [
            line
            for line in self.log.read_text(errors="replace").splitlines()
            if _BLOCKING_CALL in line
        ]

    def _prepare(self) -> None:
        storage = self.config / ".storage"
        storage.mkdir(parents=True)
        self._temporary.mkdir(mode=0o700)
        (self.config / "configuration.yaml").write_text(self._configuration)
        _store(storage / "http", 2, 2, _http_settings(self.port))
        # All of it but the user.
        done = {"done": ["core_config", "integration", "analytics"]}
        _store(storage / "onboarding", 4, 1, done)
        (self.config / "custom_components").symlink_to(self._custom_components)

    @property
    def _temporary(self) -> Path:
        # Two Home Assistants must not share one: each removes the other's uploaded files.
        return self.directory / "temporary"

    def _command(self) -> list[str | Path]:
        options = ["--skip-pip", "--log-no-color"]
        return [PYTHON, "-m", "homeassistant", "--config", self.config, *options]

    def _environment(self) -> dict[str, str]:
        ours = {"PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "VIRTUAL_ENV"}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        return kept | {"TMPDIR": str(self._temporary), "HA_DISABLE_LOG_FILE": "1"}

    async def _onboard(self) -> str | None:
        """Create the user as soon as that is possible; return a code to log in with."""
        person = {
            "client_id": f"{self.url}/",
            "name": self.user.title(),
            "username": self.user,
            "password": self.password,
            "language": "en",
        }
        try:
            async with self.session.post(
                "/api/onboarding/users", json=person
            ) as answer:
                return (await answer.json())["auth_code"] if answer.ok else None
        except aiohttp.ClientError:
            return None

    async def _log_in(self, code: str) -> None:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": f"{self.url}/",
        }
        async with self.session.post("/auth/token", data=form) as answer:
            self.tokens = await answer.json()
        # The token of a login lasts for half an hour only.
        self.token = self.tokens["access_token"]
        self.token = await self.call(
            "auth/long_lived_access_token", client_name="stack", lifespan=365
        )

    async def _running(self) -> bool | None:
        try:
            config = await self.request("GET", "/api/config")
        except aiohttp.ClientError, RequestError:
            return None
        return True if config["state"] == "RUNNING" else None

    def _stored(self) -> bool:
        storage = self.config / ".storage"
        login = storage / "auth"
        entries = storage / "core.config_entries"
        if not login.exists() or "long_lived_access_token" not in login.read_text():
            return False
        known = entries.read_text() if entries.exists() else ""
        return all(entry_id in known for entry_id in self._entry_ids)


def _store(
    path: Path, version: int, minor_version: int, data: Mapping[str, Any]
) -> None:
    content = {
        "version": version,
        "minor_version": minor_version,
        "key": path.name,
        "data": data,
    }
    path.write_text(json.dumps(content))


def _http_settings(port: int) -> dict[str, Any]:
    """Return what Home Assistant stores of its HTTP server.

    Given in configuration.yaml it would wait for somebody to confirm it, and listen on all
    interfaces after five minutes without.
    """
    return {
        "stable": {
            "server_port": port,
            "server_host": ["127.0.0.1"],
            "cors_allowed_origins": [],
            "login_attempts_threshold": -1,
            "ip_ban_enabled": True,
            "ssl_profile": "modern",
            "use_x_frame_options": True,
            "created_at": "2026-01-01T00:00:00+00:00",
            "error": None,
            "error_message": None,
        },
        "pending": None,
        "yaml_migration_done": True,
    }
