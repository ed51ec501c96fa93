"""Put the sample handlers into the handler directory, where they are the user's to change.

A list of what was put there before tells which are as they were, and may be replaced by a
newer version. What the user has changed, or removed, stays so.
"""

import hashlib
import json
import logging
from pathlib import Path

_LOGGER = logging.getLogger(__name__)


def seed(samples: Path, directory: Path, list_file: Path) -> list[str]:
    """Install or renew the samples, mode 700; return the names of those that were.

    Raises OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    seeded = _read(list_file)
    changed = []
    for sample in sorted(samples.rglob("*")):
        if not sample.is_file():
            continue
        name = str(sample.relative_to(samples))
        content = sample.read_bytes()
        if _may_be_written(directory / name, content, seeded.get(name)):
            _write(directory, name, content)
            seeded[name] = _digest(content)
            changed.append(name)
    if changed:
        _replace(list_file, json.dumps(seeded, indent=1).encode(), 0o600)
        _LOGGER.info("Installed %s in %s", ", ".join(changed), directory)
    return changed


def _may_be_written(file: Path, content: bytes, seeded: str | None) -> bool:
    if file.is_symlink():
        return False
    if not file.exists():
        return seeded is None
    if not file.is_file():
        return False
    found = _digest(file.read_bytes())
    return found == seeded and found != _digest(content)


def _write(directory: Path, name: str, content: bytes) -> None:
    file = directory / name
    for folder in reversed(file.relative_to(directory).parents[:-1]):
        (directory / folder).mkdir(mode=0o700, exist_ok=True)
    _replace(file, content, 0o700)


def _replace(file: Path, content: bytes, mode: int) -> None:
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(file)


def _read(list_file: Path) -> dict[str, str]:
    try:
        seeded = json.loads(list_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return seeded if isinstance(seeded, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
