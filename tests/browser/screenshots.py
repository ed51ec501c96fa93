"""Makes the pictures of the documentation: the card, as it is in a real Home Assistant."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import re
import tempfile
from typing import Any

from playwright.async_api import Locator, Page, WebSocketRoute, expect

from stack.paths import ROOT

from .browsing import browse
from .stage import Stage, handler, set_card_stage

IMAGES = ROOT / "docs" / "images"
WIDTH = 440
PHONE = {"width": 360, "height": 780}

FLASH = r"""#!/bin/sh
say() { printf '%b\n' "$1"; sleep 0.05; }
say '\033[2m$ flash-coordinator.sh /dev/ttyUSB0\033[0m'
say 'Bootloader 2.4.1 found, 512 KiB flash'
say 'Erasing 128 sectors … \033[32mok\033[0m'
for kib in 64 96; do say "Writing  $kib KiB of 256 KiB"; done
say '\033[33mwarning: sector 31 needed a second try\033[0m'
for kib in 128 160 176; do say "Writing  $kib KiB of 256 KiB"; done
until [ -e "$3" ]; do sleep 0.02; done
"""
CHECK = r"""#!/bin/sh
say() { printf '%b\n' "$1"; }
say 'Testing configuration at /config'
say '\033[31mFailed config\033[0m'
say '  \033[33mfrontend:\033[0m'
say '    \033[31m- Invalid value at configuration.yaml, line 14:\033[0m'
say "      \033[31mexpected a mapping for 'themes->winter', got None\033[0m"
exit 1
"""
WORK = "#!/bin/sh\nsleep $3\necho done\n"
SHOWN_FOLDER = "/config/aws_iot_jobs"
"""Where handlers usually are, shown instead of a temporary folder."""


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, default=IMAGES, metavar="FOLDER")
    asyncio.run(_make(parser.parse_args().to))


async def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as directory:
        async with set_card_stage(Path(directory)) as stage:
            stage.add_handler("flash-coordinator.sh", FLASH)
            stage.add_handler("check-configuration.sh", CHECK)
            for name in ("work.sh", "stop-services.sh", "install-packages.sh"):
                stage.add_handler(name, WORK)
            await _earlier_jobs(stage)
            await _failure(stage, folder)
            await _running(stage, folder)
            await _approval(stage, folder)
            await _editor(stage, folder)


async def _earlier_jobs(stage: Stage) -> None:
    for job_id, seconds in (
        ("nightly-check-2026-11-22", 1),
        ("nightly-check-2026-11-23", 1),
        ("zigbee-firmware-7-4-4", 9),
        ("nightly-check-2026-11-24", 2),
    ):
        await stage.create_job(handler("work.sh", "Check", str(seconds)), job_id=job_id)
        await stage.aws.wait_for_execution(stage.thing, job_id)


async def _failure(stage: Stage, folder: Path) -> None:
    await stage.create_job(
        handler("work.sh", "Fetch-Theme", "2"),
        handler("check-configuration.sh", "Check-Configuration"),
        handler("work.sh", "Apply-Theme", "1"),
        handler("work.sh", "Clean-Up", "1"),
        job_id="update-theme-42",
    )
    await stage.aws.wait_for_execution(stage.thing, "update-theme-42")
    async with _card(stage) as (_, card):
        await expect(card.locator(".note")).to_contain_text("exit status 1")
        await expect(card.get_by_role("log")).to_contain_text("got None")
        await _shoot(card, folder / "card-failed.png")


async def _running(stage: Stage, folder: Path) -> None:
    done = stage.folder / "flashed"
    await stage.create_job(
        handler("work.sh", "Back-Up-Settings", "3"),
        handler("work.sh", "Download-Firmware", "5"),
        handler("flash-coordinator.sh", "Flash-Coordinator", str(done)),
        handler("work.sh", "Restart-Zigbee", "1"),
        handler("work.sh", "Check-Network", "2"),
        job_id="zigbee-firmware-7-4-5",
    )
    for scheme in ("light", "dark"):
        async with _card(stage, color_scheme=scheme) as (_, card):
            await expect(card.get_by_role("log")).to_contain_text("176 KiB")
            await _shoot(card, folder / f"card-{scheme}.png")
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    async with _card(stage, color_scheme="dark", **phone) as (page, card):
        await expect(card.get_by_role("log")).to_contain_text("176 KiB")
        await _settle(page)
        await page.screenshot(path=folder / "card-phone.png", animations="disabled")
    done.touch()
    await stage.aws.wait_for_execution(stage.thing, "zigbee-firmware-7-4-5")


async def _approval(stage: Stage, folder: Path) -> None:
    await stage.choose(approval="every_job")
    command = {"command": "shutdown,-r,+1,packages installed"}
    restart = {"name": "Restart-Later", "type": "runCommand", "input": command}
    await stage.create_job(
        _named("Stop-Services", "stop-services.sh", "zigbee2mqtt"),
        _named("Install-Packages", "install-packages.sh", "jq", "mosquitto-clients"),
        {"action": restart},
        job_id="install-packages-2026-11",
    )
    async with _card(stage) as (page, card):
        await expect(card.locator(".plan")).to_contain_text("shutdown")
        await _shoot(card, folder / "card-approval.png")
        await card.get_by_role("button", name="Reject…").click()
        await page.get_by_role("button", name="Reject job").click()
        await stage.aws.wait_for_execution(stage.thing, "install-packages-2026-11")


def _named(name: str, program: str, *args: str) -> dict[str, Any]:
    step = handler(program, *args)
    step["action"]["name"] = name
    return step


async def _editor(stage: Stage, folder: Path) -> None:
    async with browse(stage.home, viewport={"width": 1100, "height": 900}) as page:
        await page.goto(f"{stage.address}?edit=1")
        await page.locator("hui-card-edit-mode").first.click()
        dialog = page.locator("hui-dialog-edit-card")
        await expect(dialog.get_by_text("Things").first).to_be_visible()
        await _settle(page)
        await page.screenshot(path=folder / "card-editor.png", animations="disabled")


@asynccontextmanager
async def _card(stage: Stage, **options: Any) -> AsyncIterator[tuple[Page, Locator]]:
    look = {"viewport": {"width": 2 * WIDTH + 420, "height": 1300}} | options
    async with browse(stage.home, device_scale_factor=2, **look) as page:
        await _show_usual_folder(page, stage)
        await page.goto(stage.address)
        card = page.locator("aws-iot-jobs-card")
        await expect(card.get_by_role("heading", name="demo-home")).to_be_visible()
        yield page, card


async def _show_usual_folder(page: Page, stage: Stage) -> None:
    def connect(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(
            lambda message: socket.send(
                str(message).replace(str(stage.folder), SHOWN_FOLDER)
            )
        )

    await page.route_web_socket(re.compile("/api/websocket"), connect)


async def _shoot(card: Locator, path: Path) -> None:
    await _settle(card.page)
    await card.screenshot(path=path, animations="disabled")


async def _settle(page: Page) -> None:
    """Wait until no toast of Home Assistant lies over the card, and fonts are there."""
    await expect(page.locator("ha-toast")).to_have_count(0)
    await page.evaluate("document.fonts.ready")


if __name__ == "__main__":
    main()
