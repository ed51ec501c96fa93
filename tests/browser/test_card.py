"""The card in a real browser: what it shows, what can be done with it, and by whom."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
import json
from pathlib import Path
import re
import subprocess
import time
from typing import Any

from playwright.async_api import Locator, Page, expect
import pytest

from stack.paths import ROOT

from .browsing import add_user, browse
from .stage import Stage, set_card_stage

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
LOADS = 20
LINES = 10_000
TORRENT = f"""\
#!/bin/sh
for part in 1 2 3 4 5 6 7 8 9 10; do
    seq -f "line %g of a long output that comes all at once" {LINES // 10}
    sleep 0.2
done
"""

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


@pytest.fixture
async def stage(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Stage]:
    """Set everything up."""
    async with set_card_stage(tmp_path) as stage:
        yield stage


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script that finds what is not accessible on a page."""
    subprocess.run([ROOT / "scripts" / "setup", "--frontend"], check=True)
    return AXE.read_text()


@asynccontextmanager
async def _card(
    stage: Stage, tokens: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Page, Locator]]:
    """Give the page with the card on it."""
    async with browse(stage.home, tokens, **options) as page:
        await page.goto(stage.address)
        card = page.locator("aws-iot-jobs-card")
        await expect(card.get_by_role("heading", name="demo-home")).to_be_visible()
        yield page, card


def _step(card: Locator, name: str, state: str) -> Locator:
    return card.get_by_role("tab", name=re.compile(rf"^{name}\b.*{state}"))


async def _shows(card: Locator, line: str) -> None:
    await expect(card.locator(".head .line").first).to_have_text(re.compile(line))


@pytest.mark.thorough
async def test_it_loads_in_each_of_twenty_fresh_pages(stage: Stage) -> None:
    """Whatever is there first: Home Assistant's own registry of elements, or the card."""
    async with browse(stage.home) as page:
        browser = page.context.browser
        assert browser is not None
        await page.goto(stage.address)
        state = await page.context.storage_state()
        for _ in range(LOADS):
            context = await browser.new_context(storage_state=state)
            fresh = await context.new_page()
            await fresh.goto(stage.address)
            card = fresh.locator("aws-iot-jobs-card")
            await expect(card.get_by_text("Ready for its first job")).to_be_visible()
            await expect(fresh.get_by_text("Configuration error")).to_have_count(0)
            await context.close()


@pytest.mark.alone
async def test_a_job_is_seen_from_its_creation_to_its_end(stage: Stage) -> None:
    """Within a second, step by step in their order, with what they write and why it failed."""
    names = ["Fetch", "Check", "Apply"]
    async with _card(stage) as (_, card):
        created = time.monotonic()
        await stage.create_job(
            stage.gate("Fetch"),
            stage.gate("Check", exit_status=3),
            stage.gate("Apply"),
            job_id="update-theme-42",
        )
        await expect(_step(card, "Fetch", "running")).to_be_visible()
        assert time.monotonic() - created < 1
        await _shows(card, "Running · step 1 of 3")
        await expect(card.get_by_role("log", name="Output Fetch")).to_contain_text(
            "Fetch waits"
        )
        assert await card.get_by_role("tab").count() == len(names)
        await expect(_step(card, "Check", "waiting")).to_be_visible()
        bar = card.get_by_role("progressbar")
        await expect(bar).to_have_attribute("aria-valuenow", "0")
        stage.open_gate("Fetch")
        await expect(_step(card, "Fetch", "done")).to_be_visible()
        await expect(_step(card, "Check", "running")).to_be_visible()
        await expect(_step(card, "Apply", "waiting")).to_be_visible()
        await expect(bar).to_have_attribute("aria-valuenow", "1")
        await expect(card.get_by_role("log", name="Output Check")).to_contain_text(
            "Check waits"
        )
        stage.open_gate("Check")
        await expect(_step(card, "Check", "failed")).to_contain_text("exit 3")
        await expect(_step(card, "Apply", "not run")).to_be_visible()
        note = card.locator(".note")
        await expect(note).to_contain_text("Check failed: exit status 3")
        await expect(note).to_contain_text("Step 2 of 3. The steps after it were not")
        await _shows(card, "Idle · last job failed")
        # It stays until it is closed.
        await card.get_by_role("button", name="Close this job").click()
        await expect(card.locator(".note")).to_have_count(0)
        row = card.get_by_role("button", name=re.compile("update-theme-42"))
        await expect(row).to_contain_text("Check failed: exit status 3")
        await row.click()
        await expect(card.get_by_role("log").last).to_contain_text("Check goes on")


