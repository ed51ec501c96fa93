"""The dialog that adds a thing, in the browser: with faults, and with page reloads."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
import json
from pathlib import Path
import re
import zipfile

from playwright.async_api import FilePayload, Locator, Page, expect
import pytest

from stack import DOMAIN, HomeAssistant, LocalAws, Thing
from stack.client import RequestError
from stack.config_flow import FLOW_PATH

from .browsing import WAIT_SECONDS, browse

THING = "thing-1"
_FLOW = re.compile(rf"{FLOW_PATH}/([0-9A-Za-z]+)$")

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
]


@dataclass(frozen=True, slots=True)
class Dialog:
    """The dialog as it is on the page."""

    page: Page
    home: HomeAssistant

    @property
    def form(self) -> Locator:
        """The form that is shown."""
        return self.page.locator("step-flow-form")

    @property
    def alert(self) -> Locator:
        """What is wrong."""
        return self.form.locator("ha-alert")

    async def open(self) -> None:
        """Open it, by a page that is loaded anew."""
        await self.page.goto(
            f"{self.home.url}/config/integrations/dashboard/add?domain={DOMAIN}"
        )
        await self.page.get_by_role("button", name="OK").click()
        await self.page.get_by_text("This home's certificate").click()
        await expect(self.field("text", 0)).to_be_visible()

    def field(self, kind: str, place: int) -> Locator:
        """Return a field by its kind, and by how many of that kind stand before it."""
        return self.form.locator(f"ha-selector-{kind}").nth(place)

    async def enter(self, kind: str, place: int, text: str) -> None:
        """Enter a text into a field."""
        await self.field(kind, place).locator("input").fill(text)

    async def upload(self, place: int, name: str, content: bytes) -> None:
        """Upload a file, and wait until the page has its name."""
        field = self.field("file", place)
        file = FilePayload(
            name=name, mimeType="application/octet-stream", buffer=content
        )
        await field.locator("input").set_input_files(file)
        await expect(field).to_contain_text(name)

    async def submit(self) -> None:
        """Submit the form."""
        await self.page.get_by_role("button", name="Submit").click()


@pytest.fixture
async def aws(tmp_path: Path, socket_enabled: None) -> AsyncIterator[LocalAws]:
    """Run a local AWS."""
    async with LocalAws(tmp_path / "aws") as aws:
        yield aws


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant."""
    async with HomeAssistant(tmp_path / "home") as home:
        yield home


@pytest.fixture
async def dialog(home: HomeAssistant) -> AsyncIterator[Dialog]:
    """Open a browser for the dialog."""
    async with browse(home) as page:
        yield Dialog(page, home)


def _kit(aws: LocalAws, thing: Thing) -> bytes:
    """Return a bundle for a thing, named and packed as AWS does it."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{thing.name}.cert.pem", thing.certificate)
        archive.writestr(f"{thing.name}.private.key", thing.private_key)
        archive.writestr("root-CA.crt", aws.root_ca)
        where = {"endpoint": aws.mqtt_host, "port": aws.mqtt_port}
        archive.writestr("bundle.json", json.dumps(where))
    return data.getvalue()


async def test_faults_and_page_reload(
    aws: LocalAws, home: HomeAssistant, dialog: Dialog
) -> None:
    """Faults are seen where they are, good files stay, and a page reload does no harm."""
    thing = await aws.create_thing(THING)
    await dialog.open()
    await dialog.enter("text", 0, aws.mqtt_host)
    await dialog.enter("text", 1, THING)
    await dialog.page.get_by_text("Port and root CA").click()
    await dialog.enter("number", 0, str(home.port))
    await dialog.upload(2, "my.cert.pem", thing.certificate.encode())
    await dialog.upload(3, "my.private.key", thing.private_key.encode())
    await dialog.submit()
    await expect(dialog.alert).to_contain_text("This port has no TLS")
    await expect(dialog.field("number", 0)).to_be_visible()
    await expect(dialog.field("file", 2)).to_contain_text("✓ my.cert.pem")
    await expect(dialog.field("file", 3)).to_contain_text("✓ my.private.key")

    # The files are not uploaded again.
    await dialog.enter("number", 0, str(aws.mqtt_port))
    await dialog.submit()
    await expect(dialog.alert).to_contain_text("which is not trusted here")
    await dialog.upload(1, "my-ca.pem", aws.root_ca.encode())
    await dialog.submit()
    await expect(dialog.page.get_by_text("Where handlers run")).to_be_visible()

    await dialog.open()
    await dialog.upload(0, "kit.zip", _kit(aws, thing))
    await dialog.submit()
    await _set_up(dialog)


async def test_dialogs_that_nobody_ends(
    aws: LocalAws, home: HomeAssistant, dialog: Dialog
) -> None:
    """A page reload while the dialog connects leaves nothing that keeps the next from it."""
    thing = await aws.create_thing(THING)
    kit = _kit(aws, thing)
    flows: list[str] = []
    dialog.page.on("request", lambda request: flows.extend(_FLOW.findall(request.url)))
    for _ in range(2):
        await dialog.open()
        await dialog.upload(0, "kit.zip", kit)
        await dialog.submit()
        await expect(dialog.form).not_to_be_visible()
    await _set_up(dialog)
    left, used = dict.fromkeys(flows)
    for flow in (left, used):
        with pytest.raises(RequestError, match="404"):
            await home.request("GET", f"{FLOW_PATH}/{flow}")


async def _set_up(dialog: Dialog) -> None:
    """Choose where handlers run, and wait until the thing is set up."""
    await dialog.page.get_by_text("In Home Assistant itself").click()
    await expect(dialog.field("boolean", 0)).to_be_visible()
    await dialog.submit()
    async with asyncio.timeout(WAIT_SECONDS):
        while await _entries(dialog.home) != [(THING, "loaded")]:
            await asyncio.sleep(0.1)


async def _entries(home: HomeAssistant) -> list[tuple[str, str]]:
    """Return the title and the state of each thing."""
    entries = await home.call("config_entries/get", domain=DOMAIN)
    return [(entry["title"], entry["state"]) for entry in entries]
