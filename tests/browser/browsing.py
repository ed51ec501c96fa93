"""A browser that is logged in to a Home Assistant."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
import json
import secrets
import shutil
import time
from typing import Any

from playwright.async_api import Page, async_playwright, expect

from stack import HomeAssistant

TOKEN_SECONDS = 1800
WAIT_SECONDS = 60
"""How long the page may take for anything, on a busy machine."""


@asynccontextmanager
async def browse(
    home: HomeAssistant, tokens: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[Page]:
    """Give a page of a browser in which the user of a Home Assistant is logged in.

    Another one where their `tokens` are given; `options` are those of a new page.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        look = {"viewport": {"width": 1100, "height": 1300}} | options
        page = await browser.new_page(**look)
        page.set_default_timeout(WAIT_SECONDS * 1000)
        expect.set_options(timeout=WAIT_SECONDS * 1000)
        await page.add_init_script(
            f"localStorage.setItem('hassTokens', {json.dumps(_stored(home, tokens))})"
        )
        try:
            yield page
        finally:
            await browser.close()


async def add_user(home: HomeAssistant, name: str) -> Mapping[str, Any]:
    """Add a user who is no administrator; return the tokens of a login."""
    user = await home.call(
        "config/auth/create", name=name, group_ids=["system-users"], local_only=False
    )
    login = {"username": name.lower(), "password": secrets.token_urlsafe(9)}
    await home.call(
        "config/auth_provider/homeassistant/create",
        user_id=user["user"]["id"],
        **login,
    )
    client = {"client_id": f"{home.url}/"}
    begin = {"handler": ["homeassistant", None], "redirect_uri": f"{home.url}/"}
    async with home.session.post("/auth/login_flow", json=client | begin) as answer:
        flow = (await answer.json())["flow_id"]
    async with home.session.post(
        f"/auth/login_flow/{flow}", json=client | login
    ) as answer:
        code = (await answer.json())["result"]
    form = {"grant_type": "authorization_code", "code": code, **client}
    async with home.session.post("/auth/token", data=form) as answer:
        tokens: Mapping[str, Any] = await answer.json()
    return tokens


def _stored(home: HomeAssistant, tokens: Mapping[str, Any] | None) -> str:
    """Return what the page stores of a login."""
    return json.dumps(
        {
            **(tokens or home.tokens),
            "hassUrl": home.url,
            "clientId": f"{home.url}/",
            "expires": (time.time() + TOKEN_SECONDS) * 1000,
        }
    )
