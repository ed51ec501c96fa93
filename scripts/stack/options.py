"""The demo's command line."""

import argparse
from dataclasses import dataclass
import json
from pathlib import Path
import re

from .paths import DEMO_JOB

TIMEOUT_SECONDS = 60
MAX_HOMES = 20
"""Each is a Home Assistant of its own, with 300 MB of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job to create: its ID and its document, JSON."""

    job_id: str
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for.

    With `json` and not `once` a program uses the demo, and makes jobs of its own. `fleet` is
    how many homes are enrolled; without, there is one thing that is added by hand.
    """

    once: bool
    json: bool
    fleet: int | None
    handlers: Path | None
    jobs: tuple[Job, ...]
    timeout: float


def read_options() -> Options:
    """Return what the command line says. Ends the program if that makes no sense."""
    parser = _parser()
    given = parser.parse_args()
    if given.fleet is not None and given.json and not given.once:
        parser.error("--fleet: with --json it needs --once, too")
    own_jobs = [DEMO_JOB] if given.once or not given.json else []
    try:
        jobs = tuple(
            _job(number, path)
            for number, path in enumerate(given.document or own_jobs, 1)
        )
    except (OSError, ValueError) as err:
        parser.error(f"--document: {err}")
    return Options(
        once=given.once,
        json=given.json,
        fleet=given.fleet,
        handlers=given.handlers and given.handlers.absolute(),
        jobs=jobs,
        timeout=given.timeout,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Start a local AWS and a Home Assistant with the integration, create a job "
        "in the one and watch it run in the other.",
    )
    parser.add_argument(
        "--once", action="store_true", help="end when the jobs have ended"
    )
    parser.add_argument(
        "--fleet",
        type=_number_of_homes,
        metavar="N",
        help="make the stack of a fleet, enrol so many Home Assistants with its claim, and "
        "create the job for all of them",
    )
    parser.add_argument(
        "--handlers",
        type=Path,
        metavar="DIR",
        help="the handler directory of the integration",
    )
    parser.add_argument(
        "--document",
        type=Path,
        action="append",
        metavar="FILE",
        help="a job document to run instead of the demo's own; may be given more than once",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="write one line of JSON for each job with --once; without, a single one when "
        "all is ready, which says where it is, and make no job",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="how long a job may take with --once (%(default)g)",
    )
    return parser


def _number_of_homes(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_HOMES:
        raise argparse.ArgumentTypeError(f"from 1 to {MAX_HOMES} homes")
    return number


def _job(number: int, path: Path) -> Job:
    """Read a job document. Raises OSError or ValueError if it is none that AWS would take."""
    document = path.read_text()
    try:
        json.loads(document)
    except ValueError as err:
        raise ValueError(f"{path} is not JSON: {err}") from None
    name = re.sub(r"[^a-zA-Z0-9_-]+", "-", path.stem)[:50]
    return Job(job_id=f"{name}-{number}", document=document)
