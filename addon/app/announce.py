"""Tell Home Assistant, through Supervisor, where the service is and what its token is.

Supervisor tells each start's message again when Home Assistant starts, so that once for
each start of the app is enough.
"""

from collections.abc import Callable
import http.client
import json
import logging
import os
from pathlib import Path
import socket
import sys
import time
from urllib.error import HTTPError
import urllib.request

_LOGGER = logging.getLogger(__name__)

SERVICE = "aws_iot_jobs"
SUPERVISOR = "http://supervisor/discovery"
TOKEN_VARIABLE = "SUPERVISOR_TOKEN"
_TIMEOUT_SECONDS = 10
_MAX_PAUSE_SECONDS = 60.0


def announce(port: int, token_file: Path, supervisor_token: str) -> None:
    """Wait for the service, and announce it until Supervisor has taken note."""
    _patiently(lambda: _is_healthy(port))
    token = token_file.read_text(encoding="ascii").strip()
    message = {
        "service": SERVICE,
        "config": {"host": socket.gethostname(), "port": port, "token": token},
    }
    request = urllib.request.Request(
        SUPERVISOR,
        data=json.dumps(message).encode(),
        headers={
            "Authorization": f"Bearer {supervisor_token}",
            "Content-Type": "application/json",
        },
    )
    _patiently(lambda: _is_taken(request))
    _LOGGER.info("Home Assistant can find this app now")


def _patiently(attempt: Callable[[], bool]) -> None:
    pause = 0.5
    while not attempt():
        time.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE_SECONDS)


def _is_healthy(port: int) -> bool:
    try:
        with _open(urllib.request.Request(f"http://127.0.0.1:{port}/health")):
            return True
    except (OSError, http.client.HTTPException):
        return False


def _is_taken(request: urllib.request.Request) -> bool:
    # Neither the message nor the answer is logged: both may have the token.
    try:
        with _open(request):
            return True
    except HTTPError as err:
        _LOGGER.warning("Supervisor does not take the announcement: %d", err.code)
    except (OSError, http.client.HTTPException) as err:
        _LOGGER.warning("Supervisor cannot be reached: %s", type(err).__name__)
    return False


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    opened: http.client.HTTPResponse = urllib.request.urlopen(
        request, timeout=_TIMEOUT_SECONDS
    )
    return opened


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    announce(int(sys.argv[1]), Path(sys.argv[2]), os.environ[TOKEN_VARIABLE])
