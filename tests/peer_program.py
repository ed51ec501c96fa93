"""Another jobs agent, for the benchmarks: what it gets is in its arguments and environment."""

import os
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "programs"))

from floor import Floor

_NAMES = (
    "endpoint",
    "port",
    "thing_name",
    "certificate",
    "private_key",
    "root_ca",
    "handlers",
    "directory",
)

if __name__ == "__main__":
    given = dict(zip(_NAMES, sys.argv[1:], strict=True))
    assert given == {name: os.environ[f"BENCH_{name.upper()}"] for name in _NAMES}
    assert Path(given["directory"]) == Path.cwd()
    files = ("certificate", "private_key", "root_ca")
    pem = {name: Path(given[name]).read_text() for name in files}
    Floor({**given, **pem, "port": int(given["port"]), "no_delay": False}).run()
