"""The probe in a Home Assistant, as a custom integration of the benchmarks' own.

`benchmark_probe: {socket: PATH}` in configuration.yaml sets it up.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from .probe import Probe

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.typing import ConfigType

DOMAIN = "benchmark_probe"


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Have the process counted in, for as long as it lasts."""
    probe = Probe()
    probe.install()
    hass.data[DOMAIN] = await probe.serve(Path(config[DOMAIN]["socket"]))
    return True
