"""What a thing keeps on disk, beside its config entry."""

from collections.abc import Mapping
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .runner.removal import remove_tree

_STORAGE_VERSION = 1


class SecretStore:
    """The secrets of a thing, in a file that only Home Assistant's user can read.

    They are its private key, PEM, the token of the runner that it uses, the password of its
    proxy, and while it gets another certificate, what is kept of that, by the names of their
    fields. Config entries are readable by everybody on the machine.
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

    async def async_load(self) -> Mapping[str, str]:
        """Return the secrets that there are."""
        return await self._store.async_load() or {}

    async def async_update(self, secrets: Mapping[str, str]) -> None:
        """Keep secrets, beside those that have other names."""
        await self._store.async_save({**await self.async_load(), **secrets})

    async def async_remove(self) -> None:
        """Forget all secrets."""
        await self._store.async_remove()


def thing_directory(hass: HomeAssistant, thing_name: str) -> Path:
    """Return the directory of what the thing's jobs leave behind."""
    return Path(hass.config.path(DOMAIN, "things", thing_name))


def remove_thing_directory(hass: HomeAssistant, thing_name: str) -> None:
    """Remove what the thing's jobs have left behind. Blocks: not for the event loop."""
    remove_tree(thing_directory(hass, thing_name))


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
