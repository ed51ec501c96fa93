"""A thing behind an HTTP proxy: its dialogs, its secrets, and what is told of the proxy."""

# ruff: noqa: PLR0917 -- fixtures are arguments

from collections.abc import AsyncIterator
from dataclasses import replace
import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.components.diagnostics import (  # type: ignore[import-untyped]
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.enrolment import EnrolmentRequest
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import NotConnectedError
from custom_components.aws_iot_jobs.aws_iot.errors import (
    ConnectError,
    ProxyLoginError,
    ProxyRefusalError,
    ProxyTlsError,
    ProxyUnreachableError,
)
from custom_components.aws_iot_jobs.aws_iot.proxy import Proxy
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ENDPOINT,
    CONF_PRIVATE_KEY,
    CONF_PROXY_HOST,
    CONF_PROXY_PASSWORD,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
    CONF_ROOT_CA,
    CONF_RUNNER,
    CONF_TEMPLATE,
    CONF_THING_NAME,
)
from custom_components.aws_iot_jobs.jobs.model import AgentState
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from ..broker import Broker
from ..certificates import CertificateAuthority, Credentials
from ..fake_jobs_service import FakeJobsService
from ..http_proxy import HOST, PASSWORD, USER, TinyProxy, opening_tls
from ..runner_service import free_port
from ..tls_servers import tls_context
from .conftest import ENDPOINT, THING
from .dialog import (
    Form,
    Upload,
    add,
    begin,
    connection,
    errors,
    submit,
    suggested,
    words,
)
from .fake_agent import FakeAgent
from .repairs import issues

PROXY = {
    CONF_PROXY_HOST: "proxy.example",
    CONF_PROXY_PORT: 8080,
    CONF_PROXY_USER: "home",
}


@pytest.fixture
async def proxy(tmp_path: Path, broker: Broker) -> AsyncIterator[TinyProxy]:
    """Run a proxy that wants a password, and lets through to the broker alone."""
    async with TinyProxy(tmp_path / "proxy", (broker.port,)) as proxy:
        yield proxy


