"""The directory that the steps of one job share, for as long as the job lasts."""

import os
from pathlib import Path

from .model import RunRefusedError
from .removal import remove_tree
from .users import User

VARIABLE = "AWS_IOT_JOBS_DIR"
"""The environment variable that tells a step where it is."""


def job_directory(work_directory: Path, job_key: str) -> Path:
    """Return where the directory of a job is. Raises ValueError for a key that is no name."""
    if job_key in ("", ".", "..") or "/" in job_key or "\0" in job_key:
        raise ValueError(f"{job_key!r} cannot name a directory")
    return work_directory / job_key


def make_job_directory(work_directory: Path, job_key: str, user: User) -> Path:
    """Make the directory of a job, if it is not there yet, for a step that runs as `user`.

    Blocks: not for an event loop. Raises RunRefusedError when it cannot be made.
    """
    directory = job_directory(work_directory, job_key)
    try:
        work_directory.mkdir(parents=True, exist_ok=True)
        # Whatever the umask: other users may pass, to a directory that they know.
        work_directory.chmod(0o711)
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(directory, user.uid, user.gid)
        elif user.uid != os.geteuid():
            directory.chmod(0o1777)
    except OSError as err:
        raise RunRefusedError(f"cannot make {directory}: {err.strerror}") from err
    return directory


def remove_job_directory(work_directory: Path, job_key: str) -> None:
    """Remove the directory of a job with all that is in it. Blocks, as above.

    What is mounted there stays.
    """
    remove_tree(job_directory(work_directory, job_key))