async def test_who_decides_and_who_may_not(stage: Stage) -> None:
    """Approve and reject, by click and by keyboard; others see that it waits, and no more."""
    await stage.choose(approval="every_job")
    viewer = await add_user(stage.home, "Viewer")
    await stage.create_job(stage.gate("Secret-Step"), job_id="first")
    async with _card(stage) as (page, card), _card(stage, viewer) as (_, seen):
        await _shows(card, "Waiting for your approval")
        await expect(card.locator(".plan")).to_contain_text("gate.sh")
        await expect(card.locator(".plan")).to_contain_text("Handler")
        await _shows(seen, "Waiting for an administrator")
        await expect(seen.get_by_text("first", exact=True)).to_be_visible()
        for button in ("Approve and run", "Reject…"):
            await expect(seen.get_by_role("button", name=button)).to_have_count(0)
        assert "gate.sh" not in await seen.inner_text()
        await _is_refused(seen, stage)

        await card.get_by_role("button", name="Approve and run").focus()
        await page.keyboard.press("Enter")
        await expect(_step(card, "Secret-Step", "running")).to_be_visible()
        stage.open_gate("Secret-Step")
        await _shows(card, "Succeeded just now · 1 step")

        await stage.create_job(stage.gate("Other"), job_id="second")
        await card.get_by_role("button", name="Reject…").click()
        await page.get_by_label("Reason (optional)").fill("not while guests are here")
        await page.get_by_role("button", name="Reject job").click()
        await _shows(card, "Idle · last job rejected just now")
        row = card.locator('.hrow[data-job="second"]')
        await expect(row).to_contain_text("Rejected: “not while guests are here”")
    execution = await stage.aws.describe_execution(stage.thing, "second")
    assert execution.status == "REJECTED"
    assert "not while guests are here" in execution.status_details["reason"]


async def _is_refused(seen: Locator, stage: Stage) -> None:
    """Require that the server refuses what the card does not offer."""
    call = """async (card, [service, device]) => {
      const hass = document.querySelector("home-assistant").hass;
      const data = service === "plan"
        ? hass.callWS({ type: "aws_iot_jobs/jobs/plan", device_id: device })
        : hass.callService("aws_iot_jobs", service, { job_id: "first" }, { device_id: device });
      try { await data; return "done"; } catch (error) { return `${error.code} ${error.message}`; }
    }"""
    for service in ("plan", "approve_job", "reject_job"):
        refusal = await seen.evaluate(call, [service, stage.device_id])
        assert "unauthorized" in refusal.lower()


@pytest.mark.parametrize(
    "how", [pytest.param("click", marks=pytest.mark.thorough), "keyboard"]
)
async def test_a_running_job_can_be_stopped(stage: Stage, how: str) -> None:
    """After it has been confirmed; the output of its step can be read meanwhile."""
    async with _card(stage) as (page, card):
        await stage.create_job(stage.gate("Endless"), job_id="stop-me")
        stop = card.get_by_role("button", name=re.compile("^Stop"))
        if how == "click":
            await stop.click()
            await page.get_by_role("button", name="Stop job").last.click()
        else:
            await stop.focus()
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("Stop this job?")).to_be_visible()
            await page.get_by_role("button", name="Stop job").last.focus()
            await page.keyboard.press("Enter")
        await expect(card.locator(".note")).to_contain_text("stopped in Home Assistant")
    execution = await stage.aws.wait_for_execution(stage.thing, "stop-me")
    assert execution.status == "FAILED"


async def test_it_is_there_again_after_a_restart(stage: Stage) -> None:
    """The page stays open while Home Assistant restarts in the middle of a job."""
    async with _card(stage) as (_, card):
        await stage.create_job(stage.gate("First"), stage.gate("Then"), job_id="long")
        stage.open_gate("First")
        await expect(_step(card, "Then", "running")).to_be_visible()
        await stage.home.restart()
        await expect(_step(card, "First", "done")).to_be_visible()
        await expect(_step(card, "Then", "running")).to_be_visible()
        await expect(card.get_by_role("log")).to_contain_text("Attempt 2")
        stage.open_gate("Then")
        await expect(_step(card, "Then", "done")).to_be_visible()
        await _shows(card, "Succeeded just now · 2 steps")


