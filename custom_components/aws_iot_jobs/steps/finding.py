"""What a check finds."""

from dataclasses import dataclass
from typing import Final, Self

LOOK_SECONDS: Final = 10.0
"""How long something that is asked may take to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whether one thing holds, and what was found, in a sentence that names it."""

    holds: bool
    text: str

    @classmethod
    def held(cls, name: str, found: str) -> Self:
        """Return that something holds."""
        return cls(holds=True, text=f"{name}: {found}")

    @classmethod
    def not_held(cls, name: str, found: str) -> Self:
        """Return that something does not hold."""
        return cls(holds=False, text=f"{name}: {found}")
