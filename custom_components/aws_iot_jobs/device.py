"""A thing as a device: what it is called, where it is in AWS, where its handlers run."""

from typing import Final
from urllib.parse import quote, urlsplit

from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.translation import async_get_translations

from .aws_iot.regions import region_of
from .const import CONF_ENDPOINT, CONF_THING_NAME, DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .places.runners import RunnerSettings

_CONSOLES: Final = {
    "cn-": "console.amazonaws.cn",
    "us-gov-": "console.amazonaws-us-gov.com",
}
"""The consoles of the partitions that have their own, by how their regions begin."""

_CONSOLE: Final = "console.aws.amazon.com"


def console_url(endpoint: str, thing_name: str) -> str | None:
    """Return where the AWS console shows a thing.

    An endpoint of somebody's own domain does not say which region it is in.
    """
    if (region := region_of(endpoint)) is None:
        return None
    consoles = (host for start, host in _CONSOLES.items() if region.startswith(start))
    host = next(consoles, _CONSOLE)
    thing = quote(thing_name, safe="")
    return f"https://{region}.{host}/iot/home?region={region}#/thing/{thing}"


async def async_get_device_info(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    runner: RunnerSettings,
    *,
    version: str,
) -> DeviceInfo:
    """Return what is known of the device of a thing; `version` is the integration's."""
    thing_name = entry.data[CONF_THING_NAME]
    return DeviceInfo(
        identifiers={(DOMAIN, thing_name)},
        entry_type=DeviceEntryType.SERVICE,
        name=thing_name,
        manufacturer="Amazon Web Services",
        model="AWS IoT thing",
        # Stands behind the model, where whoever looks at the device sees it.
        model_id=await _async_get_place(hass, runner),
        sw_version=version,
        configuration_url=console_url(entry.data[CONF_ENDPOINT], thing_name),
    )


async def _async_get_place(hass: HomeAssistant, runner: RunnerSettings) -> str | None:
    """Say where the handlers run, in the language of Home Assistant."""
    words = await async_get_translations(
        hass, hass.config.language, "selector", {DOMAIN}
    )
    place = words.get(
        f"component.{DOMAIN}.selector.handlers_run.options.{runner.kind.value}"
    )
    if place is None:
        return None
    return place.replace("{address}", urlsplit(runner.url).netloc)
