"""The files that a user uploads in a dialog."""

from dataclasses import dataclass, field
from typing import Final

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.core import HomeAssistant

from .credential_files import MAX_FILE_BYTES

MAX_NAME_LENGTH: Final = 60
"""How much of a file's name is shown."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as it was uploaded. Of one that is too large, it has more than it may have."""

    name: str
    content: bytes = field(repr=False)

    @property
    def shown_name(self) -> str:
        """The name as it can be shown: printable, and not longer than a line."""
        name = "".join(each if each.isprintable() else "?" for each in self.name)
        if len(name) <= MAX_NAME_LENGTH:
            return name
        half = (MAX_NAME_LENGTH - 1) // 2
        return f"{name[:half]}…{name[-half:]}"


async def async_take_upload(hass: HomeAssistant, upload_id: str) -> UploadedFile | None:
    """Take what was uploaded, or return None when it is gone.

    Home Assistant gives an upload out once, and deletes it.
    """
    try:
        return await hass.async_add_executor_job(_take, hass, upload_id)
    except ValueError:
        return None


def _take(hass: HomeAssistant, upload_id: str) -> UploadedFile:
    with (
        process_uploaded_file(hass, upload_id) as path,
        path.open("rb") as file,
    ):
        return UploadedFile(path.name, file.read(MAX_FILE_BYTES + 1))