@pytest.fixture
async def proxied(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Return the entry of a thing that has a proxy."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, **PROXY})
    await SecretStore(hass, THING).async_update({CONF_PROXY_PASSWORD: PASSWORD})
    return entry


async def _secrets(hass: HomeAssistant) -> dict[str, str]:
    return dict(await SecretStore(hass, THING).async_load())


async def test_add_through_a_proxy(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    broker: Broker,
    service: FakeJobsService,
    proxy: TinyProxy,
    flow: ConfigFlowResult,
    upload: Upload,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each way in which a proxy is in the way is told as that, at its field; then it works."""
    settings = broker.settings(THING)
    form = {
        CONF_ENDPOINT: HOST,
        CONF_PORT: settings.port,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: await upload(settings.certificate),
        CONF_PRIVATE_KEY: await upload(settings.private_key),
        CONF_ROOT_CA: await upload(settings.root_ca or b""),
        CONF_PROXY_HOST: f" HTTP://{HOST}/",
        CONF_PROXY_PORT: proxy.port,
        CONF_PROXY_USER: USER,
        CONF_PROXY_PASSWORD: PASSWORD,
    }

    result = await add(hass, flow, form | {CONF_PROXY_PASSWORD: "wrong"})
    assert errors(result) == {CONF_PROXY_USER: "proxy_login_refused"}
    told = await words(hass, result)
    assert "refuses the user or the password" in told[CONF_PROXY_USER]

    result = await add(hass, result, form | {CONF_PROXY_PORT: free_port()})
    assert errors(result) == {CONF_PROXY_HOST: "proxy_unreachable"}
    told = await words(hass, result)
    assert "connection refused" in told[CONF_PROXY_HOST]

    result = await add(hass, result, form | {CONF_PORT: 8883})
    assert errors(result) == {CONF_PORT: "proxy_refuses"}
    told = await words(hass, result)
    assert "answers 403" in told[CONF_PORT]

    office = CertificateAuthority("Office Proxy").server(HOST)
    async with opening_tls(tls_context(tmp_path, office)) as opener:
        result = await add(hass, result, form | {CONF_PROXY_PORT: opener.port})
    assert errors(result) == {CONF_PROXY_HOST: "proxy_opens_tls"}
    told = await words(hass, result)
    assert "signed by Office Proxy" in told[CONF_PROXY_HOST]

    result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {
        CONF_ENDPOINT: HOST,
        CONF_PORT: settings.port,
        CONF_THING_NAME: THING,
        CONF_CERTIFICATE: settings.certificate.decode(),
        CONF_ROOT_CA: (settings.root_ca or b"").decode(),
        CONF_RUNNER: {"kind": "local"},
        CONF_PROXY_HOST: HOST,
        CONF_PROXY_PORT: proxy.port,
        CONF_PROXY_USER: USER,
    }
    assert (await _secrets(hass))[CONF_PROXY_PASSWORD] == PASSWORD
    assert agents[-1].settings.connection.proxy == proxy.settings
    # The test's own storage tells in its log what it loads.
    ours = [
        each for each in caplog.records if each.name.startswith("custom_components")
    ]
    assert ours
    assert not [each for each in ours if PASSWORD in each.getMessage()]


@pytest.mark.parametrize(
    ("field", "entered", "error"),
    [
        (CONF_PROXY_HOST, "https://proxy.example", "invalid_proxy_host"),
        (CONF_PROXY_HOST, "home:secret@proxy.example:8080", "invalid_proxy_host"),
        (CONF_PROXY_PORT, 0, "invalid_port"),
        (CONF_PROXY_USER, "home:secret", "invalid_proxy_user"),
    ],
)
async def test_what_cannot_be_a_proxy(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    field: str,
    entered: Any,
    error: str,
) -> None:
    """It is told at its field, before anything is tried."""
    result = await submit(hass, flow, form | PROXY | {field: entered})
    assert errors(result) == {field: error}
    assert not check_connection.await_count


async def test_no_login(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """Many proxies want none, and a usual port is meant where none is entered."""
    result = await add(hass, flow, form | {CONF_PROXY_HOST: "proxy.example"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert CONF_PROXY_USER not in result["data"]
    expected = Proxy(host="proxy.example", port=3128)
    assert agents[-1].settings.connection.proxy == expected


@pytest.mark.parametrize(
    ("entered", "expected", "password"),
    [
        (PROXY, Proxy(host="proxy.example", port=8080, user="home"), PASSWORD),
        (
            {**PROXY, CONF_PROXY_PASSWORD: "another"},
            Proxy(host="proxy.example", port=8080, user="home"),
            "another",
        ),
        # A password is for one proxy, and nobody gets that of another.
        (
            {**PROXY, CONF_PROXY_HOST: "other.example"},
            Proxy(host="other.example", port=8080, user="home"),
            "",
        ),
        (
            {**PROXY, CONF_PROXY_USER: "guest"},
            Proxy(host="proxy.example", port=8080, user="guest"),
            "",
        ),
        # What was emptied is not sent.
        (
            {CONF_PROXY_HOST: "proxy.example", CONF_PROXY_PORT: 8080},
            Proxy(host="proxy.example", port=8080),
            "",
        ),
        ({CONF_PROXY_PORT: 8080}, None, ""),
        ({}, None, ""),
    ],
)
async def test_reconfigure(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    proxied: MockConfigEntry,
    agents: list[FakeAgent],
    entered: dict[str, Any],
    expected: Proxy | None,
    password: str,
) -> None:
    """The password is not shown, and stays for the same user of the same proxy alone."""
    flow = await connection(hass, proxied)
    assert suggested(flow) == {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883, **PROXY}
    form = {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883, **entered}
    result = await submit(hass, flow, form)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    used = agents[-1].settings.connection.proxy
    assert used == (expected and replace(expected, password=password))
    assert (await _secrets(hass))[CONF_PROXY_PASSWORD] == password
    assert (CONF_PROXY_HOST in proxied.data) is (expected is not None)


async def test_renewal_keeps_the_proxy(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    proxied: MockConfigEntry,
    agents: list[FakeAgent],
    upload: Upload,
    ca: CertificateAuthority,
) -> None:
    """A new certificate is tried through the proxy, which stays."""
    renewed = ca.device(THING)
    form = {
        CONF_CERTIFICATE: await upload(renewed.certificate),
        CONF_PRIVATE_KEY: await upload(renewed.private_key),
    }
    result = await submit(hass, await proxied.start_reauth_flow(hass), form)
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    expected = Proxy(host="proxy.example", port=8080, user="home", password=PASSWORD)
    assert agents[-1].settings.connection.proxy == expected
    (tried,) = check_connection.await_args_list[0].args
    assert tried.proxy == expected


async def test_enrol_through_a_proxy(
    hass: HomeAssistant,
    agents: list[FakeAgent],
    upload: Upload,
    credentials: Credentials,
) -> None:
    """The claim goes through it, and the thing from then on; a fault of it is told as that."""
    form = {
        CONF_ENDPOINT: ENDPOINT,
        CONF_TEMPLATE: "home-assistant",
        CONF_CLAIM_CERTIFICATE: await upload(credentials.certificate),
        CONF_CLAIM_PRIVATE_KEY: await upload(credentials.private_key),
        **PROXY,
        CONF_PROXY_PASSWORD: PASSWORD,
    }
    refused = NotConnectedError(ProxyLoginError("the proxy refuses the password"))

    async def enrol(request: EnrolmentRequest, _: object) -> ConnectionSettings:
        assert request.proxy is not None
        if request.proxy.password != PASSWORD:
            raise refused
        return ConnectionSettings(
            endpoint=request.endpoint,
            thing_name=THING,
            certificate=credentials.certificate,
            private_key=credentials.private_key,
            proxy=request.proxy,
        )

    with patch("custom_components.aws_iot_jobs.enrolments.enrol", enrol):
        flow = await begin(hass, "claim")
        result = await add(hass, flow, form | {CONF_PROXY_PASSWORD: "wrong"})
        assert errors(result) == {CONF_PROXY_USER: "proxy_login_refused"}
        result = await add(hass, result, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert PROXY.items() <= result["data"].items()
    assert PASSWORD not in result["data"].values()
    assert (await _secrets(hass))[CONF_PROXY_PASSWORD] == PASSWORD
    expected = Proxy(host="proxy.example", port=8080, user="home", password=PASSWORD)
    assert agents[-1].settings.connection.proxy == expected


async def test_diagnostics(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    proxied: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """They tell which proxy it is, and neither the user nor the password."""
    found = await get_diagnostics_for_config_entry(hass, hass_client, proxied)
    assert found["data"][CONF_PROXY_HOST] == "proxy.example"
    assert found["data"][CONF_PROXY_USER] == "**REDACTED**"
    assert PASSWORD not in json.dumps(found)


@pytest.mark.parametrize("kind", [ProxyLoginError, ProxyRefusalError, ProxyTlsError])
async def test_repair(
    hass: HomeAssistant, agent: FakeAgent, kind: type[ConnectError]
) -> None:
    """What does not pass by itself is a repair, until the thing is connected again."""
    agent.push(AgentState(error=kind("the proxy proxy.example:8080 is in the way")))
    (issue,) = issues(hass)
    assert issue.translation_key == "proxy"
    assert issue.translation_placeholders is not None
    problem = issue.translation_placeholders["problem"]
    assert problem == "The proxy proxy.example:8080 is in the way"
    agent.push(AgentState(connected=True))
    assert not issues(hass)


async def test_no_repair_of_what_passes(hass: HomeAssistant, agent: FakeAgent) -> None:
    """A proxy that is down comes back: the sensor and the card tell of it meanwhile."""
    error = ProxyUnreachableError("the proxy proxy.example:8080 cannot be reached")
    agent.push(AgentState(error=error))
    assert not issues(hass)
    state = hass.states.get(f"binary_sensor.{THING.replace('-', '_')}_connected")
    assert state is not None
    assert state.attributes["error"] == str(error)
