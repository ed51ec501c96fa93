"""Run the service: `python -m runner --handlers DIR --data DIR`."""

import argparse
import asyncio
import logging
from pathlib import Path
import signal
import sys

from aiohttp import web

from .local import DEFAULT_GRACE_SECONDS, LocalRunner
from .runs import Runs
from .server import load_token, make_app, serving

DEFAULT_PORT = 8099

_LOGGER = logging.getLogger("runner")


def main() -> None:
    """Serve until SIGTERM or SIGINT; then the runs are ended in an orderly way."""
    arguments = _parse()
    logging.basicConfig(
        level=arguments.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    data: Path = arguments.data
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        token = load_token(data / "token")
    except OSError as err:
        sys.exit(f"The token that clients need can be neither read nor made: {err}")
    _LOGGER.info("The token that clients need is in %s", data / "token")
    runner = LocalRunner(arguments.handlers, data / "work", grace=arguments.grace)
    runs = Runs(runner, data / "runs")
    app = make_app(runs, arguments.handlers, token, arguments.bundle)
    asyncio.run(_serve(app, arguments.host, arguments.port))


async def _serve(app: web.Application, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(app, host, port):
        _LOGGER.info("Listening on %s, port %d", host, port)
        await stop.wait()


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
        "--bundle",
        type=Path,
        metavar="FILE",
        help="where a file may be left for the client",
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
