"""scripts/enroll home: the dialog of a Home Assistant is gone through with a bundle."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from collections.abc import Awaitable, Callable
import json
from pathlib import Path
import sys

import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot import provisioning
from custom_components.aws_iot_jobs.const import DOMAIN
from custom_components.aws_iot_jobs.enrolment_store import PendingEnrolmentStore
from enrollment.__main__ import main
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from .conftest import SharedFleet

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]

SERIAL = "4711"

type Enroll = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give each Home Assistant a configuration folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture
async def enroll(
    hass: HomeAssistant,
    enable_custom_integrations: None,
    hass_client: ClientSessionGenerator,
    hass_access_token: str,
    shared: SharedFleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Enroll:
    """Run the command for a Home Assistant; returns its exit status and what it says."""
    # The stand-in for AWS answers to no signing request.
    monkeypatch.setattr(provisioning, "ANSWER_TIMEOUT_SECONDS", 1)
    for component in ("config", "frontend"):
        assert await async_setup_component(hass, component, {})
    # As Home Assistant's own server: what is set up later is served, too.
    monkeypatch.setattr(hass.http.app.router, "freeze", lambda: None)
    client = await hass_client()
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps(shared.bundle))
    url = str(client.server.make_url("/"))

    async def enroll(*words: str, token: str = hass_access_token) -> tuple[int, str]:
        given = ["home", "--url", url, "--token", token, "--bundle", str(file)]
        monkeypatch.setattr(sys, "argv", ["enroll", *given, *words])
        status = await hass.async_add_executor_job(main)
        said = capsys.readouterr()
        return status, said.out + said.err

    return enroll


async def test_home_becomes_a_thing_of_the_group(
    hass: HomeAssistant, enroll: Enroll, shared: SharedFleet
) -> None:
    """Nothing is typed; once it is there, the same serial is refused, and how is told."""
    status, said = await enroll("--place", "local", f"SerialNumber={SERIAL}")
    assert (status, said.partition(": ")[2]) == (0, f"enrolled as home-{SERIAL}\n")
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.state is ConfigEntryState.LOADED
    iot = shared.aws.iot
    group = iot.list_things_in_thing_group(thingGroupName=shared.fleet.name)
    assert f"home-{SERIAL}" in group["things"]
    kept = await PendingEnrolmentStore(hass).load()
    assert kept is not None
    principals = iot.list_thing_principals(thingName=f"home-{SERIAL}")["principals"]
    assert [each.rpartition("/")[2] for each in principals] == [kept.certificate_id]

    status, said = await enroll(f"SerialNumber={SERIAL}")
    assert status == 1
    assert "already configured" in said
    await hass.config_entries.async_remove(entry.entry_id)
    status, said = await enroll(f"SerialNumber={SERIAL}")
    assert status == 1
    assert "delete the old certificate" in said
    assert not hass.config_entries.flow.async_progress()


async def test_what_stands_in_the_way(enroll: Enroll) -> None:
    """Each is told in words, with exit status 1."""
    for words, told in (
        (("--place", "app"), "no Supervisor"),
        (("--bundle", "/nowhere"), "No such file"),
        (("--bundle", "/proc/self/comm"), "no claim bundle"),
        (("--url", "http://127.0.0.1:1"), "does not answer"),
        (("--token", "wrong"), "does not accept the token"),
        (("SerialNumber=no serial!",), "does not allow to enrol this home"),
    ):
        status, said = await enroll(*words)
        assert (status, told in said) == (1, True), said
