"""Phones with Home Assistant's app: what is pushed to them, and what is tapped there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser  # type: ignore[import-untyped]

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr


@dataclass
class Phone:
    """A phone: what its notification centre shows, and all that ever was pushed to it."""

    name: str
    device_id: str
    webhook_id: str
    client: TestClient[Any, Any]
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    pushed: list[dict[str, Any]] = field(default_factory=list)

    def receive(self, push: dict[str, Any]) -> None:
        """Show a notification in the place of the one of the same tag, or take that away."""
        self.pushed.append(push)
        tag = push["data"]["tag"]
        if push["message"] == "clear_notification":
            self.shown.pop(tag, None)
        else:
            self.shown[tag] = push

    def questions(self) -> list[str]:
        """Return the messages that are shown."""
        return [push["message"] for push in self.shown.values()]

    async def tap(self, title: str, push: dict[str, Any] | None = None) -> None:
        """Tap a button, of the notification that is shown if no other is given."""
        if push is None:
            (push,) = self.shown.values()
        (action,) = (
            action["action"]
            for action in push["data"]["actions"]
            if action["title"] == title
        )
        event = {
            "event_type": "mobile_app_notification_action",
            "event_data": {"action": action},
        }
        response = await self.client.post(
            f"/api/webhook/{self.webhook_id}",
            json={"type": "fire_event", "data": event},
        )
        assert response.ok


class Phones:
    """The service that delivers what Home Assistant pushes, and the phones that it knows."""

    def __init__(self, hass: HomeAssistant, client: TestClient[Any, Any]) -> None:
        """Deliver for a Home Assistant; phones reach that by a client."""
        self._hass = hass
        self._client = client
        self._phones: dict[str, Phone] = {}
        self.server = TestServer(self._app())

    async def add(self, name: str, owner: MockUser) -> Phone:
        """Register the app on somebody's phone."""
        webhook_id = f"webhook-{len(self._phones)}"
        entry = MockConfigEntry(
            domain="mobile_app",
            title=name,
            data={
                "app_data": {
                    "push_token": webhook_id,
                    "push_url": str(self.server.make_url("/push")),
                },
                "app_id": "io.robbie.HomeAssistant",
                "app_name": "Home Assistant",
                "app_version": "2026.10",
                "device_id": webhook_id,
                "device_name": name,
                "manufacturer": "Fairphone",
                "model": "6",
                "os_name": "Android",
                "os_version": "16",
                "supports_encryption": False,
                "user_id": owner.id,
                "webhook_id": webhook_id,
            },
        )
        entry.add_to_hass(self._hass)
        assert await self._hass.config_entries.async_setup(entry.entry_id)
        await self._hass.async_block_till_done()
        device = dr.async_get(self._hass).async_get_device_by_identifier(
            ("mobile_app", webhook_id), entry.entry_id
        )
        assert device is not None
        phone = Phone(name, device.id, webhook_id, self._client)
        self._phones[webhook_id] = phone
        return phone

    async def remove(self, phone: Phone) -> None:
        """Remove a phone from Home Assistant."""
        (entry,) = (
            entry
            for entry in self._hass.config_entries.async_entries("mobile_app")
            if entry.data["webhook_id"] == phone.webhook_id
        )
        await self._hass.config_entries.async_remove(entry.entry_id)
        await self._hass.async_block_till_done()

    def lose(self, phone: Phone) -> None:
        """Have a phone that nothing can be pushed to any more."""
        del self._phones[phone.webhook_id]

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/push", self._push)
        return app

    async def _push(self, request: web.Request) -> web.Response:
        push = await request.json()
        phone = self._phones.get(push["push_token"])
        if phone is None:
            return web.json_response({"message": "Unregistered."}, status=410)
        phone.receive(push)
        self._hass.bus.async_fire("pushed")
        return web.json_response({}, status=201)


@asynccontextmanager
async def phones_of(
    hass: HomeAssistant, client: TestClient[Any, Any]
) -> AsyncIterator[Phones]:
    """Have phones, for as long as the context lasts."""
    phones = Phones(hass, client)
    async with phones.server:
        yield phones
