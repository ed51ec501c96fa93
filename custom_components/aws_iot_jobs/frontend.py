"""The dashboard card: Home Assistant serves it, and its dashboards load it by themselves.

The address by which they do ends with the card's version and a digest of it: browsers keep
what they have loaded from there for a month, and load another card at once. Without such an
end, which a person may write, they ask each time whether theirs is still the right one.
"""

from hashlib import sha256
import logging
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.hdrs import CACHE_CONTROL

from homeassistant.components.http.static import CACHE_HEADERS
from homeassistant.components.lovelace.const import CONF_RESOURCE_TYPE_WS, LOVELACE_DATA
from homeassistant.components.lovelace.resources import (
    ResourceStorageCollection,
    ResourceYAMLCollection,
)
from homeassistant.const import CONF_ID, CONF_TYPE, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.http import HomeAssistantView
from homeassistant.loader import async_get_integration

from .const import DOCUMENTATION_URL, DOMAIN

_LOGGER = logging.getLogger(__name__)

FOLDER: Final = Path(__file__).parent / "frontend"
FILE_NAME: Final = "aws-iot-jobs-card.js"
CARD_URL: Final = f"/{DOMAIN}/{FILE_NAME}"

ISSUE: Final = "card_resource"
"""The repair issue where resources are in YAML, and the card is not among them."""

_MODULE: Final = "module"


class CardView(HomeAssistantView):
    """Serves the card and its texts to all, as Home Assistant's own frontend is served."""

    name = f"{DOMAIN}:card"
    # No name of a file has what could lead elsewhere.
    url = rf"/{DOMAIN}/{{file:(?:texts/)?[A-Za-z-]+\.js(?:on)?}}"
    requires_auth = False

    async def get(self, request: web.Request, file: str) -> web.StreamResponse:
        """Return a file of the card, if there is one."""
        is_versioned = "v" in request.query
        headers = CACHE_HEADERS if is_versioned else {CACHE_CONTROL: "no-cache"}
        return web.FileResponse(FOLDER / file, headers=headers)


async def async_offer_card(hass: HomeAssistant) -> None:
    """Have dashboards load the card that is here now, and no other of ours.

    Where their resources are in YAML, a repair issue says what to write there. What goes
    wrong is logged: a thing does its jobs without a card, too.
    """
    try:
        url = await _async_url(hass)
    except OSError as err:
        _LOGGER.error(
            "There is no dashboard card, for %s cannot be read: %s. "
            "Install AWS IoT Jobs again",
            FOLDER / FILE_NAME,
            err.strerror or err,
        )
        return
    try:
        resources = hass.data[LOVELACE_DATA].resources
        if isinstance(resources, ResourceStorageCollection):
            await _async_keep(resources, url)
        else:
            _async_ask_for(hass, resources, url)
    except Exception:
        _LOGGER.exception("Dashboards cannot be told of the card")


async def async_withdraw_card(hass: HomeAssistant) -> None:
    """Have dashboards load the card no longer."""
    ir.async_delete_issue(hass, DOMAIN, ISSUE)
    resources = hass.data[LOVELACE_DATA].resources
    if isinstance(resources, ResourceStorageCollection):
        for item_id in await _async_ours(resources):
            await resources.async_delete_item(item_id)


async def _async_url(hass: HomeAssistant) -> str:
    """Return where the card is that is here now. Raises OSError where there is none."""
    integration = await async_get_integration(hass, DOMAIN)
    content = await hass.async_add_executor_job((FOLDER / FILE_NAME).read_bytes)
    return f"{CARD_URL}?v={integration.version}-{sha256(content).hexdigest()[:8]}"


async def _async_keep(resources: ResourceStorageCollection, url: str) -> None:
    """Have the card among the resources once."""
    wanted = {CONF_RESOURCE_TYPE_WS: _MODULE, CONF_URL: url}
    ours = await _async_ours(resources)
    # No wait is between this look and what follows from it: things are set up together.
    if not ours:
        await resources.async_create_item(wanted)
        return
    kept, *others = ours
    if (ours[kept][CONF_TYPE], ours[kept][CONF_URL]) != (_MODULE, url):
        await resources.async_update_item(kept, wanted)
    for item_id in others:
        await resources.async_delete_item(item_id)


async def _async_ours(
    resources: ResourceStorageCollection,
) -> dict[str, dict[str, str]]:
    """Return the resources that are ours, of whichever version, by their ids."""
    # They are read from the disk when somebody first asks for them.
    await resources.async_get_info()
    return {
        item[CONF_ID]: item
        for item in resources.async_items()
        if item[CONF_URL].partition("?")[0] == CARD_URL
    }


@callback
def _async_ask_for(
    hass: HomeAssistant, resources: ResourceYAMLCollection, url: str
) -> None:
    """Say what to write, unless it is there."""
    if any(item[CONF_URL] in (CARD_URL, url) for item in resources.async_items()):
        ir.async_delete_issue(hass, DOMAIN, ISSUE)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        ISSUE,
        is_fixable=False,
        learn_more_url=f"{DOCUMENTATION_URL}/blob/main/docs/card.md#resources-in-yaml",
        severity=ir.IssueSeverity.WARNING,
        translation_key=ISSUE,
        translation_placeholders={"url": CARD_URL},
    )
