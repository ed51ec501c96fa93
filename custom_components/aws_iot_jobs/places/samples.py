"""The sample handlers that come with this integration. Blocks: not for the event loop."""

import os
from pathlib import Path

_INTEGRATION = Path(__file__).resolve().parents[1]
_MODE = 0o700


def install_samples(directory: Path) -> None:
    """Put the sample handlers into a handler directory.

    They get mode 700. What is there already is left alone. Raises OSError.
    """
    source = _source()
    for folder, folders, files in source.walk():
        target = directory / folder.relative_to(source)
        for name in folders:
            (target / name).mkdir(mode=_MODE, exist_ok=True)
        for name in files:
            _copy(folder / name, target / name)


def _source() -> Path:
    """Return where the samples are: in a release within the integration, else in the checkout."""
    released = _INTEGRATION / "handlers"
    if released.is_dir() or not (_INTEGRATION.parents[1] / "hacs.json").is_file():
        return released
    return _INTEGRATION.parents[1] / "handlers"


def _copy(source: Path, target: Path) -> None:
    """Copy a file, unless there is one already."""
    content = source.read_bytes()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        file = os.open(target, flags, _MODE)
    except FileExistsError:
        return
    with os.fdopen(file, "wb") as opened:
        os.fchmod(file, _MODE)
        opened.write(content)
