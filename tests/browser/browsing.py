"""A browser that is logged in to a Home Assistant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import shutil
import time

from playwright.async_api import Page, async_playwright, expect

from stack import HomeAssistant

TOKEN_SECONDS = 1800
WAIT_SECONDS = 60
"""How long the page may take for anything, on a busy machine."""


@asynccontextmanager
async def browse(home: HomeAssistant) -> AsyncIterator[Page]:
    """Give a page of a browser in which the user of a Home Assistant is logged in."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport={"width": 1100, "height": 1300})
        page.set_default_timeout(WAIT_SECONDS * 1000)
        expect.set_options(timeout=WAIT_SECONDS * 1000)
        await page.add_init_script(
            f"localStorage.setItem('hassTokens', {json.dumps(_tokens(home))})"
        )
        try:
            yield page
        finally:
            await browser.close()


def _tokens(home: HomeAssistant) -> str:
    """Return what the page stores of a login."""
    return json.dumps(
        {
            **home.tokens,
            "hassUrl": home.url,
            "clientId": f"{home.url}/",
            "expires": (time.time() + TOKEN_SECONDS) * 1000,
        }
    )
