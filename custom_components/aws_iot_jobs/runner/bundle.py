"""The bundle that whoever sets up a machine has left for the client of the service.

It is handed over as it is: what is in it is for the client to know. Blocks: not for an event
loop.
"""

import errno
import os
from pathlib import Path
import stat

MAX_BYTES = 1024 * 1024
"""How much a bundle may have."""


def read_bundle(file: Path) -> bytes:
    """Return what a file has; of one that is too large, a byte more than it may have.

    Links are not followed, and what is no file is not waited for. Raises OSError.
    """
    descriptor = os.open(
        file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    )
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(file))
        # What cannot be opened so, as a folder, would stay open.
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
