"""An automation on failed jobs, made in the editor, and what Activity says of them."""

from collections.abc import AsyncIterator
from pathlib import Path
import re
from typing import Any

from playwright.async_api import Page, expect
import pytest

from stack.aws import LocalAws
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields

from .browsing import WAIT_SECONDS, browse

THING = "home-1"
NAME = "Tell me of failures"
FAILS: dict[str, Any] = {"operation": "sh", "args": ["-c", "exit 3"]}

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
]


@pytest.fixture
async def aws(tmp_path: Path, socket_enabled: None) -> AsyncIterator[LocalAws]:
    """Run a local AWS."""
    async with LocalAws(tmp_path / "aws") as aws:
        yield aws


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant that keeps automations where the editor puts them."""
    automations = tmp_path / "home" / "config" / "automations.yaml"
    automations.parent.mkdir(parents=True)
    automations.write_text("[]\n")
    configuration = f"{CONFIGURATION}automation: !include automations.yaml\n"
    async with HomeAssistant(tmp_path / "home", configuration=configuration) as home:
        yield home


async def test_automation_on_failed_jobs(aws: LocalAws, home: HomeAssistant) -> None:
    """Chosen in the default view, saved, and triggered by the next job that fails."""
    thing = await aws.create_thing(THING)
    await home.add_integration(DOMAIN, integration_fields(aws, thing))
    async with browse(home) as page:
        await page.goto(f"{home.url}/config/automation/edit/new")
        await _choose_trigger(page, "Job failed")
        await _save(page)
        automation = await home.wait_for_state(
            "automation.tell_me_of_failures", lambda state: state.state == "on"
        )
        assert automation.attributes["last_triggered"] is None

        # Opened before: for a moment after the first event of a type, the recorder has it
        # without finding it by its type.
        await page.goto(f"{home.url}/logbook")
        await expect(page.get_by_text("Home Assistant started")).to_be_visible()
        job_id = await aws.create_job(thing, FAILS)
        await home.wait_for_state(
            automation.entity_id,
            lambda state: state.attributes["last_triggered"] is not None,
            seconds=WAIT_SECONDS,
        )
        for what in ("started", "failed: step 1 of 1 'sh': exit status 3"):
            line = page.get_by_text(f"{THING} Job {job_id} {what}")
            await expect(line).to_be_visible()


async def _choose_trigger(page: Page, name: str) -> None:
    await page.get_by_role("button", name="Add trigger").click()
    await page.get_by_text("Services", exact=True).click()
    await page.get_by_text(THING, exact=True).click()
    await page.get_by_text(name).first.click()
    await expect(page.get_by_text("Triggers each time a job has failed")).to_be_visible(
        timeout=WAIT_SECONDS * 1000
    )


async def _save(page: Page) -> None:
    await page.get_by_role("button", name="Save").click()
    dialog = page.locator("ha-dialog-automation-save")
    await dialog.locator("input").first.fill(NAME)
    await dialog.get_by_role("button", name="Save").click()
    await expect(page).to_have_url(re.compile(r"/config/automation/edit/\d+$"))
