"""Home Assistant's websocket API: commands with one answer, and subscriptions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Self

import aiohttp


class CommandError(Exception):
    """Home Assistant refused a command; the message says which and why."""


class WebSocket:
    """An open, authenticated connection. Whoever opened it has to `close` it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take an authenticated socket and listen to it."""
        self._socket = socket
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._events: dict[int, asyncio.Queue[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, session: aiohttp.ClientSession, token: str) -> Self:
        """Open a connection with an access token.

        Raises aiohttp.ClientError if there is nobody, PermissionError if the token is no good.
        """
        socket = await session.ws_connect("/api/websocket", max_msg_size=0)
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        answer = await socket.receive_json()
        if answer["type"] != "auth_ok":
            await socket.close()
            raise PermissionError(
                answer.get("message", "the access token is not valid")
            )
        return cls(socket)

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return not self._reader.done()

    async def call(self, command: str, **fields: Any) -> Any:
        """Send a command and return its result.

        Raises CommandError if it is refused, ConnectionError if the connection is lost.
        """
        return await self._call(next(self._ids), command, fields)

    async def _call(self, number: int, command: str, fields: dict[str, Any]) -> Any:
        if not self.open:
            raise ConnectionError("the connection to Home Assistant is lost")
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": number, "type": command, **fields})
            return await answer
        finally:
            del self._answers[number]

    @asynccontextmanager
    async def subscribe(
        self, command: str, **fields: Any
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Send a command that subscribes; give its events. They end with the connection."""
        number = next(self._ids)
        self._events[number] = events = asyncio.Queue[Any]()
        try:
            await self._call(number, command, fields)
            yield _drain(events)
        finally:
            del self._events[number]
            with suppress(ConnectionError, CommandError):
                await self.call("unsubscribe_events", subscription=number)

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._handle(message.json())
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(
                        ConnectionError("the connection to Home Assistant was lost")
                    )
            for events in self._events.values():
                events.shutdown()

    def _handle(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if message["type"] == "event" and number in self._events:
            self._events[number].put_nowait(message["event"])
        answer = self._answers.get(number)
        if message["type"] != "result" or answer is None or answer.done():
            return
        if message["success"]:
            answer.set_result(message["result"])
        else:
            answer.set_exception(CommandError(message["error"]["message"]))


async def _drain(events: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    with suppress(asyncio.QueueShutDown):
        while True:
            yield await events.get()
