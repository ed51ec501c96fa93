"""Start ministack with its MQTT listener on loopback too.

Runs in ministack's own environment. Its BIND_HOST is for the HTTP listener alone; that for
MQTT asks for all interfaces, and a local AWS has no business there.
"""

from asyncio.base_events import BaseEventLoop
from typing import Any

from ministack.app import main

ALL_INTERFACES = "0.0.0.0"
LOOPBACK = "127.0.0.1"

_create_server = BaseEventLoop.create_server


async def _create_server_on_loopback(
    loop: BaseEventLoop, factory: Any, host: Any = None, *args: Any, **options: Any
) -> Any:
    host = LOOPBACK if host == ALL_INTERFACES else host
    return await _create_server(loop, factory, host, *args, **options)


BaseEventLoop.create_server = _create_server_on_loopback  # type: ignore[assignment]
main()
