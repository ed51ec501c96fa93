"""Telling a card what a job writes, as much as the page takes.

A page says when it has taken a message. Of those that are on their way there are few at any
time; what comes meanwhile is in the log, and of a flood in what the log holds of it.
"""

import asyncio
from collections.abc import Callable, Iterable
import contextlib
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .aws_iot.model import ExecutionKey
from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .jobs.agent import Agent
from .jobs.log_lines import LogLine
from .log_pages import LogPiece, pieces
from .thing_changes import ThingChanges, async_find_thing

MAX_BYTES: Final = 64 * 1024
"""How large a message is at most."""
MIN_SECONDS: Final = 0.1
"""How long what is written is gathered after a message."""
MAX_UNTAKEN: Final = 8
"""How many messages are on their way to a page at once."""

_FRAME_BYTES: Final = 1024
"""What a message has besides its lines, at most."""


class FollowedLog:
    """What one card is told of the log of one job, until the log or either is gone."""

    def __init__(
        self,
        hass: HomeAssistant,
        device: dr.DeviceEntry,
        entry: AwsIotJobsConfigEntry,
        key: ExecutionKey,
        *,
        after: int,
        send: Callable[[bytes], None],
        subscription: int,
    ) -> None:
        """Begin to tell the lines after a number; `send` is given messages as JSON.

        `subscription` is by what a page names this.
        """
        self._hass = hass
        self._device_id = device.id
        self._key = key
        self._number = after
        self._send = send
        self._subscription = subscription
        self._untaken = 0
        self._taken = asyncio.Event()
        self._sent_at = 0.0
        self._changes = ThingChanges(hass, device.id, entry)
        self._task = hass.async_create_background_task(
            self._async_tell(),
            f"{DOMAIN} {entry.title} log for a card",
            # The answer to the command comes first.
            eager_start=False,
        )

    @callback
    def __call__(self) -> None:
        """Tell nothing any more: this is what ends a subscription."""
        self._task.cancel()
        self._changes.async_end()

    @callback
    def async_taken(self) -> None:
        """Take it that the page has taken a message."""
        self._untaken = max(0, self._untaken - 1)
        self._taken.set()

    async def _async_tell(self) -> None:
        """Tell what is written, over reloads, until the log is complete."""
        try:
            while async_find_thing(self._hass, self._device_id) is not None:
                await self._changes.wait()
                if (coordinator := self._changes.coordinator) is None:
                    continue
                agent = coordinator.agent
                await self._async_tell_running(agent)
                # It may also be that its agent was stopped, and will go on with it.
                if any(job.key == self._key for job in agent.history.jobs()):
                    await self._async_tell_rest(agent)
                    return
        finally:
            self._changes.async_end()

    async def _async_tell_running(self, agent: Agent) -> None:
        """Tell what a job writes while it can be followed."""
        following = agent.logs.follow(self._key, self._number)
        async with contextlib.aclosing(following):
            async for lines in following:
                await self._async_tell_lines(lines)

    async def _async_tell_rest(self, agent: Agent) -> None:
        """Tell what is in the file of a job that has ended, and that it is all."""
        with contextlib.suppress(OSError):
            text = await agent.logs.read(self._key)
            await self._async_tell_lines(text.after(self._number))
        await self._async_send(LogPiece(lines=b"[]", number=self._number), ended=True)

    async def _async_tell_lines(self, lines: Iterable[LogLine]) -> None:
        limit = MAX_BYTES - _FRAME_BYTES
        for piece in pieces(lines, number=self._number, limit=limit):
            await self._async_send(piece)

    async def _async_send(self, piece: LogPiece, *, ended: bool = False) -> None:
        """Send a message as soon as the page has room for it."""
        while self._untaken >= MAX_UNTAKEN:
            self._taken.clear()
            await self._taken.wait()
        now = self._hass.loop.time()
        await asyncio.sleep(self._sent_at + MIN_SECONDS - now)
        self._sent_at = self._hass.loop.time()
        self._untaken += 1
        self._number = piece.number
        end = b',"ended":true' if ended else b""
        self._send(
            b'{"lines":%b,"number":%d,"subscription":%d%b}'
            % (piece.lines, piece.number, self._subscription, end)
        )
