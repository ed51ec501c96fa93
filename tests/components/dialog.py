"""The dialogs of the integration, as the page fills them in."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_INSTALL_SAMPLES,
    CONF_PRIVATE_KEY,
    DOMAIN,
)
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import (
    EVENT_DATA_ENTRY_FLOW_PROGRESSED,
    FlowResultType,
    section,
)
from homeassistant.helpers.translation import async_get_translations

SETTLE_SECONDS = 60

type Form = dict[str, Any]
"""What is entered, by field, in whatever section that is."""


class Upload(Protocol):
    """Uploads a file; returns what a form calls it."""

    def __call__(self, content: bytes, name: str = "file.pem") -> Awaitable[str]:
        """Upload."""


async def begin(hass: HomeAssistant, way: str = "certificate") -> ConfigFlowResult:
    """Begin to add a thing: with its certificate, or with a claim."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    return await begin_with(hass, menu, way)


async def begin_with(
    hass: HomeAssistant, menu: ConfigFlowResult, way: str = "certificate"
) -> ConfigFlowResult:
    """Choose the way in which a thing is added."""
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "user")
    flow = await choose(hass, menu, way)
    assert flow["type"] is FlowResultType.FORM
    assert flow["step_id"] == way
    assert not flow["errors"]
    return flow


async def enter(
    hass: HomeAssistant, flow: ConfigFlowResult, form: Mapping[str, Any]
) -> ConfigFlowResult:
    """Submit a form, each field in its section; what lasts is not waited for."""
    return await hass.config_entries.flow.async_configure(
        flow["flow_id"], in_sections(flow, form)
    )


async def settled(hass: HomeAssistant, flow: ConfigFlowResult) -> ConfigFlowResult:
    """Wait until a dialog shows no progress any more, as the page does it."""
    changed = asyncio.Event()
    unsubscribe = hass.bus.async_listen(
        EVENT_DATA_ENTRY_FLOW_PROGRESSED, callback(lambda _: changed.set())
    )
    async with asyncio.timeout(SETTLE_SECONDS):
        while flow["type"] is FlowResultType.SHOW_PROGRESS:
            flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
            if flow["type"] is FlowResultType.SHOW_PROGRESS:
                await changed.wait()
                changed.clear()
    unsubscribe()
    if flow["type"] is FlowResultType.CREATE_ENTRY:
        await hass.async_block_till_done()
    return flow


async def submit(
    hass: HomeAssistant, flow: ConfigFlowResult, form: Mapping[str, Any]
) -> ConfigFlowResult:
    """Submit a form, and wait for what comes of it."""
    return await settled(hass, await enter(hass, flow, form))


async def add(
    hass: HomeAssistant, flow: ConfigFlowResult, form: Mapping[str, Any]
) -> ConfigFlowResult:
    """Submit the form of a thing; when all is well, run handlers here."""
    result = await submit(hass, flow, form)
    if result["type"] is not FlowResultType.MENU:
        return result
    local = await choose(hass, result, "local")
    return await submit(hass, local, {CONF_INSTALL_SAMPLES: False})


async def choose(
    hass: HomeAssistant, menu: ConfigFlowResult, step_id: str
) -> ConfigFlowResult:
    """Choose in a menu."""
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": step_id}
    )


async def connection(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Begin to change how a thing connects."""
    menu = await entry.start_reconfigure_flow(hass)
    assert menu["type"] is FlowResultType.MENU
    return await choose(hass, menu, "connection")


async def enter_options(
    hass: HomeAssistant, flow: ConfigFlowResult, **options: Any
) -> ConfigFlowResult:
    """Send the form of a thing's options as the page does."""
    result = await hass.config_entries.options.async_configure(
        flow["flow_id"], in_sections(flow, options)
    )
    await hass.async_block_till_done()
    return result


def in_sections(flow: ConfigFlowResult, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page sends of a form."""
    sections = sections_of(flow)
    inside = set().union(*sections.values())
    sent: dict[str, Any] = {
        field: value for field, value in form.items() if field not in inside
    }
    for name, fields in sections.items():
        sent[name] = {field: form[field] for field in fields & form.keys()}
    return sent


def sections_of(flow: ConfigFlowResult) -> dict[str, set[str]]:
    """Return the sections of a form, and the fields in them."""
    assert flow["data_schema"] is not None
    return {
        str(key): {str(field) for field in value.schema.schema}
        for key, value in flow["data_schema"].schema.items()
        if isinstance(value, section)
    }


def errors(form: ConfigFlowResult) -> dict[str, str]:
    """Return what is wrong, by field. The page shows at a section what is wrong in it."""
    found = dict(form["errors"] or {})
    assert form["data_schema"] is not None
    for name, fields in sections_of(form).items():
        inside = {found[field] for field in fields & found.keys()}
        shown = found.pop(name, None)
        assert shown in inside if inside else shown is None
        opened = not form["data_schema"].schema[name].options["collapsed"]
        assert opened or not inside
    return found


def suggested(form: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form are filled in with."""
    assert form["data_schema"] is not None
    return _suggested(form["data_schema"].schema)


def _suggested(schema: Mapping[Any, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in schema.items():
        if isinstance(value, section):
            values |= _suggested(value.schema.schema)
        elif key.description:
            values[str(key)] = key.description["suggested_value"]
    return values


def shown_files(form: ConfigFlowResult) -> dict[str, str]:
    """Return the names of the files that a form says it has, by field."""
    return {
        name.removesuffix("_file"): shown.removeprefix("✓ ")
        for name, shown in (form["description_placeholders"] or {}).items()
        if name.endswith("_file") and shown
    }


async def private_key(hass: HomeAssistant, thing_name: str) -> bytes | None:
    """Return the private key that is stored of a thing."""
    stored = (await SecretStore(hass, thing_name).async_load()).get(CONF_PRIVATE_KEY)
    return None if stored is None else stored.encode()


async def words(
    hass: HomeAssistant, form: ConfigFlowResult, category: str = "config"
) -> dict[str, str]:
    """Return the errors of a form as a user reads them, by field."""
    translations = await async_get_translations(hass, "en", category, [DOMAIN])
    placeholders = form["description_placeholders"] or {}
    return {
        field: translations[f"component.{DOMAIN}.{category}.error.{error}"].format(
            **placeholders
        )
        for field, error in (form["errors"] or {}).items()
    }
