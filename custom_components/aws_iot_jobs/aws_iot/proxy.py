"""The HTTP proxy that a network lets its machines out through."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where a proxy is, and as whom to log in there, by Basic authentication.

    Without a `user`, nobody logs in.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Name it as people do."""
        return f"{self.host}:{self.port}"
