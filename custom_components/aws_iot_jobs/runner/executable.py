"""A file that is to be run, and which one it was when it was looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .model import RunRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """A file to run, and which one it was when it was looked at."""

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the file at an absolute path. Raises OSError."""
        found = path.stat()
        return cls(path=path, device=found.st_dev, inode=found.st_ino)

    def require_unchanged(self) -> None:
        """Require that it is still that file. Raises RunRefusedError, OSError."""
        if Executable.at(self.path) != self:
            raise RunRefusedError(f"{self.path} was replaced while it was looked at")
