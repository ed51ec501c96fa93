"""What the user has set: in the app's options, or in the environment without a Supervisor."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of config.yaml; `stop_grace` is in seconds."""

    log_level: str = "info"
    extra_packages: tuple[str, ...] = ()
    stop_grace: int = 10


def read_options(file: Path, environment: Mapping[str, str]) -> Options:
    """Return the options of Supervisor's file, or where there is none, the environment's.

    Raises ValueError for a number that is none.
    """
    try:
        given: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        given = _of_environment(environment)
    return Options(
        log_level=given.get("log_level", Options.log_level),
        extra_packages=tuple(given.get("extra_packages", ())),
        stop_grace=int(given.get("stop_grace", Options.stop_grace)),
    )


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {
        name.lower(): environment[name]
        for name in ("LOG_LEVEL", "STOP_GRACE")
        if environment.get(name)
    }
    return given | {"extra_packages": environment.get("EXTRA_PACKAGES", "").split()}
