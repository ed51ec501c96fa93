"""What is kept of an enrolment until its thing is an entry on disk, so that no crash loses it."""

from datetime import datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.storage import Store

from .aws_iot.pending_enrolment import PendingEnrolment
from .const import CONF_CERTIFICATE, CONF_PRIVATE_KEY, CONF_THING_NAME, DOMAIN
from .coordinator import AwsIotJobsConfigEntry
from .storage import SecretStore

SAVED_AFTER = timedelta(seconds=30)
"""Home Assistant saves its entries a second after they have changed, and does not tell."""

_STORAGE_VERSION = 1


class PendingEnrolmentStore:
    """The one enrolment that is under way, in a file that only Home Assistant's user can read.

    It has a private key in it, and nothing of the claim.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Name the file: not as that of any thing's secrets."""
        self._hass = hass
        self._store = Store[dict[str, Any]](
            hass,
            _STORAGE_VERSION,
            f"{DOMAIN}_enrolment",
            private=True,
            atomic_writes=True,
        )

    async def load(self) -> PendingEnrolment | None:
        """Return what is kept; what cannot be read counts as nothing."""
        kept = await self._store.async_load()
        try:
            return None if kept is None else PendingEnrolment.from_json(kept)
        except ValueError:
            return None

    async def save(self, pending: PendingEnrolment) -> None:
        """Keep this instead, and return when it is on disk. Raises OSError.

        A file that is written atomically is synchronised with the disk before it takes
        the other's place.
        """
        await self._store.async_save(pending.as_json())
        # A failure is only logged, and what Home Assistant saves when it ends is not there yet.
        if await PendingEnrolmentStore(self._hass).load() != pending:
            raise OSError("the enrolment cannot be saved")

    async def async_has(self, entry: AwsIotJobsConfigEntry) -> bool:
        """Return whether an entry comes from the enrolment that is kept."""
        kept = await self.load()
        return kept is not None and (kept.thing_name, kept.certificate) == (
            entry.data[CONF_THING_NAME],
            entry.data[CONF_CERTIFICATE],
        )

    async def async_forget(self, entry: AwsIotJobsConfigEntry) -> None:
        """Forget the enrolment that an entry comes from."""
        if await self.async_has(entry):
            await self._store.async_remove()


async def async_forget_when_saved(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry
) -> None:
    """Forget the enrolment that an entry comes from, when the entry is on disk for sure."""
    store = PendingEnrolmentStore(hass)
    if not await store.async_has(entry):
        return

    async def forget(_: datetime) -> None:
        secrets = await SecretStore(hass, entry.data[CONF_THING_NAME]).async_load()
        if secrets.get(CONF_PRIVATE_KEY):
            await store.async_forget(entry)

    entry.async_on_unload(async_call_later(hass, SAVED_AFTER, forget))
