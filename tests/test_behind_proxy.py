"""A home that its network lets out through a proxy alone: a real one, which wants a password."""

import asyncio
import json
from pathlib import Path

import pytest

from stack.aws import LocalAws
from stack.home_assistant import HomeAssistant
from stack.integration import DOMAIN, integration_fields
from stack.paths import DEMO_JOB
from stack.stage import connected_entities, sample_handlers

from .http_proxy import PASSWORD, TinyProxy

# A Home Assistant starts and ends, on a busy machine perhaps.
pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


async def test_demo_s_job_through_a_proxy(socket_enabled: None, tmp_path: Path) -> None:
    """It is added by its dialog, and its job ends well; without the proxy there is no way."""
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(tmp_path / "home") as home,
        TinyProxy(tmp_path / "proxy", (aws.mqtt_port,)) as proxy,
    ):
        thing = await aws.create_thing("proxied-home")
        handlers = await asyncio.to_thread(sample_handlers, tmp_path)
        fields = integration_fields(aws, thing, handler_directory=handlers) | {
            "proxy_host": proxy.settings.host,
            "proxy_port": proxy.settings.port,
            "proxy_user": proxy.settings.user,
            "proxy_password": proxy.settings.password,
        }
        entry = await home.add_integration(DOMAIN, fields)
        entities = await connected_entities(home, entry)
        job_id = await aws.create_job(thing, DEMO_JOB.read_text())
        ended = await aws.wait_for_execution(thing, job_id)
        assert ended.status == "SUCCEEDED", json.dumps(dict(ended.status_details))

        assert proxy.asked_for(f"{aws.mqtt_host}:{aws.mqtt_port}")

        await proxy.stop()
        lost = await home.wait_for_state(
            entities["Connected"],
            lambda state: "proxy" in str(state.attributes["error"]),
            seconds=30,
        )
        assert lost.state == "off"
        assert lost.attributes["error"] == (
            f"the proxy {proxy.settings} cannot be reached: connection refused"
        )
        await home.stop()
        storage = home.config / ".storage"
        entries = storage / "core.config_entries"
        assert "proxied-home" in await asyncio.to_thread(entries.read_text)
        holders = await asyncio.to_thread(_files_with, storage, PASSWORD)
        assert holders == {f"{DOMAIN}.proxied-home": 0o600}
        assert PASSWORD not in await asyncio.to_thread(home.log.read_text)


def _files_with(folder: Path, words: str) -> dict[str, int]:
    """Return the names and the modes of the files that have words in them."""
    return {
        path.name: path.stat().st_mode & 0o777
        for path in folder.iterdir()
        if path.is_file() and words in path.read_text()
    }
