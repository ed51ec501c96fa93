"""An event loop that does nothing but tick: what the machine alone delays."""

import asyncio
from pathlib import Path
import sys

from benchmark_probe.probe import Probe


async def _main(socket: Path) -> None:
    server = await Probe().serve(socket)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
