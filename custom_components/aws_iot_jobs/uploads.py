"""The files that a user uploads in a config flow."""

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.core import HomeAssistant

from .credential_files import MAX_FILE_BYTES


class Uploads:
    """Contents of uploaded files, for as long as a flow lasts.

    Home Assistant gives a file out once and deletes it, while a form that had a fault
    comes back with the same file.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._contents: dict[str, bytes] = {}

    async def async_read(self, hass: HomeAssistant, upload_id: str) -> bytes | None:
        """Return an uploaded file, or None when it is gone.

        Of a file that is too large, that is more than it may have.
        """
        if upload_id not in self._contents:
            try:
                content = await hass.async_add_executor_job(_take, hass, upload_id)
            except ValueError:
                return None
            self._contents[upload_id] = content
        return self._contents[upload_id]


def _take(hass: HomeAssistant, upload_id: str) -> bytes:
    with (
        process_uploaded_file(hass, upload_id) as path,
        path.open("rb") as file,
    ):
        return file.read(MAX_FILE_BYTES + 1)
