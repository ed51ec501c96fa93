"""What can be wrong with what a user enters."""

from collections.abc import Iterable, Mapping
from typing import Self


class InvalidInputError(Exception):
    """Something that was entered cannot be used.

    `errors` has the key of a translated error for each field that is concerned ("base"
    for none in particular), `placeholders` what the translations need to be told.
    """

    def __init__(self, errors: Mapping[str, str], **placeholders: str) -> None:
        """Name what is wrong, by field."""
        super().__init__(
            ", ".join(f"{field}: {error}" for field, error in errors.items())
        )
        self.errors = dict(errors)
        self.placeholders = placeholders

    @classmethod
    def of(cls, faults: Iterable[Self]) -> Self:
        """Return one error that tells of several."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        for fault in faults:
            errors |= fault.errors
            placeholders |= fault.placeholders
        return cls(errors, **placeholders)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """Return the same about fields that have other names."""
        errors = {
            names.get(field, field): error for field, error in self.errors.items()
        }
        return type(self)(errors, **self.placeholders)
