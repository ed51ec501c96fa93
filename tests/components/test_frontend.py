"""The card is served, and dashboards load it by themselves."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]
from yarl import URL

from custom_components.aws_iot_jobs import frontend
from custom_components.aws_iot_jobs.const import CONF_PRIVATE_KEY, DOMAIN
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.components.lovelace.const import LOVELACE_DATA
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component

from ..certificates import CertificateAuthority, Credentials
from .conftest import THING
from .fake_agent import FakeAgent
from .repairs import issues

PATH = "/aws_iot_jobs/aws-iot-jobs-card.js"
OTHER = {"id": "1", "type": "module", "url": "/local/other.js"}
OLD = {"id": "2", "type": "module", "url": f"{PATH}?v=0.0.1-00000000"}


@pytest.fixture(autouse=True)
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a card."""
    folder = tmp_path / "frontend"
    folder.mkdir()
    file = folder / "aws-iot-jobs-card.js"
    file.write_text("export {};\n")
    monkeypatch.setattr(frontend, "FOLDER", folder)
    return file


@pytest.fixture
async def second(
    hass: HomeAssistant, entry: MockConfigEntry, ca: CertificateAuthority
) -> MockConfigEntry:
    """Return the entry of another thing, added and not set up."""
    credentials = ca.device("thing-2")
    data = {
        **entry.data,
        "thing_name": "thing-2",
        "certificate": credentials.certificate.decode(),
    }
    second = MockConfigEntry(
        domain=DOMAIN,
        title="thing-2",
        unique_id="thing-2",
        data=data,
        options=dict(entry.options),
    )
    second.add_to_hass(hass)
    key = credentials.private_key.decode()
    await SecretStore(hass, "thing-2").async_update({CONF_PRIVATE_KEY: key})
    return second


