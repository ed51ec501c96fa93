"""What is kept of an enrolment that is under way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEnrolment:
    """How far an enrolment has come: a key; its certificate; the thing that it is for.

    Key and certificate are PEM. There is no certificate before AWS has made one, with its
    id and token, and no thing's name before AWS has told it.
    """

    endpoint: str
    template: str
    parameters: Mapping[str, str]
    private_key: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    certificate_id: str | None = None
    ownership_token: str | None = field(default=None, repr=False)
    thing_name: str | None = None

    def is_for(self, other: Self) -> bool:
        """Tell whether another one is for the same request."""
        return (self.endpoint, self.template, self.parameters) == (
            other.endpoint,
            other.template,
            other.parameters,
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold. It has the private key in it."""
        return asdict(self) | {"parameters": dict(self.parameters)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `as_json` has made. Raises ValueError where something is missing."""
        try:
            return cls(**{each.name: kept[each.name] for each in fields(cls)})
        except KeyError as err:
            raise ValueError(f"{err} is missing") from err
