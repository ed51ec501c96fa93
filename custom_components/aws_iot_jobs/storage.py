"""What a thing keeps on disk, beside its config entry."""

from pathlib import Path
import shutil

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .const import CONF_PRIVATE_KEY, DOMAIN

_STORAGE_VERSION = 1


class PrivateKeyStore:
    """The private key of a thing, in a file that only Home Assistant's user can read.

    Config entries are readable by everybody on the machine.
    """

    def __init__(self, hass: HomeAssistant, thing_name: str) -> None:
        """Name the thing."""
        self._store = Store[dict[str, str]](
            hass,
            _STORAGE_VERSION,
            f"{DOMAIN}.{thing_name}",
            private=True,
            atomic_writes=True,
        )

    async def async_load(self) -> str | None:
        """Return the key as PEM, or None where there is none."""
        data = await self._store.async_load()
        return None if data is None else data.get(CONF_PRIVATE_KEY)

    async def async_save(self, private_key: str) -> None:
        """Keep a key, PEM."""
        await self._store.async_save({CONF_PRIVATE_KEY: private_key})

    async def async_remove(self) -> None:
        """Forget the key."""
        await self._store.async_remove()


def thing_directory(hass: HomeAssistant, thing_name: str) -> Path:
    """Return the directory of what the thing's jobs leave behind."""
    return Path(hass.config.path(DOMAIN, "things", thing_name))


def remove_thing_directory(hass: HomeAssistant, thing_name: str) -> None:
    """Remove what the thing's jobs have left behind. Blocks: not for the event loop."""
    shutil.rmtree(thing_directory(hass, thing_name), ignore_errors=True)


def default_handler_directory(hass: HomeAssistant) -> Path:
    """Return where handlers are, unless a user says otherwise."""
    return Path(hass.config.path(DOMAIN, "handlers"))


def make_default_handler_directory(hass: HomeAssistant, directory: Path) -> None:
    """Make the handler directory if it is the default one and absent.

    A directory of the user's own is the user's to make. Blocks: not for the event loop.
    Raises OSError.
    """
    if directory == default_handler_directory(hass) and not directory.exists():
        directory.parent.mkdir(exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
