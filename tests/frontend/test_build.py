"""The dashboard card as it is built, and its tests in TypeScript."""

import os
from pathlib import Path
import re
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "custom_components" / "aws_iot_jobs" / "frontend"
CARD = "aws-iot-jobs-card.js"
MAX_BYTES = 60_000
"""What a dashboard loads of the card at once, and what of it later, each."""

_AT_ONCE = re.compile(r'\b(?:from|import)"([^"?]+\.js)\?v=\w+"')
_LATER = re.compile(r'\bimport\("([^"?]+\.js)\?v=\w+"\)')

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("frontend")]


@pytest.fixture(scope="module")
def npm() -> str:
    """Return the npm that has what the card is built from."""
    _run("scripts/setup", "--frontend")
    node = _run(
        "bash", "-c", ". scripts/lib/common.sh; . scripts/lib/node.sh; find_node"
    )
    return f"{node.strip()}/npm"


def test_the_built_card_is_that_of_the_sources(npm: str, tmp_path: Path) -> None:
    """Whoever changes the sources builds the card: `npm run build` in frontend/."""
    _run(npm, "--prefix", "frontend", "run", "build", "--", str(tmp_path / "built"))

    assert _files(tmp_path / "built") == _files(BUILT)


def test_the_parts_of_the_card_are_tested(npm: str) -> None:
    """Vitest runs the tests beside the sources."""
    assert "passed" in _run(npm, "--prefix", "frontend", "test")


def test_the_card_is_small() -> None:
    """What a dashboard loads at once is under the limit, and so is each later part."""
    sizes = {path.name: path.stat().st_size for path in BUILT.glob("*.js")}

    at_once = {CARD, *_imported(CARD)}
    assert sum(sizes[name] for name in at_once) < MAX_BYTES
    assert max(sizes.values()) < MAX_BYTES


def test_the_card_loads_nothing_from_elsewhere() -> None:
    """All that it imports lies beside it, and all that lies there is imported."""
    built = {path.name: path.read_text() for path in BUILT.glob("*.js")}

    found = {Path(name) for text in built.values() for name in _modules(text)}
    assert {path.name for path in found} | {CARD} == set(built)
    assert {path.parent for path in found} == {Path()}


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _modules(text: str) -> set[str]:
    return {*_AT_ONCE.findall(text), *_LATER.findall(text)}


def _imported(name: str) -> set[str]:
    """Return the files that come with a module, by static imports."""
    text = (BUILT / name).read_text()
    names = {Path(name).name for name in _AT_ONCE.findall(text)}
    return names.union(*map(_imported, names))


def _run(*command: str) -> str:
    """Run a program in the repository; return what it prints.

    What npm starts finds Node beside npm.
    """
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