@pytest.mark.alone
@pytest.mark.thorough
async def test_a_torrent_of_output_blocks_neither_the_page_nor_home_assistant(
    stage: Stage,
) -> None:
    """10,000 lines in two seconds: no long task, and the last 2,000 lines on the page."""
    stage.add_handler("torrent.sh", TORRENT)
    given = {"handler": "torrent.sh", "path": "default"}
    step = {"action": {"name": "Torrent", "type": "runHandler", "input": given}}
    async with _card(stage) as (page, card):
        # The page itself has been set up by then.
        await expect(card.get_by_text("Ready for its first job")).to_be_visible()
        await page.evaluate(
            """() => { window.longest = 0; new PerformanceObserver((list) => {
                 for (const entry of list.getEntries())
                   window.longest = Math.max(window.longest, entry.duration);
               }).observe({ entryTypes: ["longtask"] }); }"""
        )
        await stage.create_job(step, stage.gate("After"), job_id="torrent")
        await expect(_step(card, "After", "running")).to_be_visible()
        await _step(card, "Torrent", "done").click()
        log = card.get_by_role("log", name="Output Torrent")
        await expect(log).to_contain_text(
            f"line {LINES // 10} of a long output", use_inner_text=True
        )
        assert await log.locator("> div").count() <= 2000
        assert await page.evaluate("window.longest") < 100


async def test_it_is_chosen_and_changed_in_the_editor(stage: Stage) -> None:
    """It is among the cards, with a preview, and has a form for its options."""
    async with browse(stage.home) as page:
        await page.goto(f"{stage.address}?edit=1")
        await page.get_by_role("button", name="Add card").first.click()
        await page.get_by_text("By card", exact=True).click()
        await page.get_by_placeholder(re.compile("Search")).last.fill("AWS IoT")
        picker = page.locator("hui-card-picker")
        preview = picker.locator("aws-iot-jobs-card")
        await expect(preview).to_contain_text("Ready for its first job")
        await picker.locator(".overlay").first.click()
        dialog = page.locator("hui-dialog-edit-card")
        await expect(dialog).to_contain_text("AWS IoT Jobs card configuration")
        form = dialog.locator("ha-form").first
        await expect(form.get_by_text("Things", exact=True)).to_be_visible()
        await form.get_by_text("Compact", exact=True).click()
        await expect(dialog.locator("aws-iot-jobs-card .compact")).to_be_visible()
        async with stage.home.subscribe(
            "subscribe_events", event_type="lovelace_updated"
        ) as updates:
            await dialog.get_by_role("button", name="Save").click()
            async with asyncio.timeout(20):
                await anext(updates)
        config = await stage.home.call(
            "lovelace/config", url_path=stage.address.split("/")[3]
        )
        assert config["views"][0]["sections"][0]["cards"][1:] == [
            {
                "type": "custom:aws-iot-jobs-card",
                "device_id": [stage.device_id],
                "mode": "compact",
            }
        ]


@pytest.mark.thorough
async def test_it_is_suggested_for_entities_of_a_thing(stage: Stage) -> None:
    """Whole and as one row, for these entities alone."""
    async with browse(stage.home) as page:
        await page.goto(f"{stage.address}?edit=1")
        await page.get_by_role("button", name="Add card").first.click()
        adding = page.locator("hui-dialog-create-card")
        for name in ("Services", "demo-home", "Job status"):
            await adding.get_by_text(name, exact=True).first.click()
        await expect(adding.get_by_text("All about its jobs")).to_be_visible()
        await expect(adding.get_by_text("One row")).to_be_visible()
        await expect(adding.locator("aws-iot-jobs-card .compact")).to_be_visible()


async def test_it_is_accessible(stage: Stage, axe: str) -> None:
    """No serious fault while a job runs and another is open, in light and in dark."""
    await stage.create_job(stage.gate("Bad", exit_status=1), job_id="bad")
    stage.open_gate("Bad")
    await stage.aws.wait_for_execution(stage.thing, "bad")
    await stage.create_job(stage.gate("Runs"), stage.gate("Waits"), job_id="runs")
    for scheme in ("light", "dark"):
        async with _card(stage, color_scheme=scheme) as (page, card):
            await expect(_step(card, "Runs", "running")).to_be_visible()
            await card.get_by_role("button", name="Last jobs").click()
            await card.get_by_role("button", name=re.compile("bad")).click()
            await expect(card.get_by_role("log").last).to_contain_text("Bad goes on")
            await page.evaluate(axe)
            found = await card.evaluate(
                """async (card) => (await axe.run(card, { resultTypes: ["violations"] }))
                     .violations.map(({ id, impact, nodes }) =>
                       [id, impact, nodes.map((node) => node.html)])"""
            )
            grave = [fault for fault in found if fault[1] in ("serious", "critical")]
            assert grave == []


