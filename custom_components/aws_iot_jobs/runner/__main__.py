"""Run the service: `python -m runner --handlers DIR --data DIR`."""

import argparse
import logging
import os
from pathlib import Path

from aiohttp import web

from .local import DEFAULT_GRACE_SECONDS, LocalRunner
from .runs import Runs
from .server import load_token, make_app

DEFAULT_PORT = 8099


def main() -> None:
    """Serve until SIGTERM."""
    arguments = _parse()
    logging.basicConfig(
        level=arguments.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # No access log: addresses name jobs, and health checks come all the time.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    os.umask(0o077)
    token_file = arguments.data / "token"
    token = load_token(token_file)
    logging.getLogger(__name__).info("The token that clients need is in %s", token_file)
    runner = LocalRunner(
        arguments.handlers, arguments.data / "work", grace=arguments.grace
    )
    app = make_app(Runs(runner, arguments.data / "runs"), arguments.handlers, token)
    web.run_app(
        app,
        host=arguments.host,
        port=arguments.port,
        print=None,
        handler_cancellation=True,
        shutdown_timeout=1,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="runner", description="Runs steps for others."
    )
    parser.add_argument("--host", default="0.0.0.0", help="the address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--handlers", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="for token and runs"
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=DEFAULT_GRACE_SECONDS,
        metavar="SECONDS",
        help="between SIGTERM and SIGKILL",
    )
    parser.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
