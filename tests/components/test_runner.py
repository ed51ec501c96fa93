"""Handlers that run elsewhere: in the app, or by a runner at an address. Both are real."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey, JobStatus
from custom_components.aws_iot_jobs.const import (
    CONF_BUNDLE,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_RUNNER,
    CONF_RUNNER_TOKEN,
    CONF_TEMPLATE,
    DOMAIN,
)
from custom_components.aws_iot_jobs.fence_options import fences_of
from custom_components.aws_iot_jobs.jobs.fences import Fence
from custom_components.aws_iot_jobs.jobs.journal import Journal
from custom_components.aws_iot_jobs.jobs.model import AgentState, JobProgress, JobState
from custom_components.aws_iot_jobs.jobs.record import JobRecord
from custom_components.aws_iot_jobs.places.app import AppError
from custom_components.aws_iot_jobs.places.runners import (
    RunnerKind,
    RunnerSettings,
    async_ask,
)
from custom_components.aws_iot_jobs.places.watch import LOOK_INTERVAL
from custom_components.aws_iot_jobs.runner.client import RunnerClient
from custom_components.aws_iot_jobs.runner.model import (
    HandlerCall,
    Runner,
    RunOutcome,
    RunResult,
    StepRequest,
)
from custom_components.aws_iot_jobs.storage import SecretStore, thing_directory
from homeassistant.components.hassio.const import DATA_COMPONENT
from homeassistant.components.hassio.handler import HassIO
from homeassistant.config_entries import (
    SOURCE_HASSIO,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.const import CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from homeassistant.util.dt import utcnow

from ..certificates import CertificateAuthority, Credentials
from ..runner_service import RunnerService, free_port
from .conftest import ENDPOINT, THING
from .dialog import (
    Form,
    begin,
    begin_with,
    errors,
    in_sections,
    sections_of,
    settled,
    shown_files,
    submit,
    suggested,
)
from .fake_agent import FakeAgent
from .fake_supervisor import SLUG, TOKEN, FakeSupervisor
from .repairs import confirm, gone, issues, open_repair, set_up_repairs, shown

pytestmark = pytest.mark.slow

KEY = ExecutionKey("job-1", 1)


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[RunnerService]:
    """Run the service."""
    runner = RunnerService(tmp_path / "runner")
    await runner.start()
    yield runner
    await runner.stop()


@pytest.fixture
async def supervisor(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FakeSupervisor]:
    """Have a Supervisor, which knows the app and does not have it installed."""
    app = RunnerService(tmp_path / "app")
    async with FakeSupervisor(app) as supervisor:
        monkeypatch.setenv("SUPERVISOR", supervisor.host)
        monkeypatch.setenv("SUPERVISOR_TOKEN", TOKEN)
        session = async_get_clientsession(hass)
        hass.data[DATA_COMPONENT] = HassIO(hass.loop, session, supervisor.host)
        hass.config.components.add("hassio")
        yield supervisor
        await app.stop()


async def _menu(hass: HomeAssistant, form: Form) -> ConfigFlowResult:
    menu = await submit(hass, await begin(hass), form)
    assert menu["type"] is FlowResultType.MENU
    return menu


async def _go(
    hass: HomeAssistant, flow: ConfigFlowResult, **values: Any
) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_configure(flow["flow_id"], values)


async def _open(hass: HomeAssistant, flow: ConfigFlowResult) -> ConfigFlowResult:
    """Go on without fences: with a Supervisor, the dialog asks for them."""
    assert flow["step_id"] == "fences"
    assert flow["menu_options"] == ["locked_down", "open"]
    return await _go(hass, flow, next_step_id="open")


async def test_runner_at_an_address(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    agents: list[FakeAgent],
    form: Form,
    runner: RunnerService,
) -> None:
    """Each fault is told at its field; with all corrected, handlers run there."""
    flow = await _go(hass, await _menu(hass, form), next_step_id="address")
    given = {CONF_URL: f"127.0.0.1:{runner.port}", CONF_RUNNER_TOKEN: runner.token}
    for field, value, error in (
        (CONF_URL, "http://user:password@host:1", "invalid_runner_url"),
        (CONF_URL, "http://host:many", "invalid_runner_url"),
        (CONF_URL, f"127.0.0.1:{free_port()}", "runner_unreachable"),
        (CONF_RUNNER_TOKEN, "wrong", "runner_token_refused"),
    ):
        flow = await _go(hass, flow, **given | {field: value})
        assert flow["errors"] == {field: error}
    result = await _go(hass, flow, **given)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert entry.data[CONF_RUNNER]["kind"] == "address"
    assert entry.data[CONF_RUNNER]["url"] == runner.url
    assert runner.token not in str(entry.as_dict())
    await hass.async_block_till_done()
    assert isinstance(agents[-1].runner, RunnerClient)
    assert "linux" in agents[-1].settings.facts["operatingSystem"]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_app_is_installed_and_started(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    agents: list[FakeAgent],
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """With a Supervisor, all that it takes to run handlers in the app is one choice."""
    supervisor.in_store = False
    supervisor.refuse = {f"POST store/addons/{SLUG}/install"}
    menu = await _menu(hass, form)
    assert menu["menu_options"] == ["app", "local", "address"]
    flow = await settled(hass, await _go(hass, menu, next_step_id="app"))
    assert flow["step_id"] == "app_failed"
    assert _reason(flow) == (
        "Supervisor cannot install the AWS IoT Jobs app: Supervisor's log tells more"
    )

    supervisor.refuse = {f"GET store/addons/{SLUG}"}
    flow = await settled(hass, await _go(hass, flow, next_step_id="app"))
    assert flow["step_id"] == "app_failed"
    assert "Supervisor does not tell of" in _reason(flow)

    supervisor.refuse = {f"POST addons/{SLUG}/start"}
    flow = await settled(hass, await _go(hass, flow, next_step_id="app"))
    assert flow["step_id"] == "app_failed"

    supervisor.refuse = {"GET addons"}
    flow = await settled(hass, await _go(hass, flow, next_step_id="app"))
    assert flow["step_id"] == "app_failed"

    supervisor.refuse = set()
    flow = await settled(hass, await _go(hass, flow, next_step_id="app"))
    result = await _open(hass, flow)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert entry.data[CONF_RUNNER]["slug"] == SLUG
    assert entry.data[CONF_RUNNER]["url"] == supervisor.runner.url
    await hass.async_block_till_done()
    assert isinstance(agents[-1].runner, RunnerClient)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_page_reload_while_the_app_is_installed(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    form: Form,
    form_again: Form,
    supervisor: FakeSupervisor,
) -> None:
    """The installation goes on, once, and the next dialog waits for it."""
    supervisor.may_install.clear()
    left = await _go(hass, await _menu(hass, form), next_step_id="app")
    assert left["type"] is FlowResultType.SHOW_PROGRESS
    await _asked(supervisor, f"POST store/addons/{SLUG}/install")

    again = await _go(hass, await _menu(hass, form_again), next_step_id="app")
    assert again["step_id"] == "install_app"
    with pytest.raises(UnknownFlow):
        await hass.config_entries.flow.async_configure(left["flow_id"])
    supervisor.may_install.set()
    result = await _open(hass, await settled(hass, again))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert supervisor.requests.count(f"POST store/addons/{SLUG}/install") == 1
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(result["result"].entry_id)


async def test_page_reload_while_the_app_is_awaited(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    form: Form,
    form_again: Form,
    supervisor: FakeSupervisor,
) -> None:
    """Nobody waits for the app in a dialog that has made room for another."""
    supervisor.installed, supervisor.announces = True, False
    with patch("custom_components.aws_iot_jobs.places.app.PAIRING_POLL_SECONDS", 0.05):
        left = await _go(hass, await _menu(hass, form), next_step_id="app")
        await _asked(supervisor, "GET discovery")
        await _menu(hass, form_again)
        with pytest.raises(UnknownFlow):
            await hass.config_entries.flow.async_configure(left["flow_id"])
        # A wait of 120 s would keep this from its end.
        await hass.async_block_till_done()


async def _asked(supervisor: FakeSupervisor, request: str) -> None:
    async with asyncio.timeout(20):
        while request not in supervisor.requests:
            await asyncio.sleep(0.01)


async def test_app_that_is_not_in_its_repository(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """An app that does not exist, for this machine perhaps, is told of: not waited for."""
    supervisor.in_store = supervisor.published = False
    menu = await _menu(hass, form)
    flow = await settled(hass, await _go(hass, menu, next_step_id="app"))
    assert flow["step_id"] == "app_failed"
    assert _reason(flow) == "The AWS IoT Jobs app is not in its repository"
    assert "POST store/repositories" in supervisor.requests
    assert not supervisor.installed


async def test_app_that_does_not_pair(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    agents: list[FakeAgent],
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """An app that never tells where it is is given up, and can be tried again."""
    supervisor.announces = False
    menu = await _menu(hass, form)
    with (
        patch("custom_components.aws_iot_jobs.places.app.PAIRING_SECONDS", 0.5),
        patch("custom_components.aws_iot_jobs.places.app.PAIRING_POLL_SECONDS", 0.1),
    ):
        flow = await settled(hass, await _go(hass, menu, next_step_id="app"))
    assert flow["step_id"] == "app_failed"
    assert _reason(flow) == "The AWS IoT Jobs app does not answer within 0.5 s"
    assert supervisor.requests.count("GET discovery") > 1

    supervisor.announces = True
    flow = await settled(hass, await _go(hass, flow, next_step_id="app"))
    result = await _open(hass, flow)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(result["result"].entry_id)


async def test_app_of_another_version(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """To wait for an app of another version would be in vain."""
    menu = await _menu(hass, form)
    with _newer_integration():
        flow = await settled(hass, await _go(hass, menu, next_step_id="app"))
    assert flow["step_id"] == "app_failed"
    assert "speaks version 1 of its interface, not 2" in _reason(flow)


def _reason(flow: ConfigFlowResult) -> str:
    placeholders = flow["description_placeholders"]
    assert placeholders is not None
    return placeholders["reason"]


def _newer_integration() -> AbstractContextManager[Any]:
    """Have this integration speak a version that no runner speaks yet."""
    return patch("custom_components.aws_iot_jobs.runner.client.API_VERSION", 2)


def _discovered(supervisor: FakeSupervisor, slug: str = SLUG, **config: Any) -> Any:
    return HassioServiceInfo(
        config=supervisor.announcement | config,
        name="AWS IoT Jobs",
        slug=slug,
        uuid=supervisor.uuid,
    )


async def _discover(hass: HomeAssistant, info: Any) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_HASSIO}, data=info
    )


async def test_discovered_app_offers_set_up(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    agents: list[FakeAgent],
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """An app that nobody uses yet asks for a thing, and is used at once."""
    await supervisor.runner.start()
    supervisor.installed = supervisor.started = True
    flow = await _discover(hass, _discovered(supervisor))
    flow = await submit(hass, await begin_with(hass, flow), form)
    assert flow["step_id"] == "fences"
    result = await _go(hass, flow, next_step_id="locked_down")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert entry.unique_id == THING
    assert entry.data[CONF_RUNNER]["kind"] == "app"
    assert fences_of(entry.options).up == tuple(Fence)
    assert agents[-1].settings.fences == fences_of(entry.options)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_thing_of_a_discovered_app_that_was_added_meanwhile(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """Somebody else has added it, while the dialog of the app was open."""
    await supervisor.runner.start()
    supervisor.installed = supervisor.started = True
    flow = await _discover(hass, _discovered(supervisor))
    flow = await begin_with(hass, flow)
    MockConfigEntry(domain=DOMAIN, unique_id=THING).add_to_hass(hass)
    result = await submit(hass, flow, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_page_reload_in_the_dialog_of_a_discovered_app(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    agents: list[FakeAgent],
    form: Form,
    form_again: Form,
    supervisor: FakeSupervisor,
) -> None:
    """The offer stays one, goes by the app, and does not keep the name of its thing."""
    await supervisor.runner.start()
    flow = await begin_with(hass, await _discover(hass, _discovered(supervisor)))
    with patch(
        "custom_components.aws_iot_jobs.app_flow.async_get_manager",
        side_effect=AppError("it is broken"),
    ):
        left = await submit(hass, flow, form)
    assert left["step_id"] == "app_failed"

    assert (await _discover(hass, _discovered(supervisor)))["type"] is (
        FlowResultType.ABORT
    )
    (offer,) = hass.config_entries.flow.async_progress()
    assert offer["context"]["unique_id"] == supervisor.uuid
    local = await _go(hass, await _menu(hass, form_again), next_step_id="local")
    fences = await _go(hass, local, **{CONF_INSTALL_SAMPLES: False})
    result = await _open(hass, fences)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].options.keys() == {CONF_HANDLER_DIRECTORY}
    # The offer remains, for another thing.
    local = await _go(hass, left, next_step_id="local")
    fences = await _go(hass, local, **{CONF_INSTALL_SAMPLES: False})
    result = await _open(hass, fences)
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done()


async def _opened(hass: HomeAssistant, flow: ConfigFlowResult) -> ConfigFlowResult:
    """Open a dialog that waits, as the page does it."""
    return await hass.config_entries.flow.async_configure(flow["flow_id"])


@pytest.fixture
def claim_bundle(ca: CertificateAuthority) -> dict[str, Any]:
    """Return a bundle that enrols homes."""
    claim = ca.device("claim")
    return {
        "endpoint": ENDPOINT,
        "template": "home-assistant",
        "claimCertificate": claim.certificate.decode(),
        "claimPrivateKey": claim.private_key.decode(),
    }


async def test_bundle_that_the_app_has_found_is_offered(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    supervisor: FakeSupervisor,
    claim_bundle: dict[str, Any],
    credentials: Credentials,
) -> None:
    """Nothing is done before a person has chosen it; then one choice enrols the home."""
    await supervisor.runner.start()
    supervisor.installed = supervisor.started = True
    flow = await _discover(hass, _discovered(supervisor))
    assert flow["step_id"] == "user"
    # It may come later than the app.
    supervisor.runner.bundle.write_text(json.dumps(claim_bundle))
    settings = ConnectionSettings(
        endpoint=ENDPOINT,
        thing_name=THING,
        certificate=credentials.certificate,
        private_key=credentials.private_key,
    )
    with patch(
        "custom_components.aws_iot_jobs.enrolments.enrol", return_value=settings
    ) as enrol:
        flow = await _opened(hass, flow)
        assert (flow["type"], flow["step_id"]) == (FlowResultType.MENU, "offer")
        assert flow["menu_options"] == ["enrol_home", "claim", "certificate"]
        assert flow["description_placeholders"] == {
            "file": "aws_iot_jobs.json",
            "endpoint": ENDPOINT,
            "template": "home-assistant",
        }
        # What was shown is used, whatever takes its place.
        supervisor.runner.bundle.write_text("{}")
        enrol.assert_not_called()
        flow = await settled(hass, await _go(hass, flow, next_step_id="enrol_home"))
    assert (
        enrol.call_args[0][0].claim_private_key.decode()
        == (claim_bundle["claimPrivateKey"])
    )
    assert flow["step_id"] == "fences"
    result = await _go(hass, flow, next_step_id="locked_down")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == THING
    assert result["data"][CONF_RUNNER]["kind"] == "app"
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(result["result"].entry_id)


async def test_bundle_with_a_fault_is_not_offered(
    hass: HomeAssistant, supervisor: FakeSupervisor, claim_bundle: dict[str, Any]
) -> None:
    """The form of a claim says why, and has the rest; another way is as ever."""
    await supervisor.runner.start()
    del claim_bundle["template"]
    supervisor.runner.bundle.write_text(json.dumps(claim_bundle))
    flow = await _discover(hass, _discovered(supervisor))
    assert flow["step_id"] == "user"
    form = await _go(hass, flow, next_step_id="claim")
    assert errors(form) == {CONF_TEMPLATE: "missing"}
    assert suggested(form)[CONF_ENDPOINT] == ENDPOINT
    assert shown_files(form)[CONF_BUNDLE] == "aws_iot_jobs.json"
    hass.config_entries.flow.async_abort(flow["flow_id"])

    flow = await _discover(hass, _discovered(supervisor))
    await begin_with(hass, flow)
    hass.config_entries.flow.async_abort(flow["flow_id"])

    supervisor.runner.bundle.unlink()
    supervisor.runner.bundle.mkdir()
    flow = await _discover(hass, _discovered(supervisor))
    await begin_with(hass, flow, "claim")


async def test_things_follow_the_app(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    supervisor: FakeSupervisor,
) -> None:
    """Another address or token of the app is used from when it is told."""
    await supervisor.runner.start()
    runner = {"kind": "app", "slug": SLUG, "url": "http://127.0.0.1:1"}
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_RUNNER: runner}
    )
    await SecretStore(hass, THING).async_update({CONF_RUNNER_TOKEN: "old"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    for _ in range(2):
        flow = await _discover(hass, _discovered(supervisor))
        assert flow["reason"] == "already_configured"
        await hass.async_block_till_done()
        assert entry.data[CONF_RUNNER]["url"] == supervisor.runner.url
        secrets = await SecretStore(hass, THING).async_load()
        assert secrets[CONF_RUNNER_TOKEN] == supervisor.runner.token
        assert entry.state is ConfigEntryState.LOADED
    await hass.config_entries.async_unload(entry.entry_id)


async def test_app_that_things_do_not_use(
    hass: HomeAssistant, entry: MockConfigEntry, supervisor: FakeSupervisor
) -> None:
    """Who has a thing whose handlers run elsewhere is not offered another."""
    await supervisor.runner.start()
    before = dict(entry.data)
    flow = await _discover(hass, _discovered(supervisor))
    assert flow["reason"] == "already_configured"
    assert entry.data == before


async def test_what_is_not_the_app(
    hass: HomeAssistant, supervisor: FakeSupervisor
) -> None:
    """Whoever else announces itself is not listened to."""
    await supervisor.runner.start()
    flow = await _discover(hass, _discovered(supervisor, slug="12345678_other"))
    assert flow["reason"] == "not_the_app"
    info = _discovered(supervisor)
    flow = await _discover(hass, replace(info, config={"host": "127.0.0.1"}))
    assert flow["reason"] == "invalid_discovery_info"


async def test_change_of_place(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    agent: FakeAgent,
    runner: RunnerService,
) -> None:
    """Where handlers run can be changed, there and back."""
    flow = await _go(
        hass, await entry.start_reconfigure_flow(hass), next_step_id="address"
    )
    given = {CONF_URL: runner.url, CONF_RUNNER_TOKEN: runner.token}
    assert (await _go(hass, flow, **given))["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert isinstance(agents[-1].runner, RunnerClient)
    options = await hass.config_entries.options.async_init(entry.entry_id)
    assert sections_of(options)["handlers"] == {"default_timeout"}
    result = await hass.config_entries.options.async_configure(
        options["flow_id"], in_sections(options, {"default_timeout": {"minutes": 1}})
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    flow = await _go(
        hass, await entry.start_reconfigure_flow(hass), next_step_id="local"
    )
    result = await _go(hass, flow, **{CONF_INSTALL_SAMPLES: False})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert not isinstance(agents[-1].runner, RunnerClient)


async def test_stopped_app_is_started_with_one_click(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    supervisor: FakeSupervisor,
) -> None:
    """An app that stays silent is told of, and started from there."""
    await set_up_repairs(hass)
    app = supervisor.runner
    await app.start()
    supervisor.installed = True
    token = app.token
    await app.stop()
    runner = {"kind": "app", "slug": SLUG, "url": app.url}
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_RUNNER: runner}
    )
    await SecretStore(hass, THING).async_update({CONF_RUNNER_TOKEN: token})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await entry.runtime_data.watch.async_look()
    (issue,) = await shown(hass)
    assert issue.translation_key == "app_unreachable"

    client = await hass_client()
    page = await open_repair(client, issue)
    supervisor.refuse = {f"POST addons/{SLUG}/start"}
    page = await confirm(client, page)
    assert page["errors"] == {"base": "app_start_failed"}
    supervisor.refuse = set()
    assert (await confirm(client, page))["type"] == "create_entry"
    await hass.async_block_till_done()
    assert not issues(hass)
    await hass.config_entries.async_unload(entry.entry_id)


async def _use(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    runner: RunnerService,
    token: str,
    kind: RunnerKind = RunnerKind.ADDRESS,
) -> None:
    """Have the handlers of a thing run by a runner that is known."""
    slug = SLUG if kind is RunnerKind.APP else ""
    known = RunnerSettings(kind=kind, slug=slug).at(
        runner.address, await async_ask(hass, runner.address)
    )
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_RUNNER: known.as_entry_data()}
    )
    await SecretStore(hass, THING).async_update({CONF_RUNNER_TOKEN: token})


async def test_news_of_a_runner_are_used(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
) -> None:
    """When the system of a runner is another one, conditions of jobs know it."""
    await _use(hass, entry, runner, token=runner.token)
    known = entry.data[CONF_RUNNER] | {"operating_systems": ["plan9"]}
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_RUNNER: known}
    )
    # The first look may be over before all of it is set up, which is then done again.
    await hass.config_entries.async_setup(entry.entry_id)
    assert agents[0].settings.facts["operatingSystem"] == {"plan9"}
    await hass.async_block_till_done()
    await entry.runtime_data.watch.async_look()
    await hass.async_block_till_done()
    assert "linux" in agents[-1].settings.facts["operatingSystem"]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_runner_problems_come_and_go(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
) -> None:
    """A token that is not accepted, and silence, are told of until they are over."""
    await _use(hass, entry, runner, token="wrong")
    assert await hass.config_entries.async_setup(entry.entry_id)
    (issue,) = await shown(hass)
    assert issue.translation_key == "runner_token_refused"
    await hass.config_entries.async_unload(entry.entry_id)
    assert not issues(hass)

    await SecretStore(hass, THING).async_update({CONF_RUNNER_TOKEN: runner.token})
    assert await hass.config_entries.async_setup(entry.entry_id)
    watch = entry.runtime_data.watch
    await watch.async_look()
    await runner.stop()
    await watch.async_look()
    assert not issues(hass)
    await watch.async_look()
    assert [issue.translation_key for issue in issues(hass)] == ["runner_unreachable"]
    await runner.start()
    await watch.async_look()
    assert not issues(hass)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_app_refuses_the_token(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    supervisor: FakeSupervisor,
) -> None:
    """An app that has another token by now is paired with again by one click."""
    await set_up_repairs(hass)
    await supervisor.runner.start()
    supervisor.installed = supervisor.started = True
    await _use(hass, entry, supervisor.runner, token="old", kind=RunnerKind.APP)
    assert await hass.config_entries.async_setup(entry.entry_id)
    (issue,) = await shown(hass)
    assert issue.translation_key == "app_token_refused"

    client = await hass_client()
    page = await open_repair(client, issue)
    assert (await confirm(client, page))["type"] == "create_entry"
    await hass.async_block_till_done()
    await entry.runtime_data.watch.async_look()
    assert not issues(hass)
    secrets = await SecretStore(hass, THING).async_load()
    assert secrets[CONF_RUNNER_TOKEN] == supervisor.runner.token
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("kind", [RunnerKind.APP, RunnerKind.ADDRESS])
async def test_another_version(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
    kind: RunnerKind,
) -> None:
    """A runner of another version is told of until one of both is updated."""
    await _use(hass, entry, runner, token=runner.token, kind=kind)
    with _newer_integration():
        assert await hass.config_entries.async_setup(entry.entry_id)
        (issue,) = await shown(hass)
    place = "app" if kind is RunnerKind.APP else "runner"
    assert issue.translation_key == f"{place}_version"
    assert not issue.is_fixable
    assert issue.translation_placeholders is not None
    assert "not 2" in issue.translation_placeholders["problem"]
    async_fire_time_changed(hass, utcnow() + LOOK_INTERVAL + timedelta(seconds=1))
    await gone(hass)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_handlers_of_a_runner_are_mended(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
) -> None:
    """Handlers elsewhere that may not run are told of, and mended there."""
    await set_up_repairs(hass)
    handler = runner.handler("hello.sh", "#!/bin/sh\n", mode=0o755)
    await _use(hass, entry, runner, token=runner.token)
    assert await hass.config_entries.async_setup(entry.entry_id)
    (issue,) = await shown(hass)
    client = await hass_client()
    page = await open_repair(client, issue)
    await runner.stop()
    page = await confirm(client, page)
    assert page["errors"] == {"base": "permissions_not_set"}
    assert "cannot be reached" in page["description_placeholders"]["reason"]
    await runner.start()
    assert (await confirm(client, page))["type"] == "create_entry"
    await gone(hass)
    assert handler.stat().st_mode & 0o777 == 0o700
    await hass.config_entries.async_unload(entry.entry_id)


async def test_offer_goes_away_when_the_app_is_used(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    agents: list[FakeAgent],
    form: Form,
    supervisor: FakeSupervisor,
) -> None:
    """Who sets the app up by hand is not offered it once more."""
    await supervisor.runner.start()
    supervisor.installed = supervisor.started = True
    await _discover(hass, _discovered(supervisor))
    menu = await _menu(hass, form)
    fences = await settled(hass, await _go(hass, menu, next_step_id="app"))
    result = await _open(hass, fences)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert not hass.config_entries.flow.async_progress()
    await hass.config_entries.async_unload(result["result"].entry_id)


async def _begin_step(client: Runner, runner: RunnerService) -> asyncio.Task[RunResult]:
    """Have a runner begin what takes an hour; returns who waits for its end."""
    runner.handler("sleep.sh", "#!/bin/sh\nsleep 3600\n")
    begun = asyncio.Event()
    step = StepRequest(
        run_id=f"{KEY}.0.1",
        job_key=str(KEY),
        call=HandlerCall(handler="sleep.sh", path="default"),
    )
    running = asyncio.create_task(client.run(step, lambda _: begun.set()))
    await begun.wait()
    return running


async def _write_down(hass: HomeAssistant) -> None:
    """Have the journal of the thing know of the job that runs."""
    journal = Journal(thing_directory(hass, THING))
    await journal.load()
    await journal.save(
        JobRecord(key=KEY, started_at=utcnow(), progress=JobProgress(steps=()))
    )


@pytest.mark.parametrize("loaded", [True, False])
async def test_job_ends_with_its_thing(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
    loaded: bool,
) -> None:
    """When a thing is removed, what still runs for it elsewhere is ended there."""
    await _use(hass, entry, runner, token=runner.token)
    assert await hass.config_entries.async_setup(entry.entry_id)
    running = await _begin_step(agents[-1].runner, runner)
    await _write_down(hass)
    if not loaded:
        await hass.config_entries.async_unload(entry.entry_id)
    await hass.config_entries.async_remove(entry.entry_id)
    result = await running
    assert result.outcome in (RunOutcome.STOPPED, RunOutcome.INTERRUPTED)
    assert not thing_directory(hass, THING).exists()


async def test_removal_does_not_wait_for_a_silent_runner(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
) -> None:
    """A thing can be removed after its runner is gone for good."""
    await _use(hass, entry, runner, token=runner.token)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await _write_down(hass)
    await runner.stop()
    with patch("custom_components.aws_iot_jobs.places.runners.LEAVE_SECONDS", 0.2):
        await hass.config_entries.async_remove(entry.entry_id)
    assert f"aws_iot_jobs.{THING}" not in hass_storage
    assert not thing_directory(hass, THING).exists()


async def test_job_leaves_a_runner_with_its_thing(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    entry: MockConfigEntry,
    runner: RunnerService,
) -> None:
    """What runs of a job where handlers are not to run any more is ended there."""
    await _use(hass, entry, runner, token=runner.token)
    assert await hass.config_entries.async_setup(entry.entry_id)
    running = await _begin_step(agents[-1].runner, runner)
    job = JobState(key=KEY, status=JobStatus.IN_PROGRESS)
    agents[-1].push(AgentState(connected=True, job=job))
    flow = await _go(
        hass, await entry.start_reconfigure_flow(hass), next_step_id="local"
    )
    await _go(hass, flow, **{CONF_INSTALL_SAMPLES: False})
    await hass.async_block_till_done()
    result = await running
    assert result.outcome in (RunOutcome.STOPPED, RunOutcome.INTERRUPTED)
    assert not isinstance(agents[-1].runner, RunnerClient)
