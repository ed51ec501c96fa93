"""Where the handlers of a thing run, and how that is reached."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, Self

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from ..aws_iot.model import ExecutionKey
from ..const import CONF_RUNNER, CONF_RUNNER_TOKEN
from ..runner.client import RunnerAddress, RunnerClient, RunnerError, RunnerInfo
from ..runner.inventory import PermissionsFix, fix_permissions, list_handlers
from ..runner.local import LocalRunner
from ..runner.model import Runner

LEAVE_SECONDS: Final = 20
"""How long a runner that is left is asked to end what it runs."""


class RunnerKind(StrEnum):
    """Where handlers can run."""

    APP = "app"
    LOCAL = "local"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """Where handlers run.

    `slug` names the app. `operating_systems` and `architecture` are those of a runner
    elsewhere, as it said last.
    """

    kind: RunnerKind
    slug: str = ""
    url: str = ""
    token: str = field(default="", repr=False)
    operating_systems: tuple[str, ...] = ()
    architecture: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any], secrets: Mapping[str, str]) -> Self:
        """Return what the data of an entry and its secrets say."""
        found = data[CONF_RUNNER]
        return cls(
            kind=RunnerKind(found["kind"]),
            slug=found.get("slug", ""),
            url=found.get("url", ""),
            token=secrets.get(CONF_RUNNER_TOKEN, ""),
            operating_systems=tuple(found.get("operating_systems", ())),
            architecture=found.get("architecture", ""),
        )

    def as_entry_data(self) -> dict[str, Any]:
        """Return what belongs in a config entry: everything but the token."""
        if self.kind is RunnerKind.LOCAL:
            return {"kind": self.kind.value}
        data = {
            "kind": self.kind.value,
            "url": self.url,
            "operating_systems": list(self.operating_systems),
            "architecture": self.architecture,
        }
        return data | {"slug": self.slug} if self.slug else data

    @property
    def address(self) -> RunnerAddress:
        """Where a runner elsewhere is."""
        return RunnerAddress(url=self.url, token=self.token)

    def at(self, address: RunnerAddress, info: RunnerInfo | None = None) -> Self:
        """Return the same runner at another address, and what it says of itself."""
        moved = replace(self, url=address.url, token=address.token)
        if info is None:
            return moved
        return replace(
            moved,
            operating_systems=info.operating_systems,
            architecture=info.architecture,
        )

    def is_same_runner(self, other: Self) -> bool:
        """Tell whether steps that run there run here, too. The app may move."""
        if self.kind is RunnerKind.ADDRESS:
            return (self.kind, self.url) == (other.kind, other.url)
        return (self.kind, self.slug) == (other.kind, other.slug)


class Place(Protocol):
    """Where the handlers of a thing are, and what runs them there."""

    runner: Runner

    async def async_info(self) -> RunnerInfo | None:
        """Return what a runner elsewhere says of itself. Raises RunnerError."""

    async def async_handlers(self) -> dict[str, str | None]:
        """Return the handlers, each with why it may not run. Raises RunnerError."""

    async def async_fix_permissions(self) -> PermissionsFix:
        """Let the handlers be run; return what came of it. Raises RunnerError, OSError."""


class LocalPlace:
    """In Home Assistant itself."""

    def __init__(
        self, hass: HomeAssistant, handler_directory: Path, work_directory: Path
    ) -> None:
        """Take handlers from one directory and keep the jobs' directories in another."""
        self.runner: Runner = LocalRunner(handler_directory, work_directory)
        self._hass = hass
        self._directory = handler_directory

    async def async_info(self) -> RunnerInfo | None:
        """Return nothing: this is Home Assistant."""
        return None

    async def async_handlers(self) -> dict[str, str | None]:
        """Return the handlers, each with why it may not run."""
        found = await self._hass.async_add_executor_job(list_handlers, self._directory)
        return {handler.name: handler.problem for handler in found}

    async def async_fix_permissions(self) -> PermissionsFix:
        """Let the handlers be run; return what came of it. Raises OSError."""
        return await self._hass.async_add_executor_job(fix_permissions, self._directory)


class RemotePlace:
    """In the app, or wherever else a runner answers."""

    def __init__(
        self,
        hass: HomeAssistant,
        address: RunnerAddress,
        *,
        thing_name: str,
        on_problem: Callable[[RunnerError | None], None],
    ) -> None:
        """Use the runner at an address; be told of what is in the way."""
        self._client = RunnerClient(
            async_get_clientsession(hass),
            address,
            namespace=thing_name,
            on_problem=on_problem,
        )
        self.runner: Runner = self._client

    async def async_info(self) -> RunnerInfo | None:
        """Return what the runner says of itself. Raises RunnerError."""
        return await self._client.info()

    async def async_handlers(self) -> dict[str, str | None]:
        """Return the handlers, each with why it may not run. Raises RunnerError."""
        return await self._client.handlers()

    async def async_fix_permissions(self) -> PermissionsFix:
        """Let the handlers be run; return what came of it. Raises RunnerError."""
        return await self._client.fix_permissions()


async def async_ask(hass: HomeAssistant, address: RunnerAddress) -> RunnerInfo:
    """Ask a runner what it is, once. Raises RunnerError."""
    return await client_of(hass, address, thing_name="").info()


def client_of(
    hass: HomeAssistant, address: RunnerAddress, *, thing_name: str
) -> RunnerClient:
    """Return a client of the runner at an address, which tells nobody of problems."""
    session = async_get_clientsession(hass)
    return RunnerClient(session, address, namespace=thing_name)


async def async_leave(runner: Runner, job: ExecutionKey) -> None:
    """Have a runner forget a job, and end what it runs of it, if it answers."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            await runner.release(str(job))
