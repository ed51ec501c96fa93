"""A job is rejected as a whole for an action that is not listed, and done once it is."""

from pathlib import Path
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import CONF_ALLOWED_ACTIONS
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component

from ...fake_jobs_service import FakeJobsService
from ...jobs.documents import command_step, document, home_step


def _document(hass: HomeAssistant) -> dict[str, Any]:
    given = {"action": "test.do", "data": {"level": 2}}
    return document(
        command_step(f"touch,{hass.config.path('mark')}"),
        home_step("callAction", input=given),
    )


async def test_a_list_decides(
    hass: HomeAssistant, thing: MockConfigEntry, service: FakeJobsService
) -> None:
    """Without one, not even the step before runs."""
    assert await async_setup_component(hass, "homeassistant", {})
    seen: list[ServiceCall] = []
    hass.services.async_register("test", "do", seen.append)
    assert await hass.config_entries.async_setup(thing.entry_id)
    job = await service.ended(service.create_job(_document(hass)))
    assert job.status == "REJECTED"
    assert job.status_details["reason"].endswith(
        "steps[1].action.input.action: action 'test.do' is not among those that are "
        "allowed to jobs on this Home Assistant"
    )
    assert not await hass.async_add_executor_job(_is_marked, hass)

    allowed = [{"action": "test.do", "data": {"level": 1}}]
    for level, status in ((1, "REJECTED"), (2, "SUCCEEDED")):
        allowed[0]["data"] = {"level": level}
        options = {**thing.options, CONF_ALLOWED_ACTIONS: allowed}
        hass.config_entries.async_update_entry(thing, options=options)
        assert await hass.config_entries.async_reload(thing.entry_id)
        job = await service.ended(service.create_job(_document(hass)))
        assert job.status == status
        assert bool(seen) == (status == "SUCCEEDED")
    assert await hass.async_add_executor_job(_is_marked, hass)
    assert [call.data for call in seen] == [{"level": 2}]


def _is_marked(hass: HomeAssistant) -> bool:
    return Path(hass.config.path("mark")).exists()
