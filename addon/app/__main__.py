"""Prepare the container, and become the service. Started by tini, as the image says."""

import logging
import os
from pathlib import Path
import subprocess
import sys
from typing import NoReturn

from . import announce
from .options import Options, read_options
from .packages import install
from .samples import seed

PORT = 8099
DATA = Path("/data")
HANDLERS = Path("/config/handlers")
BUNDLE = Path("/share/aws_iot_jobs.json")
SAMPLES = Path(__file__).parent.parent / "handlers"

_LOGGER = logging.getLogger(__name__)


def main() -> NoReturn:
    """Prepare, announce, serve."""
    options = read_options(DATA / "options.json", os.environ)
    logging.basicConfig(
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        seed(SAMPLES, HANDLERS, DATA / "samples.json")
    except OSError as err:
        _LOGGER.error("The sample handlers cannot be installed: %s", err)
    install(options.extra_packages)
    if announce.TOKEN_VARIABLE in os.environ:
        _start_announcing()
        del os.environ[announce.TOKEN_VARIABLE]
    _serve(options)


def _start_announcing() -> None:
    # By a shell that ends at once: so it becomes a child of tini, which reaps it.
    module = (sys.executable, "-m", announce.__name__, str(PORT), str(DATA / "token"))
    subprocess.run(("/bin/sh", "-c", '"$@" &', "sh", *module), check=True)


def _serve(options: Options) -> NoReturn:
    os.execv(
        sys.executable,
        (
            *(sys.executable, "-m", "runner", "--port", str(PORT)),
            *(
                "--handlers",
                str(HANDLERS),
                "--data",
                str(DATA),
                "--bundle",
                str(BUNDLE),
            ),
            *("--grace", str(options.stop_grace), "--log-level", options.log_level),
        ),
    )


if __name__ == "__main__":
    main()
