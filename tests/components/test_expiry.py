"""A certificate that has to be renewed, as a user is told of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import CONF_CERTIFICATE, CONF_PRIVATE_KEY
from custom_components.aws_iot_jobs.credentials import expiry_of
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from ..certificates import CertificateAuthority, Credentials
from .conftest import THING
from .fake_agent import FakeAgent
from .repairs import confirm, issues, open_repair, set_up_repairs

DAY = timedelta(days=1)


@pytest.fixture
def expires(entry: MockConfigEntry) -> datetime:
    """Return when the certificate of the thing expires."""
    return expiry_of(entry.data[CONF_CERTIFICATE])


async def _wait(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, time: timedelta
) -> None:
    freezer.tick(time)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def _open(client: Any, issue: ir.IssueEntry) -> Mapping[str, Any]:
    """Follow a repair; return the dialog that it leads on to."""
    answer = await confirm(client, await open_repair(client, issue))
    assert (answer["type"], answer["reason"]) == ("abort", "reconfigure")
    kind, flow_id = answer["next_flow"]
    assert kind == "config_flow"
    response = await client.get(f"/api/config/config_entries/flow/{flow_id}")
    assert response.status == 200
    page: Mapping[str, Any] = await response.json()
    return page


async def test_told_thirty_days_before(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    expires: datetime,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A Home Assistant that is not restarted tells of it on the day, too."""
    freezer.move_to(expires - 31.5 * DAY)
    await hass.config_entries.async_setup(entry.entry_id)
    assert not issues(hass)
    await _wait(hass, freezer, DAY)
    assert not issues(hass)
    await _wait(hass, freezer, DAY)
    (issue,) = issues(hass)
    assert issue.translation_key == "certificate_expires"
    assert issue.severity is ir.IssueSeverity.WARNING
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["thing_name"] == THING
    assert issue.translation_placeholders["expires"].startswith(str(expires.year))
    await _wait(hass, freezer, 30 * DAY)
    (issue,) = issues(hass)
    assert issue.translation_key == "certificate_expired"
    assert issue.severity is ir.IssueSeverity.ERROR
    await hass.config_entries.async_unload(entry.entry_id)
    assert not issues(hass)


async def test_renewed(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    ca: CertificateAuthority,
) -> None:
    """It is told at set-up, until there is another certificate."""
    await set_up_repairs(hass)
    assert await async_setup_component(hass, "config", {})
    await _use(hass, entry, ca.device(THING, valid_until=10 * DAY))
    await hass.config_entries.async_setup(entry.entry_id)
    (issue,) = issues(hass)
    client = await hass_client()
    page = await _open(client, issue)
    assert page["step_id"] == "reconfigure"
    assert issues(hass)
    # A dialog that was left is gone on with: a second one would be in its way.
    assert await _open(client, issue) == page
    flows = list(entry.async_get_active_flows(hass, {SOURCE_RECONFIGURE}))
    assert len(flows) == 1

    # As that dialog does.
    await _use(hass, entry, ca.device(THING, valid_until=31 * DAY))
    await hass.config_entries.async_reload(entry.entry_id)
    assert not issues(hass)


async def _use(
    hass: HomeAssistant, entry: MockConfigEntry, credentials: Credentials
) -> None:
    """Have the thing use another certificate from its next start on."""
    await SecretStore(hass, THING).async_update(
        {CONF_PRIVATE_KEY: credentials.private_key.decode()}
    )
    certificate = credentials.certificate.decode()
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_CERTIFICATE: certificate}
    )
