"""Install the Debian packages that the user's handlers need."""

from collections.abc import Sequence
import logging
import os
import subprocess

_LOGGER = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 15 * 60


def install(packages: Sequence[str]) -> bool:
    """Install packages that are not there yet; tell whether all are now.

    Without them, the app serves all the same: not every handler needs them.
    """
    missing = [package for package in packages if not _is_installed(package)]
    if not missing:
        return True
    _LOGGER.info("Installing %s", " ".join(missing))
    installing = ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends")
    if _succeeds("apt-get", "update", "--quiet") and _succeeds(
        *installing, "--", *missing
    ):
        return True
    _LOGGER.error("Not all of these could be installed: %s", " ".join(missing))
    return False


def _is_installed(package: str) -> bool:
    shown = subprocess.run(
        ("dpkg-query", "-W", "-f", "${db:Status-Status}", "--", package),
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout == "installed"


def _succeeds(*command: str) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