@pytest.mark.thorough
async def test_the_log_of_a_job_is_searched_and_saved(stage: Stage) -> None:
    """All of it, in Home Assistant's dialog."""
    await stage.create_job(stage.gate("One"), stage.gate("Two", 1), job_id="logged")
    for name in ("One", "Two"):
        stage.open_gate(name)
    await stage.aws.wait_for_execution(stage.thing, "logged")
    async with _card(stage) as (page, card):
        await card.get_by_role("button", name="Open log").click()
        log = page.get_by_role("log", name="Log")
        for line in ("One waits", "One goes on", "Two waits", "Two goes on"):
            await expect(log).to_contain_text(line)
        await page.get_by_label("Search the log").fill("goes on")
        await expect(page.get_by_text("1 of 2")).to_be_visible()
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Download").first.click()
        saved = await (await saving.value).path()
        text = await asyncio.to_thread(saved.read_text)
        assert text.index("One goes on") < text.index("Two goes on")


@pytest.mark.thorough
async def test_a_document_is_checked_and_run(stage: Stage) -> None:
    """What is wrong with it is told at its place, and only a clean one can be run."""
    await stage.choose(run_document=True)
    async with _card(stage) as (page, card):
        await card.get_by_role("button", name="More").click()
        await page.get_by_text("Run a document…").click()
        field = page.get_by_label("Job document")
        run = page.get_by_role("button", name="Run", exact=True)
        await field.fill('{"version": "1.0", "steps": []}')
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.get_by_text("steps: must not be empty")).to_be_visible()
        await expect(run).to_be_disabled()
        steps = [stage.gate("By-Hand")]
        await field.fill(json.dumps({"version": "1.0", "steps": steps}))
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator(".plan")).to_contain_text("gate.sh")
        await run.click()
        await expect(_step(card, "By-Hand", "running")).to_be_visible()
        stage.open_gate("By-Hand")
        await _shows(card, "Succeeded just now · 1 step")


@pytest.mark.thorough
@pytest.mark.parametrize("width", [320, 1000])
async def test_nothing_is_cut_off(stage: Stage, width: int) -> None:
    """Neither on a small phone, where the page is not to be moved sideways, nor on a wall."""
    names = ["A-Name-Longer-Than-The-Card-Is-Wide-For-Migrating-The-Recorder", "Then"]
    gates = [stage.gate(name) for name in names]
    await stage.create_job(*gates, job_id="fleet-eu-central-1-zigbee-firmware-wave-03")
    viewport = {"width": width, "height": 800}
    async with _card(stage, viewport=viewport) as (page, card):
        await expect(_step(card, names[0], "running")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        box, within = (
            await card.bounding_box(),
            await card.locator(".out").bounding_box(),
        )
        assert box is not None
        assert within is not None
        assert box["x"] <= within["x"]
        assert within["x"] + within["width"] <= box["x"] + box["width"]
        beside = await card.get_by_role("tablist").bounding_box()
        assert beside is not None
        # From 640 px on, the output is beside the steps.
        assert (within["y"] > beside["y"] + beside["height"]) == (box["width"] < 640)


@pytest.mark.thorough
async def test_a_tile_opens_the_whole_card(stage: Stage) -> None:
    """In the compact mode, by keyboard."""
    await stage.home.call(
        "lovelace/config/save",
        url_path=stage.address.split("/")[3],
        config={
            "views": [
                {
                    "path": "jobs",
                    "cards": [{"type": "custom:aws-iot-jobs-card", "mode": "compact"}],
                }
            ]
        },
    )
    await stage.create_job(stage.gate("Seen"), job_id="tile")
    async with browse(stage.home) as page:
        await page.goto(stage.address)
        card = page.locator("aws-iot-jobs-card")
        tile = card.get_by_role("button", name=re.compile("demo-home"))
        await expect(tile).to_contain_text("Step 1 of 1 · Seen")
        await tile.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("log", name="Output Seen")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("log", name="Output Seen")).to_have_count(0)
