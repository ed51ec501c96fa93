"""A page with a card, as far as it talks to Home Assistant."""

import asyncio
from typing import Any

from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket  # type: ignore[import-untyped]

SECONDS = 20
"""How long anything may take."""


class Page:
    """Sends commands, and sorts what comes."""

    def __init__(self, client: MockHAClientWebSocket) -> None:
        """Take a client that is logged in."""
        self.client = client
        self._last_id = 0
        self._results: dict[int, dict[str, Any]] = {}
        self._events: dict[int, list[dict[str, Any]]] = {}

    async def send(self, command: str, **data: Any) -> int:
        """Send a command of ours; return by what it is named."""
        return await self._send(f"aws_iot_jobs/{command}", **data)

    async def ask(self, command: str, **data: Any) -> dict[str, Any]:
        """Send a command of ours; return what comes back, be it an error."""
        return await self._result(await self.send(command, **data))

    async def get(self, command: str, **data: Any) -> Any:
        """Send a command of ours that is done; return its result."""
        answer = await self.ask(command, **data)
        assert answer["success"], answer
        return answer["result"]

    async def refused(self, command: str, **data: Any) -> str:
        """Send a command of ours that is refused; return the code of the error."""
        answer = await self.ask(command, **data)
        assert not answer["success"], answer
        assert answer["error"]["message"]
        code: str = answer["error"]["code"]
        return code

    async def follow(self, command: str, **data: Any) -> int:
        """Subscribe to something; return by what that is named."""
        answer = await self.ask(command, **data)
        assert answer["success"], answer
        assert answer["result"] is None
        id_: int = answer["id"]
        return id_

    async def unfollow(self, subscription: int) -> None:
        """Have told no more of something."""
        id_ = await self._send("unsubscribe_events", subscription=subscription)
        assert (await self._result(id_))["success"]

    async def event(self, subscription: int) -> dict[str, Any]:
        """Return what is told next."""
        events = self._events.setdefault(subscription, [])
        async with asyncio.timeout(SECONDS):
            while not events:
                await self._receive()
        return events.pop(0)

    async def events(self, subscription: int) -> list[dict[str, Any]]:
        """Return all that has been told up to now."""
        # What was sent before the answer to this has come before it.
        await self._result(await self._send("ping"))
        return self._events.pop(subscription, [])

    async def _send(self, command: str, **data: Any) -> int:
        self._last_id += 1
        await self.client.send_json({"id": self._last_id, "type": command, **data})
        return self._last_id

    async def _result(self, id_: int) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while id_ not in self._results:
                await self._receive()
        return self._results.pop(id_)

    async def _receive(self) -> None:
        message = await self.client.receive_json()
        if message["type"] == "event":
            self._events.setdefault(message["id"], []).append(message["event"])
        else:
            self._results[message["id"]] = message