def _resources(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return what dashboards load."""
    return list(hass.data[LOVELACE_DATA].resources.async_items())


def _urls(hass: HomeAssistant) -> list[str]:
    return [resource["url"] for resource in _resources(hass)]


def _store(storage: dict[str, Any], *resources: dict[str, str]) -> None:
    """Have resources on the disk."""
    storage["lovelace_resources"] = {
        "version": 1,
        "data": {"items": [dict(resource) for resource in resources]},
    }


async def _set_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    assert await hass.config_entries.async_setup(entry.entry_id)


@pytest.mark.usefixtures("agent")
async def test_it_is_served(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """As a module that browsers keep, for its address tells its version and content."""
    (resource,) = _resources(hass)
    version = (await async_get_integration(hass, DOMAIN)).version
    assert resource["type"] == "module"
    assert resource["url"].startswith(f"{PATH}?v={version}-")
    assert len(resource["url"].rpartition("-")[2]) == 8
    client = await hass_client_no_auth()
    response = await client.get(resource["url"])
    assert response.status == 200
    assert await response.text() == "export {};\n"
    assert "javascript" in response.headers["Content-Type"]
    assert "max-age=2678400" in response.headers["Cache-Control"]
    # Where a person has written the address.
    response = await client.get(PATH)
    assert response.headers["Cache-Control"] == "no-cache"
    unchanged = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get(PATH, headers=unchanged)).status == 304


@pytest.mark.usefixtures("agent")
async def test_its_texts_are_served(
    hass_client_no_auth: ClientSessionGenerator, card: Path
) -> None:
    """And nothing that lies elsewhere."""
    (card.parent / "texts").mkdir()
    (card.parent / "texts" / "pt-BR.json").write_text('{"a": "b"}')
    (card.parent.parent / "secret.json").write_text("{}")
    client = await hass_client_no_auth()
    response = await client.get("/aws_iot_jobs/texts/pt-BR.json?v=1")
    assert await response.json() == {"a": "b"}
    assert "max-age=2678400" in response.headers["Cache-Control"]
    for path in (
        "texts/de.json",
        "texts/",
        "",
        "..%2Fsecret.json",
        "texts/..%2F..%2Fsecret.json",
    ):
        response = await client.get(URL(f"/aws_iot_jobs/{path}", encoded=True))
        assert response.status in {400, 404}, path


async def test_it_is_added_once(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    second: MockConfigEntry,
    agents: list[FakeAgent],
) -> None:
    """Beside what is there, however many things there are, and after each reload."""
    _store(hass_storage, OTHER)
    assert await async_setup_component(hass, "lovelace", {})
    # Both at once.
    assert await async_setup_component(hass, DOMAIN, {})
    assert len(agents) == 2
    (other, card) = _urls(hass)
    assert other == OTHER["url"]
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert _urls(hass) == [other, card]
    assert not issues(hass)


async def test_an_update_changes_its_address(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    card: Path,
) -> None:
    """The resource stays the same one, and its doubles go."""
    _store(hass_storage, OLD, OTHER, {**OLD, "id": "3", "url": PATH})
    await _set_up(hass, entry)
    ours, other = _resources(hass)
    assert other["url"] == OTHER["url"]
    assert ours["id"] == OLD["id"]
    assert ours["url"] != OLD["url"]
    card.write_text("export const news = 1;\n")
    assert await hass.config_entries.async_reload(entry.entry_id)
    updated, _ = _resources(hass)
    assert updated["id"] == ours["id"]
    assert updated["url"] != ours["url"]


async def test_it_goes_with_the_last_thing(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    second: MockConfigEntry,
    credentials: Credentials,
    agents: list[FakeAgent],
) -> None:
    """And comes back with the next one, without a restart."""
    _store(hass_storage, OTHER)
    await _set_up(hass, entry)
    assert len(_urls(hass)) == 2
    await hass.config_entries.async_remove(entry.entry_id)
    assert len(_urls(hass)) == 2
    await hass.config_entries.async_unload(second.entry_id)
    assert len(_urls(hass)) == 2
    await hass.config_entries.async_remove(second.entry_id)
    assert _urls(hass) == [OTHER["url"]]
    entry.add_to_hass(hass)
    key = credentials.private_key.decode()
    await SecretStore(hass, THING).async_update({CONF_PRIVATE_KEY: key})
    await _set_up(hass, entry)
    assert len(_urls(hass)) == 2


async def test_without_the_file(
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    card: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says what is wrong; the thing does its jobs all the same."""
    card.unlink()
    card.parent.rmdir()
    await _set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    assert _urls(hass) == []
    (error,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert str(card) in error.getMessage()
    assert "No such file or directory" in error.getMessage()
    assert error.exc_info is None
    client = await hass_client_no_auth()
    assert (await client.get(PATH)).status == 404


async def test_what_goes_wrong_keeps_no_thing_from_its_jobs(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever Home Assistant's resources may be one day."""
    monkeypatch.delitem(hass.data, LOVELACE_DATA, raising=False)
    assert await async_setup_component(hass, "lovelace", {})
    monkeypatch.setattr(hass.data[LOVELACE_DATA], "resources", None)
    await _set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    assert "Dashboards cannot be told of the card" in caplog.text


async def test_resources_in_yaml(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agents: list[FakeAgent],
) -> None:
    """A notice says what to write, until that is there."""
    config = {"lovelace": {"resource_mode": "yaml", "resources": [{**OLD}]}}
    del config["lovelace"]["resources"][0]["id"]  # type: ignore[attr-defined]
    assert await async_setup_component(hass, "lovelace", config)
    await _set_up(hass, entry)
    (issue,) = issues(hass)
    assert issue.translation_key == "card_resource"
    assert not issue.is_fixable
    assert issue.translation_placeholders == {"url": PATH}
    _resources(hass)[0]["url"] = PATH
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert not issues(hass)
    _resources(hass)[0]["url"] = OTHER["url"]
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert issues(hass)
    await hass.config_entries.async_remove(entry.entry_id)
    assert not issues(hass)
    assert _urls(hass) == [OTHER["url"]]
