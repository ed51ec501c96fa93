"""What a user has entered into the form of a thing or of a claim, over all its submissions.

A form that had a fault comes back. By then Home Assistant has given out the uploads, and the
page has forgotten their names: both are kept here. What is wrong is forgotten.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from homeassistant.core import HomeAssistant

from .bundle import Bundle, fitting, read_bundle
from .const import (
    CONF_BUNDLE,
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_THING_NAME,
)
from .errors import InvalidInputError
from .uploads import UploadedFile, async_take_upload

FILE_FIELDS: Final = (
    CONF_BUNDLE,
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ROOT_CA,
)


class ThingForm:
    """What has been entered: texts by their fields, and files by theirs."""

    def __init__(self, shown: Mapping[str, Any], thing_name: str | None = None) -> None:
        """Begin with what the form is filled in with at first, for a known thing perhaps."""
        self.texts = dict(shown)
        self.files: dict[str, UploadedFile] = {}
        self._thing_name = thing_name
        self._uploads: dict[str, UploadedFile] = {}

    async def async_take(
        self, hass: HomeAssistant, entered: Mapping[str, Any], fields: Collection[str]
    ) -> None:
        """Take a submission of a form that has these fields.

        A bundle fills in what it has; what the user has entered since the form was shown
        counts more. Raises InvalidInputError for all files at once, and takes the others.
        """
        faults: list[InvalidInputError] = []
        uploads = await self._async_take_uploads(hass, entered, faults)
        bundle = await self._async_open_uploaded(hass, uploads, fields, faults)
        texts = {field: entered[field] for field in entered if field not in FILE_FIELDS}
        changed = {
            field: text
            for field, text in texts.items()
            if text and text != self.texts.get(field)
        }
        filled = {field: bundle.texts[field] for field in fields & bundle.texts.keys()}
        self.texts = texts | filled | changed
        self.files = {**self.files, **bundle.files, **uploads}
        if faults:
            raise InvalidInputError.of(faults)

    async def async_fill(
        self, hass: HomeAssistant, bundle: UploadedFile, fields: Collection[str]
    ) -> None:
        """Fill in what a bundle has for a form with these fields. Raises InvalidInputError."""
        found = await self._async_open(hass, bundle, fields)
        self.texts |= {
            field: found.texts[field] for field in fields & found.texts.keys()
        }
        self.files |= {CONF_BUNDLE: bundle, **found.files}

    def forget_files(self, fields: Iterable[str]) -> None:
        """Forget files with which something is wrong."""
        for field in fields:
            self.files.pop(field, None)

    def values(self) -> dict[str, Any]:
        """Return texts, and the contents of files, by their fields."""
        files = {
            field: file.content
            for field, file in self.files.items()
            if field != CONF_BUNDLE
        }
        return self.texts | files

    def file_names(self) -> dict[str, str]:
        """Return the placeholders that tell which files are here already."""
        return {
            f"{field}_file": f"✓ {self.files[field].shown_name}"
            if field in self.files
            else ""
            for field in FILE_FIELDS
        }

    async def _async_open_uploaded(
        self,
        hass: HomeAssistant,
        uploads: dict[str, UploadedFile],
        fields: Collection[str],
        faults: list[InvalidInputError],
    ) -> Bundle:
        """Return what an uploaded bundle has. One that is of no use here is dropped."""
        if (file := uploads.get(CONF_BUNDLE)) is None:
            return Bundle()
        try:
            return await self._async_open(hass, file, fields)
        except InvalidInputError as fault:
            faults.append(fault)
            del uploads[CONF_BUNDLE]
            return Bundle()

    async def _async_open(
        self, hass: HomeAssistant, file: UploadedFile, fields: Collection[str]
    ) -> Bundle:
        """Return what a bundle has for a form with these fields. Raises InvalidInputError."""
        bundle = fitting(await hass.async_add_executor_job(read_bundle, file), fields)
        self._check_thing(bundle)
        return bundle

    async def _async_take_uploads(
        self,
        hass: HomeAssistant,
        entered: Mapping[str, Any],
        faults: list[InvalidInputError],
    ) -> dict[str, UploadedFile]:
        """Return what was uploaded, also what has been given out before."""
        taken: dict[str, UploadedFile] = {}
        for field in FILE_FIELDS:
            if not (upload_id := entered.get(field)):
                continue
            file = self._uploads.get(upload_id) or await async_take_upload(
                hass, upload_id
            )
            if file is None:
                faults.append(InvalidInputError({field: "upload_again"}))
            else:
                taken[field] = self._uploads[upload_id] = file
        return taken

    def _check_thing(self, bundle: Bundle) -> None:
        other = bundle.texts.get(CONF_THING_NAME)
        if self._thing_name and other and other != self._thing_name:
            raise InvalidInputError(
                {CONF_BUNDLE: "bundle_of_another_thing"}, other_thing=other
            )
