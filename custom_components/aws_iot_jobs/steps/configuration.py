"""What is wrong with Home Assistant's YAML configuration, in words that may leave it."""

from collections.abc import Iterable
from dataclasses import dataclass
import re
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.check_config import (
    CheckConfigError,
    async_check_ha_config_file,
)

_FOUND: Final = re.compile(
    r"""(, got |invalid key: )(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|.+?)(?=, please check |$)""",
    re.MULTILINE,
)
"""What Home Assistant quotes of a configuration that is wrong: it may be a password."""
_NOT_TOLD: Final = r"\1a value that is not told here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What Home Assistant's own check says.

    With an error, Home Assistant would not come up again. What it only warns of, it leaves
    out.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """Why nothing can be done with the configuration, if so."""
        if not self.errors:
            return None
        return f"the configuration is not valid: {'; '.join(self.errors)}"


async def async_check_configuration(hass: HomeAssistant) -> Checked:
    """Check the configuration as it is on disk now."""
    found = await async_check_ha_config_file(hass)
    return Checked(errors=_texts(found.errors), warnings=_texts(found.warnings))


def _texts(found: Iterable[CheckConfigError]) -> tuple[str, ...]:
    """Return each as one line, without what the configuration holds."""
    return tuple(" ".join(_FOUND.sub(_NOT_TOLD, one.message).split()) for one in found)
