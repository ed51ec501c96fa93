"""Connections of many things in one process, which do nothing: what agents cost at least.

It is given a file with its settings.
"""

import json
from pathlib import Path
import signal
import sys

from floor import Floor

if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_bytes())
    kept = [Floor(thing) for thing in given["things"]]
    signal.pause()
