"""Home Assistant as somebody who is logged in uses it: REST and websocket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from .websocket import WebSocket

REQUEST_SECONDS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """An entity's state."""

    entity_id: str
    state: str
    attributes: Mapping[str, Any]


class RequestError(Exception):
    """Home Assistant refused a request; the message has its answer, `status` the HTTP one."""

    def __init__(self, message: str, status: int) -> None:
        """Take what it has said."""
        super().__init__(message)
        self.status = status


class Client:
    """One user's connection. `token` is set when there has been a login.

    What is lost when Home Assistant restarts is opened again when it is needed next.
    """

    def __init__(self, url: str) -> None:
        """Take the address of a Home Assistant."""
        self.url = url
        self.token = ""
        self._session: aiohttp.ClientSession | None = None
        self._socket: WebSocket | None = None
        self._opening = asyncio.Lock()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP session, without a login."""
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            self._session = aiohttp.ClientSession(self.url, timeout=timeout)
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._socket:
            await self._socket.close()
        if self._session:
            await self._session.close()

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request with the login and return the JSON of its answer.

        `options` are aiohttp's. Raises RequestError if it is refused.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(
            method, path, headers=headers, **options
        ) as answer:
            if not answer.ok:
                said = f"{path}: {answer.status} {await answer.text()}"
                raise RequestError(said, answer.status)
            return await answer.json()

    async def call(self, command: str, **fields: Any) -> Any:
        """Send a websocket command and return its result.

        Raises CommandError if it is refused, ConnectionError without a connection.
        """
        return await (await self._websocket()).call(command, **fields)

    def subscribe(
        self, command: str, **fields: Any
    ) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Subscribe with a websocket command; the events end when the connection does."""
        return self._subscribe(command, fields)

    @asynccontextmanager
    async def _subscribe(
        self, command: str, fields: dict[str, Any]
    ) -> AsyncIterator[AsyncIterator[Any]]:
        socket = await self._websocket()
        async with socket.subscribe(command, **fields) as events:
            yield events

    async def _websocket(self) -> WebSocket:
        async with self._opening:
            if self._socket is None or not self._socket.open:
                try:
                    self._socket = await WebSocket.connect(self.session, self.token)
                except aiohttp.ClientError as err:
                    raise ConnectionError(f"{self.url}: {err}") from err
            return self._socket

    async def states(self) -> dict[str, State]:
        """Return the states of all entities by entity ID."""
        return {
            found["entity_id"]: _state(found) for found in await self.call("get_states")
        }

    async def entities(self, entry_id: str) -> dict[str, str]:
        """Return the entity IDs of a config entry's entities by their names."""
        return {
            entity["name"] or entity["original_name"] or entity["entity_id"]: entity[
                "entity_id"
            ]
            for entity in await self.call("config/entity_registry/list")
            if entity["config_entry_id"] == entry_id
        }

    async def device_id(self, entry_id: str) -> str:
        """Return the ID of a config entry's first device. Raises LookupError without one."""
        for device in await self.call("config/device_registry/list"):
            if entry_id in device["config_entries"]:
                found: str = device["id"]
                return found
        raise LookupError(f"config entry {entry_id} has no device")

    @asynccontextmanager
    async def state_changes(self) -> AsyncIterator[AsyncIterator[State]]:
        """Give the new states of all entities as they come, without those that go."""
        async with self.subscribe(
            "subscribe_events", event_type="state_changed"
        ) as events:
            yield (
                _state(event["data"]["new_state"])
                async for event in events
                if event["data"]["new_state"]
            )

    async def wait_for_state(
        self, entity_id: str, wanted: Callable[[State], bool], *, seconds: float = 10
    ) -> State:
        """Return an entity's state when it is a wanted one. Raises TimeoutError if never."""
        async with asyncio.timeout(seconds), self.state_changes() as changes:
            present = (await self.states()).get(entity_id)
            if present and wanted(present):
                return present
            async for state in changes:
                if state.entity_id == entity_id and wanted(state):
                    return state
        raise ConnectionError("the connection to Home Assistant was lost")


def _state(found: Mapping[str, Any]) -> State:
    return State(
        entity_id=found["entity_id"],
        state=found["state"],
        attributes=found["attributes"],
    )
