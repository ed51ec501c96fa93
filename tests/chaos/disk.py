"""A small disk that can be filled up."""

import contextlib
import os
from pathlib import Path
import subprocess
from typing import Self

DISK_BYTES = 512 * 1024


class SmallDisk:
    """A file system of 512 KiB in a directory, for as long as its context lasts.

    Only root may mount one: for others, the directory stays as it is, and `mounted` is
    false. Within namespaces of its own, nobody else sees it.
    """

    def __init__(self, directory: Path) -> None:
        """Take the directory; it is made."""
        self._directory = directory
        self._filler = directory / "filler"
        self.mounted = False

    def __enter__(self) -> Self:
        """Mount it, if that is possible."""
        self._directory.mkdir(parents=True, exist_ok=True)
        options = ("-t", "tmpfs", "-o", f"size={DISK_BYTES}")
        if os.geteuid() == 0:
            mount = ("mount", *options, "tmpfs", str(self._directory))
            done = subprocess.run(mount, check=False, capture_output=True)
            self.mounted = done.returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        """Unmount it."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", self._directory], check=True)

    def fill(self) -> None:
        """Leave nothing free, as a log that is written to all the time."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)


def mount_privately() -> None:
    """Have what this process mounts seen by it and its children alone, as far as it may.

    It is gone with them then, however they end.
    """
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.unshare(os.CLONE_NEWNS)
            private = ("mount", "--make-rprivate", "/")
            subprocess.run(private, check=False, capture_output=True)
