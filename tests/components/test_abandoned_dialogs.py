"""Dialogs that are left in the middle, by a page reload for instance."""

# ruff: noqa: PLR0917 -- fixtures are arguments

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_PRIVATE_KEY,
)
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow

from ..certificates import Credentials
from .conftest import ENDPOINT, THING
from .dialog import (
    Form,
    Upload,
    add,
    begin,
    choose,
    connection,
    enter,
    settled,
    shown_files,
    submit,
    words,
)
from .fake_agent import FakeAgent


@pytest.fixture(autouse=True)
def no_agents(agents: list[FakeAgent]) -> None:
    """Let no agent connect to anything."""


class SlowCheck:
    """A check of a connection that lasts until it is told to end, or is ended.

    `begun` and `ended` count them; two at a time are not possible with one thing name.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.begun = self.ended = 0
        self.answer = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self, _: Any) -> None:
        """Check."""
        assert self.begun == self.ended
        self.begun += 1
        self._changed.set()
        try:
            await self.answer.wait()
        finally:
            # To disconnect takes a moment.
            await asyncio.sleep(0.05)
            self.ended += 1
            self._changed.set()

    async def until(self, *, begun: int, ended: int) -> None:
        """Wait for these counts."""
        async with asyncio.timeout(5):
            while (self.begun, self.ended) != (begun, ended):
                self._changed.clear()
                await self._changed.wait()


async def test_page_reload_in_mid_dialog(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """A dialog that nobody can open again does not keep the name of its thing."""
    left = await submit(hass, flow, form)
    assert left["type"] is FlowResultType.MENU
    result = await add(hass, await begin(hass), form_again)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    with pytest.raises(UnknownFlow):
        await choose(hass, left, "local")
    assert not hass.config_entries.flow.async_progress()


async def test_page_reload_in_mid_check(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
    form_again: Form,
) -> None:
    """A check that nobody waits for gives the name of its thing to the next dialog's."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    left = await enter(hass, flow, form)
    assert left["type"] is FlowResultType.SHOW_PROGRESS
    assert left["description_placeholders"] == {
        "endpoint": ENDPOINT,
        "thing_name": THING,
    }
    await check.until(begun=1, ended=0)
    again = await enter(hass, await begin(hass), form_again)
    await check.until(begun=2, ended=1)
    with pytest.raises(UnknownFlow):
        await hass.config_entries.flow.async_configure(left["flow_id"])
    check.answer.set()
    assert (await settled(hass, again))["type"] is FlowResultType.MENU
    assert check.ended == 2


async def test_dialog_that_is_ended_while_its_form_is_read(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """What it was at does not go on: it would end the dialog that has made it end."""
    entered = hass.async_create_task(enter(hass, flow, form))
    hass.config_entries.flow.async_abort(flow["flow_id"])
    assert (await entered)["reason"] == "already_in_progress"
    check_connection.assert_not_awaited()


async def test_dialog_that_is_opened_again_in_mid_check(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """A dialog that can be opened again shows that its check lasts, and then its end."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    files = {
        CONF_CERTIFICATE: await upload(credentials.certificate),
        CONF_PRIVATE_KEY: await upload(credentials.private_key),
    }
    flow = await enter(hass, await entry.start_reauth_flow(hass), files)
    await check.until(begun=1, ended=0)
    opened = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert opened["type"] is FlowResultType.SHOW_PROGRESS
    check.answer.set()
    assert (await settled(hass, opened))["reason"] == "reauth_successful"
    assert check.begun == 1
    await hass.async_block_till_done()


async def test_two_dialogs_of_a_thing(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
    upload: Upload,
    credentials: Credentials,
) -> None:
    """Of two dialogs that check one thing, the first says that the other does."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    files = {
        CONF_CERTIFICATE: await upload(credentials.certificate, "new.cert.pem"),
        CONF_PRIVATE_KEY: await upload(credentials.private_key, "new.private.key"),
    }
    first = await enter(hass, await entry.start_reauth_flow(hass), files)
    await check.until(begun=1, ended=0)
    connects = {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883}
    second = await enter(hass, await connection(hass, entry), connects)
    await check.until(begun=2, ended=1)
    first = await hass.config_entries.flow.async_configure(first["flow_id"])
    assert first["errors"] == {"base": "check_ended"}
    assert "Another dialog" in (await words(hass, first))["base"]
    assert shown_files(first) == {
        CONF_CERTIFICATE: "new.cert.pem",
        CONF_PRIVATE_KEY: "new.private.key",
    }
    check.answer.set()
    assert (await settled(hass, second))["reason"] == "reconfigure_successful"
    # There is nothing to renew any more.
    assert not hass.config_entries.flow.async_progress()
    await hass.async_block_till_done()


async def test_dialog_that_is_closed_in_mid_check(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    flow: ConfigFlowResult,
    form: Form,
) -> None:
    """No connection is left behind."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    left = await enter(hass, flow, form)
    await check.until(begun=1, ended=0)
    hass.config_entries.flow.async_abort(left["flow_id"])
    await check.until(begun=1, ended=1)
    await hass.async_block_till_done()


async def test_page_reload_while_reconfiguring(
    hass: HomeAssistant,
    check_connection: AsyncMock,
    entry: MockConfigEntry,
    agent: FakeAgent,
) -> None:
    """The next dialog ends the one before, whose check does not keep the agent away."""
    check = SlowCheck()
    check_connection.side_effect = check.run
    form = {CONF_ENDPOINT: ENDPOINT, CONF_PORT: 8883}
    left = await enter(hass, await connection(hass, entry), form)
    await check.until(begun=1, ended=0)
    lent = [agent.lent]
    again = await connection(hass, entry)
    with pytest.raises(UnknownFlow):
        await hass.config_entries.flow.async_configure(left["flow_id"])
    await check.until(begun=1, ended=1)
    assert [*lent, agent.lent] == [True, False]
    assert len(hass.config_entries.flow.async_progress()) == 1
    check.answer.set()
    assert (await submit(hass, again, form))["reason"] == "reconfigure_successful"
    assert not hass.config_entries.flow.async_progress()
    await hass.async_block_till_done()
